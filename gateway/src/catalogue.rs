//! What is on sale: all sales in force, held in memory and kept fresh.
//!
//! Reads never wait for Redis. While Redis is away the last known catalogue stays; the turnstile
//! in Redis remains the judge of every buy.

mod clock;
mod entry;
mod handle;
mod refresh;
mod snapshot;

pub use clock::RedisClock;
pub use entry::SaleEntry;
pub use handle::{Catalogue, NotKnown, Observed};
pub use refresh::Refresher;
pub use snapshot::{Offer, Snapshot};
