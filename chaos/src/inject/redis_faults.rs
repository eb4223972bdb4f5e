//! What happens to Redis.

use std::{
    fs,
    time::{Duration, Instant},
};

use flashsale_testbed::fault_proxy::{End, FaultProxy, Flow};
use jiff::Timestamp;
use rand::{Rng, rngs::StdRng};

use super::Injected;
use crate::{
    error::ChaosError,
    faults::Store,
    flow::Watcher,
    stores::{self, copy_directory},
    world::World,
};

/// At `maxmemory` for a while: what it holds now is all that it may hold.
pub(super) async fn full(world: &World, length: Duration) -> Result<Injected, ChaosError> {
    let mut queue = world.stores.queue().await?;
    let used: String = stores::info(&mut queue, "memory", "used_memory").await?;
    stores::run(&mut queue, &["CONFIG", "SET", "maxmemory", &used]).await?;
    tokio::time::sleep(length).await;
    stores::run(&mut queue, &["CONFIG", "SET", "maxmemory", "0"]).await?;
    let how = format!("{} ms", length.as_millis());
    Ok(Injected::since(Instant::now(), how))
}

/// Forgets everything.
pub(super) async fn flushed(world: &World) -> Result<Injected, ChaosError> {
    let mut queue = world.stores.queue().await?;
    stores::run(&mut queue, &["FLUSHALL"]).await?;
    Ok(Injected::lost("", Store::Redis, None, Timestamp::now()))
}

/// Dies, and comes back with what it had some seconds before.
pub(super) async fn restored(
    world: &mut World,
    random: &mut StdRng,
) -> Result<Injected, ChaosError> {
    let files = world.stores.redis.append_only_directory();
    let snapshot = world.directory().join("snapshot");
    let from = Timestamp::now();
    // The file is only ever appended to, so a copy is what Redis had at some instant; it cuts off
    // half a command at the end.
    copy_directory(&files, &snapshot).map_err(ChaosError::file(&snapshot))?;
    let age = Duration::from_millis(random.random_range(1_000..4_000));
    tokio::time::sleep(age).await;
    world.stores.redis.kill().await?;
    let to = Timestamp::now();
    fs::remove_dir_all(&files).map_err(ChaosError::file(&files))?;
    copy_directory(&snapshot, &files).map_err(ChaosError::file(&files))?;
    world.stores.redis.restart().await?;
    let how = format!("{} ms lost", age.as_millis());
    Ok(Injected::lost(how, Store::Redis, Some(from), to))
}

/// Fails over to a replica that has not got the last second. The old one dies, or is demoted and
/// keeps its clients' connections.
pub(super) async fn promoted(
    world: &mut World,
    watcher: &Watcher,
    dies: bool,
    random: &mut StdRng,
) -> Result<Injected, ChaosError> {
    let link = FaultProxy::start(world.stores.redis_address()).await?;
    let (replica, from) = world.stores.redis_replica(&link).await?;
    let lag = Duration::from_millis(random.random_range(200..1_500));
    link.set_both(Flow::Silent);
    tokio::time::sleep(lag).await;
    let old_url = world.stores.redis_url();
    let mut old = std::mem::replace(&mut world.stores.redis, replica);
    let new = world.stores.redis_address();
    if dies {
        old.kill().await?;
    }
    link.cut(End::Reset).await;
    let mut queue = world.stores.queue().await?;
    stores::run(&mut queue, &["REPLICAOF", "NO", "ONE"]).await?;
    let to = Timestamp::now();
    for proxy in world.all_proxies(Store::Redis) {
        proxy.lead_to(new);
    }
    if dies {
        for proxy in world.all_proxies(Store::Redis) {
            proxy.end_all(End::Reset);
        }
    } else {
        let mut old_queue = stores::connect_to(&old_url).await?;
        stores::follow(&mut old_queue, new, world.stores.redis_password()).await?;
    }
    watcher.lead_to(world.stores.redis_url());
    world.stores.keep(old);
    let how = format!("{} ms lost", lag.as_millis());
    Ok(Injected::lost(how, Store::Redis, Some(from), to))
}
