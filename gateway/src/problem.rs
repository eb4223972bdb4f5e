//! What went wrong, as RFC 9457 problem documents: the one file that turns refusals into HTTP.

mod document;
mod kind;
pub(crate) mod responses;

use std::{borrow::Cow, ops::RangeInclusive, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS},
};

pub use document::ProblemDocument;
pub use kind::ProblemKind;

/// The media type of every error.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Seconds after which a shopper may ask again when Redis or the lane had no room: long enough
/// not to feed a stampede, short enough not to lose the sale. More than one figure, so that those
/// who were refused together do not come back together.
const BUSY_RETRY_SECONDS: RangeInclusive<u64> = 1..=2;

/// One refusal on its way to the shopper.
#[derive(Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: Cow<'static, str>,
    opens_at: Option<jiff::Timestamp>,
    price: Option<i64>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A refusal of this kind; `detail` tells the shopper's developer what to do.
    pub fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            opens_at: None,
            price: None,
            headers: Vec::new(),
        }
    }

    /// Adds when the sale opens.
    #[must_use]
    pub fn opens_at(mut self, at: Option<jiff::Timestamp>) -> Self {
        self.opens_at = at;
        self
    }

    /// Adds the price in force.
    #[must_use]
    pub fn price(mut self, price: i64) -> Self {
        self.price = Some(price);
        self
    }

    /// Adds `Retry-After`, in whole seconds, rounded up so that nobody comes back too early.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds_rounded_up(wait)))
    }

    /// Adds a `Retry-After` for what passes soon.
    #[must_use]
    pub fn retry_soon(self) -> Self {
        let seconds = rand::random_range(BUSY_RETRY_SECONDS);
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds that nothing is left of the quota `name` for so many seconds, and what that quota is
    /// (draft-ietf-httpapi-ratelimit-headers).
    #[must_use]
    pub fn quota(self, name: &str, seconds: u64, policy: HeaderValue) -> Self {
        let left = HeaderValue::from_str(&format!("\"{name}\";r=0;t={seconds}"))
            .unwrap_or_else(|_| HeaderValue::from_static("r=0"));
        self.header(RATE_LIMIT, left)
            .header(RATE_LIMIT_POLICY, policy)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What kind of refusal it is.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The document that this problem is sent as.
    pub fn document(&self) -> ProblemDocument<'_> {
        ProblemDocument {
            kind: self.kind.uri().into(),
            title: self.kind.title().into(),
            status: self.kind.status().as_u16(),
            detail: Cow::Borrowed(&self.detail),
            opens_at: self.opens_at.map(|at| at.to_string()),
            price: self.price,
        }
    }
}

/// Whole seconds, at least one.
pub fn seconds_rounded_up(wait: Duration) -> u64 {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    whole.max(1)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.document().to_json()));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        guard(headers);
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        if self.kind.status().is_server_error() {
            // Told to the layer that writes the one log line of a failed request.
            response.extensions_mut().insert(Refusal {
                kind: self.kind,
                detail: self.detail,
            });
        }
        response
    }
}

/// Adds what keeps an answer out of caches, and its type from being guessed by browsers.
pub(crate) fn guard(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// An answer that is of this instant; a stored copy would be wrong at once.
pub(crate) fn fresh(body: impl IntoResponse) -> Response {
    let no_store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ([no_store], body).into_response()
}

/// What a failed (5xx) response says, for the log.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The kind.
    pub kind: ProblemKind,
    /// The sentence for people.
    pub detail: Cow<'static, str>,
}

/// Redis is out of reach: come back soon.
pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(ProblemKind::Unavailable, detail).retry_soon()
}

/// No such address.
pub fn not_found() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "there is nothing here; GET /openapi.json lists what there is",
    )
}

/// There is something, but not for this method.
pub(crate) async fn wrong_method() -> Problem {
    Problem::new(
        ProblemKind::MethodNotAllowed,
        "this address has other methods; the header Allow lists them",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (2000, 2)] {
            assert_eq!(seconds_rounded_up(Duration::from_millis(millis)), seconds);
        }
    }

    #[test]
    fn a_problem_is_sent_as_its_document() {
        let problem = Problem::new(ProblemKind::SaleNotOpen, "come back later")
            .opens_at(Some(jiff::Timestamp::from_second(0).unwrap()));
        insta::assert_json_snapshot!(problem.document(), @r#"
        {
          "type": "https://flashsale.dev/problems/sale-not-open",
          "title": "The sale is not open",
          "status": 403,
          "detail": "come back later",
          "opensAt": "1970-01-01T00:00:00Z"
        }
        "#);
    }
}
