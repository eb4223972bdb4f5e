//! Listening for TCP connections, over IPv6 and IPv4 at once where the address says so.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the system may hold until they are accepted. Linux caps it at
/// `net.core.somaxconn`, 4,096 by default. Beyond it a client hears nothing and tries again a second
/// later, which is what everybody who connects at an opening would do with the usual 128.
const BACKLOG: i32 = 4_096;

/// Listens on `address`.
///
/// `[::]` takes connections over IPv6 and IPv4, whatever `net.ipv6.bindv6only` says; on a system
/// without IPv6 it means `0.0.0.0`. So one default serves clusters of either family. The listener's
/// own address tells which of the two it became, and which port was chosen for port 0.
///
/// Peers that connect over IPv4 to `[::]` have IPv4-mapped addresses, e.g. `::ffff:192.0.2.1`:
/// [`to_canonical`](std::net::IpAddr::to_canonical) gives the IPv4 address.
///
/// # Errors
/// What the system says, e.g. that the port is taken.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    listen_with(address, |domain| {
        Socket::new(domain, Type::STREAM, Some(Protocol::TCP))
    })
}

/// Listens with a socket that `open` makes.
fn listen_with(
    address: SocketAddr,
    open: impl Fn(Domain) -> io::Result<Socket>,
) -> io::Result<TcpListener> {
    let bound = match bind(address, &open) {
        Err(error) if is_everywhere(address) && lacks_ipv6(&error) => {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            tracing::info!(%error, %address, "no IPv6 here ({error}), listening on {address}");
            bind(address, &open)
        }
        bound => bound,
    };
    TcpListener::from_std(bound?.into())
}

fn bind(address: SocketAddr, open: impl Fn(Domain) -> io::Result<Socket>) -> io::Result<Socket> {
    let socket = open(Domain::for_address(address))?;
    if is_everywhere(address) {
        socket.set_only_v6(false)?;
    }
    // A successor may listen although connections of its predecessor are still ending.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Whether it is `[::]`.
fn is_everywhere(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

/// Whether the system has no IPv6: its kernel was built or started without, or it is switched off.
fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EADDRNOTAVAIL))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use tokio::net::TcpStream;

    use super::*;

    const EVERYWHERE: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

    /// Of whom a connection to `ip` comes, as the listener sees it.
    async fn peer_over(listener: &TcpListener, ip: IpAddr) -> IpAddr {
        let port = listener.local_addr().unwrap().port();
        let connected = tokio::try_join!(TcpStream::connect((ip, port)), listener.accept());
        let (_client, (_stream, peer)) = connected.unwrap();
        peer.ip()
    }

    #[tokio::test]
    async fn everywhere_is_both_families_or_ipv4_alone() {
        let has_ipv6 = std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        let listener = listen(EVERYWHERE).unwrap();
        let v4 = peer_over(&listener, Ipv4Addr::LOCALHOST.into()).await;
        assert_eq!(v4.to_canonical(), Ipv4Addr::LOCALHOST);
        if has_ipv6 {
            let v6 = peer_over(&listener, Ipv6Addr::LOCALHOST.into()).await;
            assert_eq!(v6, Ipv6Addr::LOCALHOST);
            assert_ne!(v4, v6);
        }
    }

    #[tokio::test]
    async fn without_ipv6_everywhere_is_ipv4() {
        for errno in [EAFNOSUPPORT, EADDRNOTAVAIL] {
            let without_ipv6 = |domain| match domain {
                Domain::IPV6 => Err(io::Error::from_raw_os_error(errno)),
                _ => Socket::new(domain, Type::STREAM, Some(Protocol::TCP)),
            };
            let listener = listen_with(EVERYWHERE, without_ipv6).unwrap();
            assert!(listener.local_addr().unwrap().is_ipv4());
            let peer = peer_over(&listener, Ipv4Addr::LOCALHOST.into()).await;
            assert_eq!(peer, Ipv4Addr::LOCALHOST);
            let one = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
            let error = listen_with(one, without_ipv6).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno), "one address of IPv6");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error() {
        for address in [EVERYWHERE, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))] {
            let taken = listen(address).unwrap();
            let error = listen(taken.local_addr().unwrap()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
    }
}
