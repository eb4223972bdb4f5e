//! Fills lanes the way a gateway does: through the turnstile's script, in full calls.

use std::{ops::Range, sync::Arc, time::Instant};

use flashsale_domain::sale::Sale;
use flashsale_queue::{
    connect::DedicatedConnection,
    keys::SaleKeys,
    turnstile::{Admission, Buy, MAX_BUYS_A_CALL, Turnstile},
};
use tokio::task::JoinSet;

use crate::{
    environment::Stores,
    error::{Result, broke, check},
};

/// Calls on their way at a time, as many as a gateway has: while Redis decides one, the next
/// travels.
const CALLS_AT_A_TIME: usize = 2;

/// Takes all `buys` through the turnstile of `sale`; answers buys per second.
pub(crate) async fn admit(stores: &Stores, sale: &Sale, buys: Vec<Buy>) -> Result<f64> {
    let keys = Arc::new(SaleKeys::new(&sale.id));
    in_full_calls(stores, buys, move |mut queue, buys, call| {
        let keys = Arc::clone(&keys);
        async move {
            let turnstile = Turnstile::default();
            let admissions = turnstile.admit(&mut queue, &keys, &buys[call]).await?;
            let is_new = |admission: &&Admission| matches!(admission, Admission::Queued { .. });
            let refused = admissions.iter().find(|admission| !is_new(admission));
            check!(
                refused.is_none(),
                "the turnstile answered {refused:?} to a new buy"
            )
        }
    })
    .await
}

/// Calls `write` for as many of `buys` as a call may have, as many calls at a time as a gateway has;
/// answers buys per second.
pub(crate) async fn in_full_calls<F, Written>(
    stores: &Stores,
    buys: Vec<Buy>,
    write: F,
) -> Result<f64>
where
    F: Fn(DedicatedConnection, Arc<[Buy]>, Range<usize>) -> Written + Clone + Send + 'static,
    Written: Future<Output = Result<()>> + Send,
{
    let (count, buys) = (buys.len(), Arc::<[Buy]>::from(buys));
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLS_AT_A_TIME {
        let (queue, buys, write) = (stores.queue.clone(), Arc::clone(&buys), write.clone());
        callers.spawn(async move {
            let calls = (0..count).step_by(MAX_BUYS_A_CALL).skip(caller);
            for first in calls.step_by(CALLS_AT_A_TIME) {
                let call = first..count.min(first + MAX_BUYS_A_CALL);
                write(queue.clone(), Arc::clone(&buys), call).await?;
            }
            Ok(())
        });
    }
    finish(callers).await?;
    Ok(rate(u32::try_from(count)?, started))
}

/// Waits for all callers; the first failure is the failure of all.
pub(crate) async fn finish(mut callers: JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = callers.join_next().await {
        ended.map_err(broke("a task"))??;
    }
    Ok(())
}

/// `count` things since `started`, per second.
pub(crate) fn rate(count: u32, started: Instant) -> f64 {
    f64::from(count) / started.elapsed().as_secs_f64()
}
