//! Settings of TCP connections to stores.

use std::{io, time::Duration};

use redis::io::tcp::{
    TcpSettings,
    socket2::{SockRef, TcpKeepalive},
};
use tokio::net::TcpStream;

/// How long connecting to Redis may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long nothing may come from Redis before TCP asks whether the other host is still there, and
/// how often it asks then. A command has its own, shorter time limit; this is for connections on
/// which nothing is asked for.
const KEEPALIVE_TIME: Duration = Duration::from_secs(10);

/// Pause between two of TCP's questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long what was sent may stay unacknowledged by the other host before TCP gives the connection
/// up; by itself it would try for a quarter of an hour.
#[cfg(target_os = "linux")]
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(15);

fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(KEEPALIVE_TIME)
        .with_interval(KEEPALIVE_INTERVAL)
}

/// Gives a connection [`tcp_settings`] where we make it ourselves.
///
/// # Errors
/// When the system refuses one of them.
pub fn apply_tcp_settings(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))?;
    socket.set_tcp_keepalive(&keepalive())
}

/// How connections to a store are made: no delay, and no long wait for a host that is gone.
pub fn tcp_settings() -> TcpSettings {
    // Commands are small, and each is waited for.
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive());
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(TCP_USER_TIMEOUT);
    settings
}
