//! `GET /orders/{jobId}`: what became of a buy, for its owner alone.

mod lookup;
pub mod rights;
mod view;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use flashsale_domain::{
    id::{JobId, UserId},
    outcome::{JobState, Outcome},
};
use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    catalogue::Catalogue,
    identity::Identity,
    problem::{Problem, ProblemKind, fresh, responses::problems},
    schemas,
};

pub use lookup::{FoundOrder, OrderLookup, OrderLookupError};
pub use view::{OrderStateName, OrderView};

/// The status of a confirmed buy whose order was cancelled.
pub(crate) const CANCELLED: &str = "cancelled";

/// Where a buy stands.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderStatus {
    /// The buy.
    #[schema(format = Uuid)]
    pub job_id: String,
    /// `queued`, or the final outcome: `confirmed`, `sold_out`, `limit_reached`, `failed`. A confirmed
    /// buy whose order was cancelled is `cancelled`.
    #[schema(schema_with = schemas::order_status)]
    pub status: &'static str,
    /// Place in line, while queued; 1 is next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Its number in the lane since the sale began, while queued: with every `lane-progress`, the
    /// place in line is this minus `settled`, and 1 at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<u64>,
    /// What was asked for.
    #[schema(example = "sneaker-001")]
    pub product_id: String,
    /// The order, when confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<i64>,
    /// The order, in sales where orders have to be paid; elsewhere when it is not completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderView>,
    /// The server's clock (RFC 3339), while the order is pending: a countdown to `expiresAt` runs by it.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_time: Option<String>,
}
problems!(OrderProblems {
    401: "unauthorized",
    403: "subject-unsupported, insufficient-scope",
    404: "unknown-order",
    503: "unavailable",
});

/// What became of a buy.
///
/// Owner only: somebody else's buy is answered 404 like one that never was. Where authentication
/// is off, knowing the job id, which cannot be guessed, is what lets one in.
#[utoipa::path(
    get,
    path = "/orders/{jobId}",
    tag = "orders",
    params(("jobId" = String, Path, format = Uuid, description = "From the answer to the buy")),
    responses(
        (status = 200, description = "Where the buy stands", body = OrderStatus),
        OrderProblems,
    ),
    security((), ("bearer" = []))
)]
pub async fn order(
    State(identity): State<Identity>,
    State(orders): State<OrderLookup>,
    State(catalogue): State<Catalogue>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let user = identity.of_headers(&headers).await?;
    let job_id: JobId = path
        .ok()
        .and_then(|Path(text)| text.parse().ok())
        .ok_or_else(unknown_order)?;
    let found = match orders.find(job_id).await {
        Err(OrderLookupError::Record(record)) => {
            tracing::error!(
                %job_id,
                "the record of job {job_id} is malformed; HGET fs:{{SALE}}:jobs {job_id} shows it"
            );
            // Whether there is such a buy is its owner's business, too.
            let is_owners = is_owner(user.as_ref(), record.owner().unwrap_or_default());
            let problem = OrderLookupError::Record(record).into();
            return Err(if is_owners { problem } else { unknown_order() });
        }
        Err(OrderLookupError::State { ref owner, .. }) if !is_owner(user.as_ref(), owner) => {
            return Err(unknown_order());
        }
        found => found?,
    };
    let found = found
        .filter(|found| is_owner(user.as_ref(), &found.owner))
        .ok_or_else(unknown_order)?;
    Ok(fresh(Json(status(job_id, found, catalogue.clock.now()))))
}

fn is_owner(user: Option<&UserId>, owner: &str) -> bool {
    user.is_none_or(|user| user.as_str() == owner)
}

fn unknown_order() -> Problem {
    Problem::new(
        ProblemKind::UnknownOrder,
        "there is no such buy of yours; use the jobId that POST /buy answered",
    )
}

fn status(job_id: JobId, found: FoundOrder, now: Timestamp) -> OrderStatus {
    let state = found.order.as_ref().map(|order| order.state);
    let is_cancelled = state == Some(OrderStateName::Cancelled);
    let is_pending = state == Some(OrderStateName::Pending);
    let (status, ticket, order_id) = match found.state {
        JobState::Queued { ticket } => ("queued", Some(ticket), None),
        JobState::Final { .. } if is_cancelled => (CANCELLED, None, None),
        JobState::Final { outcome, order_id } => {
            let order_id = order_id.filter(|_| outcome == Outcome::Confirmed);
            (outcome.as_str(), None, order_id)
        }
    };
    OrderStatus {
        job_id: job_id.to_string(),
        status,
        position: ticket.map(|ticket| ticket.saturating_sub(found.settled).max(1)),
        ticket,
        product_id: found.product_id,
        order_id,
        order: found.order,
        server_time: is_pending.then(|| now.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queued_buy_moves_up_as_others_are_settled_and_is_never_before_the_first() {
        let at = |settled| {
            let found = FoundOrder {
                owner: "u".to_owned(),
                product_id: "p".to_owned(),
                state: JobState::Queued { ticket: 10 },
                settled,
                order: None,
            };
            let status = status(JobId::with_route(0), found, Timestamp::UNIX_EPOCH);
            assert_eq!(status.ticket, Some(10));
            status.position
        };
        assert_eq!(
            [at(0), at(7), at(10), at(12)],
            [Some(10), Some(3), Some(1), Some(1)]
        );
    }
}
