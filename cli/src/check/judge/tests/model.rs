//! A small model of a sale: makes histories, and stores, that keep every law. One step after the
//! other is drawn at random, so that requests, settlements, losses and edits interleave freely.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use flashsale_domain::outcome::Outcome;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use uuid::Uuid;

use crate::{
    check::{
        circumstances::{Circumstances, Loss},
        facts::Facts,
        judge::judge,
        stores::{KnownStock, Letter, Order, Product, Record, SaleStores, Stores},
        verdict::Verdict,
    },
    history::{Asked, Ending, Entry, EventSource, Line, ProductOffer},
};

/// The wall clock at the start of every run.
pub(super) const BEGAN: i64 = 1_796_000_000_000_000;

pub(super) const SALE: &str = "drop";

/// A history, what the stores hold at its end, and what is told to the check.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) lines: Vec<Line>,
    pub(super) ending: Ending,
    pub(super) stores: Stores,
    pub(super) circumstances: Circumstances,
}

impl Made {
    pub(super) fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        facts.begin("run.jsonl");
        for line in &self.lines {
            facts.add(line.clone());
        }
        facts.end(self.ending);
        facts
    }

    pub(super) fn judge(&self) -> Verdict {
        judge(&self.facts(), &self.stores, &self.circumstances)
    }

    pub(super) fn sale(&mut self) -> &mut SaleStores {
        self.stores.sales.get_mut(SALE).unwrap()
    }

    /// Adds a line at an instant of the run.
    pub(super) fn line(&mut self, us: u64, entry: Entry) {
        let at = BEGAN + i64::try_from(us).unwrap();
        self.lines.push(Line { us, at, entry });
    }
}

/// What a run may meet besides buys and settlements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Trouble {
    #[default]
    None,
    /// Redis loses everything at some instant.
    RedisLost,
    /// The ledger goes back to an earlier state at some instant.
    LedgerLost,
    /// Dead letters are replayed.
    Replays,
    /// Units come back: cancelled orders and restocks.
    UnitsReturn,
    /// The clock of Redis is stepped.
    ClockStep,
    /// The sale is taken away at the end.
    Withdrawn,
    /// The check is made while jobs wait.
    Running,
}

pub(super) const TROUBLES: [Trouble; 8] = [
    Trouble::None,
    Trouble::RedisLost,
    Trouble::LedgerLost,
    Trouble::Replays,
    Trouble::UnitsReturn,
    Trouble::ClockStep,
    Trouble::Withdrawn,
    Trouble::Running,
];

#[derive(Debug, Clone)]
struct Press {
    buy: u64,
    user: String,
    key: String,
    product: String,
    /// What the turnstile answered, once it has: status, job, replayed, kind.
    answer: Option<(u16, Option<Uuid>, bool, &'static str)>,
}

#[derive(Debug, Clone)]
struct Job {
    id: Uuid,
    user: String,
    key: String,
    product: String,
}

#[derive(Debug, Clone, Default)]
struct Redis {
    known: HashMap<String, (String, Uuid)>,
    lanes: BTreeMap<String, VecDeque<Job>>,
    records: HashMap<Uuid, Record>,
    stock: BTreeMap<String, KnownStock>,
    letters: HashMap<Uuid, (Letter, Job)>,
}

#[derive(Debug, Clone, Default)]
struct Ledger {
    orders: Vec<Order>,
    rejections: HashMap<Uuid, Vec<Outcome>>,
    products: BTreeMap<String, Product>,
}

/// The sale in motion.
pub(super) struct Model {
    random: StdRng,
    us: u64,
    lines: Vec<Line>,
    trouble: Trouble,
    redis: Redis,
    ledger: Ledger,
    /// The ledger as of an earlier instant.
    backup: Option<(i64, Ledger)>,
    next_order: i64,
    next_buy: u64,
    next_job: u128,
    /// Redis's clock less the load's, in microseconds.
    offset: i64,
    opens_at: Option<i64>,
    closes_at: Option<i64>,
    in_flight: Vec<Press>,
    acknowledged: Vec<(Uuid, String)>,
    /// Whether each user listens on a socket.
    listeners: HashMap<String, bool>,
    circumstances: Circumstances,
    keeps_rejections: bool,
    /// Jobs that no attempt settles, until they are replayed.
    doomed: HashSet<Uuid>,
}

impl Model {
    pub(super) fn run(seed: u64, trouble: Trouble) -> Made {
        let mut model = Self::new(seed, trouble);
        let steps = model.random.random_range(20..160);
        let trouble_at = model.random.random_range(steps / 4..=3 * steps / 4);
        for step in 0..steps {
            if step == trouble_at {
                model.meet_trouble();
            }
            model.step();
        }
        model.finish()
    }

