//! Buys of shoppers with tokens.

use std::fmt;

use super::Measure;

/// Processor time that a token costs the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenCost {
    /// The algorithm of its signature.
    pub signature: Signature,
    /// What of it.
    pub figure: TokenFigure,
}

/// Algorithms that are accepted by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signature {
    /// RSA of 2048 bits.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// What is measured, in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenFigure {
    /// A buy without a token.
    Without,
    /// A buy with a token that was verified before.
    Known,
    /// A buy with a token whose signature has to be checked.
    New,
    /// The check of a signature by `ring` and nothing else.
    Ring,
    /// What a new token costs more than a known one.
    FirstCheck,
}

impl TokenCost {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Signature::ALL
            .into_iter()
            .flat_map(|signature| TokenFigure::ALL.map(|figure| Self { signature, figure }))
    }

    /// What it is held against.
    #[must_use]
    pub fn limit(self) -> Option<Measure> {
        let figure = match self.figure {
            TokenFigure::Known => TokenFigure::Without,
            TokenFigure::FirstCheck => TokenFigure::Ring,
            _ => return None,
        };
        Some(Measure::TokenCost(Self { figure, ..self }))
    }

    /// Whether others are held against it.
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(self.figure, TokenFigure::Without | TokenFigure::Ring)
    }
}

impl Signature {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The name in a token's header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl TokenFigure {
    const ALL: [Self; 5] = [
        Self::Without,
        Self::Known,
        Self::New,
        Self::Ring,
        Self::FirstCheck,
    ];
}

impl fmt::Display for TokenCost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = match self.figure {
            TokenFigure::Without => "a buy without a token",
            TokenFigure::Known => "a buy with a known token",
            TokenFigure::New => "a buy with a new token",
            TokenFigure::Ring => "a check by ring alone",
            TokenFigure::FirstCheck => "first check, new less known",
        };
        write!(formatter, "{}: {figure}", self.signature.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_token_is_held_against_none_and_a_first_check_against_ring_alone() {
        let limits = TokenCost::all().filter_map(TokenCost::limit);
        let limits: Vec<Measure> = limits.collect();
        assert_eq!(limits.len(), 2 * Signature::ALL.len());
        assert!(limits.iter().all(|limit| limit.is_limit()));
    }
}
