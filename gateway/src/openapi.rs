//! The OpenAPI 3.1 document, generated from the handlers.

use std::{io, sync::Arc};

use axum::{extract::State, response::Response};
use http::HeaderMap;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::{problem::ProblemDocument, storefront::MadeDocument};

/// The HTTP interface of the gateway.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "flashsale gateway",
        description = "Buy in a flash sale and learn what became of it. Errors are RFC 9457 \
                       problem documents with a stable `type`; docs/api.md lists them, and the \
                       Socket.io events.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ProblemDocument<'_>)),
    tags(
        (name = "buy", description = "The turnstile"),
        (name = "orders", description = "What became of a buy"),
        (name = "payments", description = "What payment providers tell"),
        (name = "pass", description = "Proof before the opening"),
        (name = "sales", description = "What is on sale"),
        (name = "session", description = "Who is asking"),
        (name = "operations", description = "The running of the sales, for who has the operations token"),
        (name = "about", description = "This document"),
    )
)]
struct Outline;

/// Tells how shoppers say who they are.
struct BearerTokens;

impl Modify for BearerTokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        bearer.description = Some("Where authentication is on; `sub` is the shopper.".to_owned());
        let components = document.components.get_or_insert_default();
        let mut operations = Http::new(HttpAuthScheme::Bearer);
        operations.description = Some("The gateway's --operations-token.".to_owned());
        for (name, scheme) in [("bearer", bearer), ("operations", operations)] {
            let scheme = SecurityScheme::Http(scheme).into();
            components.security_schemes.insert(name.to_owned(), scheme);
        }
    }
}

/// Has every call tell the refusal of `POST /buy` for too many requests, since each may get it.
struct LimitedByAddress;

impl Modify for LimitedByAddress {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        const STATUS: &str = "429";
        let paths = &mut document.paths.paths;
        let buy = paths.get("/buy").and_then(|path| path.post.as_ref());
        let Some(refusal) = buy.and_then(|buy| buy.responses.responses.get(STATUS).cloned()) else {
            return;
        };
        for path in paths.values_mut() {
            for call in [&mut path.get, &mut path.post].into_iter().flatten() {
                let responses = &mut call.responses.responses;
                let missing = responses.entry(STATUS.to_owned());
                missing.or_insert_with(|| refusal.clone());
            }
        }
    }
}

/// The document that describes `calls`, as JSON, indented, with a line end at its end.
pub(crate) fn json(calls: utoipa::openapi::OpenApi) -> Result<String, serde_json::Error> {
    let mut document = Outline::openapi();
    document.merge(calls);
    BearerTokens.modify(&mut document);
    LimitedByAddress.modify(&mut document);
    Ok(document.to_pretty_json()? + "\n")
}

/// The document as it is served; clones are one.
#[derive(Debug, Clone)]
pub struct ApiDocument(Arc<MadeDocument>);

impl ApiDocument {
    /// Serves this JSON.
    pub fn new(json: String) -> io::Result<Self> {
        Ok(Self(Arc::new(MadeDocument::new(json.into())?)))
    }
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "about",
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json"))
)]
pub async fn openapi(State(document): State<ApiDocument>, headers: HeaderMap) -> Response {
    document.0.answer(&headers)
}