    fn new(seed: u64, trouble: Trouble) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let offset = random.random_range(-5_000_000..5_000_000);
        let mut model = Self {
            opens_at: random.random_bool(0.3).then(|| BEGAN + offset + 300_000),
            closes_at: random.random_bool(0.3).then(|| BEGAN + offset + 4_000_000),
            keeps_rejections: random.random_bool(0.8),
            random,
            us: 0,
            lines: Vec::new(),
            trouble,
            redis: Redis::default(),
            ledger: Ledger::default(),
            backup: None,
            next_order: 1,
            next_buy: 0,
            next_job: 1,
            offset,
            in_flight: Vec::new(),
            acknowledged: Vec::new(),
            listeners: HashMap::new(),
            circumstances: Circumstances::default(),
            doomed: HashSet::new(),
        };
        model.declare();
        model
    }

    fn declare(&mut self) {
        let mut offers = Vec::new();
        for name in ["p", "q"].into_iter().take(self.random.random_range(1..=2)) {
            let stock = self.random.random_range(0..12);
            let limit = self
                .random
                .random_bool(0.4)
                .then(|| self.random.random_range(1..3));
            let product = Product {
                id: name.to_owned(),
                offered: true,
                initial: stock,
                left: stock,
                sold: 0,
                ordered: 0,
                version: 1,
                max_per_user: limit,
            };
            self.ledger.products.insert(name.to_owned(), product);
            self.publish(name);
            offers.push(ProductOffer {
                product: name.to_owned(),
                stock: Some(stock),
                max_per_user: limit,
            });
        }
        self.note(Entry::Start {
            version: 1,
            program: "model".to_owned(),
            run: "u".to_owned(),
            gateways: Vec::new(),
            shoppers: 1,
            presses: 1,
        });
        self.note(Entry::Sale {
            sale: SALE.to_owned(),
            opens_at: self.opens_at,
            closes_at: self.closes_at,
            products: offers,
            gateway: 0,
        });
        self.read_clock();
    }

    fn note(&mut self, entry: Entry) {
        let at = BEGAN + i64::try_from(self.us).unwrap();
        self.lines.push(Line {
            us: self.us,
            at,
            entry,
        });
    }

    fn pass(&mut self) {
        self.us += self.random.random_range(1..30_000);
    }

    fn redis_now(&self) -> i64 {
        BEGAN + i64::try_from(self.us).unwrap() + self.offset
    }

    fn read_clock(&mut self) {
        let sent_us = self.us;
        self.us += self.random.random_range(1..300);
        let redis_at = self.redis_now();
        self.us += self.random.random_range(1..300);
        self.note(Entry::Clock {
            sent_us,
            redis_at,
            source: Asked::Redis,
        });
    }

    fn step(&mut self) {
        self.pass();
        match self.random.random_range(0..100) {
            0..30 => self.press(),
            30..55 => self.deliver(),
            55..75 => self.answer(),
            75..90 => self.settle(),
            90..95 => self.poll(),
            95..98 => self.read_clock(),
            _ if self.trouble == Trouble::UnitsReturn => self.return_units(),
            _ if self.trouble == Trouble::Replays => self.replay_letter(),
            _ => {}
        }
    }

