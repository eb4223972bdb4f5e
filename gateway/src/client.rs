//! Who connects and asks, and what is known of the connection.

mod address;
mod link;

pub(crate) use address::{Client, Proxies};
pub(crate) use link::{Link, Phase};
