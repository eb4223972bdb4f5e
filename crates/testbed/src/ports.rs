//! Free loopback ports for servers that need to know their port before they start.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;

use parking_lot::Mutex;

/// Where Linux says which local ports outgoing connections are given.
const EPHEMERAL_RANGE_FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// First ephemeral port of a stock Linux, used where the range cannot be read.
const STOCK_FIRST_EPHEMERAL: u16 = 32_768;

/// Below this live the well-known services that people run on their machines.
const LOWEST: u16 = 15_000;

/// Random tries before the kernel is asked instead; with 17,000 candidates this many misses in a
/// row mean that the range is all but full.
const ATTEMPTS: usize = 64;

/// How many ports a server is tried on. Another program may take a free port before the server
/// does; thrice in a row it does not.
const ATTEMPTS_TO_LISTEN: usize = 3;

/// Ports already handed out by this process. One that was handed out may not be bound yet by the
/// server it is for, so looking at the kernel alone would hand it out twice.
static HANDED_OUT: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// Why there is no free port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The kernel gave no port.
    #[error("could not get a free port on 127.0.0.1; close some programs that listen there")]
    None(#[source] io::Error),
}

/// A TCP port on 127.0.0.1 that nobody listens on and that this process has not handed out before.
///
/// The port lies below the kernel's range for outgoing connections. A server that restarts on its
/// port must find it free, and a crowd of simulated shoppers opens thousands of connections whose
/// own ports come from that range.
pub fn free_port() -> Result<u16, PortError> {
    let mut handed_out = HANDED_OUT.lock();
    let port = (0..ATTEMPTS)
        .map(|_| rand::random_range(LOWEST..first_ephemeral().max(LOWEST + 1)))
        .filter(|port| !handed_out.contains(port))
        .find(|port| !is_taken(*port));
    let port = match port {
        Some(port) => port,
        None => port_of_the_kernel(&handed_out).map_err(PortError::None)?,
    };
    handed_out.insert(port);
    Ok(port)
}

/// Starts a server on a free port, and on another one where somebody else was faster.
pub(crate) async fn on_free_port<T, E: From<PortError>>(
    mut start: impl AsyncFnMut(u16) -> Result<T, E>,
) -> Result<T, E> {
    for _ in 1..ATTEMPTS_TO_LISTEN {
        let port = free_port()?;
        match start(port).await {
            Err(_) if is_taken(port) => {}
            outcome => return outcome,
        }
    }
    start(free_port()?).await
}

/// Whether somebody listens on `port` of 127.0.0.1.
fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// Holds every port the kernel offers until one is new, so that it cannot offer the same one again.
fn port_of_the_kernel(handed_out: &HashSet<u16>) -> io::Result<u16> {
    let mut held = Vec::new();
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        if !handed_out.contains(&port) {
            return Ok(port);
        }
        held.push(listener);
    }
}

fn first_ephemeral() -> u16 {
    fs::read_to_string(EPHEMERAL_RANGE_FILE)
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(STOCK_FIRST_EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_handed_out_twice() {
        let ports: Vec<u16> = (0..500).map(|_| free_port().unwrap()).collect();
        let distinct: HashSet<u16> = ports.iter().copied().collect();
        assert_eq!(distinct.len(), ports.len());
    }

    #[test]
    fn port_can_be_bound() {
        TcpListener::bind((Ipv4Addr::LOCALHOST, free_port().unwrap())).unwrap();
    }

    #[test]
    fn kernel_is_asked_for_a_port_not_handed_out_yet() {
        let port = port_of_the_kernel(&HashSet::new()).unwrap();
        assert_ne!(port_of_the_kernel(&HashSet::from([port])).unwrap(), port);
    }
}