    /// Somebody presses, again or for the first time.
    fn press(&mut self) {
        let user = format!("u{}", self.random.random_range(0..25));
        let key = format!("{user}-{}", self.random.random_range(0..2));
        let products: Vec<&String> = self.ledger.products.keys().collect();
        let mut product = (*products.choose(&mut self.random).unwrap()).clone();
        if let Some((before, _)) = self.redis.known.get(&format!("{user} {key}"))
            && self.random.random_bool(0.9)
        {
            product.clone_from(before);
        }
        let buy = self.next_buy;
        self.next_buy += 1;
        self.note(Entry::Buy {
            buy,
            user: user.clone(),
            key: key.clone(),
            sale: SALE.to_owned(),
            product: product.clone(),
            gateway: 0,
            attempt: 0,
        });
        let press = Press {
            buy,
            user,
            key,
            product,
            answer: None,
        };
        self.in_flight.push(press);
    }

    /// A request reaches the turnstile.
    fn deliver(&mut self) {
        let waiting: Vec<usize> = (0..self.in_flight.len())
            .filter(|index| self.in_flight[*index].answer.is_none())
            .collect();
        if let Some(index) = waiting.choose(&mut self.random) {
            let press = self.in_flight[*index].clone();
            self.in_flight[*index].answer = Some(self.admit(&press));
        }
    }

    fn admit(&mut self, press: &Press) -> (u16, Option<Uuid>, bool, &'static str) {
        let now = self.redis_now();
        let name = format!("{} {}", press.user, press.key);
        if self.opens_at.is_some_and(|opens| now < opens) {
            return (403, None, false, "sale-not-open");
        }
        if let Some((product, job)) = self.redis.known.get(&name) {
            return if *product == press.product {
                (200, Some(*job), true, "")
            } else {
                (422, None, false, "idempotency-key-reused")
            };
        }
        if self.closes_at.is_some_and(|closes| now >= closes) {
            return (403, None, false, "sale-closed");
        }
        let Some(stock) = self.redis.stock.get(&press.product) else {
            return (404, None, false, "unknown-product");
        };
        let lane = self.redis.lanes.entry(press.product.clone()).or_default();
        if stock.stock <= i64::try_from(lane.len()).unwrap() && self.random.random_bool(0.8) {
            // A figure that is behind lets some through that the ledger then refuses.
            return (409, None, false, "sold-out");
        }
        let id = Uuid::from_u128(self.next_job);
        self.next_job += 1;
        if self.random.random_bool(0.03) {
            self.doomed.insert(id);
        }
        lane.push_back(Job {
            id,
            user: press.user.clone(),
            key: press.key.clone(),
            product: press.product.clone(),
        });
        self.redis
            .records
            .insert(id, record(None, None, &press.product, &press.user));
        self.redis.known.insert(name, (press.product.clone(), id));
        (200, Some(id), false, "")
    }

    /// An answer arrives, or the connection breaks, before or after the turnstile.
    fn answer(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let index = self.random.random_range(0..self.in_flight.len());
        let breaks = self.random.random_bool(0.1);
        if self.in_flight[index].answer.is_none() && !breaks {
            return;
        }
        let press = self.in_flight.swap_remove(index);
        let mut line = (None, None, false, None, None);
        match press.answer {
            Some((status, job, replayed, kind)) if !breaks => {
                let kind = (!kind.is_empty()).then(|| kind.to_owned());
                line = (Some(status), job, replayed, kind, None);
                if let Some(job) = job {
                    self.acknowledged.push((job, press.user));
                }
            }
            _ if self.random.random_bool(0.5) => line.0 = Some(503),
            _ => line.4 = Some("the connection broke".to_owned()),
        }
        let (status, job, replayed, kind, error) = line;
        self.note(Entry::Answer {
            buy: press.buy,
            status,
            job,
            position: job.map(|_| 1),
            replayed,
            kind,
            error,
        });
    }

    /// A worker settles the head of a lane: decides in the ledger, then acknowledges in Redis.
    fn settle(&mut self) {
        let products: Vec<String> = self.ledger.products.keys().cloned().collect();
        let product = products.choose(&mut self.random).unwrap().clone();
        let count = self.random.random_range(1..6);
        let lane = self.redis.lanes.entry(product.clone()).or_default();
        let batch: Vec<Job> = lane.iter().take(count).cloned().collect();
        if batch.is_empty() {
            return;
        }
        let left = self.ledger.products[&product].left;
        let ends: Vec<(Outcome, Option<i64>)> = batch.iter().map(|job| self.decide(job)).collect();
        let row = self.ledger.products.get_mut(&product).unwrap();
        row.version += i64::from(row.left != left);
        if self.random.random_bool(0.15) {
            // The worker dies before it acknowledges; the batch is settled again later.
            return;
        }
        self.acknowledge(&product, &batch, &ends);
    }

