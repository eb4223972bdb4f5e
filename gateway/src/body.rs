//! Reading the body of a request within limits, and what is left of it when it is not read.

pub(crate) mod leftover;

use std::{borrow::Cow, error::Error, pin::pin, time::Duration};

use axum::BoxError;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use tokio::time::timeout;

use crate::problem::{Problem, ProblemKind};

/// What a request may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest body in bytes.
    pub body_bytes: usize,
    /// How long a request may take, its body included.
    pub request_patience: Duration,
}

/// Reads a body of JSON that keeps the limits.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B, limits: &Limits) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    check_media_type(headers)?;
    if announced_length(headers).is_some_and(|length| length > limits.body_bytes) {
        return Err(too_large(limits));
    }
    let whole = pin!(Limited::new(body, limits.body_bytes).collect());
    match timeout(limits.request_patience, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(broken(&*error, limits)),
        Err(_) => Err(late()),
    }
}

/// A body that took longer than the patience for a request.
pub(crate) fn late() -> Problem {
    let detail = "the body did not arrive in time; send it at once";
    Problem::new(ProblemKind::RequestTimeout, detail)
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|media_type| media_type.to_str().ok())
        .is_some_and(is_json);
    if is_plain && is_json {
        return Ok(());
    }
    let problem = Problem::new(
        ProblemKind::MediaTypeUnsupported,
        "send Content-Type: application/json, uncompressed, in UTF-8",
    );
    let (name, value) = if is_plain {
        (ACCEPT, "application/json")
    } else {
        (ACCEPT_ENCODING, "identity")
    };
    Err(problem.header(name, HeaderValue::from_static(value)))
}

fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn broken(error: &(dyn Error + 'static), limits: &Limits) -> Problem {
    if error.is::<LengthLimitError>() {
        too_large(limits)
    } else {
        // Where the next request begins cannot be known.
        invalid("the body broke off").header(CONNECTION, HeaderValue::from_static("close"))
    }
}

fn too_large(limits: &Limits) -> Problem {
    let detail = format!(
        "the body has more than {} bytes, the most that this call takes",
        limits.body_bytes
    );
    Problem::new(ProblemKind::BodyTooLarge, detail)
}

/// A body, or something else of a request, that is not what the call takes.
pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(ProblemKind::BodyInvalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognized_with_its_parameters() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/json; charset=latin1",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
