//! Growth: what a sale costs when it becomes large, and whether it leaves anything behind.
//!
//! | file | grows | looked at |
//! |---|---|---|
//! | [`whole`] | buys through one sale, 100,000 to 1,000,000 | laws, memory, and the end: everything of a deleted sale is gone |
//! | [`lane`] | jobs that wait in one lane, 10,000 to 1,000,000 | what an order costs, bytes in Redis |
//! | [`products`] | products of one sale, 1 to 1,000 | what a buy costs, how long their lanes wait for a worker with room for eight |
//! | [`sales`] | open sales, 1 to 100 | what those that sleep cost |
//!
//! It is measured once a run, not once a round: what is compared is sizes that are far apart.

mod lane;
mod products;
mod sales;
mod whole;

use crate::{error::Result, metrics::table::GROWING_BUYS, session::Session};

/// Lanes that the worker may drive: its default.
const LANES: u32 = 8;

/// Measures everything; in a quick run the whole way alone, and only up to its smallest size.
pub(crate) async fn measure(session: &mut Session) -> Result<()> {
    if session.arguments.quick {
        return whole::measure(session, &GROWING_BUYS[..1]).await;
    }
    whole::measure(session, &GROWING_BUYS).await?;
    lane::measure(session).await?;
    products::measure(session).await?;
    sales::measure(session).await
}