    /// What the ledger decides of a job, or has decided of it before.
    fn decide(&mut self, job: &Job) -> (Outcome, Option<i64>) {
        let orders = &self.ledger.orders;
        let own = orders
            .iter()
            .find(|order| order.user == job.user && order.key == job.key);
        if let Some(order) = own {
            return if order.product == job.product {
                (Outcome::Confirmed, Some(order.id))
            } else {
                (Outcome::Failed, None)
            };
        }
        if let Some(outcomes) = self.ledger.rejections.get(&job.id) {
            return (outcomes[0], None);
        }
        if self.doomed.contains(&job.id) {
            return (Outcome::Failed, None);
        }
        let held = orders.iter().filter(|order| {
            order.user == job.user && order.product == job.product && !order.cancelled
        });
        let held = i64::try_from(held.count()).unwrap();
        let row = self.ledger.products.get_mut(&job.product).unwrap();
        let rejection = if row.max_per_user.is_some_and(|limit| held >= limit) {
            Outcome::LimitReached
        } else if row.left == 0 {
            Outcome::SoldOut
        } else {
            row.left -= 1;
            row.sold += 1;
            row.ordered += 1;
            let id = self.next_order;
            self.next_order += 1;
            self.ledger.orders.push(Order {
                id,
                user: job.user.clone(),
                product: job.product.clone(),
                job: job.id,
                key: job.key.clone(),
                cancelled: false,
                incarnation: 1,
            });
            return (Outcome::Confirmed, Some(id));
        };
        self.ledger.rejections.insert(job.id, vec![rejection]);
        (rejection, None)
    }

    fn acknowledge(&mut self, product: &str, batch: &[Job], ends: &[(Outcome, Option<i64>)]) {
        for (job, (outcome, order)) in batch.iter().zip(ends) {
            self.redis
                .lanes
                .get_mut(product)
                .unwrap()
                .retain(|other| other.id != job.id);
            let ended = record(Some(*outcome), *order, product, &job.user);
            self.redis.records.insert(job.id, ended);
            if *outcome == Outcome::Failed {
                let letter = Letter {
                    id: format!("{}-0", self.us),
                    user: job.user.clone(),
                    key: job.key.clone(),
                };
                self.redis.letters.insert(job.id, (letter, job.clone()));
            }
        }
        self.publish(product);
        // Redis's own message may be missed as a whole.
        if self.random.random_bool(0.9) || self.trouble == Trouble::UnitsReturn {
            let told = self.redis.stock[product];
            self.note(Entry::Stock {
                source: EventSource::Redis,
                sale: Some(SALE.to_owned()),
                product: product.to_owned(),
                stock: told.stock,
                version: Some(told.version),
                confirmed: None,
            });
            for (job, (outcome, order)) in batch.iter().zip(ends) {
                self.event(job, *outcome, *order, false);
            }
        }
        for (job, (outcome, order)) in batch.iter().zip(ends) {
            let listens = self.random.random_bool(0.5);
            let listens = *self.listeners.entry(job.user.clone()).or_insert(listens);
            if listens && self.random.random_bool(0.9) {
                self.event(job, *outcome, *order, true);
            }
        }
    }

    fn event(&mut self, job: &Job, outcome: Outcome, order: Option<i64>, on_socket: bool) {
        let user = Some(job.user.clone());
        let (source, listener, user) = if on_socket {
            (EventSource::Socket, user, None)
        } else {
            (EventSource::Redis, None, user)
        };
        self.note(Entry::Event {
            source,
            listener,
            user,
            sale: (!on_socket).then(|| SALE.to_owned()),
            product: job.product.clone(),
            job: job.id,
            outcome,
            order,
        });
    }

