//! Violations, each planted into a sale that keeps the laws.

use flashsale_domain::outcome::Outcome;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use uuid::Uuid;

use super::model::{BEGAN, Made, SALE, record};
use crate::{
    check::{
        facts::StockHeard,
        stores::{Letter, Order, Unsettled},
        verdict::{Law, Verdict, Violation},
    },
    history::{Asked, Ending, Entry, EventSource},
};

/// What must be found: the law, and what the row must name.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) law: Law,
    pub(super) names: Names,
}

#[derive(Debug)]
pub(super) enum Names {
    Job(Uuid),
    Key(String),
    Product(String),
    User(String),
    Sale,
}

impl Expected {
    pub(super) fn is_in(&self, verdict: &Verdict) -> bool {
        verdict.violations.iter().any(|row| self.is(row))
    }

    fn is(&self, row: &Violation) -> bool {
        row.law == self.law
            && match &self.names {
                Names::Job(job) => row.subject.job == Some(*job),
                Names::Key(key) => row.subject.key.as_ref() == Some(key),
                Names::Product(product) => row.subject.product.as_ref() == Some(product),
                Names::User(user) => row.subject.user.as_ref() == Some(user),
                Names::Sale => row.subject.sale.as_deref() == Some(SALE),
            }
    }
}

/// Plants something; none where the sale has nothing to plant it into.
pub(super) type Plant = fn(&mut Made, &mut StdRng) -> Option<Expected>;

/// Every kind, by name.
pub(super) const PLANTS: &[(&str, Plant)] = &[
    ("order_deleted", order_deleted),
    ("order_of_a_rejected_job", order_of_a_rejected_job),
    ("unit_appeared", unit_appeared),
    ("unit_vanished", unit_vanished),
    ("negative_stock_in_the_ledger", negative_stock_in_the_ledger),
    ("negative_stock_told", negative_stock_told),
    ("row_counts_wrong", row_counts_wrong),
    ("beyond_limit", beyond_limit),
    ("two_outcomes_by_events", two_outcomes_by_events),
    ("two_outcomes_by_poll", two_outcomes_by_poll),
    ("two_orders_told", two_orders_told),
    ("record_overwritten", record_overwritten),
    (
        "confirmed_with_anothers_order",
        confirmed_with_anothers_order,
    ),
    ("never_ended", never_ended),
    ("queued_in_no_lane", queued_in_no_lane),
    ("left_in_its_lane", left_in_its_lane),
    ("unreadable_record", unreadable_record),
    ("buried_though_it_ended", buried_though_it_ended),
    ("decided_twice", decided_twice),
    ("told_another_rejection", told_another_rejection),
    ("key_with_two_jobs", key_with_two_jobs),
    ("job_of_two_keys", job_of_two_keys),
    ("two_orders_of_a_key", two_orders_of_a_key),
    ("two_orders_of_a_job", two_orders_of_a_job),
    ("number_told_twice", number_told_twice),
    ("confirmed_by_redis_alone", confirmed_by_redis_alone),
    ("stock_differs_at_one_version", stock_differs_at_one_version),
    ("redis_ahead_of_the_ledger", redis_ahead_of_the_ledger),
    ("rejection_not_in_the_ledger", rejection_not_in_the_ledger),
    ("accepted_before_the_opening", accepted_before_the_opening),
    ("accepted_after_the_closing", accepted_after_the_closing),
    ("heard_on_anothers_socket", heard_on_anothers_socket),
    ("event_to_another", event_to_another),
    ("shown_to_another", shown_to_another),
    ("order_of_another_shopper", order_of_another_shopper),
    ("record_of_another_shopper", record_of_another_shopper),
    ("key_left_behind", key_left_behind),
    ("not_registered", not_registered),
    ("registered_without_record", registered_without_record),
    ("rejections_left_behind", rejections_left_behind),
    ("paid_without_its_order", paid_without_its_order),
    ("overtaken", overtaken),
];

// What is planted with, or into.

#[expect(clippy::unnecessary_wraps, reason = "it is what every plant answers")]
fn found(law: Law, names: Names) -> Option<Expected> {
    Some(Expected { law, names })
}

