//! Signature checks by `ring`, which TLS has linked already, and for Ed25519 by `ed25519-dalek`, which
//! takes two thirds of `ring`'s time.
//!
//! The implementations that `jsonwebtoken` brings along are several times slower, and one of them is
//! the crate `rsa` with its open advisory RUSTSEC-2023-0071. Its `decode` with a provider of our own
//! is not used either: it decodes the header twice more and the claims twice, and copies the key,
//! which takes about 3 µs for a token of 1 kB, a seventh of an RSA check.

use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::{
    error::Unspecified,
    signature::{
        self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
    },
};

/// Bytes of the moduli that are accepted: 2048 bits are the least that RFC 7518 allows, and the
/// time of a check grows with the square of the length.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Bytes of an uncompressed point: a prefix and two coordinates.
const P256_POINT_BYTES: usize = 65;
const P384_POINT_BYTES: usize = 97;

/// A key that checks signatures.
pub(super) enum PublicKey {
    /// Of RSA, as the key set has them but without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// An uncompressed point on one of NIST's curves.
    Ecdsa(Vec<u8>),
    /// The decoded point.
    Ed25519(VerifyingKey),
}

impl PublicKey {
    /// The key in the form that checks of this algorithm need; none if it does not have that form, or
    /// if everybody could sign by it.
    pub(super) fn new(key: &DecodingKey, algorithm: Algorithm) -> Option<Self> {
        match key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let (modulus, exponent) = (without_leading_zeros(n), without_leading_zeros(e));
                let is_well_formed = rsa(algorithm).is_ok()
                    && RSA_MODULUS_BYTES.contains(&modulus.len())
                    && !exponent.is_empty();
                is_well_formed.then(|| Self::Rsa {
                    modulus: modulus.to_vec(),
                    exponent: exponent.to_vec(),
                })
            }
            DecodingKeyKind::SecretOrDer(bytes) => {
                let point = |length| (bytes.len() == length).then(|| Self::Ecdsa(bytes.clone()));
                match algorithm {
                    Algorithm::ES256 => point(P256_POINT_BYTES),
                    Algorithm::ES384 => point(P384_POINT_BYTES),
                    Algorithm::EdDSA => {
                        let key = VerifyingKey::try_from(bytes.as_slice()).ok()?;
                        (!key.is_weak()).then_some(Self::Ed25519(key))
                    }
                    _ => None,
                }
            }
        }
    }

    /// Whether the key, which was made for `algorithm` or another of its kind, has signed `message`.
    pub(super) fn check(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Unspecified> {
        match self {
            Self::Rsa { modulus, exponent } => {
                let (n, e) = (modulus, exponent);
                RsaPublicKeyComponents { n, e }.verify(rsa(algorithm)?, message, signature)
            }
            Self::Ecdsa(point) => {
                UnparsedPublicKey::new(curve(algorithm)?, point).verify(message, signature)
            }
            Self::Ed25519(key) if algorithm == Algorithm::EdDSA => {
                let signature = Signature::from_slice(signature).map_err(|_| Unspecified)?;
                key.verify(message, &signature).map_err(|_| Unspecified)
            }
            Self::Ed25519(_) => Err(Unspecified),
        }
    }
}

fn rsa(algorithm: Algorithm) -> Result<&'static RsaParameters, Unspecified> {
    match algorithm {
        Algorithm::RS256 => Ok(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Ok(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Ok(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Ok(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Ok(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Ok(&signature::RSA_PSS_2048_8192_SHA512),
        _ => Err(Unspecified),
    }
}

fn curve(algorithm: Algorithm) -> Result<&'static dyn VerificationAlgorithm, Unspecified> {
    match algorithm {
        Algorithm::ES256 => Ok(&signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Ok(&signature::ECDSA_P384_SHA384_FIXED),
        _ => Err(Unspecified),
    }
}

/// Some identity providers write a number as a signed one, with a zero in front, which `ring`
/// refuses.
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    fn is_usable(key: &DecodingKey, algorithm: Algorithm) -> bool {
        PublicKey::new(key, algorithm).is_some()
    }

    #[test]
    fn keys_of_the_wrong_size_are_not_used() {
        let rsa = |bytes| DecodingKey::from_rsa_raw_components(&vec![0xff; bytes], &[1, 0, 1]);
        assert!(!is_usable(&rsa(128), Algorithm::RS256));
        assert!(is_usable(&rsa(256), Algorithm::RS256));
        assert!(!is_usable(&rsa(1025), Algorithm::RS256));
        assert!(!is_usable(&rsa(256), Algorithm::ES256));
        let padded = [&[0; 128][..], &[0xff; 128]].concat();
        let padded = DecodingKey::from_rsa_raw_components(&padded, &[1, 0, 1]);
        assert!(!is_usable(&padded, Algorithm::RS256));
        let point = DecodingKey::from_ec_der(&[4; 65]);
        assert!(is_usable(&point, Algorithm::ES256));
        assert!(!is_usable(&point, Algorithm::ES384));
        assert!(!is_usable(&point, Algorithm::EdDSA));
    }

    #[test]
    fn ed25519_takes_signatures_of_its_key_alone_and_no_key_that_signs_everything() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let key = DecodingKey::from_ed_der(pair.public_key().as_ref());
        let key = PublicKey::new(&key, Algorithm::EdDSA).unwrap();
        let signature = pair.sign(b"message");
        let check = |algorithm, message: &[u8], signature: &[u8]| {
            key.check(algorithm, message, signature).is_ok()
        };
        assert!(check(Algorithm::EdDSA, b"message", signature.as_ref()));
        assert!(!check(Algorithm::EdDSA, b"another", signature.as_ref()));
        assert!(!check(
            Algorithm::EdDSA,
            b"message",
            &signature.as_ref()[1..]
        ));
        assert!(!check(Algorithm::ES256, b"message", signature.as_ref()));
        // The neutral point: R = 0, s = 0 would be its signature of any message.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert!(!is_usable(
            &DecodingKey::from_ed_der(&neutral),
            Algorithm::EdDSA
        ));
    }
}
