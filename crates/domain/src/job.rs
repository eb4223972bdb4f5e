//! The job: one acknowledged buy, as it waits in a lane.
//!
//! Its JSON is a contract: `{"jobId","data":{"userId","productId","timestamp","idempotencyKey"},
//! "name":"purchase-job","opts":{"attempts","backoff"}}`, the payload of the design that this
//! system began from. Other producers may append the same JSON to a lane; what they ask for in `opts`
//! is brought within the bounds that sales have, so that no job can keep a lane to itself.
//!
//! `data.price` may stand beside these: what the shopper was asked for, in minor units. Gateways write it.
//!
//! A release that changes the form adds the number of its `format`. A job without one has the first.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::id::{IdempotencyKey, JobId, ProductId, UserId};

/// The only job name there is.
pub const PURCHASE_JOB: &str = "purchase-job";

/// The highest format of a job that this release reads. It writes the first, which has no number.
pub const FORMAT: u32 = 1;

/// Attempts of a job that does not say: the first one and two retries.
pub const DEFAULT_ATTEMPTS: u32 = 3;

/// Milliseconds before the first retry of a job that does not say.
pub const DEFAULT_BACKOFF_MS: u64 = 1_000;

/// Attempts that a sale, or a job of another producer, may ask for.
pub const ATTEMPTS: RangeInclusive<u32> = 1..=20;

/// Milliseconds before the first retry that a sale, or a job of another producer, may ask for. With
/// none at all, doubling would never make it more, and the job would be tried without a pause.
pub const BACKOFF_MS: RangeInclusive<u64> = 1..=MAX_BACKOFF_MS;

/// Longest wait between two attempts: doubling stops here.
pub const MAX_BACKOFF_MS: u64 = 600_000;

/// The wait after `attempts` failed ones: `backoff`, then twice that, and so on.
pub fn backoff_ms(backoff: u64, attempts: u32) -> u64 {
    let doublings = attempts.saturating_sub(1).min(32);
    backoff
        .saturating_mul(1_u64 << doublings)
        .min(MAX_BACKOFF_MS)
}

/// One acknowledged buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Names the buy in answers, events and the ledger.
    pub job_id: JobId,
    /// Who wants what.
    pub data: Purchase,
    /// Always [`PURCHASE_JOB`]; another name is a malformed job.
    pub name: String,
    /// How often and how patiently to try.
    #[serde(default)]
    pub opts: JobOptions,
}

/// Who wants what, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Purchase {
    /// The shopper.
    pub user_id: UserId,
    /// The product; must be the one of the lane.
    pub product_id: ProductId,
    /// Milliseconds since the Unix epoch at which the gateway took the buy; for people, no
    /// decision reads it.
    pub timestamp: i64,
    /// The shopper's key for this buy.
    pub idempotency_key: IdempotencyKey,
    /// The price that was in force when the gateway took the buy, in minor units of the sale's currency. None
    /// in a job of another producer or of an earlier release: its order has the price at settlement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<i64>,
}

/// How a failing job is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobOptions {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Milliseconds before the first retry; doubled for each further one.
    pub backoff: u64,
}

impl JobOptions {
    /// The same, within the bounds that sales have: what stands in a lane may be anybody's.
    #[must_use]
    fn clamped(self) -> Self {
        Self {
            attempts: self.attempts.clamp(*ATTEMPTS.start(), *ATTEMPTS.end()),
            backoff: self.backoff.clamp(*BACKOFF_MS.start(), *BACKOFF_MS.end()),
        }
    }
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            attempts: DEFAULT_ATTEMPTS,
            backoff: DEFAULT_BACKOFF_MS,
        }
    }
}

/// A job as it stands in an entry.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    format: Option<u32>,
    job_id: JobId,
    data: Purchase,
    name: String,
    #[serde(default)]
    opts: JobOptions,
}

/// What every format has.
#[derive(Deserialize)]
struct Format {
    format: Option<u32>,
}