/// The end of the history.
fn end_us(made: &Made) -> u64 {
    made.lines.iter().map(|line| line.us).max().unwrap_or(0) + 1
}

/// Acknowledged jobs: job, user, key, product.
fn acknowledged(made: &Made) -> Vec<(Uuid, String, String, String)> {
    let facts = made.facts();
    let mut acknowledged: Vec<_> = facts
        .jobs
        .iter()
        .filter_map(|(job, facts)| {
            let ack = facts.ack.as_ref()?;
            Some((
                *job,
                ack.key.user.to_string(),
                ack.key.text.to_string(),
                ack.product.to_string(),
            ))
        })
        .collect();
    acknowledged.sort();
    acknowledged
}

/// An acknowledged job that was told this outcome.
fn told(
    made: &Made,
    outcome: Outcome,
    random: &mut StdRng,
) -> Option<(Uuid, String, String, String)> {
    let facts = made.facts();
    let told: Vec<_> = acknowledged(made)
        .into_iter()
        .filter(|(job, ..)| facts.jobs[job].was_told(outcome))
        .collect();
    told.choose(random).cloned()
}

/// A buy of a new shopper that is acknowledged at an instant and never heard of again.
fn fresh(made: &mut Made, sent: u64, heard: u64) -> (Uuid, String) {
    let number = 1_000_000 + u64::try_from(made.lines.len()).unwrap();
    let job = Uuid::from_u128(u128::from(number));
    let name = format!("fresh-{number}");
    buy(made, (sent, heard), number, (&name, &name), job);
    (job, name)
}

fn buy(
    made: &mut Made,
    (sent, heard): (u64, u64),
    number: u64,
    (user, key): (&str, &str),
    job: Uuid,
) {
    made.line(
        sent,
        Entry::Buy {
            buy: number,
            user: user.to_owned(),
            key: key.to_owned(),
            sale: SALE.to_owned(),
            product: "p".to_owned(),
            gateway: 0,
            attempt: 0,
        },
    );
    made.line(
        heard,
        Entry::Answer {
            buy: number,
            status: Some(200),
            job: Some(job),
            position: Some(1),
            replayed: false,
            kind: None,
            error: None,
        },
    );
}

fn event(made: &mut Made, user: &str, job: Uuid, outcome: Outcome, order: Option<i64>) {
    let us = end_us(made);
    made.line(
        us,
        Entry::Event {
            source: EventSource::Redis,
            listener: None,
            user: Some(user.to_owned()),
            sale: Some(SALE.to_owned()),
            product: "p".to_owned(),
            job,
            outcome,
            order,
        },
    );
}

fn order(id: i64, user: &str, key: &str, job: Uuid) -> Order {
    Order {
        id,
        user: user.to_owned(),
        product: "p".to_owned(),
        job,
        key: key.to_owned(),
        cancelled: false,
        incarnation: 1,
    }
}

/// An order's number that nobody has.
const FREE: i64 = 9_000_000;

// Law 1.

fn unit_appeared(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    made.sale().ledger.products[0].left += 1;
    found(Law::NoOversell, Names::Product("p".to_owned()))
}

fn unit_vanished(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    made.sale().ledger.products[0].ordered -= 1;
    found(Law::NoOversell, Names::Product("p".to_owned()))
}

fn negative_stock_in_the_ledger(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    let product = &mut made.sale().ledger.products[0];
    (product.ordered, product.sold) = (
        product.ordered + product.left + 1,
        product.sold + product.left + 1,
    );
    product.left = -1;
    found(Law::NoOversell, Names::Product("p".to_owned()))
}

fn negative_stock_told(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    let us = end_us(made);
    made.line(
        us,
        Entry::Stock {
            source: EventSource::Socket,
            sale: None,
            product: "p".to_owned(),
            stock: -1,
            version: None,
            confirmed: None,
        },
    );
    found(Law::NoOversell, Names::Product("p".to_owned()))
}

fn row_counts_wrong(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    made.sale().ledger.products[0].sold += 1;
    found(Law::NoOversell, Names::Product("p".to_owned()))
}