    /// Redis takes the ledger's figure of a product over.
    fn publish(&mut self, product: &str) {
        let row = &self.ledger.products[product];
        let known = KnownStock {
            stock: row.left,
            version: row.version,
        };
        let before = self
            .redis
            .stock
            .get(product)
            .map_or(-1, |known| known.version);
        if known.version > before {
            self.redis.stock.insert(product.to_owned(), known);
        }
    }

    /// Somebody asks for an acknowledged buy.
    fn poll(&mut self) {
        let Some((job, user)) = self.acknowledged.choose(&mut self.random).cloned() else {
            return;
        };
        self.poll_job(job, &user);
    }

    fn poll_job(&mut self, job: Uuid, user: &str) {
        let sent_us = self.us;
        self.pass();
        let found = self.redis.records.get(&job).map(|record| {
            let state = record.outcome.map_or("queued", Outcome::as_str);
            (state.to_owned(), record.order)
        });
        let in_ledger = || {
            let order = self.ledger.orders.iter().find(|order| order.job == job)?;
            Some(("confirmed".to_owned(), Some(order.id)))
        };
        let (status, state, order) = match found.or_else(in_ledger) {
            Some((state, order)) => (200, Some(state), order),
            None => (404, None, None),
        };
        let asked_as = self.random.random_bool(0.5).then(|| user.to_owned());
        self.note(Entry::Poll {
            sent_us,
            source: Asked::Gateway,
            job,
            asked_as,
            status: Some(status),
            state,
            order,
            error: None,
        });
    }

    /// An order is cancelled, or units are put back by hand.
    fn return_units(&mut self) {
        let open: Vec<usize> = (0..self.ledger.orders.len())
            .filter(|index| !self.ledger.orders[*index].cancelled)
            .collect();
        let product = match open.choose(&mut self.random) {
            Some(index) if self.random.random_bool(0.5) => {
                let order = &mut self.ledger.orders[*index];
                order.cancelled = true;
                let product = order.product.clone();
                let row = self.ledger.products.get_mut(&product).unwrap();
                (row.left, row.sold, row.ordered) = (row.left + 1, row.sold - 1, row.ordered - 1);
                product
            }
            _ => {
                let product = self.ledger.products.keys().next().unwrap().clone();
                let row = self.ledger.products.get_mut(&product).unwrap();
                let units = self.random.random_range(1..4);
                (row.left, row.initial) = (row.left + units, row.initial + units);
                product
            }
        };
        self.ledger.products.get_mut(&product).unwrap().version += 1;
        self.publish(&product);
    }

    /// A person replays a dead letter: it waits at the end of its lane again.
    fn replay_letter(&mut self) {
        self.circumstances.letters_replayed = true;
        let mut letters: Vec<Uuid> = self.redis.letters.keys().copied().collect();
        letters.sort_unstable();
        if let Some(job) = letters.choose(&mut self.random) {
            let (_, job) = self.redis.letters.remove(job).unwrap();
            self.doomed.remove(&job.id);
            self.redis
                .records
                .insert(job.id, record(None, None, &job.product, &job.user));
            self.redis
                .lanes
                .entry(job.product.clone())
                .or_default()
                .push_back(job);
        }
    }

    fn meet_trouble(&mut self) {
        let now = BEGAN + i64::try_from(self.us).unwrap();
        match self.trouble {
            Trouble::RedisLost => {
                self.circumstances.redis_lost.push(Loss {
                    from: None,
                    to: Some(now),
                });
                let restore = self.keeps_rejections && self.random.random_bool(0.7);
                let lost = std::mem::take(&mut self.redis);
                if restore {
                    self.restore_outcomes(&lost);
                }
                for product in self.ledger.products.keys().cloned().collect::<Vec<_>>() {
                    self.publish(&product);
                }
            }
            Trouble::LedgerLost => self.lose_commits(now),
            Trouble::ClockStep => {
                self.offset += self.random.random_range(-2_000_000..2_000_000);
            }
            _ => {}
        }
    }

