//! The refusals of the socket layer, which speaks Engine.IO: a code and a message in JSON.

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use serde_json::{Value, json};

use crate::problem::PROBLEM_JSON;

/// Engine.IO's code for a request that makes no sense to a session.
const BAD_REQUEST: u8 = 3;

/// Longest refusal of the layer in bytes.
const MOST: usize = 1024;

/// Completes a refusal of the socket layer, which has no body for some and codes in the wrong type
/// for the others.
pub(crate) async fn explain(response: Response) -> Response {
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    if !is_refusal || response.headers().get(CONTENT_TYPE) == Some(&PROBLEM_JSON) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let told = to_bytes(body, MOST).await.unwrap_or_default();
    let told: Option<Value> = serde_json::from_slice(&told).ok();
    let code = told
        .as_ref()
        .and_then(|told| told["code"].as_str()?.parse().ok());
    let message = told.as_ref().and_then(|told| told["message"].as_str());
    let document = json!({
        "code": code.unwrap_or(BAD_REQUEST),
        "message": message.or(status.canonical_reason()),
    });
    parts.headers.remove(CONTENT_LENGTH);
    for (name, value) in [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        parts.headers.insert(name, HeaderValue::from_static(value));
    }
    Response::from_parts(parts, Body::from(document.to_string()))
}
