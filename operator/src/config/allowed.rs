//! What FlashSales may name for their workers.

/// Fields of a pod template that count only if the operator's configuration says so: they hand the pod
/// what the author of the sale may not be allowed to see.
pub const PERMITTABLE: [&str; 6] = [
    "automountServiceAccountToken",
    "envFrom",
    "serviceAccountName",
    "valueFrom",
    "volumeMounts",
    "volumes",
];

/// A text in which each `*` stands for any characters, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern that `text` writes.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether all of `text` is as the pattern says.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut pieces: Vec<&str> = self.0.split('*').collect();
        let last = pieces.pop().unwrap_or_default();
        if pieces.is_empty() {
            return text == last;
        }
        let first = pieces.remove(0);
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        for piece in pieces {
            let Some((_, after)) = rest.split_once(piece) else {
                return false;
            };
            rest = after;
        }
        rest.ends_with(last)
    }
}

/// What FlashSales may name besides what they always may: the default image of workers, the Secrets of
/// the operator's own options and those with the label
/// [`ALLOWED`](crate::reconcile::allowed::ALLOWED), and annotations whose keys have no prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Images of workers.
    pub images: Vec<Pattern>,
    /// Names of Secrets.
    pub secrets: Vec<Pattern>,
    /// Keys of annotations of workers' pods.
    pub annotations: Vec<Pattern>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, matches) in [
            ("a/b:1", "a/b:1", true),
            ("a/b:1", "a/b:12", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a/*", "a/b", true),
            ("a/*", "b/a/b", false),
            ("*:1", "a/b:1", true),
            ("*:1", "a/b:1@sha", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "ac", false),
            ("a*b*b", "ab", false),
            ("", "", true),
            ("", "a", false),
        ] {
            let found = Pattern::new(pattern).matches(text);
            assert_eq!(found, matches, "{pattern} {text}");
        }
    }
}
