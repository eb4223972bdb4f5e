//! One forwarded connection.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{Direction, End, Flow, Plan, meter::Meters};

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// Chunks that may be on their way in one direction; with [`CHUNK`], a mebibyte.
const CHUNKS_ON_THEIR_WAY: usize = 64;

/// What tokio's timer may be late by.
const TIMER_ERROR: Duration = Duration::from_millis(2);

/// Bytes and the instant at which they were read.
type Chunk = (Instant, Vec<u8>);

/// Forwards between `client` and the target until both directions have ended, one broke, or the
/// plan ends the connection.
pub(super) async fn forward(
    mut client: TcpStream,
    number: u64,
    plan: watch::Receiver<Plan>,
    meters: Arc<Meters>,
) {
    let orders = Orders {
        number,
        plan,
        meters,
    };
    let target = orders.plan.borrow().target;
    let connected = tokio::select! {
        connected = TcpStream::connect(target) => connected,
        _ = orders.clone().end() => return,
    };
    let Ok(mut server) = connected else {
        // Nobody is there: the client learns of it as it would without a proxy, a moment later.
        let _ = client.set_zero_linger();
        return;
    };
    // Messages are small, and a proxy must not add a wait of its own.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::try_join!(
                one_way(from_client, to_server, Direction::ToTarget, &orders),
                one_way(from_server, to_client, Direction::ToClient, &orders),
            )
        };
        tokio::select! {
            both = both => if both.is_ok() { End::Close } else { End::Reset },
            end = orders.clone().end() => end,
        }
    };
    match end {
        End::Close => {
            // A socket that is closed with bytes unread sends an RST; the FIN is to come first.
            let _ = client.shutdown().await;
            let _ = server.shutdown().await;
        }
        End::Reset => {
            let _ = client.set_zero_linger();
            let _ = server.set_zero_linger();
        }
    }
}

async fn one_way(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    direction: Direction,
    orders: &Orders,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(CHUNKS_ON_THEIR_WAY);
    let reading = read(from, direction, orders.clone(), sender);
    let writing = write(to, direction, orders.clone(), receiver);
    tokio::try_join!(reading, writing).map(|_| ())
}

/// Reads until the end, except while the direction is silent.
async fn read(
    mut from: ReadHalf<'_>,
    direction: Direction,
    mut orders: Orders,
    sender: mpsc::Sender<Chunk>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        if orders.flow(direction) == Flow::Silent {
            orders.change().await;
            continue;
        }
        let length = tokio::select! {
            length = from.read(&mut buffer) => length?,
            () = orders.change() => continue,
        };
        let chunk = (Instant::now(), buffer[..length].to_vec());
        if length == 0 || sender.send(chunk).await.is_err() {
            return Ok(());
        }
    }
}

/// Writes what was read when it is due, then the end.
async fn write(
    mut to: WriteHalf<'_>,
    direction: Direction,
    mut orders: Orders,
    mut receiver: mpsc::Receiver<Chunk>,
) -> io::Result<()> {
    while let Some((read_at, bytes)) = receiver.recv().await {
        orders.until_due(direction, read_at, bytes.len()).await;
        to.write_all(&bytes).await?;
        orders.meters.of(direction).count(bytes.len());
    }
    orders.until_due(direction, Instant::now(), 0).await;
    to.shutdown().await
}

/// A connection's number and what it is to do.
#[derive(Clone)]
struct Orders {
    number: u64,
    plan: watch::Receiver<Plan>,
    meters: Arc<Meters>,
}

impl Orders {
    /// What happens to the bytes of a direction now.
    fn flow(&mut self, direction: Direction) -> Flow {
        let plan = self.plan.borrow_and_update();
        if self.number <= plan.swallowed_up_to {
            return Flow::Silent;
        }
        match direction {
            Direction::ToTarget => plan.to_target,
            Direction::ToClient => plan.to_client,
        }
    }

    /// Waits until the plan is another one than at the last [`flow`](Self::flow). Never comes back
    /// once the proxy is gone: the connection ends then.
    async fn change(&mut self) {
        if self.plan.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until so many bytes that were read then may arrive.
    async fn until_due(&mut self, direction: Direction, read_at: Instant, length: usize) {
        // Their turn at a limited rate, which they are given once.
        let mut turn = None;
        loop {
            let due = match self.flow(direction) {
                Flow::Pass => return,
                Flow::Delayed(delay) => Some(read_at + delay),
                Flow::Limited(rate) => {
                    let meter = self.meters.of(direction);
                    Some(*turn.get_or_insert_with(|| meter.turn(length, rate)))
                }
                Flow::Silent => None,
            };
            match due {
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::select! {
                    () = until(due) => return,
                    () = self.change() => {}
                },
                None => self.change().await,
            }
        }
    }

    /// Waits until the connection is to be ended, and answers how.
    async fn end(mut self) -> End {
        let number = self.number;
        let ended = self.plan.wait_for(|plan| number <= plan.ended_up_to).await;
        ended.map_or(End::Reset, |plan| plan.end)
    }
}

/// Sleeps to the resolution of the kernel's clock: a link within a town delays by less than the
/// millisecond that tokio's timer counts in, so a thread sleeps the rest.
async fn until(due: Instant) {
    sleep_until(due.checked_sub(TIMER_ERROR).unwrap_or(due)).await;
    let rest = due.saturating_duration_since(Instant::now());
    if !rest.is_zero() {
        // It cannot break, and ends within the error of the timer.
        let _ = tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await;
    }
}
