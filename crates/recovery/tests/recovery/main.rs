//! What is done to both stores at once, on a real PostgreSQL and a real Redis.

mod recovery;
mod retirement;