fn beyond_limit(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    let ledger = &mut made.sale().ledger;
    if !ledger.products[0].offered {
        return None;
    }
    ledger.products[0].max_per_user = Some(2);
    for nth in 0..3 {
        let job = Uuid::from_u128(7_000_000 + nth);
        ledger
            .orders
            .push(order(FREE, "greedy", &format!("greedy-{nth}"), job));
    }
    found(Law::NoOversell, Names::User("greedy".to_owned()))
}

// Law 2.

fn order_deleted(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, user, key, _) = told(made, Outcome::Confirmed, random)?;
    if !made.circumstances.ledger_lost.is_empty() {
        return None;
    }
    let orders = &mut made.sale().ledger.orders;
    orders.retain(|order| order.user != user || order.key != key);
    found(Law::NoLostAck, Names::Job(job))
}

fn order_of_a_rejected_job(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let outcome = *[Outcome::SoldOut, Outcome::LimitReached].choose(random)?;
    let (job, user, key, product) = told(made, outcome, random)?;
    let order = Order {
        product,
        ..order(FREE, &user, &key, job)
    };
    made.sale().ledger.orders.push(order);
    found(Law::NoLostAck, Names::Job(job))
}

fn two_outcomes_by_events(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, user, ..) = told(made, Outcome::Confirmed, random)?;
    event(made, &user, job, Outcome::SoldOut, None);
    found(Law::NoLostAck, Names::Job(job))
}

fn two_outcomes_by_poll(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, ..) = told(made, Outcome::SoldOut, random)?;
    let us = end_us(made);
    made.line(
        us,
        Entry::Poll {
            sent_us: us,
            source: Asked::Gateway,
            job,
            asked_as: None,
            status: Some(200),
            state: Some("limit_reached".to_owned()),
            order: None,
            error: None,
        },
    );
    found(Law::NoLostAck, Names::Job(job))
}

fn two_orders_told(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    if !made.circumstances.ledger_lost.is_empty() {
        return None;
    }
    let (job, user, ..) = told(made, Outcome::Confirmed, random)?;
    event(made, &user, job, Outcome::Confirmed, Some(FREE));
    found(Law::NoLostAck, Names::Job(job))
}

fn record_overwritten(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, user, _, product) = told(made, Outcome::Confirmed, random)?;
    let overwritten = record(Some(Outcome::SoldOut), None, &product, &user);
    made.sale().redis.records.insert(job, overwritten);
    found(Law::NoLostAck, Names::Job(job))
}

fn confirmed_with_anothers_order(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let orders = &made.sale().ledger.orders;
    let number = orders.choose(random)?.id;
    let us = end_us(made);
    let (job, user) = fresh(made, us, us + 1);
    event(made, &user, job, Outcome::Confirmed, Some(number));
    found(Law::NoLostAck, Names::Job(job))
}

fn never_ended(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    if is_cut_and_gone(made) {
        return None;
    }
    let us = end_us(made) + 5_000_000;
    let (job, _) = fresh(made, us, us + 1);
    found(Law::NoLostAck, Names::Job(job))
}

fn queued_in_no_lane(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    if !made.sale().redis.in_force {
        return None;
    }
    let us = end_us(made) + 5_000_000;
    let (job, user) = fresh(made, us, us + 1);
    made.sale()
        .redis
        .records
        .insert(job, record(None, None, "p", &user));
    found(Law::NoLostAck, Names::Job(job))
}

fn left_in_its_lane(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    if made.circumstances.running {
        return None;
    }
    let us = end_us(made);
    let (job, user) = fresh(made, us, us + 1);
    made.sale()
        .redis
        .records
        .insert(job, record(None, None, "p", &user));
    made.sale().redis.lanes.insert(job, "p".to_owned());
    found(Law::NoLostAck, Names::Job(job))
}

fn unreadable_record(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    made.sale()
        .redis
        .unreadable
        .push("x = \"nonsense\"".to_owned());
    found(Law::NoLostAck, Names::Sale)
}

fn buried_though_it_ended(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, user, key, _) = told(made, Outcome::Confirmed, random)?;
    let letter = Letter {
        id: "1-0".to_owned(),
        user,
        key,
    };
    made.sale().redis.letters.insert(job, letter);
    found(Law::NoLostAck, Names::Job(job))
}

