//! Signature checks by `ring`, which TLS has linked already.
//!
//! The implementations that `jsonwebtoken` brings along are several times slower, and one of them is
//! the crate `rsa` with its open advisory RUSTSEC-2023-0071. Its `decode` with a provider of our own
//! is not used either: it decodes the header twice more and the claims twice, and copies the key,
//! which takes about 3 µs for a token of 1 kB, a seventh of an RSA check.

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

/// Bytes of an Ed25519 public key.
const ED25519_BYTES: usize = 32;

/// Bytes of an uncompressed point: a prefix and two coordinates.
const P256_POINT_BYTES: usize = 65;
const P384_POINT_BYTES: usize = 97;

/// Whether the key has the form that checks of this algorithm need.
pub(super) fn is_well_formed(key: &DecodingKey, algorithm: Algorithm) -> bool {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            rsa(algorithm).is_ok()
                && RSA_MODULUS_BYTES.contains(&without_leading_zeros(n).len())
                && !without_leading_zeros(e).is_empty()
        }
        DecodingKeyKind::SecretOrDer(bytes) => match algorithm {
            Algorithm::ES256 => bytes.len() == P256_POINT_BYTES,
            Algorithm::ES384 => bytes.len() == P384_POINT_BYTES,
            Algorithm::EdDSA => bytes.len() == ED25519_BYTES,
            _ => false,
        },
    }
}

/// Whether `key`, which is well formed for `algorithm`, has signed `message`.
pub(super) fn check(
    algorithm: Algorithm,
    key: &DecodingKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Unspecified> {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
            RsaPublicKeyComponents { n, e }.verify(rsa(algorithm)?, message, signature)
        }
        DecodingKeyKind::SecretOrDer(bytes) => {
            UnparsedPublicKey::new(curve(algorithm)?, bytes).verify(message, signature)
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
        Algorithm::EdDSA => Ok(&signature::ED25519),
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
    use super::*;

    #[test]
    fn keys_of_the_wrong_size_are_not_well_formed() {
        let rsa = |bytes| DecodingKey::from_rsa_raw_components(&vec![0xff; bytes], &[1, 0, 1]);
        assert!(!is_well_formed(&rsa(128), Algorithm::RS256));
        assert!(is_well_formed(&rsa(256), Algorithm::RS256));
        assert!(!is_well_formed(&rsa(1025), Algorithm::RS256));
        assert!(!is_well_formed(&rsa(256), Algorithm::ES256));
        let padded = [&[0; 128][..], &[0xff; 128]].concat();
        let padded = DecodingKey::from_rsa_raw_components(&padded, &[1, 0, 1]);
        assert!(!is_well_formed(&padded, Algorithm::RS256));
        let point = DecodingKey::from_ec_der(&[4; 65]);
        assert!(is_well_formed(&point, Algorithm::ES256));
        assert!(!is_well_formed(&point, Algorithm::ES384));
        assert!(!is_well_formed(&point, Algorithm::EdDSA));
    }
}
