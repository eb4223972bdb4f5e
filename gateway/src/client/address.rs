//! Whose connection or request it is, as far as addresses say. This is the one place that decides
//! which peers are proxies.

mod forwarded;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::HeaderMap;
use ipnet::IpNet;

use crate::config::{ClientConfig, ProxyHeader};

/// Addresses of an IPv6 network of this length belong to one customer (RFC 6177).
const CUSTOMER_BITS: u32 = 64;

/// Who connects or asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    address: IpAddr,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// A client of its own.
    Own,
    /// A proxy that is believed what it says of its clients.
    TrustedProxy,
    /// This machine, or an address behind which there may be many clients that nobody tells apart.
    Shared,
}

impl Client {
    /// The address whose share of the limits it uses: of IPv6 the network of the customer. None where
    /// many clients come from one address.
    pub(crate) fn limited(self) -> Option<IpAddr> {
        match (self.standing, self.address) {
            (Standing::Own, IpAddr::V6(address)) => Some(IpAddr::V6(customer(address))),
            (Standing::Own, address) => Some(address),
            (Standing::TrustedProxy | Standing::Shared, _) => None,
        }
    }

    /// Whether it is believed what it says of its own clients.
    pub(crate) fn is_trusted_proxy(self) -> bool {
        self.standing == Standing::TrustedProxy
    }
}

/// The whole address.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// The proxies in front of the gateway.
#[derive(Debug)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    hops: usize,
    header: ProxyHeader,
}

impl Proxies {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        Self {
            trusted: config.trusted_proxies.clone(),
            hops: usize::from(config.trusted_proxy_hops.get()),
            header: config.proxy_header,
        }
    }

    /// Whoever connects from `peer`.
    ///
    /// Where no proxies are named, a private address is taken for one of a load balancer, an ingress
    /// controller or a node that hides the shopper's.
    pub(crate) fn client_at(&self, peer: IpAddr) -> Client {
        let address = peer.to_canonical();
        let is_trusted = self
            .trusted
            .iter()
            .any(|network| network.contains(&address));
        let standing = if is_trusted {
            Standing::TrustedProxy
        } else if is_this_machine(address) || (self.trusted.is_empty() && is_private(address)) {
            Standing::Shared
        } else {
            Standing::Own
        };
        Client { address, standing }
    }

    /// Whoever sent a request with these headers over a connection of `peer`.
    ///
    /// Each proxy adds the address that it was connected from on the right. So this walks from the
    /// right, past addresses of trusted proxies only, and ends at the first other one: what stands
    /// to the left of it is what that client says of itself. Costs no allocation.
    pub(crate) fn client_of(&self, peer: Client, headers: &HeaderMap) -> Client {
        let mut client = peer;
        if client.standing != Standing::TrustedProxy {
            return client;
        }
        for (hop, address) in forwarded::from_the_right(self.header, headers).enumerate() {
            // A proxy that does not tell is the last that is known.
            let Some(address) = address else { break };
            client = self.client_at(address);
            if hop + 1 >= self.hops {
                client.standing = Standing::Own;
            }
            if client.standing != Standing::TrustedProxy {
                break;
            }
        }
        client
    }
}

/// `127.0.0.2` and so on are not in use by anything that hides clients.
fn is_this_machine(address: IpAddr) -> bool {
    address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_private() || address.is_link_local() || is_shared(address)
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// 100.64.0.0/10, the space between carriers and their customers (RFC 6598), which clusters use for
/// pods as well.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0b1100_0000 == 64
}

