//! `POST /pass/challenge` and `POST /pass`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::Response,
};
use flashsale_domain::id::UserId;
use serde::{Deserialize, de::DeserializeOwned};

use super::{ChallengeView, PassView, Passes};
use crate::{
    body::{Limits, invalid, read},
    catalogue::{Catalogue, SaleEntry},
    identity::Identity,
    json,
    problem::{Problem, responses::problems},
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

problems!(ChallengeProblems {
    400: "body-invalid",
    401: "unauthorized",
    403: "subject-unsupported, insufficient-scope",
    404: "unknown-sale",
    408: "request-timeout",
    413: "body-too-large",
    415: "media-type-unsupported",
    503: "unavailable",
});

/// Ask what to prove for a pass.
#[utoipa::path(
    post,
    path = "/pass/challenge",
    tag = "pass",
    request_body = PassAsked,
    responses(
        (status = 200, description = "What has to be proven", body = ChallengeView),
        ChallengeProblems,
    ),
    security((), ("bearer" = []))
)]
pub async fn challenge(
    State(identity): State<Identity>,
    State(limits): State<Limits>,
    State(catalogue): State<Catalogue>,
    State(passes): State<Arc<Passes>>,
    request: Request,
) -> Result<Response, Problem> {
    let (asked, user) = take::<PassAsked>(&identity, &limits, request).await?;
    let (sale, user) = who_and_where(&catalogue, &asked, user).await?;
    Ok(fresh(Json(passes.challenge(sale.id(), &user))))
}
problems!(PassProblems {
    400: "body-invalid",
    401: "unauthorized",
    403: "proof-refused, subject-unsupported, insufficient-scope",
    404: "unknown-sale",
    408: "request-timeout",
    413: "body-too-large",
    415: "media-type-unsupported",
    503: "unavailable: the verifier or the sales are out of reach",
});

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
        PassProblems,
    ),
    security((), ("bearer" = []))
)]
pub async fn pass(
    State(identity): State<Identity>,
    State(limits): State<Limits>,
    State(catalogue): State<Catalogue>,
    State(passes): State<Arc<Passes>>,
    request: Request,
) -> Result<Response, Problem> {
    let (PassRequest { asked, proof }, user) = take(&identity, &limits, request).await?;
    let (sale, user) = who_and_where(&catalogue, &asked, user).await?;
    let pass = passes.issue(sale.id(), &user, &proof).await?;
    Ok(fresh(Json(pass)))
}

/// The body, and the shopper by their token where there are tokens.
async fn take<T: DeserializeOwned>(
    identity: &Identity,
    limits: &Limits,
    request: Request,
) -> Result<(T, Option<UserId>), Problem> {
    let (parts, body) = request.into_parts();
    let user = identity.of_headers(&parts.headers).await?;
    let body = read(&parts.headers, body, limits).await?;
    let asked = json::object(&body)
        .map_err(|error| invalid(format!("the body is not one for a pass: {error}")))?;
    Ok((asked, user))
}

async fn who_and_where(
    catalogue: &Catalogue,
    asked: &PassAsked,
    user: Option<UserId>,
) -> Result<(Arc<SaleEntry>, UserId), Problem> {
    let named = asked.user_id.as_deref().map(UserId::new).transpose();
    let named = named.map_err(|error| invalid(format!("userId {error}")))?;
    let user = user.or(named).ok_or_else(|| {
        invalid("userId is missing; where authentication is off, the body says who buys")
    })?;
    Ok((in_force(catalogue, &asked.sale).await?, user))
}
