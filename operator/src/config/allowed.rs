//! What FlashSales may name for their workers.

use clap::Args;

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

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Pattern {
    /// Whether all of `text` is as the pattern says.
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
/// [`ALLOWED`](crate::reconcile::allowed::ALLOWED), and annotations whose keys have no prefix. What a
/// sale was accepted with stays allowed for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Allowed {
    /// Image that `spec.worker.image` may name besides `--worker-image`; `*` stands for any characters.
    /// Workers have the addresses of the stores. May be repeated.
    #[arg(
        long = "allow-worker-image",
        env = "FLASHSALE_ALLOW_WORKER_IMAGE",
        value_name = "PATTERN",
        value_delimiter = ','
    )]
    pub images: Vec<Pattern>,

    /// Name of Secrets that sales may name besides those with the label `flashsale.dev/allowed: "true"`
    /// and those of this operator's own options; `*` stands for any characters. May be repeated.
    #[arg(
        long = "allow-secret",
        env = "FLASHSALE_ALLOW_SECRET",
        value_name = "PATTERN",
        value_delimiter = ','
    )]
    pub secrets: Vec<Pattern>,

    /// Key of annotations that sales may give to their workers' pods besides those without a prefix;
    /// `*` stands for any characters. Admission webhooks act on annotations. May be repeated.
    #[arg(
        long = "allow-pod-annotation",
        env = "FLASHSALE_ALLOW_POD_ANNOTATION",
        value_name = "PATTERN",
        value_delimiter = ',',
        default_values = HARMLESS_ANNOTATIONS
    )]
    pub annotations: Vec<Pattern>,
}

/// Annotations that are read by what scrapes metrics and by what removes nodes.
const HARMLESS_ANNOTATIONS: [&str; 3] = [
    "prometheus.io/*",
    "karpenter.sh/do-not-disrupt",
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
];

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
            let found = Pattern::from(pattern).matches(text);
            assert_eq!(found, matches, "{pattern} {text}");
        }
    }
}
