//! `POST /pass/challenge` and `POST /pass`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, FromRequest, Request, State},
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
    problem::{Problem, fresh, responses::problems},
    sales::in_force,
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
    State(passes): State<Arc<Passes>>,
    Asked { sale, user, .. }: Asked<PassAsked>,
) -> Response {
    fresh(Json(passes.challenge(sale.id(), &user)))
}

problems!(PassProblems: ChallengeProblems {
    403: "proof-refused, subject-unsupported, insufficient-scope",
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
    State(passes): State<Arc<Passes>>,
    Asked { sale, user, body }: Asked<PassRequest>,
) -> Result<Response, Problem> {
    let pass = passes.issue(sale.id(), &user, &body.proof).await?;
    Ok(fresh(Json(pass)))
}

/// A request about passes: whose it is, for which sale, and its body.
pub struct Asked<T> {
    sale: Arc<SaleEntry>,
    user: UserId,
    body: T,
}

impl<S, T> FromRequest<S> for Asked<T>
where
    S: Send + Sync,
    T: DeserializeOwned + AsRef<PassAsked> + Send + Sync,
    Catalogue: FromRef<S>,
    Identity: FromRef<S>,
    Limits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let by_token = Identity::from_ref(state).of_headers(&parts.headers).await?;
        let body = read(&parts.headers, body, &Limits::from_ref(state)).await?;
        let body: T = json::object(&body)
            .map_err(|error| invalid(format!("the body is not one for a pass: {error}")))?;
        let asked = body.as_ref();
        let named = asked.user_id.as_deref().map(UserId::new).transpose();
        let named = named.map_err(|error| invalid(format!("userId {error}")))?;
        let user = by_token.or(named).ok_or_else(|| {
            invalid("userId is missing; where authentication is off, the body says who buys")
        })?;
        let sale = in_force(&Catalogue::from_ref(state), &asked.sale).await?;
        Ok(Self { sale, user, body })
    }
}

impl AsRef<PassAsked> for PassAsked {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsRef<PassAsked> for PassRequest {
    fn as_ref(&self) -> &PassAsked {
        &self.asked
    }
}
