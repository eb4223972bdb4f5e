//! Fills lanes the way a gateway does: through the turnstile's script, in full calls.

use std::{sync::Arc, time::Instant};

use flashsale_core::{
    keys::SaleKeys,
    sale::Sale,
    turnstile::{Admission, Buy, MAX_BUYS_A_CALL, Turnstile},
};
use tokio::task::JoinSet;

use crate::{error::BenchError, stores::Stores};

/// Calls on their way at a time, as many as a gateway has: while Redis decides one, the next
/// travels.
pub const CALLS_AT_A_TIME: usize = 2;

/// Takes all `buys` through the turnstile of `sale`; answers buys a second.
pub async fn admit(stores: &Stores, sale: &Sale, buys: &Arc<[Buy]>) -> Result<f64, BenchError> {
    let keys = Arc::new(SaleKeys::new(&sale.id));
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLS_AT_A_TIME {
        let (queue, keys, buys) = (stores.queue.clone(), Arc::clone(&keys), Arc::clone(buys));
        callers.spawn(async move {
            let turnstile = Turnstile::default();
            let mut queue = queue;
            for call in buys
                .chunks(MAX_BUYS_A_CALL)
                .skip(caller)
                .step_by(CALLS_AT_A_TIME)
            {
                check(&turnstile.admit(&mut queue, &keys, call).await?)?;
            }
            Ok::<(), BenchError>(())
        });
    }
    finish(callers).await?;
    Ok(rate(buys.len(), started))
}

/// Waits for all callers; the first failure is the failure of all.
pub(crate) async fn finish(mut callers: JoinSet<Result<(), BenchError>>) -> Result<(), BenchError> {
    while let Some(ended) = callers.join_next().await {
        ended.map_err(|error| BenchError::Wrong(format!("a task broke: {error}")))??;
    }
    Ok(())
}

/// `count` things since `started`, a second.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn rate(count: usize, started: Instant) -> f64 {
    count as f64 / started.elapsed().as_secs_f64()
}

fn check(admissions: &[Admission]) -> Result<(), BenchError> {
    let refused = admissions
        .iter()
        .find(|admission| !matches!(admission, Admission::Queued { .. }));
    refused.map_or(Ok(()), |admission| {
        Err(BenchError::Wrong(format!(
            "the turnstile answered {admission:?} to a new buy"
        )))
    })
}
