//! What was in `storefront/dist` when the gateway was built; `build.rs` watches it.

use std::borrow::Cow;

use bytes::Bytes;
use rust_embed::RustEmbed;

use super::files::{Files, RawFile};

/// The folder; empty when nobody built the shop.
#[derive(Debug, RustEmbed)]
#[folder = "../storefront/dist"]
#[allow_missing = true]
struct Dist;

/// The table of what is embedded. No byte is copied.
pub(super) fn files() -> Files {
    Files::of(Dist::iter().filter_map(|name| {
        let file = Dist::get(&name)?;
        Some(RawFile {
            name: name.into_owned(),
            digest: file.metadata.sha256_hash(),
            bytes: match file.data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            },
        })
    }))
}
