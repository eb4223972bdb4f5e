//! A connection that is kept, by a client that reads little.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{PATIENCE, client::Answer};

/// A connection that is kept.
pub struct Kept(TcpStream);

impl Kept {
    /// One from this machine.
    pub async fn open(gateway: SocketAddr) -> Self {
        Self::open_from([127, 0, 0, 1], gateway).await
    }

    /// One from this address of the loopback network.
    pub async fn open_from(client: [u8; 4], gateway: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Little room for what is not read.
        socket.set_recv_buffer_size(2_048).unwrap();
        let client = IpAddr::V4(Ipv4Addr::from(client));
        socket.bind(SocketAddr::new(client, 0)).unwrap();
        Self(socket.connect(gateway).await.unwrap())
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // The gateway may have closed.
        let _ = self.0.write_all(bytes).await;
    }

    /// The status of `GET /session`.
    pub async fn status(&mut self) -> u16 {
        self.send(b"GET /session HTTP/1.1\r\nhost: g\r\n\r\n").await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            let mut read = [0; 4096];
            let count = timeout(PATIENCE, self.0.read(&mut read))
                .await
                .unwrap()
                .unwrap();
            assert!(
                count > 0,
                "closed after {:?}",
                String::from_utf8_lossy(&answer)
            );
            answer.extend_from_slice(&read[..count]);
        }
        Answer::parse(&answer).status
    }

    /// What comes until the gateway closes.
    pub async fn rest(&mut self) -> Answer {
        let mut answer = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut answer))
            .await
            .unwrap()
            .unwrap();
        Answer::parse(&answer)
    }

    /// Becomes a WebSocket, whatever the gateway answers.
    pub async fn become_socket(&mut self) {
        self.send(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: g\r\n\
              connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
              sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    }
}

/// A ping of the largest size, as a client sends it (RFC 6455, section 5.2).
pub fn ping() -> Vec<u8> {
    let (first, masked_125, mask) = (0x89, 0xfd, [0; 4]);
    [&[first, masked_125][..], &mask, &[b'x'; 125]].concat()
}
