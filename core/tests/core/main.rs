//! The ledger, the turnstile and what a control loop reads, on a real PostgreSQL and a real Redis.

mod acknowledgements;
mod connections;
mod deadlines;
mod ledger;
mod looks;
mod turnstile;
