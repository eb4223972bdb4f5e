//! An identity provider made of keys that sign whatever a test says.

use std::path::PathBuf;

use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode, get_current_timestamp,
    jwk::{Jwk, JwkSet},
};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://id.example.com/";
pub const AUDIENCE: &str = "shop";

/// Made for these tests and used nowhere else.
const RSA_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDGZB481FrMwe2L
QOEL3SmeuL9WSqKDGFcZIwt+D8w6Ojz1T3ki1WpDfW4HahLRaVlzWLSww72UM0A2
+JbzKqHV8eItmoXLpijq+eJZCDZ2QbmCaVWIiOYmWa4Q+IjYMtnSYK9Ck3pgFH32
8SL/KkYcCJURTcdEkorE2gCAxJ4Rn/aJ11s5D18yDj5G9u7hrGI3H6fnm8hMVt5P
Gy4cDG3HeSsTAJOyk4pyY+iSdUvHrhOXmZaUKGzJkDdN5WFjoFt/X36L9W2U5tYG
QWWMe0wzNiAJFs3qcawp5VN/HtBuHtUo+347khWo0ApjYRb3rRfRav2W/QZlEHEg
YYr3+MJJAgMBAAECggEAF7ouaB/NLsdEV+bl639zXHtzzdgeDOAGvbfEZnqw9idU
NlIflqgP3hvEorAf6UoIY9xgevIkLLL++3wagKFxCteTsZjVJuy74NOLS9LowZa9
f0CGFW7rGLvZzseMxU+6n7fGykd9Z7uXr6a6JOqrSSvJGVFUM2oz3NSGYiAx2AFT
tj9i0IHn81tbKTbRsJy4jKFISAeYP7Mqjn9rE3AxGP3l5/StH9W41AEvjvpAE2qu
iDQUs9PzAveTeVILy9SausAJzLGbDqZI/z38+5c55GjPBTjCWuYRch2cVcJPY/1L
wc5qkGuSvWfiohu8+6k40qZpUHG82SQcmBbJj6pmIQKBgQD1gVghr/kTU4EvSMNb
IY7eUm9VyefBza3i5y+z6zA2cZ2XhZZX7EjlZQe2ttwAx/6en32eMi2lhqc9xkui
Sg9dUTbdI+/s5CZV/7W+Lv7t3MgEuRA7/TNfp0+dkcO+ksm85hmhLmMsoEPBxQf0
DlNHIfRQtFhh9uPgody63twlqQKBgQDO3y+ZfyJ42eH69ynomPQoPVHMjCAhxfcz
VypmcJbTs5QHJN1lrqRXremQtj6+N3+cQ5KV2hjlnT0vPm5wPXnmUnw1QjQLXkrg
FqXXJ1PHnp3HC+sqQHtqoTHB+7jG7l0PX8kbUALVUr/YgqO/RUSmxgAGDNXP1ifF
nVm3TlJboQKBgBvtRbg3S08OfbCCR26zZ4wUtoN8vzdFjVU1VTDTPR3EWNfmo06H
G1e04WbAcFBKb8VdgS2gqZ6draKSTwI8CHlmBqarMtywq0e3GdZzhB5MshgPcTBR
wilMX/sdnLWt/vLU/e9e1ns6E9sT7a6ufnyl+SPBEBi8u/lOkExVk5dZAoGAdrZM
smDqfz9JFqNPQVLEiXLmxeKDbd4UhTm38yEY7FNY1uCoy/j0Bfye05RBXRar/Bgq
viNxthINUlcZOP+OPEWJUWa0RvHNNdrJQDYpNZwoHlkQkiZ+rCnkS9UPq9iNPo1Q
8oNvnMrnnG8bWF9/jdSBnvcumx3hpN0u5qnjSQECgYEA4Yp0tbEC2ztGkIjfK4h4
Dx0bTMWGtwsRTJ9Hsi/GAnLUSHHrZ6UUCRteG2nIf6kIYpJMw0+PlUS/2WJJRrvL
Vr/wIIwZ3KpO7ypdE5i7LwBMHHjlhENcoGgRrjunPCeUbpaz7kVWOU81Y63/ToJa
5I28JEWjfkaYPQs7RsLqF4Y=
-----END PRIVATE KEY-----";

/// Made for these tests and used nowhere else.
const P256_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmrPpAXHvsoHgMd4s
VkkdwnNWtHVLMHOqSEfbKVlpNNShRANCAAQ7vCxvri+mJ1n6Savkxvmo7Xh80g4M
eXPoHuVJAOLCZynSoa2ooXpqYqK7K1cN/vsu/arLJ9Wu9ZEuKual6R7S
-----END PRIVATE KEY-----";

/// PKCS#8 around a 32-byte Ed25519 seed.
const ED25519_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// One signing key.
pub struct Key {
    id: String,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Key {
    /// The Ed25519 key of this seed.
    pub fn ed25519(id: &str, seed: u8) -> Self {
        let der = [&ED25519_HEAD[..], &[seed; 32]].concat();
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::EdDSA,
            private: EncodingKey::from_ed_der(&der),
        }
    }

    pub fn rsa(id: &str, algorithm: Algorithm) -> Self {
        Self {
            id: id.to_owned(),
            algorithm,
            private: EncodingKey::from_rsa_pem(RSA_KEY.as_bytes()).unwrap(),
        }
    }

    pub fn p256(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            algorithm: Algorithm::ES256,
            private: EncodingKey::from_ec_pem(P256_KEY.as_bytes()).unwrap(),
        }
    }

    /// The public half.
    pub fn public(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        jwk
    }

    /// A good token of this shopper.
    pub fn token(&self, user: &str) -> String {
        self.sign(&claims(user))
    }

    /// A token of any claims.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        self.sign_with(&header, claims)
    }

    /// A token of any header and claims.
    pub fn sign_with(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.private).unwrap()
    }
}

/// The claims of a good token.
pub fn claims(user: &str) -> Value {
    let now = get_current_timestamp();
    json!({ "sub": user, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600 })
}

/// Good claims with one changed; `null` takes it out.
pub fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims("ann");
    let fields = claims.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
    claims
}

/// The key set of these keys.
pub fn jwks(keys: &[&Key]) -> String {
    let keys = keys.iter().map(|key| key.public()).collect();
    serde_json::to_string(&JwkSet { keys }).unwrap()
}

/// A file with a key set.
pub struct JwksFile {
    _directory: tempfile::TempDir,
    pub path: PathBuf,
}

impl JwksFile {
    pub fn new(keys: &[&Key]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwks.json");
        let file = Self {
            _directory: directory,
            path,
        };
        file.write(keys);
        file
    }

    pub fn write(&self, keys: &[&Key]) {
        std::fs::write(&self.path, jwks(keys)).unwrap();
    }

    /// Arguments of a gateway that trusts the file.
    pub fn arguments(&self) -> [&str; 6] {
        [
            "--jwks",
            self.path.to_str().unwrap(),
            "--jwt-issuer",
            ISSUER,
            "--jwt-audience",
            AUDIENCE,
        ]
    }
}
