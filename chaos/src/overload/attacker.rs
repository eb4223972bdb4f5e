//! The attacker: a process of its own, from one address, that does everything at once that costs
//! it little and the gateway much.

mod floods;
mod held;
mod tally;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use flashsale_domain::{id::SaleId, words};
use tokio::task::JoinSet;

use tally::Books;
pub use tally::{KindTally, Tally};

/// Connections that each of the floods keeps busy. They are opened first: an attacker who holds
/// every place of its address with silent connections has none left to ask questions on.
const FLOOD_CONNECTIONS: usize = 6;

/// Connections that each slow kind wants to hold; together more than the gateway gives one
/// address.
const HELD_CONNECTIONS: usize = 100;

/// How long the floods have before the slow kinds take what is left of the places.
const HEAD_START: Duration = Duration::from_millis(500);

/// Pause after a connection that was refused, broken or ended, so that thousands of attempts per
/// second remain for all of them together.
const PAUSE: Duration = Duration::from_millis(40);

/// Whom to attack, from where, and for how long.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The gateway.
    #[arg(long)]
    pub gateway: SocketAddr,
    /// The address that all connections come from.
    #[arg(long)]
    pub source: Ipv4Addr,
    /// Seconds until the attack ends.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=900))]
    pub seconds: u64,
    /// The sale.
    #[arg(long)]
    pub sale: SaleId,
    /// What made-up shoppers buy.
    #[arg(long)]
    pub product: String,
}

words! {
    /// What the attacker does.
    pub enum Kind {
        /// A head that arrives a line per second, without end.
        SlowHeads = "slow heads",
        /// A body that arrives a byte per second, to a buy or to an Engine.IO session.
        SlowBodies = "slow bodies",
        /// Many requests on one connection whose answers are not read.
        SlowReaders = "slow readers",
        /// `WebSocket`s that never say whose they are.
        SilentSockets = "silent WebSockets",
        /// Engine.IO sessions over polling, opened and left.
        FreeSessions = "free Engine.IO sessions",
        /// Tokens without `kid` whose signature is wrong.
        BadTokens = "bad tokens without kid",
        /// Buys, each of another shopper who does not exist.
        MadeUpUsers = "made-up user ids",
        /// Questions for orders that do not exist.
        OrderLookups = "order look-ups",
    }
}

impl Kind {
    /// Whether it asks as much as it can; others hold connections.
    fn is_flood(self) -> bool {
        match self {
            Self::FreeSessions | Self::BadTokens | Self::MadeUpUsers | Self::OrderLookups => true,
            Self::SlowHeads | Self::SlowBodies | Self::SlowReaders | Self::SilentSockets => false,
        }
    }
}

/// One connection's worth of the attack.
#[derive(Debug, Clone)]
struct Attacker {
    target: Arc<Target>,
    books: Arc<Books>,
    kind: Kind,
    /// Tells attackers of the same kind apart.
    number: usize,
}

/// Attacks until the time is over, and tells what came of it.
pub async fn attack(target: Target) -> Tally {
    let until = Instant::now() + Duration::from_secs(target.seconds);
    let (target, books) = (Arc::new(target), Arc::new(Books::default()));
    let mut tasks = JoinSet::new();
    let mut start = |kind: Kind, connections| {
        for number in 0..connections {
            let attacker = Attacker {
                target: Arc::clone(&target),
                books: Arc::clone(&books),
                kind,
                number,
            };
            tasks.spawn(attacker.run());
        }
    };
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_flood()) {
        start(kind, FLOOD_CONNECTIONS);
    }
    tokio::time::sleep(HEAD_START).await;
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_flood()) {
        start(kind, HELD_CONNECTIONS);
    }
    tokio::time::sleep_until(until.into()).await;
    tasks.abort_all();
    books.tally()
}

impl Attacker {
    async fn run(self) {
        loop {
            // Whatever ends a connection is the gateway's defence, and is counted.
            let ended = if self.kind.is_flood() {
                self.flood().await
            } else {
                self.hold().await
            };
            if ended.is_err() {
                self.books.broken(self.kind);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The value of the header `Host`.
    fn host(&self) -> String {
        self.target.gateway.to_string()
    }
}
