//! TLS with a private authority and client certificates.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

mod postgres;
mod redis;

use std::{path::Path, time::Duration};

use flashsale_testbed::certificates::{self, Authority, Pair};
use flashsale_transport::TlsSource;
use tempfile::TempDir;

/// The longest that changed files may stay unnoticed, and some time for a busy machine.
const NOTICED: Duration = Duration::from_secs(10);

/// What a server has and what its clients have, in directories that can be written anew.
struct Files {
    authority: Authority,
    server: TempDir,
    client: TempDir,
}

impl Files {
    /// An authority that signed both certificates. The server is `localhost` and 127.0.0.1.
    fn new() -> Self {
        let authority = Authority::new("first authority").unwrap();
        let files = Self {
            server: tempfile::tempdir().unwrap(),
            client: tempfile::tempdir().unwrap(),
            authority,
        };
        let server = files.authority.server(&["localhost", "127.0.0.1"]).unwrap();
        write(files.server.path(), Some(&files.authority), Some(&server));
        files.write_client(Some(&files.authority), Some(&files.authority));
        files
    }

    /// Has the client trust `trusted`, and show a certificate of `signer`.
    fn write_client(&self, trusted: Option<&Authority>, signer: Option<&Authority>) {
        let pair = signer.map(|signer| signer.client("flashsale").unwrap());
        write(self.client.path(), trusted, pair.as_ref());
    }

    /// Replaces the authority and all certificates.
    fn rotate(&mut self) {
        self.authority = Authority::new("second authority").unwrap();
        let server = self.authority.server(&["localhost", "127.0.0.1"]).unwrap();
        write(self.server.path(), Some(&self.authority), Some(&server));
    }

    fn source(&self) -> TlsSource {
        TlsSource::Directory(self.client.path().to_owned())
    }
}

fn write(directory: &Path, authority: Option<&Authority>, pair: Option<&Pair>) {
    certificates::write(directory, authority, pair).unwrap();
}
