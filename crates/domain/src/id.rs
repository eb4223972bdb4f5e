//! Identifiers, checked once where they enter and trusted from then on.
//!
//! Every identifier ends up in a Redis key, a PostgreSQL `VARCHAR(255)` and JSON. The alphabets
//! below are narrow enough that none of the three needs escaping: no braces (Redis Cluster takes
//! the text between the first pair as hash tag), no quotes or backslashes (JSON), no white space
//! or control characters.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest user id, product id and idempotency key, in bytes: the width of the ledger's columns,
/// and what OpenID Connect allows for `sub`.
pub const MAX_ID_BYTES: usize = 255;

/// Longest sale id in bytes: a namespace (63), a dot and a Kubernetes object name (253), less
/// what keeps it within [`MAX_ID_BYTES`].
pub const MAX_SALE_ID_BYTES: usize = 255;

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text has no characters.
    #[error("must not be empty")]
    Empty,
    /// The text has more bytes than its column.
    #[error("is {length} bytes long; at most {max} are allowed")]
    TooLong {
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character outside the identifier's alphabet.
    #[error("has a character that is not allowed at byte {position}; {allowed}")]
    Character {
        /// Offset of the first offending byte.
        position: usize,
        /// The alphabet in words.
        allowed: &'static str,
    },
}

fn check(
    text: &str,
    max: usize,
    allowed: &'static str,
    is_allowed: impl Fn(usize, u8) -> bool,
) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > max {
        return Err(IdError::TooLong {
            length: text.len(),
            max,
        });
    }
    match text
        .bytes()
        .enumerate()
        .position(|(position, byte)| !is_allowed(position, byte))
    {
        Some(position) => Err(IdError::Character { position, allowed }),
        None => Ok(()),
    }
}

/// Visible ASCII without the four characters that Redis hash tags and JSON give a meaning to.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'"' | b'\\')
}

const TOKEN_ALPHABET: &str = "write visible ASCII without braces, quotes, backslashes and spaces";
const PRODUCT_ALPHABET: &str =
    "write letters, digits, '.', '_' and '-', the first a letter or a digit";
const SALE_ALPHABET: &str =
    "write lower-case letters, digits, '.' and '-', the first a letter or a digit";

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks `text` and takes it over.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, IdError> {
                let text = text.into();
                Self::check(&text)?;
                Ok(Self(text))
            }

            /// Checks `text` without taking it over, for paths that must not allocate.
            pub fn check(text: &str) -> Result<(), IdError> {
                check(text, $max, $allowed, $check)
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

identifier!(
    /// Names a sale. On one machine the manifest's `metadata.name`; in a cluster
    /// `namespace.name`, so that two namespaces can use one name (a namespace has no dot).
    SaleId, MAX_SALE_ID_BYTES, SALE_ALPHABET, |position, byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || (position > 0 && matches!(byte, b'.' | b'-'))
    }
);

identifier!(
    /// Names a product: `products.id`.
    ProductId, MAX_ID_BYTES, PRODUCT_ALPHABET, |position, byte| {
        byte.is_ascii_alphanumeric() || (position > 0 && matches!(byte, b'.' | b'_' | b'-'))
    }
);

identifier!(
    /// Names a shopper: the `sub` of their token, or what the body says where authentication is off.
    UserId, MAX_ID_BYTES, TOKEN_ALPHABET, |_, byte| is_token(byte)
);

identifier!(
    /// What makes a repeated buy the same buy; unique for one user in one sale.
    IdempotencyKey, MAX_ID_BYTES, TOKEN_ALPHABET, |_, byte| is_token(byte)
);

/// Names one acknowledged buy. The gateway makes time-ordered ones (UUID version 7), so that the
/// ledger's unique index grows at its right edge; any UUID is accepted in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub uuid::Uuid);

impl JobId {
    /// A new time-ordered id whose 12 `rand_a` bits carry `route`, by which a gateway finds the
    /// sale of a job without asking every sale (see [`JobId::route`]).
    pub fn with_route(route: u16) -> Self {
        let mut bytes = uuid::Uuid::now_v7().into_bytes();
        bytes[6] = 0x70 | ((route >> 8) as u8 & 0x0f);
        bytes[7] = (route & 0xff) as u8;
        Self(uuid::Uuid::from_bytes(bytes))
    }

    /// The route bits of an id that [`JobId::with_route`] made. For other UUIDs the value is
    /// meaningless, so a miss must fall back to asking every sale.
    pub fn route(self) -> u16 {
        let bytes = self.0.as_bytes();
        (u16::from(bytes[6] & 0x0f) << 8) | u16::from(bytes[7])
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        uuid::Uuid::try_parse(text).map(Self)
    }
}

impl SaleId {
    /// Twelve bits of FNV-1a over the id: what [`JobId::with_route`] carries.
    pub fn route(&self) -> u16 {
        let hash = self.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        ((hash ^ (hash >> 12) ^ (hash >> 24)) & 0x0fff) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_refuse_what_a_key_a_column_or_json_would_misread() {
        for text in ["", "a b", "a{b", "a}b", "a\"b", "a\\b", "a\nb", "a\0b", "é"] {
            assert!(UserId::new(text).is_err(), "{text:?}");
            assert!(IdempotencyKey::new(text).is_err(), "{text:?}");
            assert!(ProductId::new(text).is_err(), "{text:?}");
        }
        assert!(UserId::new("auth0|5f7c8ec7c33c6c004bbafe82").is_ok());
        assert!(ProductId::new("sneaker-001").is_ok());
        assert!(ProductId::new("-x").is_err());
        assert!(SaleId::new("shop.sneaker-drop").is_ok());
        assert!(SaleId::new("Shop").is_err());
    }

    #[test]
    fn identifiers_fit_their_columns() {
        assert!(UserId::new("u".repeat(255)).is_ok());
        assert_eq!(
            UserId::new("u".repeat(256)),
            Err(IdError::TooLong {
                length: 256,
                max: 255
            })
        );
    }

    #[test]
    fn a_job_id_carries_the_route_of_its_sale_and_stays_a_version_7_uuid() {
        let sale = SaleId::new("sneaker-drop").unwrap();
        let job = JobId::with_route(sale.route());
        assert_eq!(job.route(), sale.route());
        assert_eq!(job.0.get_version_num(), 7);
        assert_eq!(job.to_string().parse::<JobId>().unwrap(), job);
    }
}