/// Why an entry of a lane is not a job. Such an entry is dead-lettered at once: no retry mends it,
/// unless a later release can read it.
#[derive(Debug, thiserror::Error)]
pub enum MalformedJob {
    /// The entry has no field `job`.
    #[error("the entry has no field \"job\"")]
    MissingField,
    /// The field is not the JSON of a job.
    #[error("the field \"job\" is not a purchase job: {0}")]
    Json(#[from] serde_json::Error),
    /// A later release wrote it, and may mean something else by the same fields.
    #[error(
        "the job has format {0}, and this release reads formats up to {FORMAT}: a worker of a later \
         release settles it"
    )]
    Newer(u32),
    /// The price is below zero.
    #[error("the job's price is {0}; write minor units, 0 or more, or leave it out")]
    Price(i64),
    /// The name is of another kind of job.
    #[error("the job's name is {0:?}; only \"purchase-job\" is known")]
    Name(String),
    /// The job names another product than the lane it waits in.
    #[error("the job wants product {wanted:?} but waits in the lane of {lane:?}")]
    WrongLane {
        /// The product the job names.
        wanted: ProductId,
        /// The product of the lane.
        lane: ProductId,
    },
}

impl Job {
    /// Reads the field `job` of an entry in the lane of `lane`. Options beyond [`ATTEMPTS`] and
    /// [`BACKOFF_MS`] are brought within.
    pub fn parse(json: &[u8], lane: &ProductId) -> Result<Self, MalformedJob> {
        let written = match serde_json::from_slice::<Written>(json) {
            Ok(written) => newer(written.format).map_or(Ok(written), Err)?,
            // What it does not have may be what its format has not.
            Err(error) => {
                let format = serde_json::from_slice::<Format>(json).ok();
                return Err(format
                    .and_then(|written| newer(written.format))
                    .unwrap_or(MalformedJob::Json(error)));
            }
        };
        let job = Self {
            job_id: written.job_id,
            data: written.data,
            name: written.name,
            opts: written.opts.clamped(),
        };
        if job.name != PURCHASE_JOB {
            return Err(MalformedJob::Name(job.name));
        }
        if let Some(price) = job.data.price.filter(|price| *price < 0) {
            return Err(MalformedJob::Price(price));
        }
        if job.data.product_id != *lane {
            return Err(MalformedJob::WrongLane {
                wanted: job.data.product_id,
                lane: lane.clone(),
            });
        }
        Ok(job)
    }
}

/// The JSON of a job: who wants which product, by which key and at which price in minor units, taken so many
/// milliseconds after the Unix epoch. Written by hand, for the hot path; a test holds it against [`Job`].
pub fn to_json(
    job_id: JobId,
    (user, product, key): (&UserId, &ProductId, &IdempotencyKey),
    price: i64,
    timestamp: i64,
    JobOptions { attempts, backoff }: JobOptions,
) -> Vec<u8> {
    // None of the parts needs escaping, see `crate::id`.
    format!(
        "{{\"jobId\":\"{job_id}\",\"data\":{{\"userId\":\"{user}\",\"productId\":\"{product}\",\
         \"timestamp\":{timestamp},\"idempotencyKey\":\"{key}\",\"price\":{price}}},\"name\":\"{PURCHASE_JOB}\",\
         \"opts\":{{\"attempts\":{attempts},\"backoff\":{backoff}}}}}"
    )
    .into_bytes()
}

