//! Signing keys of an identity provider, and the file with which a gateway trusts them.

use std::path::PathBuf;

use flashsale_testbed::tokens::{self, SigningKey};
pub use flashsale_testbed::tokens::{AUDIENCE, ISSUER, claims, sign_with_secret, unix_seconds};
use serde_json::Value;

/// One signing key.
pub struct Key(SigningKey);

impl Key {
    /// The Ed25519 key of this seed.
    pub fn ed25519(id: &str, seed: u8) -> Self {
        Self(SigningKey::ed25519(id, seed).unwrap())
    }

    pub fn rsa(id: &str, algorithm: &str) -> Self {
        Self(SigningKey::rsa(id, algorithm).unwrap())
    }

    pub fn p256(id: &str) -> Self {
        Self(SigningKey::p256(id).unwrap())
    }

    pub fn p384(id: &str) -> Self {
        Self(SigningKey::p384(id).unwrap())
    }

    /// The same key without a key id, in the key set and in its tokens.
    pub fn without_id(self) -> Self {
        Self(self.0.without_id())
    }

    /// A good token of this shopper.
    pub fn token(&self, user: &str) -> String {
        self.sign(&claims(user))
    }

    /// A token of any claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.0.sign(claims).unwrap()
    }

    /// The header of this key's tokens with one parameter more or another one.
    pub fn header_with(&self, name: &str, value: Value) -> Value {
        let mut header = self.0.header();
        header[name] = value;
        header
    }

    /// A token of any header and claims.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        self.0.sign_with(header, claims).unwrap()
    }
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
    let keys: Vec<&SigningKey> = keys.iter().map(|key| &key.0).collect();
    tokens::key_set(&keys)
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
