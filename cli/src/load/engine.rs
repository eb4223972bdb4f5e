//! Sends a crowd: a dispatcher that keeps the time, and connections that take what is due.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{self, Answer},
    book::Book,
    crowd::Press,
    passes::Passes,
    patience::{self, Next},
    record,
    schedule::Schedule,
    target::Target,
    tokens::Tokens,
};
use crate::http_client::Connection;

/// Wait before a gateway that refuses connections is tried again.
const RECONNECT_WAIT: Duration = Duration::from_millis(100);

/// What it takes to send a crowd.
#[derive(Debug)]
pub struct Engine {
    /// The gateways; shoppers are spread over them evenly.
    pub targets: Vec<Target>,
    /// Keep-alive connections over all gateways. Each carries one request at a time, so this
    /// bounds what is in flight; what is due beyond it waits, and its latency says so.
    pub connections: usize,
    /// How long a shopper keeps trying.
    pub patience: Duration,
    /// Addresses of this machine that connections come from, in turn; none: the system's choice.
    pub sources: Vec<IpAddr>,
    /// What shoppers show to say who they are; none where authentication is off.
    pub tokens: Option<Arc<Tokens>>,
    /// What shoppers bring to sales that ask for a pass; none where no sale does.
    pub passes: Option<Arc<Passes>>,
}

impl Engine {
    /// Sends the crowd of `book` at its start and comes back when each press has its final
    /// answer, or `stop` is cancelled.
    pub async fn run(&self, book: &Arc<Book>, stop: &CancellationToken) {
        let crowd = Arc::clone(book.crowd());
        let (schedule, repeats) = Schedule::new(book.start(), crowd.presses().len());
        let schedule = Arc::new(schedule);
        let mut shoppers = JoinSet::new();
        let targets = self.targets.iter().enumerate().cycle();
        for (number, (gateway, target)) in (0..self.connections.max(1)).zip(targets) {
            let source = number
                .checked_rem(self.sources.len())
                .and_then(|index| self.sources.get(index));
            let carrier = Carrier {
                connection: Connection::new(target.clone()).with_source(source.copied()),
                tokens: self.tokens.clone(),
                passes: self.passes.clone(),
                schedule: Arc::clone(&schedule),
                book: Arc::clone(book),
                patience: self.patience,
                gateway,
                target: target.clone(),
            };
            shoppers.spawn(carrier.run());
        }
        tokio::select! {
            () = schedule.dispatch(&crowd, repeats) => while shoppers.join_next().await.is_some() {},
            () = stop.cancelled() => schedule.close(),
        }
    }
}

/// Carries what is due over one connection.
struct Carrier {
    connection: Connection,
    tokens: Option<Arc<Tokens>>,
    passes: Option<Arc<Passes>>,
    schedule: Arc<Schedule>,
    book: Arc<Book>,
    patience: Duration,
    /// Its gateway's place among the targets.
    gateway: usize,
    target: Target,
}

impl Carrier {
    /// Carries presses until there are no more.
    async fn run(mut self) {
        while self.connect().await {
            let Some(press) = self.schedule.next().await else {
                return;
            };
            let result = self.exchange(press).await;
            let meant = Duration::from_micros(press.meant_us);
            let left = (meant + self.patience).saturating_sub(self.book.start().elapsed());
            match patience::judge(press, result, left) {
                Next::Take(result) => self.finish(press, result),
                Next::Repeat(wait) => {
                    self.book.repeated();
                    self.schedule.repeat(press, wait);
                }
            }
        }
    }

    /// Sees to a connection before a press is taken: a gateway that is down must not swallow what
    /// another could have taken. When all are down, presses wait, and their latency grows, as it
    /// should, until their shoppers give up. False when there are no more.
    async fn connect(&mut self) -> bool {
        while let Err(error) = self.connection.ready().await {
            if self.schedule.is_closed() {
                return false;
            }
            for press in self.schedule.overdue(self.patience) {
                self.finish(press, Err(error.to_string()));
            }
            sleep(RECONNECT_WAIT).await;
        }
        true
    }

    fn finish(&self, press: Press, result: Result<Answer, String>) {
        self.book.answered(press, result);
        self.schedule.done();
    }

    async fn exchange(&mut self, press: Press) -> Result<Answer, String> {
        let crowd = self.book.crowd();
        let offer = crowd
            .wish(press.shopper)
            .ok_or("this shopper wants nothing")?;
        // Neither alphabet has a character that JSON would escape.
        let (product, user) = (&offer.product, crowd.user(press.shopper));
        let body = format!("{{\"productId\":\"{product}\",\"userId\":\"{user}\"}}");
        let tokens = self.tokens.as_deref();
        let mut request = Tokens::request(tokens, &self.target, "/buy", press.shopper)?
            .header("idempotency-key", crowd.key(press));
        let passes = self.passes.as_ref();
        if let Some(pass) = passes.and_then(|passes| passes.of(press.shopper)) {
            request = request.header("flashsale-pass", pass);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let history = self.book.history();
        let number = history.map(|history| record::buy(history, crowd, press, offer, self.gateway));
        let reply = self.connection.exchange(request).await;
        let reply = reply.map_err(|error| error.to_string());
        if let (Some(history), Some(number)) = (history, number) {
            record::answer(history, number, &reply);
        }
        let reply = reply?;
        Ok(answer::read(reply.status, &reply.headers, &reply.body))
    }
}
