//! The JSON of a problem.

use std::borrow::Cow;

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
}