fn decided_twice(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let order = made.sale().ledger.orders.choose(random)?.job;
    let rejections = made.sale().ledger.rejections.as_mut()?;
    rejections.insert(order, vec![Outcome::SoldOut]);
    found(Law::NoLostAck, Names::Job(order))
}

fn told_another_rejection(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, ..) = told(made, Outcome::SoldOut, random)?;
    let rejections = made.sale().ledger.rejections.as_mut()?;
    rejections.insert(job, vec![Outcome::LimitReached]);
    found(Law::NoLostAck, Names::Job(job))
}

// Law 3.

fn key_with_two_jobs(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    if !made.circumstances.redis_lost.is_empty() {
        return None;
    }
    let (_, user, key, _) = acknowledged(made).choose(random)?.clone();
    let us = end_us(made);
    buy(
        made,
        (us, us + 1),
        2_000_000,
        (&user, &key),
        Uuid::from_u128(2_000_000),
    );
    found(Law::Once, Names::Key(key))
}

fn job_of_two_keys(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, ..) = acknowledged(made).choose(random)?.clone();
    let us = end_us(made);
    buy(made, (us, us + 1), 2_000_000, ("thief", "thief"), job);
    found(Law::Once, Names::Job(job))
}

fn two_orders_of_a_key(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let orders = &mut made.sale().ledger.orders;
    let again = orders.choose(random)?.clone();
    let key = again.key.clone();
    orders.push(Order {
        id: FREE,
        job: Uuid::from_u128(2_000_000),
        ..again
    });
    found(Law::Once, Names::Key(key))
}

fn two_orders_of_a_job(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let orders = &mut made.sale().ledger.orders;
    let again = orders.choose(random)?.clone();
    let job = again.job;
    orders.push(Order {
        id: FREE,
        key: "another".to_owned(),
        ..again
    });
    found(Law::Once, Names::Job(job))
}

fn number_told_twice(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let facts = made.facts();
    let (first, ..) = told(made, Outcome::Confirmed, random)?;
    let number = facts.jobs[&first].told.iter().find_map(|told| told.order)?;
    let us = end_us(made);
    let (job, user) = fresh(made, us, us + 1);
    event(made, &user, job, Outcome::Confirmed, Some(number));
    found(Law::Once, Names::Job(job))
}

// Law 4.

fn confirmed_by_redis_alone(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    if !made.circumstances.ledger_lost.is_empty() {
        return None;
    }
    let product = made.sale().ledger.products[0].clone();
    for nth in 0..=product.initial - product.ordered {
        let us = end_us(made);
        let (job, user) = fresh(made, us, us + 1);
        event(made, &user, job, Outcome::Confirmed, Some(FREE + nth));
    }
    found(Law::PostgresqlJudges, Names::Product("p".to_owned()))
}

fn stock_differs_at_one_version(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    let version = made.sale().ledger.products[0].version;
    let known = made.sale().redis.stock.get_mut("p")?;
    (known.version, known.stock) = (version, 777);
    found(Law::PostgresqlJudges, Names::Product("p".to_owned()))
}

fn redis_ahead_of_the_ledger(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    let version = made.sale().ledger.products[0].version;
    made.sale().redis.stock.get_mut("p")?.version = version + 1;
    found(Law::PostgresqlJudges, Names::Product("p".to_owned()))
}

fn rejection_not_in_the_ledger(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    if !made.circumstances.ledger_lost.is_empty() || !made.sale().redis.in_force {
        return None;
    }
    let (job, ..) = told(made, Outcome::SoldOut, random)?;
    let rejections = made.sale().ledger.rejections.as_mut()?;
    rejections.remove(&job);
    rejections.insert(Uuid::from_u128(3_000_000), vec![Outcome::SoldOut]);
    found(Law::PostgresqlJudges, Names::Job(job))
}

// Law 5.

/// Changes every schedule that was told.
fn reschedule(made: &mut Made, opens: Option<i64>, closes: Option<i64>) {
    for line in &mut made.lines {
        if let Entry::Sale {
            opens_at,
            closes_at,
            ..
        } = &mut line.entry
        {
            (*opens_at, *closes_at) = (opens, closes);
        }
    }
}