fn customer(address: Ipv6Addr) -> Ipv6Addr {
    let mask = u128::MAX << (u128::BITS - CUSTOMER_BITS);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies(trusted: &[&str], hops: usize, header: ProxyHeader) -> Proxies {
        Proxies {
            trusted: trusted.iter().map(|text| text.parse().unwrap()).collect(),
            hops,
            header,
        }
    }

    fn limited(trusted: &[&str], peer: &str) -> Option<String> {
        let proxies = proxies(trusted, 8, ProxyHeader::XForwardedFor);
        let client = proxies.client_at(peer.parse().unwrap());
        client.limited().map(|address| address.to_string())
    }

    #[test]
    fn clients_are_told_apart_by_public_address_or_network() {
        for (peer, client) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("100.128.0.1", "100.128.0.1"),
            ("127.0.0.2", "127.0.0.2"),
        ] {
            assert_eq!(limited(&[], peer).as_deref(), Some(client), "{peer}");
        }
    }

    #[test]
    fn without_named_proxies_any_private_address_may_be_one() {
        for peer in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.1.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(limited(&[], peer), None, "{peer}");
        }
    }

    #[test]
    fn where_proxies_are_named_private_addresses_are_clients() {
        let trusted = ["10.42.0.0/16", "2001:db8:1::/48"];
        for (peer, client) in [
            ("10.42.3.4", None),
            ("::ffff:10.42.3.4", None),
            ("2001:db8:1::7", None),
            ("127.0.0.1", None),
            ("10.43.0.1", Some("10.43.0.1")),
            ("192.168.1.1", Some("192.168.1.1")),
        ] {
            assert_eq!(limited(&trusted, peer).as_deref(), client, "{peer}");
        }
    }

    /// The client of a request with header lines, which `|` separates.
    fn client_of(proxies: &Proxies, peer: &str, lines: &[u8]) -> String {
        let name = match proxies.header {
            ProxyHeader::XForwardedFor => "x-forwarded-for",
            ProxyHeader::Forwarded => "forwarded",
        };
        let mut headers = HeaderMap::new();
        for line in lines.split(|byte| *byte == b'|') {
            headers.append(name, HeaderValue::from_bytes(line).unwrap());
        }
        let peer = proxies.client_at(peer.parse().unwrap());
        let client = proxies.client_of(peer, &headers);
        let shared = if client.limited().is_some() {
            ""
        } else {
            " shared"
        };
        format!("{client}{shared}")
    }

    #[test]
    fn a_client_cannot_say_whose_its_request_is() {
        let proxies = proxies(&["10.0.0.0/8"], 8, ProxyHeader::XForwardedFor);
        let cases: &[(&str, &[u8], &str)] = &[
            // It is no proxy.
            ("203.0.113.7", b"198.51.100.1", "203.0.113.7"),
            ("127.0.0.2", b"198.51.100.1", "127.0.0.2"),
            // The proxy adds the address that it sees.
            ("10.0.0.1", b"203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", b"198.51.100.1, 203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", b"10.0.0.9, 203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", b"198.51.100.1|203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", b"::1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
            // What a client sends cannot hide what the proxy adds.
            ("10.0.0.1", b"\"\xff, 203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", b"unknown,203.0.113.7:4711", "203.0.113.7"),
            ("10.0.0.1", b"[2001:db8::1]:4711", "2001:db8::1"),
            // As a listener on `[::]` has them, and proxies that listen there.
            ("::ffff:10.0.0.1", b"203.0.113.7", "203.0.113.7"),
            ("::ffff:10.0.0.1", b"::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", b"198.51.100.1", "203.0.113.7"),
            (
                "10.0.0.1",
                b"203.0.113.7, [::ffff:10.0.0.2]:4711",
                "203.0.113.7",
            ),
            // Nobody but proxies.
            ("10.0.0.1", b"10.0.0.2", "10.0.0.2 shared"),
            ("10.0.0.1", b"unknown", "10.0.0.1 shared"),
            ("10.0.0.1", b"", "10.0.0.1 shared"),
        ];
        for (peer, lines, client) in cases {
            let said = String::from_utf8_lossy(lines);
            assert_eq!(client_of(&proxies, peer, lines), *client, "{said}");
        }
    }

    #[test]
    fn the_standard_header_is_read_as_well() {
        let proxies = proxies(&["10.0.0.0/8"], 8, ProxyHeader::Forwarded);
        for (line, client) in [
            ("for=203.0.113.7;proto=https;by=10.0.0.1", "203.0.113.7"),
            ("proto=https; For=\"203.0.113.7:4711\"", "203.0.113.7"),
            ("for=198.51.100.1, for=\"[2001:db8::7]:80\"", "2001:db8::7"),
            (
                "for=203.0.113.7, for=10.0.0.2;host=\"a,b;for=c\"",
                "203.0.113.7",
            ),
            ("for=\"198.51.100.1, for=203.0.113.7", "203.0.113.7"),
            ("for=198.51.100.1, for=_hidden", "10.0.0.1 shared"),
            ("198.51.100.1", "10.0.0.1 shared"),
        ] {
            let read = client_of(&proxies, "10.0.0.1", line.as_bytes());
            assert_eq!(read, client, "{line}");
        }
    }

    #[test]
    fn the_last_hop_names_the_client_whatever_its_address() {
        let proxies = proxies(&["10.0.0.0/8"], 2, ProxyHeader::XForwardedFor);
        let line = b"198.51.100.1, 10.0.0.3, 10.0.0.2";
        assert_eq!(client_of(&proxies, "10.0.0.1", line), "10.0.0.3");
    }
}
