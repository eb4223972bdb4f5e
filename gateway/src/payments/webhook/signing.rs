//! The signatures of Standard Webhooks: `v1,CODE`, the code in Base64, of `ID.TIME.BODY`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};
use ring::hmac::Tag;

use crate::payments::signatures::{BadSignature, Secrets, check_time};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Longest id of a message that is taken.
const MAX_ID: usize = 255;

/// The headers of a message. It has a signature of each secret, so that whoever reads it may change theirs first.
pub(super) fn sign(
    secrets: &Secrets,
    id: &str,
    seconds: u64,
    body: &[u8],
) -> [(HeaderName, String); 3] {
    let codes: Vec<String> = secrets
        .codes(&signed(id, &seconds.to_string(), body))
        .map(|code| text(&code))
        .collect();
    [
        (ID, id.to_owned()),
        (TIMESTAMP, seconds.to_string()),
        (SIGNATURE, codes.join(" ")),
    ]
}

/// The id of a message that the shop has signed.
pub(super) fn check<'a>(
    secrets: &Secrets,
    headers: &'a HeaderMap,
    body: &[u8],
    now: u64,
) -> Result<&'a str, BadSignature> {
    let header = |name: HeaderName, shown| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or(BadSignature::Header(shown))
    };
    let id = header(ID, "webhook-id")?;
    let time = header(TIMESTAMP, "webhook-timestamp")?;
    let given: Vec<&str> = header(SIGNATURE, "webhook-signature")?.split(' ').collect();
    secrets.check(&signed(id, time, body), &given, text)?;
    if id.is_empty() || id.len() > MAX_ID {
        return Err(BadSignature::Header("webhook-id"));
    }
    let seconds = time
        .parse()
        .map_err(|_| BadSignature::Header("webhook-timestamp"))?;
    check_time(seconds, now)?;
    Ok(id)
}

fn signed(id: &str, time: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", time.as_bytes(), b".", body].concat()
}

fn text(code: &Tag) -> String {
    format!("v1,{}", STANDARD.encode(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const TIME: u64 = 1_614_265_330;
    const CODE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secrets(all: &[&str]) -> Secrets {
        let all: Vec<_> = all
            .iter()
            .map(|secret| STANDARD.decode(secret).unwrap())
            .collect();
        Secrets::new(all.iter().map(Vec::as_slice))
    }

    fn headers(time: u64, signature: &str) -> HeaderMap {
        let headers = [
            (ID, MESSAGE.to_owned()),
            (TIMESTAMP, time.to_string()),
            (SIGNATURE, signature.to_owned()),
        ];
        let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
        headers.into_iter().collect()
    }

    #[test]
    fn the_example_of_the_specification_is_signed_and_checked() {
        let secrets = secrets(&[SECRET]);
        let [_, _, (_, signature)] = sign(&secrets, MESSAGE, TIME, BODY);
        assert_eq!(signature, CODE);
        let check = |time, signature: &str, body| {
            check(&secrets, &headers(time, signature), body, TIME + 300).map(str::to_owned)
        };
        assert_eq!(check(TIME, CODE, BODY), Ok(MESSAGE.to_owned()));
        let several = format!("v1a,Zm9v v1,Zm9v {CODE}");
        assert_eq!(check(TIME, &several, BODY), Ok(MESSAGE.to_owned()));
        assert_eq!(check(TIME, CODE, b"{}"), Err(BadSignature::Wrong));
        assert_eq!(check(TIME + 1, CODE, BODY), Err(BadSignature::Wrong));
        for wrong in ["", "v1", "v1,", &CODE[3..], &CODE[..CODE.len() - 1]] {
            assert_eq!(
                check(TIME, wrong, BODY),
                Err(BadSignature::Wrong),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_old_message_is_not_taken_again_nor_one_of_the_future() {
        let secrets = secrets(&[SECRET]);
        let at = |now| check(&secrets, &headers(TIME, CODE), BODY, now).err();
        assert_eq!(at(TIME - 300), None);
        assert_eq!(at(TIME + 301), Some(BadSignature::Time));
        assert_eq!(at(TIME - 301), Some(BadSignature::Time));
        assert_eq!(at(u64::MAX), Some(BadSignature::Time));
        let mut headers = headers(TIME, CODE);
        headers.remove(ID);
        let missing = BadSignature::Header("webhook-id");
        let bare = check(&secrets, &headers, BODY, TIME);
        assert_eq!(bare.err(), Some(missing));
    }

    #[test]
    fn while_a_secret_is_changed_both_count() {
        let new = STANDARD.encode([7; 24]);
        let both = secrets(&[&new, SECRET]);
        let check = |secrets: &Secrets, signature: &str| {
            check(secrets, &headers(TIME, signature), BODY, TIME).is_ok()
        };
        assert!(check(&both, CODE));
        let [_, _, (_, signature)] = sign(&both, MESSAGE, TIME, BODY);
        assert!(check(&secrets(&[SECRET]), &signature));
        assert!(check(&secrets(&[&new]), &signature));
        assert!(!check(&secrets(&[&new]), CODE));
    }
}
