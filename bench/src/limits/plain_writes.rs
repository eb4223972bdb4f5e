//! The limit of the turnstile: the writes that a buy needs, as plain commands without a decision.

use std::sync::Arc;

use flashsale_domain::{
    outcome::{JobRecord, JobState},
    sale::Sale,
};
use flashsale_queue::{keys::SaleKeys, turnstile::Buy};

use crate::{environment::Stores, error::Result, load::prefill};

/// What is remembered of a shopper's pace: microseconds into the middle of a turn of a minute.
const SINCE_TURN_US: u32 = 30_000_000;

/// Writes what the turnstile would write for `buys`, as many a round trip as a full call has, over
/// as many round trips at a time; answers buys per second.
pub(crate) async fn write(stores: &Stores, sale: &Sale, buys: Vec<Buy>) -> Result<f64> {
    let keys = Arc::new(SaleKeys::new(&sale.id));
    prefill::in_full_calls(stores, buys, move |mut queue, buys, call| {
        let writes = writes(&keys, &buys[call]);
        async move { Ok(writes.exec_async(&mut queue).await?) }
    })
    .await
}

fn writes(keys: &SaleKeys, buys: &[Buy]) -> redis::Pipeline {
    let mut pipe = redis::pipe();
    let (mut paces, mut answers) = (redis::cmd("HSET"), redis::cmd("HSET"));
    let [pace, _] = keys.paces();
    paces.arg(pace);
    answers.arg(keys.first_answers());
    let mut records = redis::cmd("HSET");
    records.arg(keys.jobs());
    for (position, buy) in (1_u64..).zip(buys) {
        let job = buy.job_id.to_string();
        let entry = pipe.cmd("XADD").arg(keys.lane(&buy.product));
        entry
            .arg("*")
            .arg("job")
            .arg(buy.job.as_deref().unwrap_or_default());
        paces.arg(buy.user.as_str()).arg(SINCE_TURN_US);
        answers
            .arg(format!("{} {}", buy.user, buy.key))
            .arg(format!("{job} {position}"));
        let record = JobRecord {
            state: JobState::Queued { ticket: position },
            product_id: buy.product.clone(),
            user_id: buy.user.clone(),
        };
        records.arg(job).arg(record.to_string());
    }
    pipe.add_command(paces)
        .add_command(answers)
        .add_command(records);
    pipe
}
