//! Growth: what a sale costs when it becomes large, and whether it leaves anything behind.
//!
//! | room | grows | looked at |
//! |---|---|---|
//! | [`whole`] | buys through one sale, 100,000 to 1,000,000 | laws, memory, and the end: everything of a deleted sale is gone |
//! | [`lane`] | jobs that wait in one lane, 10,000 to 1,000,000 | what an order costs, bytes in Redis |
//! | [`products`] | products of one sale, 1 to 1,000 | what a buy costs, how long their lanes wait for a worker with room for eight |
//! | [`sales`] | open sales, 1 to 100 | what those that sleep cost |
//!
//! It is measured once a run, not once a round: what is compared is sizes that are far apart.

pub mod lane;
pub mod load;
pub mod products;
pub mod sales;
pub mod stopwatch;
pub mod whole;

use crate::{error::BenchError, measure::growth::BUYS, session::Session};

/// Lanes that the worker may drive: its default.
const LANES: u32 = 8;

/// Measures everything; in a quick run the whole way alone, and only up to its smallest size.
pub async fn measure(session: &mut Session) -> Result<(), BenchError> {
    if session.arguments.quick {
        return whole::measure(session, &BUYS[..1]).await;
    }
    whole::measure(session, &BUYS).await?;
    lane::measure(session).await?;
    products::measure(session).await?;
    sales::measure(session).await
}

/// What `count` things have taken each, of what grew from `before` to `after`.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn each(before: u64, after: u64, count: u32) -> f64 {
    after.saturating_sub(before) as f64 / f64::from(count)
}
