//! Why a FlashSale is not put in force as written.

use flashsale_domain::sale::validation::Mistake;

use crate::events::Reason;

/// How many mistakes one message lists.
const MISTAKES_TOLD: usize = 10;

/// Why a FlashSale is not put in force as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In one word.
    pub reason: Reason,
    /// In a sentence that says what to write.
    pub message: String,
}

impl Refusal {
    /// A refusal for `reason`.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// The mistakes in one message.
pub(super) fn sentence(mistakes: &[Mistake]) -> String {
    let told: Vec<String> = mistakes
        .iter()
        .take(MISTAKES_TOLD)
        .map(ToString::to_string)
        .collect();
    let more = mistakes.len().saturating_sub(MISTAKES_TOLD);
    let tail = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    format!("{}{tail}", told.join("; "))
}
