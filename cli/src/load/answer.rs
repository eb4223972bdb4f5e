//! What a gateway answers to a buy.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Acknowledged.
    Queued {
        /// The buy's name from now on.
        job: Uuid,
        /// Whether the gateway says that this is the first answer again.
        replayed: bool,
    },
    /// Nothing left.
    SoldOut,
    /// The shopper asked too often.
    RateLimited {
        /// When one more request passes.
        retry_after: Duration,
    },
    /// Before the opening.
    NotOpen {
        /// The opening, where it is told.
        opens_at: Option<Timestamp>,
    },
    /// After the closing.
    Closed,
    /// The gateway cannot take it now, but may later.
    Unavailable {
        /// When to come back, where it is told.
        retry_after: Option<Duration>,
        /// Status and kind of the problem.
        reason: String,
    },
    /// Anything else: a buy that is refused as it is.
    Refused {
        /// Status and kind of the problem.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledged {
    job_id: Uuid,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    opens_at: Option<Timestamp>,
}

/// Reads an answer.
pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Answer {
    if status == StatusCode::OK {
        return match serde_json::from_slice::<Acknowledged>(body) {
            Ok(acknowledged) => Answer::Queued {
                job: acknowledged.job_id,
                replayed: headers.contains_key("idempotent-replayed"),
            },
            Err(error) => Answer::Refused {
                reason: format!("200 without a jobId ({error})"),
            },
        };
    }
    // What most shoppers of a hot sale get. Nothing in the body says more: the crowd takes any price.
    if status == StatusCode::CONFLICT {
        return Answer::SoldOut;
    }
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let kind = problem.kind.rsplit('/').next().unwrap_or_default();
    let reason = || format!("{} {kind}", status.as_u16()).trim_end().to_owned();
    match status {
        StatusCode::TOO_MANY_REQUESTS => Answer::RateLimited {
            retry_after: retry_after(headers).unwrap_or(Duration::from_secs(1)),
        },
        StatusCode::FORBIDDEN if kind == "sale-not-open" => Answer::NotOpen {
            opens_at: problem.opens_at,
        },
        StatusCode::FORBIDDEN if kind == "sale-closed" => Answer::Closed,
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Answer::Unavailable {
                retry_after: retry_after(headers),
                reason: reason(),
            }
        }
        _ => Answer::Refused { reason: reason() },
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_plain(status: u16, body: &'static str, headers: &[(&'static str, &str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        read(status, &headers, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn an_acknowledgement_and_its_replay_are_told_apart() {
        let body =
            r#"{"jobId":"0190a5a0-0000-7000-8000-000000000001","status":"queued","position":3}"#;
        let job = Uuid::try_parse("0190a5a0-0000-7000-8000-000000000001").unwrap();
        for (headers, replayed) in [(&[][..], false), (&[("idempotent-replayed", "true")], true)] {
            assert_eq!(
                read_plain(200, body, headers),
                Answer::Queued { job, replayed }
            );
        }
    }

    #[test]
    fn refusals_are_read_by_status_and_type() {
        let not_open = r#"{"type":"https://flashsale.dev/problems/sale-not-open","opensAt":"2026-12-01T10:00:00Z"}"#;
        assert_eq!(
            read_plain(403, not_open, &[]),
            Answer::NotOpen {
                opens_at: Some("2026-12-01T10:00:00Z".parse().unwrap())
            }
        );
        assert_eq!(
            read_plain(
                403,
                r#"{"type":"https://flashsale.dev/problems/sale-closed"}"#,
                &[]
            ),
            Answer::Closed
        );
        assert_eq!(read_plain(409, "", &[]), Answer::SoldOut);
        assert_eq!(
            read_plain(429, "", &[("retry-after", "7")]),
            Answer::RateLimited {
                retry_after: Duration::from_secs(7)
            }
        );
        assert_eq!(
            read_plain(503, r#"{"type":"x/lane-full"}"#, &[("retry-after", "1")]),
            Answer::Unavailable {
                retry_after: Some(Duration::from_secs(1)),
                reason: "503 lane-full".to_owned()
            }
        );
        assert_eq!(
            read_plain(502, "<html>", &[]),
            Answer::Unavailable {
                retry_after: None,
                reason: "502".to_owned()
            }
        );
        assert!(matches!(read_plain(400, "{}", &[]), Answer::Refused { .. }));
        assert!(matches!(read_plain(200, "{}", &[]), Answer::Refused { .. }));
    }
}
