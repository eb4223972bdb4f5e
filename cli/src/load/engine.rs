//! Sends a crowd: a dispatcher that keeps the time, and connections that take what is due.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::Full;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{self, Answer},
    book::Book,
    crowd::Press,
    patience::{self, Next},
    schedule::Schedule,
    target::Target,
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
}

impl Engine {
    /// Sends the crowd of `book` at its start and comes back when each press has its final
    /// answer, or `stop` is cancelled.
    pub async fn run(&self, book: &Arc<Book>, stop: &CancellationToken) {
        let crowd = Arc::clone(book.crowd());
        let (schedule, repeats) = Schedule::new(book.start(), crowd.presses().len());
        let schedule = Arc::new(schedule);
        let mut shoppers = JoinSet::new();
        for (_, target) in (0..self.connections.max(1)).zip(self.targets.iter().cycle()) {
            let connection = Connection::new(target.clone());
            let (schedule, book) = (Arc::clone(&schedule), Arc::clone(book));
            shoppers.spawn(serve(connection, schedule, book, self.patience));
        }
        tokio::select! {
            () = schedule.dispatch(&crowd, repeats) => while shoppers.join_next().await.is_some() {},
            () = stop.cancelled() => schedule.close(),
        }
    }
}

/// Carries what is due over one connection.
async fn serve(
    mut connection: Connection,
    schedule: Arc<Schedule>,
    book: Arc<Book>,
    patience: Duration,
) {
    let host = HeaderValue::from_str(&connection.target().authority());
    let Ok(host) = host else { return };
    let path = connection.target().path("/buy");
    loop {
        // Before a press is taken: a gateway that is down must not swallow what another could
        // have taken. When all are down, presses wait, and their latency grows, as it should.
        while let Err(error) = connection.ready().await {
            if schedule.is_closed() {
                return;
            }
            for press in schedule.overdue(patience) {
                book.answered(press, Err(error.to_string()));
                schedule.done();
            }
            sleep(RECONNECT_WAIT).await;
        }
        let Some(press) = schedule.next().await else {
            return;
        };
        let result = exchange(&mut connection, &path, &host, press, &book).await;
        let left = (Duration::from_micros(press.meant_us) + patience)
            .saturating_sub(book.start().elapsed());
        match patience::judge(press, result, left) {
            Next::Take(result) => {
                book.answered(press, result);
                schedule.done();
            }
            Next::Repeat(wait) => {
                book.repeated();
                schedule.repeat(press, wait);
            }
        }
    }
}

async fn exchange(
    connection: &mut Connection,
    path: &str,
    host: &HeaderValue,
    press: Press,
    book: &Book,
) -> Result<Answer, String> {
    let crowd = book.crowd();
    let offer = crowd
        .wish(press.shopper)
        .ok_or("this shopper wants nothing")?;
    // Neither alphabet has a character that JSON would escape.
    let user = crowd.user(press.shopper);
    let body = format!(
        "{{\"productId\":\"{}\",\"userId\":\"{user}\"}}",
        offer.product
    );
    let request = Request::post(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header("idempotency-key", crowd.key(press))
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let reply = connection
        .exchange(request)
        .await
        .map_err(|error| error.to_string())?;
    Ok(answer::read(reply.status, &reply.headers, &reply.body))
}
