//! `GET /session`: who is asking, and what a page must know before it shows anything to press.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use flashsale_domain::id::UserId;
use http::HeaderMap;
use serde::Serialize;

use crate::{
    identity::{Identity, IdentityError},
    problem::{Problem, fresh, responses::problems},
};

/// What pages are told of this gateway before anybody signs in.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Where shoppers sign in.
    pub sign_in_url: Option<Arc<str>>,
    /// Whether this gateway serves `/operations`.
    pub has_operations: bool,
}

/// Who is asking, and how this gateway tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// How shoppers are told apart.
    pub auth: SessionAuth,
    /// The shopper, by their token; null without one, and where authentication is off.
    #[schema(required = true)]
    pub user_id: Option<String>,
    /// Where shoppers sign in. Send them there with `return_to`, the address to come back to, added
    /// to the query; they return with `#token=TOKEN` in the address. Null when there is no such place.
    #[schema(required = true, format = "uri")]
    pub sign_in_url: Option<String>,
    /// Whether this gateway serves `/operations`.
    pub operations: bool,
}

/// How shoppers are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionAuth {
    /// Each is whoever the request says.
    Off,
    /// Each is the subject of their bearer token.
    Jwt,
}
problems!(SessionProblems {
    401: "unauthorized: a token came along that is not accepted",
    403: "subject-unsupported, insufficient-scope",
    503: "unavailable: tokens cannot be checked yet",
});

/// Who is asking.
///
/// To ask without a token is no mistake: the answer then says where to get one.
#[utoipa::path(
    get,
    path = "/session",
    tag = "session",
    responses(
        (status = 200, description = "Who is asking", body = SessionView),
        SessionProblems,
    ),
    security((), ("bearer" = []))
)]
pub async fn session(
    State(identity): State<Identity>,
    State(options): State<SessionOptions>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = match identity.of_headers(&headers).await {
        Err(IdentityError::Missing) => None,
        user => user?,
    };
    Ok(fresh(Json(view(&identity, &options, user))))
}

fn view(identity: &Identity, options: &SessionOptions, user: Option<UserId>) -> SessionView {
    SessionView {
        auth: if identity.is_off() {
            SessionAuth::Off
        } else {
            SessionAuth::Jwt
        },
        user_id: user.map(Into::into),
        sign_in_url: options.sign_in_url.as_deref().map(str::to_owned),
        operations: options.has_operations,
    }
}
