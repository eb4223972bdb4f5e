//! The rules of serving, on a made-up shop; and what is really embedded, whether or not it is.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Storefront,
    files::{Files, RawFile},
};

const SCRIPT: &str = "/assets/index-BnKg-DqJ.js";

fn shop(names: &[&str]) -> Storefront {
    let raw = names.iter().zip(1..).map(|(name, number)| RawFile {
        name: (*name).to_owned(),
        bytes: Bytes::from(format!("bytes of {name}")),
        digest: [number; 32],
    });
    Storefront {
        files: Files::of(raw),
    }
}

fn small_shop() -> Storefront {
    shop(&[
        "index.html",
        "index.html.br",
        "index.html.gz",
        "assets/index-BnKg-DqJ.js",
        "assets/index-BnKg-DqJ.js.br",
        "assets/index-BnKg-DqJ.js.gz",
        "pictures/shoe.webp",
        "favicon.svg",
    ])
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// What a browser says when it goes to an address.
fn navigation() -> HeaderMap {
    headers(&[
        (header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8"),
        (header::ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
    ])
}

/// Status, some headers and the length that a GET is answered with.
fn get(shop: &Storefront, path: &str, asked: &HeaderMap) -> Option<(StatusCode, HeaderMap)> {
    let response = shop.answer(&Method::GET, path, asked)?;
    Some((response.status(), response.headers().clone()))
}

#[test]
fn each_kind_of_file_is_kept_as_long_as_its_name_allows() {
    let shop = small_shop();
    for (path, content_type, cache_control) in [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        (
            SCRIPT,
            "text/javascript; charset=utf-8",
            "public, max-age=31536000, immutable",
        ),
        ("/pictures/shoe.webp", "image/webp", "public, max-age=3600"),
        ("/favicon.svg", "image/svg+xml", "public, max-age=3600"),
    ] {
        let (status, headers) = get(&shop, path, &HeaderMap::new()).unwrap();
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], content_type, "{path}");
        assert_eq!(headers[header::CACHE_CONTROL], cache_control, "{path}");
        assert_eq!(headers[header::VARY], "Accept-Encoding", "{path}");
        assert!(!headers.contains_key(header::CONTENT_ENCODING), "{path}");
    }
}

#[test]
fn each_encoding_has_its_own_tag_and_a_known_tag_is_not_sent_again() {
    let shop = small_shop();
    let mut tags = Vec::new();
    for encoding in ["br", "gzip", "identity"] {
        let asked = headers(&[(header::ACCEPT_ENCODING, encoding)]);
        let (_, fresh) = get(&shop, SCRIPT, &asked).unwrap();
        let found = fresh.get(header::CONTENT_ENCODING);
        let found = found.map_or("identity", |value| value.to_str().unwrap());
        assert_eq!(found, encoding);
        let tag = fresh[header::ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\" , {tag}"),
            "*".to_owned(),
        ] {
            let mut asked = asked.clone();
            asked.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            let (status, headers) = get(&shop, SCRIPT, &asked).unwrap();
            assert_eq!(status, StatusCode::NOT_MODIFIED, "{known}");
            for name in [header::ETAG, header::CACHE_CONTROL, header::VARY] {
                assert_eq!(headers[&name], fresh[&name], "{known} {name}");
            }
            assert!(!headers.contains_key(header::CONTENT_TYPE), "{known}");
        }
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3, "{tags:?}");
    let other = headers(&[
        (header::ACCEPT_ENCODING, "br"),
        (header::IF_NONE_MATCH, "\"x\""),
    ]);
    assert_eq!(get(&shop, SCRIPT, &other).unwrap().0, StatusCode::OK);
}

