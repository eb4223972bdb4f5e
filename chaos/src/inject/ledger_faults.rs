//! What happens to PostgreSQL.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use flashsale_testbed::fault_proxy::{Direction, End, FaultProxy, Flow};
use jiff::Timestamp;
use rand::{Rng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::Injected;
use crate::{
    error::ChaosError,
    faults::Store,
    stores::execute,
    world::{Member, WORKERS, World},
};

/// How long the answers of a worker's commits are kept before its connections are reset: longer
/// than a commit takes.
const ANSWERS_KEPT: Duration = Duration::from_millis(150);

/// How long the others may work between two such blows.
const BETWEEN: Duration = Duration::from_millis(250);

/// Has the server read its settings anew.
const RELOAD: &str = "SELECT pg_reload_conf()";

/// Version 3.0 of the protocol.
const PROTOCOL: u32 = 3 << 16;

/// First byte of the answer that asks for a password.
const AUTHENTICATION: &[u8; 1] = b"R";

/// Takes no writes for a while, as the old primary of a switchover.
pub(super) async fn read_only(world: &World, length: Duration) -> Result<Injected, ChaosError> {
    let mut ledger = world.stores.ledger().await?;
    let read_only = "ALTER SYSTEM SET default_transaction_read_only = on";
    for statement in [read_only, RELOAD] {
        execute(&mut ledger, statement).await?;
    }
    tokio::time::sleep(length).await;
    for statement in [
        "SET default_transaction_read_only = off",
        "ALTER SYSTEM RESET default_transaction_read_only",
        RELOAD,
    ] {
        execute(&mut ledger, statement).await?;
    }
    let how = format!("{} ms", length.as_millis());
    Ok(Injected::since(Instant::now(), how))
}

/// Ends everybody's connections and takes all there are, for a while.
pub(super) async fn full(world: &World, length: Duration) -> Result<Injected, ChaosError> {
    let mut ledger = world.stores.ledger().await?;
    let address = world.stores.postgres_address();
    let mut taken = Vec::new();
    let deadline = Instant::now() + length;
    while Instant::now() < deadline {
        let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        execute(&mut ledger, end_all).await?;
        // Whoever comes first gets what becomes free.
        while let Some(connection) = occupy(address).await {
            taken.push(connection);
        }
        tokio::time::sleep(BETWEEN).await;
    }
    let count = taken.len();
    drop(taken);
    let how = format!("{count} connections for {} ms", length.as_millis());
    Ok(Injected::since(Instant::now(), how))
}

/// Takes one of the server's connections by asking for a session and saying no more: the server
/// waits a minute for a password. None when it has none left.
async fn occupy(address: SocketAddr) -> Option<TcpStream> {
    let mut connection = TcpStream::connect(address).await.ok()?;
    connection.write_all(&startup_message()?).await.ok()?;
    let mut answer = [0];
    connection.read_exact(&mut answer).await.ok()?;
    (answer == *AUTHENTICATION).then_some(connection)
}

/// PostgreSQL's protocol, "Message Formats", `StartupMessage`.
fn startup_message() -> Option<Vec<u8>> {
    const PARAMETERS: &[u8] = b"user\0flashsale\0database\0flashsale\0\0";
    let length = u32::try_from(8 + PARAMETERS.len()).ok()?;
    Some(
        [
            &length.to_be_bytes()[..],
            &PROTOCOL.to_be_bytes(),
            PARAMETERS,
        ]
        .concat(),
    )
}

/// Commits whose answers never arrive, again and again.
pub(super) async fn commit_unknown(
    world: &World,
    length: Duration,
) -> Result<Injected, ChaosError> {
    let workers: Vec<Member> = (0..WORKERS).map(Member::Worker).collect();
    let deadline = Instant::now() + length;
    let mut resets = 0;
    while Instant::now() < deadline {
        for proxy in world.proxies(&workers, Store::Postgres) {
            proxy.set(Direction::ToClient, Flow::Silent);
        }
        tokio::time::sleep(ANSWERS_KEPT).await;
        for proxy in world.proxies(&workers, Store::Postgres) {
            proxy.end_all(End::Reset);
        }
        world.heal();
        resets += 1;
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(Injected::since(Instant::now(), format!("{resets} times")))
}

/// Fails over to a replica that has not got the commits of the last seconds.
pub(super) async fn promoted(
    world: &mut World,
    random: &mut StdRng,
) -> Result<Injected, ChaosError> {
    let link = FaultProxy::start(world.stores.postgres_address()).await?;
    let (replica, from) = world.stores.postgres_replica(&link).await?;
    let lag = Duration::from_millis(random.random_range(500..2_500));
    link.set_both(Flow::Silent);
    tokio::time::sleep(lag).await;
    world.stores.postgres.kill().await?;
    link.cut(End::Reset).await;
    replica.promote().await?;
    world.stores.postgres = replica;
    let target = world.stores.postgres_address();
    for proxy in world.all_proxies(Store::Postgres) {
        proxy.lead_to(target);
        proxy.end_all(End::Reset);
    }
    let how = format!("{} ms lost", lag.as_millis());
    Ok(Injected::lost(
        how,
        Store::Postgres,
        Some(from),
        Timestamp::now(),
    ))
}