fn newer(format: Option<u32>) -> Option<MalformedJob> {
    format
        .filter(|format| *format > FORMAT)
        .map(MalformedJob::Newer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_ten_minutes() {
        assert_eq!(
            [1, 2, 3].map(|attempts| backoff_ms(1000, attempts)),
            [1000, 2000, 4000]
        );
        assert_eq!(backoff_ms(1000, 40), MAX_BACKOFF_MS);
        assert_eq!(backoff_ms(u64::MAX, 2), MAX_BACKOFF_MS);
    }

    const SEED: &str = r#"{
      "jobId": "6b1f7c1e-8a34-4c1b-9d59-0d8f1c1f2a3b",
      "data": {
        "userId": "user_2p9s8d7f6g5h4j3k2l",
        "productId": "sneaker-001",
        "timestamp": 1715423000000,
        "idempotencyKey": "ide_8s7d6f5g4h3j2k"
      },
      "name": "purchase-job",
      "opts": { "attempts": 3, "backoff": 1000 }
    }"#;

    #[test]
    fn the_first_designs_payload_is_a_job() {
        let lane = ProductId::new("sneaker-001").unwrap();
        let job = Job::parse(SEED.as_bytes(), &lane).unwrap();
        assert_eq!(job.data.user_id.as_str(), "user_2p9s8d7f6g5h4j3k2l");
        assert_eq!(
            job.opts,
            JobOptions {
                attempts: 3,
                backoff: 1000
            }
        );
    }

    #[test]
    fn a_job_of_a_later_format_is_not_guessed_at() {
        let lane = ProductId::new("sneaker-001").unwrap();
        let same = SEED.replacen('{', r#"{"format": 1,"#, 1);
        assert!(Job::parse(same.as_bytes(), &lane).is_ok());
        let later = SEED.replacen('{', r#"{"format": 2,"#, 1);
        for job in [later.as_str(), r#"{"format": 2, "buys": []}"#] {
            let error = Job::parse(job.as_bytes(), &lane).unwrap_err();
            assert!(matches!(error, MalformedJob::Newer(2)), "{error}");
        }
    }

    #[test]
    fn a_job_in_another_products_lane_is_malformed() {
        let lane = ProductId::new("sneaker-002").unwrap();
        let error = Job::parse(SEED.as_bytes(), &lane).unwrap_err();
        assert!(
            error.to_string().contains("waits in the lane of"),
            "{error}"
        );
    }

    #[test]
    fn options_of_other_producers_are_brought_within_the_bounds_of_sales() {
        let lane = ProductId::new("sneaker-001").unwrap();
        for (written, attempts, backoff) in [
            (r#""attempts": 4000000000, "backoff": 0"#, 20, 1),
            (
                r#""attempts": 0, "backoff": 18446744073709551615"#,
                1,
                MAX_BACKOFF_MS,
            ),
            (r#""attempts": 20, "backoff": 1"#, 20, 1),
        ] {
            let json = SEED.replace(r#""attempts": 3, "backoff": 1000"#, written);
            let job = Job::parse(json.as_bytes(), &lane).unwrap();
            assert_eq!(job.opts, JobOptions { attempts, backoff }, "{written}");
        }
    }

    #[test]
    fn a_job_without_options_gets_the_defaults() {
        let lane = ProductId::new("p").unwrap();
        let json = r#"{"jobId":"6b1f7c1e-8a34-4c1b-9d59-0d8f1c1f2a3b","data":{"userId":"u","productId":"p","timestamp":1,"idempotencyKey":"k"},"name":"purchase-job"}"#;
        assert_eq!(
            Job::parse(json.as_bytes(), &lane).unwrap().opts,
            JobOptions::default()
        );
    }

    #[test]
    fn a_price_is_optional_and_never_below_zero() {
        let lane = ProductId::new("sneaker-001").unwrap();
        let job = Job::parse(SEED.as_bytes(), &lane).unwrap();
        assert_eq!(job.data.price, None);
        let priced = SEED.replace("1715423000000,", r#"1715423000000, "price": -1,"#);
        let error = Job::parse(priced.as_bytes(), &lane).unwrap_err();
        assert!(matches!(error, MalformedJob::Price(-1)), "{error}");
    }

    #[test]
    fn the_hand_written_json_is_that_of_the_job() {
        let seed = SEED.replace(
            r#""ide_8s7d6f5g4h3j2k""#,
            r#""ide_8s7d6f5g4h3j2k", "price": 12900"#,
        );
        let job = Job::parse(seed.as_bytes(), &ProductId::new("sneaker-001").unwrap()).unwrap();
        let Purchase {
            user_id,
            product_id,
            timestamp,
            idempotency_key,
            price,
        } = &job.data;
        let parts = (user_id, product_id, idempotency_key);
        let written = to_json(job.job_id, parts, price.unwrap(), *timestamp, job.opts);
        assert_eq!(written, serde_json::to_vec(&job).unwrap());
    }
}
