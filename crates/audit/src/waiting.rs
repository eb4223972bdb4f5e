//! Jobs that are said to wait: are they in their lanes?

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

use flashsale_domain::id::ProductId;
use flashsale_queue::{connect::Queue, keys::SaleKeys, lane};
use redis::RedisResult;
use serde::Deserialize;
use uuid::Uuid;

/// Entries read in one call.
const READ_COUNT: usize = 1_000;

/// Jobs by the lane they should wait in.
#[derive(Debug, Default)]
pub(super) struct Waiting(HashMap<ProductId, HashSet<Uuid>>);

/// The one field of a job that matters here; the rest of it may be malformed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    job_id: Uuid,
}

impl Waiting {
    /// Expects `job` in the lane of `product`.
    pub(super) fn expect(&mut self, product: &ProductId, job: Uuid) {
        if let Some(jobs) = self.0.get_mut(product) {
            jobs.insert(job);
        } else {
            self.0.insert(product.clone(), HashSet::from([job]));
        }
    }

    /// Reads the lanes, from their heads, until every expected job was met or they end. Answers
    /// the jobs that were not met.
    pub(super) async fn missing(
        mut self,
        connection: &mut impl Queue,
        keys: &SaleKeys,
    ) -> RedisResult<Vec<Uuid>> {
        for (product, expected) in &mut self.0 {
            let meet = |job| {
                expected.remove(&job);
                if expected.is_empty() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            walk(connection, &keys.lane(product), meet).await?;
        }
        Ok(self.0.into_values().flatten().collect())
    }
}

/// Has `meet` see the jobs that wait in `lane`, from its head, until it breaks off or the lane ends.
pub async fn walk(
    connection: &mut impl Queue,
    lane: &str,
    mut meet: impl FnMut(Uuid) -> ControlFlow<()>,
) -> RedisResult<()> {
    let mut after = lane::HEAD.to_owned();
    loop {
        let entries = lane::read(connection, lane, &after, READ_COUNT).await?;
        let Some(last) = entries.last() else {
            return Ok(());
        };
        after.clone_from(&last.id);
        for entry in &entries {
            let job = entry.job.as_deref().unwrap_or_default();
            if let Ok(named) = serde_json::from_slice::<Named>(job)
                && meet(named.job_id).is_break()
            {
                return Ok(());
            }
        }
    }
}
