//! Whose requests they are, and how many each client may send.

use std::{net::IpAddr, num::NonZeroU8};

use clap::{Args, ValueEnum};
use ipnet::{IpNet, Ipv4Net};

use super::flags::number;

/// Bits of an IPv4-mapped IPv6 address in front of the IPv4 address (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// How clients are told apart.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Clients")]
pub struct ClientConfig {
    /// Networks of the proxies in front of the gateway, separated by commas, e.g.
    /// `10.42.0.0/16,2001:db8:1::/48`. What one of them says of its client's address is believed,
    /// and nobody else. Default: none.
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', value_parser = parse_network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Proxies that a request may have passed. The address that the last of them names is the
    /// client's, even if it is one of --trusted-proxies.
    #[arg(long, value_name = "HOPS", default_value = "8")]
    pub trusted_proxy_hops: NonZeroU8,

    /// The header in which trusted proxies name their client. Only this one is read: the other is
    /// whatever the client has sent.
    #[arg(long, value_name = "HEADER", default_value = "x-forwarded-for")]
    pub proxy_header: ProxyHeader,

    /// Requests a second that one address may send for long (IPv6: one /64); a further one is
    /// answered 429. Files of the shop do not count. Not limited are the same addresses as by
    /// --connections-per-address. 0: no limit. The default leaves room for thousands of shoppers
    /// behind one address of a carrier.
    #[arg(
        long,
        value_name = "REQUESTS",
        default_value_t = 2_000,
        value_parser = number(0..=1_000_000)
    )]
    pub requests_per_address: u32,

    /// Requests that one address may send at once after it was idle.
    #[arg(
        long,
        value_name = "REQUESTS",
        default_value_t = 20_000,
        value_parser = number(1..=100_000)
    )]
    pub request_burst_per_address: u32,

    /// True logs each request, with its client's address, as level info.
    #[arg(long)]
    pub access_log: bool,
}

/// A header that names the clients of proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeader {
    /// A list of addresses.
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// A network, or the address of one proxy.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse().or_else(|_| address()).map_err(|_| {
        format!("`{text}` is no network; write e.g. 10.42.0.0/16, 2001:db8::/48 or 10.42.0.7")
    })?;
    Ok(to_canonical(network))
}

/// IPv4-mapped networks (`::ffff:10.42.0.0/112`) as those of IPv4, since clients' addresses are
/// compared as such.
fn to_canonical(network: IpNet) -> IpNet {
    let IpAddr::V4(address) = network.addr().to_canonical() else {
        return network;
    };
    let bits = match network {
        IpNet::V4(_) => return network,
        IpNet::V6(network) => network.prefix_len().checked_sub(MAPPED_BITS),
    };
    let mapped = bits.and_then(|bits| Ipv4Net::new(address, bits).ok());
    mapped.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_network_or_an_address() {
        for (text, network) in [
            ("10.42.0.0/16", "10.42.0.0/16"),
            ("10.42.0.7", "10.42.0.7/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::ffff:10.42.0.0/112", "10.42.0.0/16"),
            ("::ffff:10.42.0.7", "10.42.0.7/32"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse_network(text).unwrap().to_string(), network);
        }
        for bad in ["", "10.42.0.0/33", "proxy", "10.42.0.0/16/8"] {
            assert!(parse_network(bad).is_err(), "{bad}");
        }
    }
}
