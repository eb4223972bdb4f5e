//! Jobs that are said to wait: are they in their lanes?

use std::collections::{HashMap, HashSet};

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
            let lane = keys.lane(product);
            let mut after = lane::HEAD.to_owned();
            while !expected.is_empty() {
                let entries = lane::read(connection, &lane, &after, READ_COUNT).await?;
                let Some(last) = entries.last() else { break };
                after.clone_from(&last.id);
                for entry in &entries {
                    let job = entry.job.as_deref().unwrap_or_default();
                    if let Ok(named) = serde_json::from_slice::<Named>(job) {
                        expected.remove(&named.job_id);
                    }
                }
            }
        }
        Ok(self.0.into_values().flatten().collect())
    }
}
