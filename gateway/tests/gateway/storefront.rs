//! The shop as it is embedded in this build, over HTTP. The rules of serving are tested beside the
//! code; what is checked here holds with a shop and, where nobody built one, without.

use flashsale_gateway::storefront::Storefront;

use crate::support::{World, client::Answer};

/// What a browser says when it goes to an address.
const NAVIGATION: [(&str, &str); 2] = [
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br"),
];

fn assert_is_secure(answer: &Answer) {
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; "));
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

/// The addresses of the scripts and styles that a page loads.
fn assets_of(page: &str) -> Vec<&str> {
    let quoted = page.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("/assets/")).collect()
}

#[tokio::test]
async fn a_browser_gets_the_page_wherever_it_goes_and_what_the_page_needs() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let is_built = Storefront::embedded().is_built();
    for path in ["/", "/shop/drop", "/my-orders", "/ops", "//", "/%2e%2e/x"] {
        let answer = gateway.client.request("GET", path, &NAVIGATION, b"").await;
        assert_eq!(answer.status, if is_built { 200 } else { 404 }, "{path}");
        let content_type = answer.header("content-type");
        assert_eq!(content_type, Some("text/html; charset=utf-8"), "{path}");
        assert_is_secure(&answer);
        if is_built {
            assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
            assert_eq!(answer.header("content-encoding"), Some("br"), "{path}");
        } else {
            assert!(answer.text().contains("npm run build"), "{path}");
        }
    }
    if is_built {
        the_page_and_its_assets(&gateway).await;
    }
    let counted = |status: &str| {
        format!("flashsale_gateway_requests_total{{route=\"shop\",status=\"{status}\"}}")
    };
    let status = counted(if is_built { "2xx" } else { "4xx" });
    assert!(gateway.metric(&status).await >= Some(6.0));
}

async fn the_page_and_its_assets(gateway: &crate::support::Gateway) {
    let page = gateway.client.get("/").await;
    assert_eq!(page.header("content-encoding"), None);
    let text = page.text();
    let assets = assets_of(&text);
    assert!(!assets.is_empty(), "{text}");
    for path in assets.into_iter().chain(["/"]) {
        let asked = [("accept-encoding", "gzip")];
        let whole = gateway.client.request("GET", path, &asked, b"").await;
        assert_eq!(whole.status, 200, "{path}");
        assert_eq!(whole.header("vary"), Some("Accept-Encoding"), "{path}");
        assert_is_secure(&whole);
        let length = whole.body.len().to_string();
        assert_eq!(whole.header("content-length"), Some(length.as_str()));
        if path != "/" {
            let kept = Some("public, max-age=31536000, immutable");
            assert_eq!(whole.header("cache-control"), kept, "{path}");
        }
        if whole.header("content-encoding") == Some("gzip") {
            assert_eq!(whole.body[..2], [0x1f, 0x8b], "{path}");
        }
        let head = gateway.client.request("HEAD", path, &asked, b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        for name in ["etag", "content-length", "content-type", "content-encoding"] {
            assert_eq!(head.header(name), whole.header(name), "{path} {name}");
        }
        let known = [asked[0], ("if-none-match", whole.header("etag").unwrap())];
        let again = gateway.client.request("GET", path, &known, b"").await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), whole.header("etag"), "{path}");
        assert_is_secure(&again);
    }
}

#[tokio::test]
async fn what_is_no_page_for_a_browser_stays_a_problem() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let [navigation, _] = NAVIGATION;
    let any = ("accept", "*/*");
    for (method, path, accept) in [
        ("GET", "/nothing", any),
        ("GET", "/shop/drop", any),
        ("DELETE", "/shop/drop", navigation),
        ("GET", "/assets/gone.js", navigation),
        ("GET", "/assets/../index.html", navigation),
        ("GET", "/assets/%2e%2e/index.html", navigation),
        ("GET", "/../../../etc/passwd", any),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", any),
        ("GET", "//etc/passwd", any),
    ] {
        let answer = gateway.client.request(method, path, &[accept], b"").await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not-found"),
            "{method} {path}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    for method in ["POST", "DELETE", "OPTIONS"] {
        let answer = gateway.client.request(method, "/", &[any], b"").await;
        let (status, kind) = if Storefront::embedded().is_built() {
            assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{method}");
            (405, "method-not-allowed")
        } else {
            (404, "not-found")
        };
        let found = (answer.status, answer.problem());
        assert_eq!(found, (status, kind.to_owned()), "{method}");
    }
    // Addresses of the interface are its own, whoever asks.
    for (method, path, status) in [
        ("GET", "/sales", 200),
        ("GET", "/sales/none", 404),
        ("GET", "/orders/none", 404),
        ("GET", "/buy", 405),
        ("GET", "/openapi.json", 200),
    ] {
        let answer = gateway
            .client
            .request(method, path, &[navigation], b"")
            .await;
        assert_eq!(answer.status, status, "{path}");
        let content_type = answer.header("content-type").unwrap();
        assert!(content_type.contains("json"), "{path}: {content_type}");
    }
}