#[test]
fn every_address_a_browser_goes_to_shows_the_page() {
    let shop = small_shop();
    let page = get(&shop, "/", &navigation()).unwrap().1;
    for path in [
        "/shop/drop",
        "/my-orders",
        "/ops",
        "/nothing/at/all",
        "/sales/drop/p",
        "//",
        "//example.com/x",
        "/../../etc/passwd",
        "/%2e%2e/secret",
    ] {
        let (status, headers) = get(&shop, path, &navigation()).unwrap();
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers[header::ETAG], page[header::ETAG], "{path}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache", "{path}");
        assert_eq!(headers[header::CONTENT_ENCODING], "br", "{path}");
        assert_eq!(headers[header::VARY], "Accept, Accept-Encoding", "{path}");
    }
}

#[test]
fn programs_missing_scripts_and_other_methods_get_no_page() {
    let shop = small_shop();
    for accept in [
        "*/*",
        "application/json",
        "text/html;q=0, */*",
        "text/*",
        "",
    ] {
        let asked = headers(&[(header::ACCEPT, accept)]);
        assert!(get(&shop, "/shop/drop", &asked).is_none(), "{accept}");
    }
    assert!(get(&shop, "/shop/drop", &HeaderMap::new()).is_none());
    for path in [
        "/assets/gone.js",
        "/assets/",
        "/assets/../index.html",
        "/assets/index-BnKg-DqJ.js.br",
        "/assets/%2e%2e/index.html",
        "assets/index-BnKg-DqJ.js",
        "*",
        "",
    ] {
        assert!(get(&shop, path, &navigation()).is_none(), "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        for path in ["/", SCRIPT, "/shop/drop"] {
            assert!(
                shop.answer(&method, path, &navigation()).is_none(),
                "{method} {path}"
            );
        }
    }
    assert!(
        shop.answer(&Method::HEAD, "/shop/drop", &navigation())
            .is_some()
    );
}

#[test]
fn every_answer_says_what_browsers_must_not_do() {
    let shop = small_shop();
    let known = {
        let mut asked = navigation();
        asked.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        asked
    };
    let unbuilt = Storefront {
        files: Files::default(),
    };
    for (shop, path, asked) in [
        (&shop, "/", navigation()),
        (&shop, SCRIPT, HeaderMap::new()),
        (&shop, "/shop/drop", known),
        (&unbuilt, "/", navigation()),
    ] {
        let (_, headers) = get(shop, path, &asked).unwrap();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        for directive in [
            "default-src 'none'; ",
            "script-src 'self'; ",
            "style-src 'self'; ",
            "connect-src 'self'; ",
            "base-uri 'none'; ",
            "form-action 'none'; ",
            "frame-ancestors 'none'; ",
        ] {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "same-origin");
        for name in [
            "permissions-policy",
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
        ] {
            assert!(headers.contains_key(name), "{path}: {name}");
        }
    }
}

#[test]
fn a_gateway_without_a_shop_says_how_to_build_one() {
    let shop = shop(&[]);
    assert!(!shop.is_built());
    for path in ["/", "/shop/drop"] {
        let (status, headers) = get(&shop, path, &navigation()).unwrap();
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert!(get(&shop, path, &HeaderMap::new()).is_none(), "{path}");
    }
    assert!(super::NOT_BUILT.contains("npm ci &amp;&amp; npm run build"));
}

/// Nothing that is embedded may need what the policy forbids. A shop that was not built passes.
#[test]
fn what_is_embedded_keeps_to_the_policy() {
    let shop = Storefront::embedded();
    for (name, file) in shop.files.iter() {
        let is_markup = std::path::Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "html" || extension == "svg");
        if !is_markup {
            continue;
        }
        let (_, body) = file.encoded_for(&HeaderMap::new());
        let text = std::str::from_utf8(&body.bytes).unwrap();
        for forbidden in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
            assert!(!text.contains(forbidden), "{name} has {forbidden}");
        }
        for script in text.split("<script").skip(1) {
            let tag = script.split_once('>').unwrap();
            let is_from_file = tag.0.contains(" src=\"/") && tag.1.starts_with("</script>");
            assert!(is_from_file, "{name} has an inline script");
        }
    }
}
