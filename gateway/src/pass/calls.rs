//! `POST /pass/challenge` and `POST /pass`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::Response,
};
use flashsale_core::id::UserId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    app::Gateway,
    buy::request::read,
    catalogue::SaleEntry,
    json,
    problem::{Problem, ProblemDocument, ProblemKind},
    sales::{fresh, in_force},
};

/// Who wants to buy where.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassAsked {
    /// The sale.
    #[schema(
        example = "sneaker-drop",
        min_length = 1,
        max_length = 255,
        pattern = "^[a-z0-9][a-z0-9.-]*$"
    )]
    pub sale: String,
    /// The shopper; only where authentication is off, ignored otherwise.
    #[serde(default)]
    #[schema(
        example = "user-1",
        min_length = 1,
        max_length = 255,
        pattern = r"^[!#-\[\]-z|~]+$"
    )]
    pub user_id: Option<String>,
}

/// Who wants to buy where, and that they may.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassRequest {
    /// Who and where.
    #[serde(flatten)]
    pub asked: PassAsked,
    /// With `proof-of-work` the number, in decimal digits; with `site-verify` the response that the
    /// verifier's widget gave.
    #[schema(example = "271828", min_length = 1)]
    pub proof: String,
}

/// What has to be proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeView {
    /// Who approves.
    pub verifier: VerifierName,
    /// With `proof-of-work`: the text to work on. It is accepted for ten minutes at least.
    #[schema(required = true)]
    pub challenge: Option<String>,
    /// With `proof-of-work`: with how many zero bits the SHA-256 digest of challenge, dot and proof
    /// has to begin.
    #[schema(required = true)]
    pub difficulty: Option<u32>,
    /// With `site-verify`: the key for the verifier's widget, where the gateway has one.
    #[schema(required = true)]
    pub site_key: Option<String>,
}

/// Who approves of shoppers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerifierName {
    /// The gateway, of whoever has worked for it.
    ProofOfWork,
    /// A service beside it.
    SiteVerify,
}

/// A pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassView {
    /// To be sent with buys as `Flashsale-Pass`.
    pub pass: String,
    /// When it ends (RFC 3339).
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Refusals of both calls, for the OpenAPI document.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "describes answers that are made elsewhere")]
enum Refusals {
    #[response(
        status = 400,
        description = "body-invalid",
        content_type = "application/problem+json"
    )]
    BodyInvalid(ProblemDocument<'static>),
    #[response(
        status = 401,
        description = "unauthorized",
        content_type = "application/problem+json"
    )]
    Unauthorized(ProblemDocument<'static>),
    #[response(
        status = 404,
        description = "unknown-sale",
        content_type = "application/problem+json"
    )]
    UnknownSale(ProblemDocument<'static>),
    #[response(
        status = 408,
        description = "request-timeout",
        content_type = "application/problem+json"
    )]
    RequestTimeout(ProblemDocument<'static>),
    #[response(
        status = 413,
        description = "body-too-large",
        content_type = "application/problem+json"
    )]
    BodyTooLarge(ProblemDocument<'static>),
    #[response(
        status = 415,
        description = "media-type-unsupported",
        content_type = "application/problem+json"
    )]
    MediaTypeUnsupported(ProblemDocument<'static>),
}

/// Ask what to prove for a pass.
#[utoipa::path(
    post,
    path = "/pass/challenge",
    tag = "pass",
    request_body = PassAsked,
    responses(
        (status = 200, description = "What has to be proven", body = ChallengeView),
        (status = 403, description = "subject-unsupported, insufficient-scope",
            body = ProblemDocument<'_>, content_type = "application/problem+json"),
        Refusals,
        (status = 503, description = "unavailable",
            body = ProblemDocument<'_>, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds"))),
    ),
    security((), ("bearer" = []))
)]
pub async fn challenge(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, Problem> {
    let (asked, user) = take::<PassAsked>(&gateway, request).await?;
    let (sale, user) = who_and_where(&gateway, &asked, user).await?;
    Ok(fresh(Json(gateway.passes.challenge(sale.id(), &user))))
}

/// Get a pass for a sale.
///
/// It is good for this shopper in this sale until it ends; get it before the opening.
#[utoipa::path(
    post,
    path = "/pass",
    tag = "pass",
    request_body = PassRequest,
    responses(
        (status = 200, description = "The pass", body = PassView),
        (status = 403, description = "proof-refused, subject-unsupported, insufficient-scope",
            body = ProblemDocument<'_>, content_type = "application/problem+json"),
        Refusals,
        (status = 503, description = "unavailable: the verifier or the sales are out of reach",
            body = ProblemDocument<'_>, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds"))),
    ),
    security((), ("bearer" = []))
)]
pub async fn pass(State(gateway): State<Gateway>, request: Request) -> Result<Response, Problem> {
    let (PassRequest { asked, proof }, user) = take(&gateway, request).await?;
    let (sale, user) = who_and_where(&gateway, &asked, user).await?;
    let pass = gateway.passes.issue(sale.id(), &user, &proof).await?;
    Ok(fresh(Json(pass)))
}

/// The body, and the shopper by their token where there are tokens.
async fn take<T: DeserializeOwned>(
    gateway: &Gateway,
    request: Request,
) -> Result<(T, Option<UserId>), Problem> {
    let (parts, body) = request.into_parts();
    let user = gateway.identity.of_headers(&parts.headers).await?;
    let body = read(&parts.headers, body, &gateway.limits).await?;
    let asked = json::object(&body)
        .map_err(|error| invalid(format!("the body is not one for a pass: {error}")))?;
    Ok((asked, user))
}

async fn who_and_where(
    gateway: &Gateway,
    asked: &PassAsked,
    user: Option<UserId>,
) -> Result<(Arc<SaleEntry>, UserId), Problem> {
    let named = asked.user_id.as_deref().map(UserId::new).transpose();
    let named = named.map_err(|error| invalid(format!("userId {error}")))?;
    let user = user.or(named).ok_or_else(|| {
        invalid("userId is missing; where authentication is off, the body says who buys")
    })?;
    Ok((in_force(gateway, &asked.sale).await?, user))
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ProblemKind::BodyInvalid, detail)
}
