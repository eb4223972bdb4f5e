//! Buys of shoppers with tokens.

use std::fmt;

/// A buy with a token: who signed it, and whether the gateway has seen it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenBuy {
    /// The algorithm of its signature.
    pub signature: Signature,
    /// Whether its signature has to be checked.
    pub acquaintance: Acquaintance,
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

/// Whether the gateway knows a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acquaintance {
    /// It was verified before.
    Known,
    /// Its signature is checked.
    New,
}

impl TokenBuy {
    /// The rows of the table.
    pub fn rows() -> impl Iterator<Item = Self> {
        Signature::ALL.into_iter().flat_map(|signature| {
            Acquaintance::ALL.map(|acquaintance| Self {
                signature,
                acquaintance,
            })
        })
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

impl Acquaintance {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Known, Self::New];
}

impl fmt::Display for TokenBuy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let acquaintance = match self.acquaintance {
            Acquaintance::Known => "known",
            Acquaintance::New => "new",
        };
        let signature = self.signature.as_str();
        write!(
            formatter,
            "a buy with a {acquaintance} {signature} token: gateway"
        )
    }
}
