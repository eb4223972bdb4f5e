//! The JSON of a problem.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// An RFC 9457 problem document.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// What kind of problem it is; stable, compare this.
    #[serde(rename = "type")]
    #[schema(value_type = String, format = "uri", example = "https://flashsale.dev/problems/sold-out")]
    pub kind: Cow<'a, str>,
    /// The kind in words; the same for every problem of the kind.
    #[schema(value_type = String, example = "Sold out")]
    pub title: Cow<'a, str>,
    /// The HTTP status again.
    #[schema(example = 409)]
    pub status: u16,
    /// This problem in words, with what to do about it.
    #[schema(value_type = String)]
    pub detail: Cow<'a, str>,
    /// When the sale opens, where that is what is being waited for (RFC 3339).
    #[serde(rename = "opensAt", skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub opens_at: Option<String>,
    /// The price in force in minor units, where that is more than the shopper would pay.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(example = 12900)]
    pub price: Option<i64>,
}

/// Sent in place of a document that cannot be written, which none is known to be.
const UNWRITABLE: &[u8] = br#"{"type":"https://flashsale.dev/problems/internal-error","title":"Internal error","status":500,"detail":"the answer could not be written; try again in a second"}"#;

impl ProblemDocument<'_> {
    /// The document as it is sent.
    pub(crate) fn to_json(&self) -> Bytes {
        match serde_json::to_vec(self) {
            Ok(json) => json.into(),
            Err(error) => {
                tracing::error!(%error, kind = %self.kind, "a problem document could not be written: {error}");
                Bytes::from_static(UNWRITABLE)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_in_place_of_a_document_is_one() {
        let read: ProblemDocument<'_> = serde_json::from_slice(UNWRITABLE).unwrap();
        assert_eq!(read.status, 500);
        let kind = crate::problem::ProblemKind::Internal;
        assert!(read.kind.ends_with(kind.slug()));
    }
}
