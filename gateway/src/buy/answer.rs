//! What the turnstile's decision is to the shopper.

use std::{sync::LazyLock, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flashsale_domain::id::JobId;
use flashsale_queue::turnstile::Admission;
use http::{HeaderName, HeaderValue, header::CONTENT_TYPE};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    catalogue::{Catalogue, Offer},
    intake::{IntakeError, Taken},
    metrics::BuyAnswer,
    problem::{PROBLEM_JSON, Problem, ProblemKind, guard, seconds_rounded_up, unavailable},
    schemas,
};

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The bytes of the answer that most shoppers of a hot sale get.
static SOLD_OUT: LazyLock<Bytes> = LazyLock::new(|| {
    let problem = Problem::new(
        ProblemKind::SoldOut,
        "every unit is sold or spoken for; a unit may come back while others' buys fail",
    );
    problem.document().to_json()
});

/// In line.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queued {
    /// Names the buy from now on.
    #[schema(format = Uuid, example = "0190a5a0-7000-7000-8000-000000000001")]
    pub job_id: String,
    /// Always `queued`.
    #[schema(schema_with = schemas::queued)]
    pub status: &'static str,
    /// Place in line; 1 is next.
    #[schema(example = 812)]
    pub position: u64,
}

/// What a decided buy is answered.
#[derive(Debug)]
pub(super) enum Answer {
    Queued { job_id: JobId, position: u64 },
    Replayed { job_id: JobId, position: u64 },
    SoldOut,
}

impl Answer {
    pub(super) fn kind(&self) -> BuyAnswer {
        match self {
            Self::Queued { .. } => BuyAnswer::Queued,
            Self::Replayed { .. } => BuyAnswer::Replayed,
            Self::SoldOut => BuyAnswer::Refused(ProblemKind::SoldOut),
        }
    }

    pub(super) fn is_acknowledgement(&self) -> bool {
        !matches!(self, Self::SoldOut)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Queued { job_id, position } => queued(job_id, position),
            Self::Replayed { job_id, position } => {
                let mut response = queued(job_id, position);
                let replayed = HeaderValue::from_static("true");
                response.headers_mut().insert(IDEMPOTENT_REPLAYED, replayed);
                response
            }
            Self::SoldOut => {
                let mut response = Response::new(Body::from(SOLD_OUT.clone()));
                *response.status_mut() = ProblemKind::SoldOut.status();
                response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
                guard(response.headers_mut());
                response
            }
        }
    }
}

/// The JSON of [`Queued`], written by hand on the hot path; a test holds the two together.
fn queued(job_id: JobId, position: u64) -> Response {
    let json = format!("{{\"jobId\":\"{job_id}\",\"status\":\"queued\",\"position\":{position}}}");
    let mut response = Response::new(Body::from(json));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    guard(response.headers_mut());
    response
}

/// The answer to a buy for `offer` that would have become job `job_id`.
pub(super) fn of(
    taken: Taken,
    job_id: JobId,
    offer: &Offer,
    catalogue: &Catalogue,
) -> Result<Answer, Problem> {
    let refused = |kind, detail| Err(Problem::new(kind, detail));
    match taken.map_err(undecided)? {
        Admission::Queued { position } => Ok(Answer::Queued { job_id, position }),
        Admission::Replayed { job_id, position } => Ok(Answer::Replayed { job_id, position }),
        Admission::SoldOut => Ok(Answer::SoldOut),
        Admission::KeyReused => refused(
            ProblemKind::IdempotencyKeyReused,
            "this Idempotency-Key was used to buy another product; use a new key for a new buy",
        ),
        Admission::Suspended => refused(
            ProblemKind::SaleNotOpen,
            "the sale is paused; try again later",
        ),
        Admission::Closed => refused(ProblemKind::SaleClosed, "the sale is over"),
        Admission::NotOpen { opens_at_us } => Err(not_open(opens_at_us)),
        Admission::RateLimited { retry_after_ms } => Err(rate_limited(retry_after_ms, offer)),
        Admission::LaneFull => Err(lane_full()),
        Admission::TooExpensive => Err(price_higher(offer)),
        Admission::UnknownSale | Admission::UnknownProduct => {
            // The catalogue in memory is older than Redis.
            catalogue.refresh_soon();
            Err(unknown_product(offer.product().id.as_str()))
        }
    }
}

/// No sale in force has this product.
pub(super) fn unknown_product(product: &str) -> Problem {
    let detail = format!("no sale offers {product:?}; GET /sales lists what is on offer");
    Problem::new(ProblemKind::UnknownProduct, detail)
}

fn undecided(error: IntakeError) -> Problem {
    match error {
        IntakeError::NotReplicated => {
            Problem::new(ProblemKind::NotReplicated, error.to_string()).retry_soon()
        }
        IntakeError::Backlog | IntakeError::OutOfReach => unavailable(error.to_string()),
    }
}

fn lane_full() -> Problem {
    Problem::new(
        ProblemKind::LaneFull,
        "too many shoppers are in line for this product; try again in a second",
    )
    .retry_soon()
}

fn price_higher(offer: &Offer) -> Problem {
    let price = offer.price();
    let detail =
        format!("the price is {price} now, which is above your maxPrice; nothing was bought");
    Problem::new(ProblemKind::PriceHigher, detail).price(price)
}

fn not_open(opens_at_us: i64) -> Problem {
    let opens_at = Timestamp::from_microsecond(opens_at_us).ok();
    let detail = match opens_at {
        Some(at) => format!("the sale opens at {at}"),
        None => "the sale opens later".to_owned(),
    };
    Problem::new(ProblemKind::SaleNotOpen, detail).opens_at(opens_at)
}

fn rate_limited(retry_after_ms: u64, offer: &Offer) -> Problem {
    let wait = Duration::from_millis(retry_after_ms);
    let seconds = seconds_rounded_up(wait);
    let detail = format!("too many requests of this shopper; the next one passes in {seconds} s");
    Problem::new(ProblemKind::QuotaExceeded, detail)
        .retry_after(wait)
        .quota("buy", seconds, offer.sale.rate_limit_policy.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_hand_written_answer_is_the_documented_one() {
        let job_id = JobId::with_route(1);
        let body = axum::body::to_bytes(queued(job_id, 7).into_body(), 1000)
            .await
            .unwrap();
        let documented = Queued {
            job_id: job_id.to_string(),
            status: "queued",
            position: 7,
        };
        assert_eq!(body, serde_json::to_vec(&documented).unwrap());
    }
}