    /// Every outcome that the ledger decided is written into the Redis that lost all.
    fn restore_outcomes(&mut self, lost: &Redis) {
        for (job, before) in &lost.records {
            let order = self.ledger.orders.iter().find(|order| order.job == *job);
            let rejection = self.ledger.rejections.get(job).map(|outcomes| outcomes[0]);
            let outcome = order.map(|_| Outcome::Confirmed).or(rejection);
            if outcome.is_some() {
                let order = order.map(|order| order.id);
                let record = record(outcome, order, &before.product, &before.user);
                self.redis.records.insert(*job, record);
            }
        }
        for (name, (product, job)) in &lost.known {
            if self.redis.records.contains_key(job) {
                self.redis
                    .known
                    .insert(name.clone(), (product.clone(), *job));
            }
        }
    }

    /// The ledger goes back; its versions and numbers are raised above all that was told.
    fn lose_commits(&mut self, now: i64) {
        let Some((from, backup)) = self.backup.take() else {
            self.backup = Some((now, self.ledger.clone()));
            return;
        };
        self.circumstances.ledger_lost.push(Loss {
            from: Some(from),
            to: Some(now),
        });
        self.ledger = backup;
        let names: Vec<String> = self.ledger.products.keys().cloned().collect();
        for name in names {
            let told = self.redis.stock.get(&name).map_or(0, |known| known.version);
            let row = self.ledger.products.get_mut(&name).unwrap();
            row.version = row.version.max(told) + 1;
            self.publish(&name);
        }
    }

    /// Settles what waits, asks for every buy, and ends.
    fn finish(mut self) -> Made {
        if self.trouble == Trouble::LedgerLost {
            let now = BEGAN + i64::try_from(self.us).unwrap();
            self.lose_commits(now);
        }
        while !self.in_flight.is_empty() {
            self.pass();
            self.deliver();
            self.answer();
        }
        let running = self.trouble == Trouble::Running && self.random.random_bool(0.7);
        self.circumstances.running = running;
        while !running && self.redis.lanes.values().any(|lane| !lane.is_empty()) {
            self.pass();
            self.settle();
        }
        self.read_clock();
        for (job, user) in self.acknowledged.clone() {
            self.poll_job(job, &user);
            self.note(Entry::Outcome {
                job,
                user,
                outcome: None,
            });
        }
        let mut ending = Ending::Complete;
        self.note(Entry::End { interrupted: false });
        if self.random.random_bool(0.15) {
            // Killed somewhere on its way.
            let kept = self.random.random_range(2..=self.lines.len());
            self.lines.truncate(kept);
            ending = Ending::Truncated;
        }
        let stores = Stores {
            sales: BTreeMap::from([(SALE.to_owned(), self.stores())]),
        };
        Made {
            lines: self.lines,
            ending,
            stores,
            circumstances: self.circumstances,
        }
    }

    fn stores(&self) -> SaleStores {
        let mut stores = SaleStores::default();
        let withdrawn = self.trouble == Trouble::Withdrawn;
        stores.ledger.orders.clone_from(&self.ledger.orders);
        stores.ledger.products = self.ledger.products.values().cloned().collect();
        for product in &mut stores.ledger.products {
            product.offered = !withdrawn;
        }
        if self.keeps_rejections {
            let kept = if withdrawn {
                HashMap::new()
            } else {
                self.ledger.rejections.clone()
            };
            stores.ledger.rejections = Some(kept);
            stores.ledger.keeps_all_rejections = true;
        }
        if withdrawn {
            return stores;
        }
        let redis = &mut stores.redis;
        (redis.in_force, redis.registered) = (true, true);
        let lanes = self.redis.lanes.values().flatten();
        redis.lanes = lanes.map(|job| (job.id, job.product.clone())).collect();
        redis.records.clone_from(&self.redis.records);
        redis.stock.clone_from(&self.redis.stock);
        let letters = self.redis.letters.iter();
        redis.letters = letters
            .map(|(job, (letter, _))| (*job, letter.clone()))
            .collect();
        stores
    }
}

pub(super) fn record(
    outcome: Option<Outcome>,
    order: Option<i64>,
    product: &str,
    user: &str,
) -> Record {
    Record {
        outcome,
        order,
        product: product.to_owned(),
        user: user.to_owned(),
    }
}