/// A job, and Redis's clock when it was sent and acknowledged, as far as readings tell.
fn times(made: &Made, random: &mut StdRng) -> Option<(Uuid, i64, i64)> {
    let facts = made.facts();
    let (job, ..) = acknowledged(made).choose(random)?.clone();
    let ack = facts.jobs[&job].ack.as_ref()?;
    let (earliest, latest) = facts.runs[0].clock.bounds(ack.sent.us, ack.heard.us)?;
    Some((job, earliest, latest))
}

fn accepted_before_the_opening(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, _, latest) = times(made, random)?;
    reschedule(made, Some(latest + 1), None);
    found(Law::Time, Names::Job(job))
}

fn accepted_after_the_closing(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, earliest, _) = times(made, random)?;
    reschedule(made, None, Some(earliest));
    found(Law::Time, Names::Job(job))
}

// Law 6.

fn heard_on_anothers_socket(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, _, _, product) = acknowledged(made).choose(random)?.clone();
    let us = end_us(made);
    made.line(
        us,
        Entry::Event {
            source: EventSource::Socket,
            listener: Some("eavesdropper".to_owned()),
            user: None,
            sale: None,
            product,
            job,
            outcome: Outcome::SoldOut,
            order: None,
        },
    );
    found(Law::Privacy, Names::Job(job))
}

fn event_to_another(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, ..) = acknowledged(made).choose(random)?.clone();
    event(made, "eavesdropper", job, Outcome::SoldOut, None);
    found(Law::Privacy, Names::Job(job))
}

fn shown_to_another(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, ..) = acknowledged(made).choose(random)?.clone();
    let us = end_us(made);
    made.line(
        us,
        Entry::Poll {
            sent_us: us,
            source: Asked::Gateway,
            job,
            asked_as: Some("eavesdropper".to_owned()),
            status: Some(200),
            state: Some("queued".to_owned()),
            order: None,
            error: None,
        },
    );
    found(Law::Privacy, Names::Job(job))
}

fn order_of_another_shopper(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let acknowledged = acknowledged(made);
    let orders = &mut made.sale().ledger.orders;
    let is_acknowledged =
        |order: &&mut Order| acknowledged.iter().any(|(job, ..)| *job == order.job);
    let mut orders: Vec<&mut Order> = orders.iter_mut().filter(is_acknowledged).collect();
    if orders.is_empty() {
        return None;
    }
    let order = orders.swap_remove(random.random_range(0..orders.len()));
    order.user = "thief".to_owned();
    let job = order.job;
    found(Law::Privacy, Names::Job(job))
}

fn record_of_another_shopper(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let (job, _, _, product) = acknowledged(made).choose(random)?.clone();
    made.sale()
        .redis
        .records
        .insert(job, record(None, None, &product, "thief"));
    found(Law::Privacy, Names::Job(job))
}

// Law 7.

fn key_left_behind(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    let redis = &mut made.sale().redis;
    redis.in_force = false;
    redis.left_over.push("fs:{drop}:jobs".to_owned());
    found(Law::TidyEnd, Names::Sale)
}

fn not_registered(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    let redis = &mut made.sale().redis;
    (redis.in_force, redis.registered) = (true, false);
    found(Law::TidyEnd, Names::Sale)
}

fn registered_without_record(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    let redis = &mut made.sale().redis;
    (redis.in_force, redis.registered) = (false, true);
    found(Law::TidyEnd, Names::Sale)
}

fn rejections_left_behind(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    if made.sale().redis.in_force {
        return None;
    }
    let kept = [(Uuid::from_u128(3_000_000), vec![Outcome::SoldOut])];
    made.sale().ledger.rejections = Some(kept.into());
    found(Law::TidyEnd, Names::Sale)
}

// Law 8.

fn paid_without_its_order(made: &mut Made, _: &mut StdRng) -> Option<Expected> {
    made.sale().ledger.unsettled.push(Unsettled {
        order: Some(7),
        what: "is its order's money, and the order is cancelled".to_owned(),
    });
    found(Law::PaidOrRefunded, Names::Sale)
}

// Order of arrival.

