//! Whose connection it is, as far as its address says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of an IPv6 network of this length belong to one customer (RFC 6177).
const CUSTOMER_BITS: u32 = 64;

/// The client that connections from `peer` are counted for; none where many shoppers come from one
/// address.
///
/// Shoppers who connect from the internet have public addresses. A private one is a load balancer's,
/// an ingress controller's or a node's that hides the shopper's, and `127.0.0.1` and `::1` are those
/// of a proxy on this machine. This is the one place that decides which proxies are trusted to limit
/// their clients themselves.
pub(crate) fn client(peer: IpAddr) -> Option<IpAddr> {
    match peer.to_canonical() {
        IpAddr::V4(address) => (!hides_clients(address)).then_some(IpAddr::V4(address)),
        IpAddr::V6(address) => {
            let hides = address == Ipv6Addr::LOCALHOST
                || address.is_unique_local()
                || address.is_unicast_link_local();
            (!hides).then(|| IpAddr::V6(customer(address)))
        }
    }
}

fn hides_clients(address: Ipv4Addr) -> bool {
    address == Ipv4Addr::LOCALHOST
        || address.is_private()
        || address.is_link_local()
        || is_shared(address)
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
    use super::*;

    fn client_of(peer: &str) -> Option<String> {
        client(peer.parse().unwrap()).map(|client| client.to_string())
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
            assert_eq!(client_of(peer).as_deref(), Some(client), "{peer}");
        }
    }

    #[test]
    fn proxies_are_not_taken_for_clients() {
        for peer in [
            "127.0.0.1",
            "::1",
            "::ffff:10.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.1.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(client_of(peer), None, "{peer}");
        }
    }
}
