//! `POST /orders/{jobId}/checkout`, `POST /orders/{jobId}/cancel` and `POST /payments/{provider}/events`.

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
};
use flashsale_domain::id::{JobId, UserId};
use flashsale_ledger::Cancellation;
use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Payments, already_paid, busy, ledger_is_away, not_offered, provider::BadEvent, unknown_order,
};
use crate::{
    body::{self, Limits, invalid},
    identity::Identity,
    log_budget::LogBudget,
    orders::OrderLookup,
    problem::{Problem, ProblemKind, fresh, not_found, responses::problems},
    unix_time::unix_seconds,
};

/// Lines about events that were not taken.
static INVALID: LogBudget = LogBudget::new();

/// Largest event in bytes.
const MAX_EVENT_BYTES: usize = 256 * 1024;

/// Where an order is paid.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutView {
    /// The provider's page. A browser is sent there as a whole; it cannot be framed.
    #[schema(format = "uri")]
    pub url: String,
    /// Until when the order may be paid (RFC 3339). Not there for an order that may wait for ever.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// In minor units of the currency.
    #[schema(example = 12900)]
    pub amount: i64,
    /// An ISO 4217 code.
    #[schema(example = "USD", pattern = "^[A-Z]{3}$")]
    pub currency: String,
}

/// That an order is cancelled.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelledView {
    /// The buy.
    #[schema(format = Uuid)]
    pub job_id: String,
    /// Always `cancelled`.
    #[schema(example = "cancelled")]
    pub status: &'static str,
}

/// What an event was answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// What came of it, for people who look at the provider's log of deliveries: `completed`, `repeat`,
    /// `ignored` and the like.
    #[schema(example = "completed")]
    pub result: &'static str,
}

problems!(CancelProblems {
    401: "unauthorized",
    403: "subject-unsupported, insufficient-scope",
    404: "unknown-order",
    409: "order-paid, payment-not-offered",
    503: "unavailable",
});

problems!(CheckoutProblems: CancelProblems {
    409: "order-paid, order-cancelled, payment-over, payment-not-offered",
    503: "unavailable, provider-unavailable",
});

/// Pay for an order.
///
/// Owner only, and only while the order is pending and its window lasts. However often it is asked, an order
/// has one session at the provider. What is paid is told by the order itself, not by the way back from there.
#[utoipa::path(
    post,
    path = "/orders/{jobId}/checkout",
    tag = "orders",
    params(("jobId" = String, Path, format = Uuid, description = "From the answer to the buy")),
    responses(
        (status = 200, description = "Where it is paid", body = CheckoutView),
        CheckoutProblems,
    ),
    security((), ("bearer" = []))
)]
pub async fn checkout(State(payments): State<Payments>, owner: Owner) -> Result<Response, Problem> {
    let metrics = &payments.0.metrics;
    let session = payments.session(owner.job, &owner.user).await;
    let session = session.inspect_err(|problem| metrics.count_refusal(problem.kind()))?;
    let url = session.url.ok_or_else(|| {
        Problem::new(
            ProblemKind::Internal,
            "the session has no page; tell the shop its jobId",
        )
    })?;
    let at = Timestamp::from_millisecond(session.expires_ms).ok();
    metrics.opened.inc();
    Ok(fresh(Json(CheckoutView {
        url,
        expires_at: at.map(|at| format!("{at:.3}")),
        amount: session.amount,
        currency: session.currency,
    })))
}

