//! Which of a file's encodings a client gets (RFC 9110, 12.5.3).

use http::{HeaderMap, header::ACCEPT_ENCODING};

use super::weighted;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Brotli.
    Brotli,
    /// Gzip.
    Gzip,
    /// As it is.
    Identity,
}

impl Encoding {
    /// All, the smallest first.
    pub(super) const BY_SIZE: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// The coding's registered name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// The end of the name of a file that holds another one encoded so.
    pub(super) const fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some(".br"),
            Self::Gzip => Some(".gz"),
            Self::Identity => None,
        }
    }

    /// How much a client wants it.
    fn weight(self, headers: &HeaderMap) -> f32 {
        let (mut named, mut any) = (None, None);
        for (coding, weight) in weighted::items(headers, &ACCEPT_ENCODING) {
            // Old clients say `x-gzip` (RFC 9110, 8.4.1.3).
            let coding = coding.strip_prefix("x-").unwrap_or(coding);
            if coding.eq_ignore_ascii_case(self.name()) {
                named = Some(weight);
            } else if coding == "*" {
                any = Some(weight);
            }
        }
        // What nobody spoke of is acceptable as it is, and not at all otherwise.
        let unnamed = match self {
            Self::Identity => f32::MIN_POSITIVE,
            Self::Brotli | Self::Gzip => 0.0,
        };
        named.or(any).unwrap_or(unnamed)
    }
}

/// The encoding that the client wants most, the smallest of those it wants alike; as it is when it
/// wants none of them, since that serves it better than a refusal.
pub(super) fn choose(headers: &HeaderMap, is_there: impl Fn(Encoding) -> bool) -> Encoding {
    let mut best = (Encoding::Identity, 0.0);
    for encoding in Encoding::BY_SIZE.into_iter().filter(|it| is_there(*it)) {
        let weight = encoding.weight(headers);
        if weight > best.1 {
            best = (encoding, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn chosen(accepted: Option<&'static str>, is_there: impl Fn(Encoding) -> bool) -> Encoding {
        let mut headers = HeaderMap::new();
        if let Some(accepted) = accepted {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        }
        choose(&headers, is_there)
    }

    #[test]
    fn the_client_weighs_and_the_smallest_wins_a_tie() {
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip, deflate", Encoding::Gzip),
            ("x-gzip", Encoding::Gzip),
            ("BR", Encoding::Brotli),
            ("br;q=0.1, gzip;q=0.2", Encoding::Gzip),
            ("br;q=0, gzip;q=0", Encoding::Identity),
            ("identity, br;q=0.5", Encoding::Identity),
            ("gzip;q=0.001", Encoding::Gzip),
            ("*", Encoding::Brotli),
            ("*, br;q=0", Encoding::Gzip),
            ("*;q=0", Encoding::Identity),
            ("identity;q=0", Encoding::Identity),
            ("zstd", Encoding::Identity),
            ("", Encoding::Identity),
        ] {
            assert_eq!(chosen(Some(accepted), |_| true), expected, "{accepted}");
        }
        assert_eq!(chosen(None, |_| true), Encoding::Identity);
    }

    #[test]
    fn what_was_not_made_is_not_sent() {
        let no_brotli = |encoding| encoding != Encoding::Brotli;
        assert_eq!(chosen(Some("br, gzip"), no_brotli), Encoding::Gzip);
        assert_eq!(chosen(Some("br"), no_brotli), Encoding::Identity);
    }
}
