//! The table of the shop's files.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::encoding::{self, Encoding};

/// The page that every address of the shop shows; what to show there it reads from the address.
pub(super) const PAGE: &str = "index.html";

/// Where the names of files change with their contents.
pub(super) const HASHED: &str = "assets/";

/// The type of pages.
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Bytes of the digest that an entity tag shows: too many for two files to meet by accident.
const TAG_BYTES: usize = 16;

/// A file before it is known what it is to whom.
#[derive(Debug)]
pub(super) struct RawFile {
    /// Its path in the folder, with slashes.
    pub(super) name: String,
    /// Its contents.
    pub(super) bytes: Bytes,
    /// Their SHA-256.
    pub(super) digest: [u8; 32],
}

impl RawFile {
    /// A file made by this process. In place of a SHA-256 it has a 64-bit hash, which is the same in
    /// every gateway of this build and good enough for an entity tag.
    pub(super) fn new(name: &str, bytes: Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&hasher.finish().to_be_bytes());
        Self {
            name: name.to_owned(),
            bytes,
            digest,
        }
    }
}

/// The shop's files by name.
#[derive(Debug, Default)]
pub(super) struct Files(HashMap<String, File>);

/// One file of the shop, in all its encodings.
#[derive(Debug)]
pub(super) struct File {
    /// Its media type.
    pub(super) content_type: HeaderValue,
    /// How long a browser may keep it.
    pub(super) cache_control: HeaderValue,
    plain: Body,
    gzip: Option<Body>,
    brotli: Option<Body>,
}

/// One encoding of a file.
#[derive(Debug, Clone)]
pub(super) struct Body {
    /// What is sent.
    pub(super) bytes: Bytes,
    /// Its entity tag, a strong one: other bytes have another.
    pub(super) tag: HeaderValue,
}

impl Files {
    /// The table of these files. `x.br` and `x.gz` beside an `x` are its encodings, not files.
    pub(super) fn of(raw: impl IntoIterator<Item = RawFile>) -> Self {
        let bodies: BTreeMap<String, Body> = raw
            .into_iter()
            .map(|raw| (raw.name, Body::new(raw.bytes, &raw.digest)))
            .collect();
        let is_encoding = |name: &str| {
            let suffixes = Encoding::BY_SIZE.into_iter().filter_map(Encoding::suffix);
            suffixes
                .filter_map(|suffix| name.strip_suffix(suffix))
                .any(|plain| bodies.contains_key(plain))
        };
        let files = bodies.iter().filter(|(name, _)| !is_encoding(name));
        Self(
            files
                .map(|(name, plain)| (name.clone(), File::new(name, plain.clone(), &bodies)))
                .collect(),
        )
    }

    /// The file of this name.
    pub(super) fn get(&self, name: &str) -> Option<&File> {
        self.0.get(name)
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &File)> {
        self.0.iter().map(|(name, file)| (name.as_str(), file))
    }
}

impl File {
    fn new(name: &str, plain: Body, bodies: &BTreeMap<String, Body>) -> Self {
        let encoded = |encoding: Encoding| {
            let name = format!("{name}{}", encoding.suffix()?);
            bodies.get(&name).cloned()
        };
        Self {
            content_type: content_type(name),
            cache_control: cache_control(name),
            plain,
            gzip: encoded(Encoding::Gzip),
            brotli: encoded(Encoding::Brotli),
        }
    }

    /// The encoding that this client gets.
    pub(super) fn encoded_for(&self, headers: &HeaderMap) -> (Encoding, &Body) {
        let encoding = encoding::choose(headers, |encoding| self.body(encoding).is_some());
        (encoding, self.body(encoding).unwrap_or(&self.plain))
    }

    fn body(&self, encoding: Encoding) -> Option<&Body> {
        match encoding {
            Encoding::Brotli => self.brotli.as_ref(),
            Encoding::Gzip => self.gzip.as_ref(),
            Encoding::Identity => Some(&self.plain),
        }
    }
}

impl Body {
    fn new(bytes: Bytes, digest: &[u8; 32]) -> Self {
        let mut tag = String::from("\"");
        for byte in &digest[..TAG_BYTES] {
            // A String takes everything.
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        // Quotes and digits are a header value.
        let tag = HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { bytes, tag }
    }
}

/// The media type by the end of the name.
fn content_type(name: &str) -> HeaderValue {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "html" => HTML,
        "js" | "mjs" => HeaderValue::from_static("text/javascript; charset=utf-8"),
        "css" => HeaderValue::from_static("text/css; charset=utf-8"),
        "txt" => HeaderValue::from_static("text/plain; charset=utf-8"),
        "json" | "map" => HeaderValue::from_static("application/json"),
        "webmanifest" => HeaderValue::from_static("application/manifest+json"),
        "svg" => HeaderValue::from_static("image/svg+xml"),
        "png" => HeaderValue::from_static("image/png"),
        "jpg" | "jpeg" => HeaderValue::from_static("image/jpeg"),
        "webp" => HeaderValue::from_static("image/webp"),
        "avif" => HeaderValue::from_static("image/avif"),
        "ico" => HeaderValue::from_static("image/x-icon"),
        "woff2" => HeaderValue::from_static("font/woff2"),
        _ => HeaderValue::from_static("application/octet-stream"),
    }
}

/// Hashed names never change what they hold. The page names them, so it is asked for each time,
/// which costs a 304. The rest, pictures, may be an hour old.
fn cache_control(name: &str) -> HeaderValue {
    HeaderValue::from_static(if name == PAGE {
        "no-cache"
    } else if name.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "public, max-age=3600"
    })
}
