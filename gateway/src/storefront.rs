//! The shop's own pages: what `npm run build` made in `storefront/`, served from this binary.
//!
//! Only what no route of the interface takes gets here, so nothing of this is in the way of a buy.
//! Addresses are looked up in a table and never touch a disk: there is no way out of it.

mod answer;
mod embedded;
mod encoding;
mod files;
mod headers;
mod weighted;

use std::{io, io::Write as _, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};

use crate::problem::{not_found, wrong_method};

use files::{Files, HASHED, PAGE, RawFile};

/// Answers browsers where the gateway was built without a shop.
const NOT_BUILT: &str = include_str!("storefront/not_built.html");

/// Put on every answer of the shop, so that requests are counted by who answered them.
#[derive(Debug, Clone, Copy)]
pub struct FromShop;

/// The shop's files.
#[derive(Debug)]
pub struct Storefront {
    files: Files,
}

/// A document that is made once and sent as files are: with an entity tag, and compressed already.
#[derive(Debug)]
pub(crate) struct MadeDocument(Files);

impl MadeDocument {
    /// The JSON document.
    pub(crate) fn new(json: Bytes) -> io::Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&json)?;
        let gzip = encoder.finish()?;
        Ok(Self(Files::of([
            RawFile::new("document.json", json),
            RawFile::new("document.json.gz", gzip.into()),
        ])))
    }

    /// The answer to a request with these headers.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        match self.0.get("document.json") {
            Some(file) => answer::file(file, headers, answer::Choice::Named),
            None => not_found().into_response(),
        }
    }
}

/// Answers what no route takes: a file of the shop, its page, or the problem `not-found`.
pub async fn shop(State(storefront): State<Arc<Storefront>>, request: Request) -> Response {
    let path = request.uri().path();
    match storefront.answer(request.method(), path, request.headers()) {
        Some(mut response) => {
            response.extensions_mut().insert(FromShop);
            response
        }
        None if storefront.is_file(path) => wrong_method()
            .await
            .header(ALLOW, HeaderValue::from_static("GET,HEAD"))
            .into_response(),
        None => not_found().into_response(),
    }
}

impl Storefront {
    /// The shop that this binary was built with, if it was.
    pub fn embedded() -> Self {
        Self {
            files: embedded::files(),
        }
    }

    /// Whether the gateway was built with a shop.
    pub fn is_built(&self) -> bool {
        self.files.get(PAGE).is_some()
    }

    /// Whether a file of the shop has this address.
    pub fn is_file(&self, path: &str) -> bool {
        name_of(path).is_some_and(|name| self.files.get(name).is_some())
    }

    /// The answer to a request for `path`; none where there is nothing for this client.
    ///
    /// Browsers that go to an address get the page, whatever the address: what is to be seen there
    /// is the page's business. Programs get what is there.
    pub fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let name = name_of(path)?;
        if let Some(file) = self.files.get(name) {
            return Some(answer::file(file, headers, answer::Choice::Named));
        }
        // The page in place of a script of another build would be run, and fail, as a script.
        if name.starts_with(HASHED) || !wants_page(headers) {
            return None;
        }
        Some(match self.files.get(PAGE) {
            Some(page) => answer::file(page, headers, answer::Choice::Fallback),
            None => not_built(),
        })
    }
}

/// The name of the file at this address, if there is one.
fn name_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/')?;
    Some(if name.is_empty() { PAGE } else { name })
}

/// Whether the client asks for a page in so many words; `*/*` is what programs say.
fn wants_page(headers: &HeaderMap) -> bool {
    weighted::items(headers, &ACCEPT)
        .any(|(range, weight)| range.eq_ignore_ascii_case("text/html") && weight > 0.0)
}

fn not_built() -> Response {
    let mut response = Response::new(Body::from(NOT_BUILT));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, files::HTML);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers::secure(headers);
    response
}

#[cfg(test)]
mod tests;
