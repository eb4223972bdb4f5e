//! PostgreSQL as far away as another zone or town: a TCP proxy that delays every byte by the same
//! time, each way by half of the round trip.
//!
//! It delays and does nothing else: bytes are read as soon as they come and queued with the moment
//! they are due, so any amount may be on its way at a time, as in a long cable. One thread reads
//! and one writes for each direction of a connection, because threads can sleep for half a
//! millisecond and tokio's timer cannot.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Bytes read at a time: a batch of a thousand jobs arrives in two reads.
const CHUNK: usize = 65_536;

/// Bytes and when they may be handed on; no bytes say that the sender is done.
type Due = (Instant, Vec<u8>);

/// A proxy on 127.0.0.1. Dropped, it takes no new connection; those it has end with their ends.
#[derive(Debug)]
pub struct Distance {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// What the accepting thread and its owner know of each other.
#[derive(Debug, Default)]
struct Shared {
    closing: AtomicBool,
    /// Connections that were carried.
    connections: AtomicU32,
}

impl Distance {
    /// Puts `round_trip` between those who connect to [`address`](Self::address) and `target`.
    pub fn put(round_trip: Duration, target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let one_way = round_trip / 2;
        let accepting = thread::Builder::new()
            .name("distance".to_owned())
            .spawn(move || accept(&listener, target, one_way, &told))?;
        Ok(Self {
            address,
            shared,
            accepting: Some(accepting),
        })
    }

    /// Connections that went this way so far.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Distance {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        // A connection wakes the thread that waits for one. Should it not come about, that thread
        // stays and hurts nobody.
        if TcpStream::connect(self.address).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            // How it ended does not matter any more.
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, one_way: Duration, shared: &Shared) {
    for client in listener.incoming() {
        if shared.closing.load(Ordering::Acquire) {
            return;
        }
        // A connection that cannot be made is closed, which its client notices.
        if client
            .and_then(|client| carry(client, target, one_way))
            .is_ok()
        {
            shared.connections.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Connects to `target` and carries bytes both ways until both ends are done.
fn carry(client: TcpStream, target: SocketAddr, one_way: Duration) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    for end in [&client, &server] {
        // Bytes are held back by the delay alone.
        end.set_nodelay(true)?;
    }
    direction(client.try_clone()?, server.try_clone()?, one_way)?;
    direction(server, client, one_way)
}

fn direction(from: TcpStream, to: TcpStream, delay: Duration) -> io::Result<()> {
    let (queue, due) = mpsc::channel();
    let spawn = |work: Box<dyn FnOnce() + Send>| thread::Builder::new().spawn(work);
    spawn(Box::new(move || read(from, delay, &queue)))?;
    spawn(Box::new(move || write(to, &due)))?;
    Ok(())
}

fn read(mut from: TcpStream, delay: Duration, queue: &mpsc::Sender<Due>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        // A broken connection is handed on as one that ended.
        let count = from.read(&mut chunk).unwrap_or(0);
        let due = (Instant::now() + delay, chunk[..count].to_vec());
        if queue.send(due).is_err() || count == 0 {
            return;
        }
    }
}

fn write(mut to: TcpStream, queue: &mpsc::Receiver<Due>) {
    for (due, bytes) in queue {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if bytes.is_empty() || to.write_all(&bytes).is_err() {
            break;
        }
    }
    // An end that is gone already needs no telling.
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every byte with the same byte, until its client ends.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                thread::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        address
    }

    fn connect(distance: &Distance) -> TcpStream {
        let stream = TcpStream::connect(distance.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn round_trip(stream: &mut TcpStream) -> Duration {
        let started = Instant::now();
        stream.write_all(b"?").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        started.elapsed()
    }

    #[test]
    fn a_question_and_its_answer_take_the_round_trip() {
        let away = Duration::from_millis(5);
        let distance = Distance::put(away, echo()).unwrap();
        let mut stream = connect(&distance);
        let least = (0..20).map(|_| round_trip(&mut stream)).min().unwrap();
        assert!(least >= away, "{least:?}");
        // The quickest of many was held up by nothing but the distance.
        assert!(least < away * 2, "{least:?}");
        assert_eq!(distance.connections(), 1);
    }

    #[test]
    fn many_bytes_are_on_their_way_at_a_time_and_arrive_in_order() {
        let away = Duration::from_millis(200);
        let distance = Distance::put(away, echo()).unwrap();
        let sent: Vec<u8> = (0..8_000_000_u32).map(|byte| (byte % 251) as u8).collect();
        let mut stream = connect(&distance);
        let mut writing = stream.try_clone().unwrap();
        let started = Instant::now();
        let bytes = sent.clone();
        let writer = thread::spawn(move || {
            writing.write_all(&bytes).unwrap();
            writing.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        writer.join().unwrap();
        assert!(received == sent);
        // One chunk a round trip would take half a minute.
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn it_takes_no_connection_after_it_was_dropped() {
        let distance = Distance::put(Duration::ZERO, echo()).unwrap();
        let address = distance.address;
        drop(distance);
        assert!(TcpStream::connect(address).is_err());
    }
}
