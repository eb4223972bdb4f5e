//! Takes in one line after the other.

use std::sync::Arc;

use flashsale_domain::outcome::Outcome;
use uuid::Uuid;

use super::{Attempt, Facts, Key, Moment, Schedule, Told};
use crate::history::{Asked, Entry, EventSource, Line};

impl Facts {
    /// Takes in a line of the file that was begun last.
    pub fn add(&mut self, line: Line) {
        self.lines += 1;
        let moment = Moment {
            us: line.us,
            at: line.at,
        };
        match line.entry {
            entry @ (Entry::Buy { .. } | Entry::Answer { .. }) => self.buy(moment, entry),
            entry @ (Entry::Sale { .. } | Entry::Clock { .. } | Entry::Stock { .. }) => {
                self.reading(moment, entry);
            }
            entry @ (Entry::Event { .. } | Entry::Poll { .. }) => self.told(moment, entry),
            // What the load took for an outcome follows from what it was told.
            Entry::Start { .. }
            | Entry::Socket { .. }
            | Entry::Outcome { .. }
            | Entry::End { .. } => {}
        }
    }

    fn buy(&mut self, moment: Moment, entry: Entry) {
        match entry {
            Entry::Buy {
                buy,
                user,
                key,
                sale,
                product,
                ..
            } => {
                self.requests += 1;
                let product = self.name(&product);
                let products = self.products.entry(sale.clone()).or_default();
                products.insert(Arc::clone(&product));
                let key = Key {
                    sale: self.name(&sale),
                    user: user.into(),
                    text: key.into(),
                };
                self.sent(&key);
                if let Some(run) = self.runs.last_mut() {
                    run.sent(
                        buy,
                        Attempt {
                            key,
                            product,
                            sent: moment,
                        },
                    );
                }
            }
            Entry::Answer {
                buy,
                status,
                job,
                replayed,
                kind,
                ..
            } => {
                self.answered(moment, buy, status, job, kind.as_deref());
                self.replays += u64::from(replayed);
            }
            _ => {}
        }
    }

    fn reading(&mut self, moment: Moment, entry: Entry) {
        match entry {
            Entry::Sale {
                sale,
                opens_at,
                closes_at,
                products,
                ..
            } => {
                for offer in products {
                    self.stock_told(EventSource::Sales, &offer.product, offer.stock, None);
                    let product = self.name(&offer.product);
                    self.products
                        .entry(sale.clone())
                        .or_default()
                        .insert(product);
                }
                if let Some(run) = self.runs.last_mut() {
                    let schedule = Schedule {
                        us: moment.us,
                        opens_at,
                        closes_at,
                    };
                    run.schedules.entry(sale).or_default().push(schedule);
                }
            }
            Entry::Clock {
                sent_us,
                redis_at,
                source,
            } => {
                if let Some(run) = self.runs.last_mut() {
                    run.clock
                        .add(sent_us, moment.us, redis_at, source == Asked::Gateway);
                }
            }
            Entry::Stock {
                source,
                product,
                stock,
                version,
                ..
            } => {
                self.stock_told(source, &product, Some(stock), version);
            }
            _ => {}
        }
    }

    fn told(&mut self, moment: Moment, entry: Entry) {
        match entry {
            Entry::Event {
                source,
                listener,
                user,
                sale,
                product,
                job,
                outcome,
                order,
            } => {
                self.events += 1;
                let sale = sale.map(|sale| self.name(&sale));
                let product = self.name(&product);
                self.confirmed_by(source, job, outcome, &product);
                let how = how_heard(source);
                let facts = self.jobs.entry(job).or_default();
                facts.tell(Told {
                    outcome,
                    order,
                    at: moment.at,
                    how,
                    sale,
                    product: Some(product),
                });
                for user in listener.into_iter().chain(user) {
                    facts.hear(&user, how);
                }
            }
            Entry::Poll {
                source,
                job,
                asked_as,
                status,
                state,
                order,
                ..
            } => {
                self.polls += 1;
                let how = match source {
                    Asked::Redis => "its record",
                    Asked::Gateway => "GET /orders",
                };
                let facts = self.jobs.entry(job).or_default();
                if let (Some(user), Some(200)) = (asked_as, status) {
                    facts.hear(&user, how);
                }
                if let Some(outcome) = state.as_deref().and_then(Outcome::of_status) {
                    facts.tell(Told {
                        outcome,
                        order,
                        at: moment.at,
                        how,
                        sale: None,
                        product: None,
                    });
                }
            }
            _ => {}
        }
    }

    fn answered(
        &mut self,
        heard: Moment,
        buy: u64,
        status: Option<u16>,
        job: Option<Uuid>,
        kind: Option<&str>,
    ) {
        self.answers += u64::from(status.is_some());
        let Some(run) = self.runs.last_mut() else {
            return;
        };
        let Some(attempt) = run.answered(buy, heard, status, job) else {
            return;
        };
        if kind == Some("sold-out") {
            *self.turned_away.entry(attempt).or_default() += 1;
        }
    }

    /// Counts a confirmation that a settled batch told first.
    fn confirmed_by(&mut self, source: EventSource, job: Uuid, outcome: Outcome, product: &str) {
        if source != EventSource::Redis || outcome != Outcome::Confirmed {
            return;
        }
        let facts = self.jobs.entry(job).or_default();
        if std::mem::replace(&mut facts.is_counted, true) {
            return;
        }
        let run = self.runs.len();
        let heard = self.stock.entry(product.to_owned()).or_default();
        let version = heard.last_version.get(&run).copied();
        if let Some(counted) = version.and_then(|version| heard.versions.get_mut(&version)) {
            counted.1 += 1;
        }
    }

    fn stock_told(
        &mut self,
        source: EventSource,
        product: &str,
        stock: Option<i64>,
        version: Option<i64>,
    ) {
        let Some(stock) = stock else {
            return;
        };
        let run = self.runs.len();
        let heard = self.stock.entry(product.to_owned()).or_default();
        heard.least = Some(heard.least.map_or(stock, |least| least.min(stock)));
        if heard.versions.is_empty() && version.is_none() {
            heard.first = heard.first.or(Some(stock));
        }
        if let Some(version) = version {
            heard.versions.entry(version).or_insert((stock, 0));
            heard.last_version.insert(run, version);
        } else if let Some(before) = heard.last.insert((run, source), stock) {
            *heard.rises.entry(source).or_default() += (stock - before).max(0);
        }
    }
}

fn how_heard(source: EventSource) -> &'static str {
    match source {
        EventSource::Socket => "an event on a socket",
        EventSource::Redis | EventSource::Sales => "an event in Redis",
    }
}
