//! Proof of work: a number that took many attempts to find, and takes one to check.

use ring::digest::{Context, SHA256};

/// Longest proof: the digits of the largest number of 64 bits.
const MAX_DIGITS: usize = 20;

/// Whether `proof` is a decimal number of which the SHA-256 digest, behind the challenge and a dot,
/// begins with this many zero bits.
pub(super) fn is_proof(challenge: &str, proof: &str, difficulty: u32) -> bool {
    if !(1..=MAX_DIGITS).contains(&proof.len()) || !proof.bytes().all(|byte| byte.is_ascii_digit())
    {
        return false;
    }
    let mut digest = Context::new(&SHA256);
    digest.update(challenge.as_bytes());
    digest.update(b".");
    digest.update(proof.as_bytes());
    zero_bits(digest.finish().as_ref()) >= difficulty
}

fn zero_bits(digest: &[u8]) -> u32 {
    let mut bits = 0;
    for byte in digest {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_begins_with_enough_zero_bits() {
        let solve = |difficulty| {
            (0..1_u64 << 24)
                .map(|number| number.to_string())
                .find(|proof| is_proof("challenge", proof, difficulty))
                .unwrap()
        };
        let proof = solve(10);
        assert!(!is_proof("another", &proof, 10));
        assert!(!is_proof("challenge", &proof, 40));
        for bad in ["", "-1", "1e3", " 1", "000000000000000000000"] {
            assert!(!is_proof("challenge", bad, 0), "{bad:?}");
        }
    }

    #[test]
    fn zero_bits_are_counted_from_the_left() {
        for (digest, bits) in [
            (&[0x80, 0][..], 0),
            (&[0x01, 0][..], 7),
            (&[0, 0x10][..], 11),
            (&[0, 0][..], 16),
        ] {
            assert_eq!(zero_bits(digest), bits);
        }
    }
}