/// Give an order back that is not paid.
///
/// Owner only. Its unit is on sale again. Repeats are answered alike.
#[utoipa::path(
    post,
    path = "/orders/{jobId}/cancel",
    tag = "orders",
    params(("jobId" = String, Path, format = Uuid, description = "From the answer to the buy")),
    responses(
        (status = 200, description = "It is cancelled", body = CancelledView),
        CancelProblems,
    ),
    security((), ("bearer" = []))
)]
pub async fn cancel(State(payments): State<Payments>, owner: Owner) -> Result<Response, Problem> {
    let _turn = payments.0.questions.try_acquire().map_err(|_| busy())?;
    let cancelled = payments.0.ledger.cancel_order(owner.job, &owner.user).await;
    match cancelled.map_err(ledger_is_away)? {
        Cancellation::Cancelled | Cancellation::WasCancelled => Ok(fresh(Json(CancelledView {
            job_id: owner.job.to_string(),
            status: "cancelled",
        }))),
        Cancellation::Paid => Err(already_paid()),
        Cancellation::NoProvider => Err(not_offered()),
        Cancellation::Unknown => Err(unknown_order()),
    }
}

problems!(EventProblems {
    400: "signature-invalid, body-invalid",
    404: "not-found",
    408: "request-timeout",
    413: "body-too-large",
    415: "media-type-unsupported",
    503: "unavailable: deliver it again",
});

/// Tell of a payment.
///
/// For payment providers, whose signature it needs; docs/payments.md says which. An event may come any number
/// of times, late, and before or after others.
#[utoipa::path(
    post,
    path = "/payments/{provider}/events",
    tag = "payments",
    params(("provider" = String, Path, description = "Its name in --payment-providers")),
    request_body(content = serde_json::Value, content_type = "application/json"),
    responses(
        (status = 200, description = "Taken; it need not come again", body = EventView),
        EventProblems,
    )
)]
pub async fn event(
    State(payments): State<Payments>,
    State(limits): State<Limits>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let metrics = &payments.0.metrics;
    let name = path.map(|Path(name)| name).unwrap_or_default();
    let configured = payments.0.providers.get(&name).ok_or_else(not_found)?;
    let (parts, body) = request.into_parts();
    let limits = Limits {
        body_bytes: MAX_EVENT_BYTES,
        ..limits
    };
    let body = body::read(&parts.headers, body, &limits).await?;
    let read = configured
        .provider
        .read(&parts.headers, &body, unix_seconds());
    let read = read.map_err(|error| {
        metrics.invalid.inc();
        // Anybody can send what is not signed.
        if let Some(left_out) = INVALID.spend(std::time::Instant::now()) {
            tracing::warn!(%error, provider = name, left_out, "an event for {name} was not taken: {error}");
        }
        match error {
            BadEvent::Signature(error) => {
                Problem::new(ProblemKind::SignatureInvalid, error.to_string())
            }
            BadEvent::Body(_) => invalid(error.to_string()),
        }
    })?;
    let Some(event) = read else {
        metrics.ignored.inc();
        return Ok(fresh(Json(EventView { result: "ignored" })));
    };
    let _turn = payments.0.events.try_acquire().map_err(|_| busy())?;
    let applied = payments.apply(&event).await.map_err(|error| {
        metrics.unavailable.inc();
        ledger_is_away(error)
    })?;
    let result = applied.as_str();
    Ok(fresh(Json(EventView { result })))
}

/// The buy of a request, and whose it is.
pub struct Owner {
    job: JobId,
    user: UserId,
}

impl<S> axum::extract::FromRequestParts<S> for Owner
where
    S: Send + Sync,
    Identity: axum::extract::FromRef<S>,
    OrderLookup: axum::extract::FromRef<S>,
{
    type Rejection = Problem;

    /// By the token; where authentication is off, whoever knows the buy's id is its owner.
    async fn from_request_parts(
        parts: &mut http::request::Parts,
        state: &S,
    ) -> Result<Self, Problem> {
        use axum::extract::FromRef as _;
        let headers: &HeaderMap = &parts.headers;
        let by_token = Identity::from_ref(state).of_headers(headers).await?;
        let Path(job) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| unknown_order())?;
        let job: JobId = job.parse().map_err(|_| unknown_order())?;
        let user = if let Some(user) = by_token {
            user
        } else {
            let found = OrderLookup::from_ref(state).find(job).await?;
            let owner = UserId::new(found.ok_or_else(unknown_order)?.owner);
            owner.map_err(|_| unknown_order())?
        };
        Ok(Self { job, user })
    }
}
