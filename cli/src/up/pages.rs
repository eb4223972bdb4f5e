//! The pages that people open: the shop, and the one of those who run the sales.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::{Request, header};
use http_body_util::Full;
use url::form_urlencoded::byte_serialize;

use super::token::OperationsToken;
use crate::{
    http_client::{Connection, Reply},
    load::target::Target,
};

/// What to do about a gateway that was built before the shop.
const NO_SHOP: &str = "not in this gateway; build it in: scripts/storefront && cargo build \
                       --bins (--release, if this one is), and start again";

/// Where the pages are.
#[derive(Debug)]
pub(super) struct Pages {
    /// The gateway that shows them, as a browser on this machine reaches it.
    gateway: SocketAddr,
    /// Whether the gateway has a shop inside.
    has_shop: bool,
    token: OperationsToken,
}

impl Pages {
    /// Asks the gateway, which has to be ready, whether it shows a page.
    pub(super) async fn find(gateway: SocketAddr, token: OperationsToken) -> Self {
        let gateway = reachable(gateway);
        Self {
            gateway,
            has_shop: is_page(&format!("http://{gateway}")).await,
            token,
        }
    }

    /// The lines that introduce them.
    pub(super) fn introduction(&self) -> String {
        let shop = if self.has_shop {
            self.shop()
        } else {
            NO_SHOP.to_owned()
        };
        format!("shop        {shop}\noperations  {}", self.operations())
    }

    /// The lines that invite to open them; nothing where there is none to open.
    pub(super) fn invitation(&self) -> String {
        if !self.has_shop {
            return String::new();
        }
        let (shop, operations) = (self.shop(), self.operations());
        format!("\nopen the shop, and the page of those who run it:\n  {shop}\n  {operations}\n")
    }

    fn shop(&self) -> String {
        format!("http://{}/", self.gateway)
    }

    /// The page, or without one a call that shows the same figures. A token that was made here may
    /// be shown; a given one is the caller's own.
    fn operations(&self) -> String {
        let gateway = self.gateway;
        let token = self.token.as_str();
        match (self.has_shop, self.token.is_given()) {
            (true, false) => {
                // After `#`: browsers send it to nobody.
                let token: String = byte_serialize(token.as_bytes()).collect();
                format!("http://{gateway}/ops#token={token}")
            }
            (true, true) => format!("http://{gateway}/ops (with the operations token given)"),
            (false, is_given) => {
                let token = if is_given { "TOKEN" } else { token };
                format!(
                    "curl -s http://{gateway}/operations/figures -H 'Authorization: Bearer {token}'"
                )
            }
        }
    }
}

/// The address by which this machine reaches a server that listens on `address`: one that listens
/// everywhere is reached by the loopback, and by no address that means everywhere.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether a browser that opens `url` is shown a page.
async fn is_page(url: &str) -> bool {
    let Ok(target) = Target::parse(url) else {
        return false;
    };
    let request = Request::get(target.path("/"))
        .header(header::HOST, target.authority())
        .header(header::ACCEPT, "text/html")
        .body(Full::default());
    let Ok(request) = request else {
        return false;
    };
    let reply = Connection::new(target).exchange(request).await;
    reply.is_ok_and(|reply| is_html(&reply))
}

fn is_html(reply: &Reply) -> bool {
    let media_type = reply.headers.get(header::CONTENT_TYPE);
    reply.status.is_success()
        && media_type
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    fn pages(has_shop: bool, token: OperationsToken) -> Pages {
        let gateway = reachable("0.0.0.0:8080".parse().unwrap());
        Pages {
            gateway,
            has_shop,
            token,
        }
    }

    /// A server that gives one answer; what it was asked comes back.
    async fn asked(answer: &'static str) -> (bool, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        let found = Pages::find(address, OperationsToken::of("made-by-ourselves", false)).await;
        (found.has_shop, server.await.unwrap())
    }

    #[test]
    fn the_pages_are_lines_that_a_browser_opens() {
        let token = OperationsToken::of("abc+/=abcdefghijk", false);
        let pages = pages(true, token);
        let introduction = pages.introduction();
        let lines: Vec<&str> = introduction.lines().collect();
        assert_eq!(
            lines,
            [
                "shop        http://127.0.0.1:8080/",
                "operations  http://127.0.0.1:8080/ops#token=abc%2B%2F%3Dabcdefghijk",
            ]
        );
        let invitation = pages.invitation();
        assert!(
            invitation.contains("\n  http://127.0.0.1:8080/\n"),
            "{invitation}"
        );
    }

    #[test]
    fn a_token_that_was_given_is_not_shown() {
        for has_shop in [true, false] {
            let pages = pages(has_shop, OperationsToken::of("given-by-the-user", true));
            let told = pages.introduction() + &pages.invitation();
            assert!(!told.contains("given-by-the-user"), "{told}");
        }
    }

    #[test]
    fn a_gateway_without_a_shop_says_what_to_do_and_has_no_dead_link() {
        let pages = pages(false, OperationsToken::of("made-by-ourselves", false));
        let told = pages.introduction();
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains("scripts/storefront"), "{told}");
        assert!(told.contains("Bearer made-by-ourselves"), "{told}");
        assert!(!told.contains("/ops#"), "{told}");
        assert_eq!(pages.invitation(), "");
    }

    #[tokio::test]
    async fn whether_there_is_a_shop_is_asked_as_a_browser_asks() {
        let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\
                    content-length: 6\r\n\r\n<html>";
        let (has_shop, request) = asked(page).await;
        assert!(has_shop);
        assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("accept: text/html"), "{request}");
        let problem = "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\n\
                       content-length: 2\r\n\r\n{}";
        assert!(!asked(problem).await.0);
        let missing = "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\n\
                       content-length: 2\r\n\r\n{}";
        assert!(!asked(missing).await.0);
    }
}
