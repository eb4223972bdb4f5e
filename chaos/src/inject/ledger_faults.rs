//! What happens to PostgreSQL.

use std::time::{Duration, Instant};

use flashsale_testbed::{
    data_dir::DataDir,
    fault_proxy::{Direction, End, FaultProxy, Flow},
};
use jiff::Timestamp;
use rand::{Rng, rngs::StdRng};
use sqlx::{Connection as _, PgConnection};

use super::Injected;
use crate::{
    error::ChaosError,
    faults::Store,
    judge::Loss,
    world::{Member, WORKERS, World},
};

/// How long the answers of a worker's commits are kept before its connections are reset: longer
/// than a commit takes.
const ANSWERS_KEPT: Duration = Duration::from_millis(150);

/// How long the others may work between two such blows.
const BETWEEN: Duration = Duration::from_millis(250);

/// Takes no writes for a while, as the old primary of a switchover.
pub(super) async fn read_only(world: &World, length: Duration) -> Result<Injected, ChaosError> {
    let mut ledger = world.stores.ledger().await?;
    sqlx::raw_sql("ALTER SYSTEM SET default_transaction_read_only = on")
        .execute(&mut ledger)
        .await?;
    reload(&mut ledger).await?;
    tokio::time::sleep(length).await;
    sqlx::raw_sql("SET default_transaction_read_only = off")
        .execute(&mut ledger)
        .await?;
    sqlx::raw_sql("ALTER SYSTEM RESET default_transaction_read_only")
        .execute(&mut ledger)
        .await?;
    reload(&mut ledger).await?;
    let how = format!("{} ms", length.as_millis());
    Ok(Injected::since(Instant::now(), how))
}

async fn reload(ledger: &mut PgConnection) -> Result<(), ChaosError> {
    sqlx::raw_sql("SELECT pg_reload_conf()")
        .execute(ledger)
        .await?;
    Ok(())
}

/// Ends everybody's connections and takes all there are, for a while.
pub(super) async fn full(world: &World, length: Duration) -> Result<Injected, ChaosError> {
    let mut ledger = world.stores.ledger().await?;
    let url = format!("{}?application_name=chaos", world.stores.postgres.url());
    let mut taken = Vec::new();
    let deadline = Instant::now() + length;
    while Instant::now() < deadline {
        sqlx::raw_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE backend_type = 'client backend' AND application_name <> 'chaos'
                AND pid <> pg_backend_pid()",
        )
        .execute(&mut ledger)
        .await?;
        // Whoever comes first gets what becomes free.
        while let Ok(connection) = PgConnection::connect(&url).await {
            taken.push(connection);
        }
        tokio::time::sleep(BETWEEN).await;
    }
    let count = taken.len();
    drop(taken);
    let how = format!("{count} connections for {} ms", length.as_millis());
    Ok(Injected::since(Instant::now(), how))
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
    let data_dir = DataDir::temporary()?;
    let replica = world
        .stores
        .postgres
        .replica(&data_dir, link.address())
        .await?;
    world.stores.further.push(data_dir);
    let lag = Duration::from_millis(random.random_range(500..2_500));
    let from = Timestamp::now();
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
    let mut injected = Injected::since(Instant::now(), format!("{} ms lost", lag.as_millis()));
    injected.losses.push(Loss {
        store: Store::Postgres,
        from: Some(from),
        to: Timestamp::now(),
    });
    Ok(injected)
}
