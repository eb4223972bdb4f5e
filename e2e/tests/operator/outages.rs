//! A store is away for a minute: people are told, no worker goes, other sales go on, and all is
//! well by itself afterwards.

mod ledger;
mod queue;
mod scene;
