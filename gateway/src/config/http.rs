//! Ports, limits and cross-origin rules of the HTTP server.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use super::flags::{http_url, seconds};

/// How the gateway is reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpConfig {
    /// Where shoppers connect: HTTP and Socket.io. `[::]` is every address of this host, over IPv6
    /// and IPv4; 0.0.0.0 where the system has no IPv6.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080")]
    pub listen: SocketAddr,

    /// Where health probes and Prometheus connect: /healthz, /readyz, /metrics.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:9090")]
    pub probes_listen: SocketAddr,

    /// Largest body of a request in bytes; a larger one is answered 413. A buy has about 60.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    pub body_limit_bytes: usize,

    /// Seconds that a request may take, its body included; longer ones are answered 408 or 503.
    /// A buy is answered within a second whatever this says.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=600))]
    pub request_timeout: Duration,

    /// Seconds that a connection may stay without a request.
    #[arg(long, value_name = "SECONDS", default_value = "75", value_parser = seconds(1..=3600))]
    pub idle_timeout: Duration,

    /// Seconds after SIGTERM in which connections are still taken while readiness says no. Behind
    /// a load balancer: as many as it takes to send shoppers elsewhere.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds(0..=600))]
    pub shutdown_delay: Duration,

    /// Seconds that stopping may take after SIGTERM and the delay: sockets are closed a few at a time
    /// over half of them, 5 s at most, and requests in flight get to finish.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(0..=600))]
    pub shutdown_grace: Duration,

    /// Origins whose pages may call the gateway and open sockets, separated by commas, e.g.
    /// `https://shop.example.com`, or `*` for all. Default: none, pages of the same origin only.
    /// Apps that show pages of their own have an origin, too, e.g. `capacitor://localhost`.
    #[arg(long, value_name = "ORIGINS", value_delimiter = ',', value_parser = parse_origin)]
    pub cors_origins: Vec<http::HeaderValue>,

    /// Where shoppers sign in. The shop sends them there with `return_to`, the address to come back
    /// to, in the query, and takes the token from `#token=TOKEN` when they are back. Default: none,
    /// the shop then asks for a token that something else must hand it.
    #[arg(long, value_name = "URL", value_parser = parse_page)]
    pub sign_in_url: Option<String>,
}

/// What is left, beside the delay and the grace, for a process that hangs. The chart lets Kubernetes wait for a second
/// more than that.
const STOP_RESERVE: Duration = Duration::from_secs(4);

impl HttpConfig {
    /// How long stopping may take in all, whatever hangs.
    pub fn stop_limit(&self) -> Duration {
        self.shutdown_delay + self.shutdown_grace + STOP_RESERVE
    }
}

/// The address of a page that more can be added to the query of.
fn parse_page(text: &str) -> Result<String, String> {
    let page = http_url(text)
        .ok_or_else(|| format!("`{text}` is no page; write e.g. https://id.example.com/sign-in"))?;
    if page.fragment().is_some() {
        let advice = "leave out what stands after `#`; the token comes back there";
        return Err(advice.to_owned());
    }
    Ok(page.into())
}

/// An origin as a browser sends it: scheme and host, perhaps a port, and nothing after.
fn parse_origin(text: &str) -> Result<http::HeaderValue, String> {
    let advice = || format!("`{text}` is no origin; write e.g. https://shop.example.com");
    if text != "*" {
        let url = url::Url::parse(text).map_err(|_| advice())?;
        let origin = url.origin();
        let is_bare = url[..url::Position::BeforePath] == *text && url.username().is_empty();
        // Schemes of apps have no origins in the standard; theirs are written alike.
        let is_of_app = !origin.is_tuple() && url.has_host() && is_bare;
        if origin.ascii_serialization() != text && !is_of_app {
            return Err(advice());
        }
    }
    http::HeaderValue::from_str(text).map_err(|_| advice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shoppers_sign_in_on_a_page_of_the_web() {
        for good in [
            "https://id.example.com/sign-in?shop=1",
            "http://localhost:9000/",
        ] {
            assert_eq!(parse_page(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "/sign-in",
            "id.example.com",
            "javascript:alert(1)",
            "https://",
            "https://id.example.com/#",
        ] {
            assert!(parse_page(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_what_browsers_send() {
        for good in [
            "*",
            "https://shop.example.com",
            "http://localhost:5173",
            "capacitor://localhost",
        ] {
            assert!(parse_origin(good).is_ok(), "{good}");
        }
        for bad in [
            "shop.example.com",
            "https://shop.example.com/",
            "https://a/b",
            "capacitor://localhost/",
            "capacitor://me@localhost",
            "app:page",
            "null",
            "",
        ] {
            assert!(parse_origin(bad).is_err(), "{bad}");
        }
    }
}