fn overtaken(made: &mut Made, random: &mut StdRng) -> Option<Expected> {
    let told_of = &made.circumstances;
    if told_of.letters_replayed || !told_of.ledger_lost.is_empty() || !told_of.redis_lost.is_empty()
    {
        return None;
    }
    if made.ending != Ending::Complete {
        return None;
    }
    let facts = made.facts();
    let came_back = facts.stock.get("p").map_or(0, StockHeard::came_back);
    let cancelled = made
        .sale()
        .ledger
        .orders
        .iter()
        .any(|order| order.cancelled);
    let (job, _, _, product) = told(made, Outcome::Confirmed, random)?;
    let sent = facts.jobs[&job].ack.as_ref()?.sent.us;
    if came_back > 0 || cancelled || product != "p" || sent < 5 {
        return None;
    }
    let (first, user) = fresh(made, 1, 2);
    event(made, &user, first, Outcome::SoldOut, None);
    found(Law::OrderOfArrival, Names::Job(job))
}

/// Whether nobody can know how a new buy ended.
fn is_cut_and_gone(made: &mut Made) -> bool {
    made.ending != Ending::Complete && !made.sale().redis.in_force
}

/// The wall clock at an instant of the run.
pub(super) fn at(us: u64) -> i64 {
    BEGAN + i64::try_from(us).unwrap()
}

/// A new buy that is acknowledged at the end and never heard of again.
pub(super) fn vanished(made: &mut Made) -> (Uuid, u64) {
    reschedule(made, None, None);
    let us = end_us(made) + 10_000_000;
    let (job, _) = fresh(made, us, us + 1);
    (job, us)
}

/// A new buy that is told confirmed at the end, with an order that is in no ledger.
pub(super) fn confirmed_in_a_lost_commit(made: &mut Made) -> (Uuid, u64) {
    reschedule(made, None, None);
    let us = end_us(made) + 10_000_000;
    let (job, user) = fresh(made, us, us + 1);
    event(made, &user, job, Outcome::Confirmed, Some(FREE));
    (job, us)
}

/// A confirmed job whose order is that of an earlier job of its key, which was never acknowledged and
/// which Redis forgot after it was settled.
pub(super) fn settled_before(made: &mut Made, random: &mut StdRng) -> Option<Uuid> {
    let (job, user, _, product) = told(made, Outcome::Confirmed, random)?;
    let earlier = Uuid::from_u128(2_000_000);
    let mut orders = made.sale().ledger.orders.iter_mut();
    let order = orders.find(|order| order.job == job && product == "p")?;
    order.job = earlier;
    let number = order.id;
    event(made, &user, earlier, Outcome::Confirmed, Some(number));
    Some(job)
}

/// The same, of a shopper who sent one key, and with a third job of it that was not acknowledged
/// either. Returns the third.
pub(super) fn settled_twice_before(made: &mut Made, random: &mut StdRng) -> Option<Uuid> {
    let job = settled_before(made, random)?;
    let facts = made.facts();
    let key = &facts.jobs[&job].ack.as_ref()?.key;
    facts.only_key(&key.sale, &key.user)?;
    let user = key.user.to_string();
    let mut told = facts.jobs[&job].told.iter();
    let number = told.find_map(|told| told.order)?;
    let third = Uuid::from_u128(3_000_000);
    event(made, &user, third, Outcome::Confirmed, Some(number));
    Some(third)
}

/// The shopper of this job sends another key as well, and hears nothing of it.
pub(super) fn another_key(made: &mut Made, job: Uuid) {
    let user = made.facts().jobs[&job].heard_by[0].user.to_string();
    let us = end_us(made);
    made.line(
        us,
        Entry::Buy {
            buy: 4_000_000,
            user,
            key: "another".to_owned(),
            sale: SALE.to_owned(),
            product: "p".to_owned(),
            gateway: 0,
            attempt: 0,
        },
    );
}

/// The order of a job that was told confirmed has another number.
pub(super) fn renumber(made: &mut Made, random: &mut StdRng) -> Option<Uuid> {
    let (job, ..) = told(made, Outcome::Confirmed, random)?;
    let mut orders = made.sale().ledger.orders.iter_mut();
    orders.find(|order| order.job == job)?.id = FREE;
    Some(job)
}
