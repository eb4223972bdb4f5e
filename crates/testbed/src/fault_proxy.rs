//! A TCP link that fails on command: delayed, slow, silent, cut, refused, or leading elsewhere.
//!
//! A [`FaultProxy`] listens on a free port of 127.0.0.1 and forwards each connection to its
//! target. Its commands take effect at once, on connections that are there as on later ones, each
//! direction by itself.
//!
//! ```
//! use flashsale_testbed::fault_proxy::{Direction, End, FaultProxy, Flow};
//! use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = FaultProxy::start(server.local_addr()?).await?;
//! let mut client = TcpStream::connect(proxy.address()).await?;
//! let (mut served, _) = server.accept().await?;
//!
//! // The server hears the question, and the client never hears the answer.
//! proxy.set(Direction::ToClient, Flow::Silent);
//! client.write_all(b"?").await?;
//! served.read_exact(&mut [0]).await?;
//! served.write_all(b"!").await?;
//!
//! // Until the link is well again: what was on its way arrives late, as on a real network.
//! proxy.heal();
//! client.read_exact(&mut [0]).await?;
//!
//! proxy.end_all(End::Reset);
//! assert!(client.read_exact(&mut [0]).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! A store behind the proxy keeps its password and its name in the address that clients get:
//! [`FaultProxy::url`].
//!
//! # Warning
//! Both ends of a silent link still speak with a kernel that acknowledges what they send: a silent
//! proxy shows whether a program has deadlines of its own, and nothing of TCP's.

mod connection;
mod meter;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use meter::Meters;

/// Wait before a listener is opened again whose port was just taken by an outgoing connection.
const LISTEN_AGAIN: Duration = Duration::from_millis(10);

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the target.
    ToTarget,
    /// From the target to the client.
    ToClient,
}

/// What happens to the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// They go on as they come.
    #[default]
    Pass,
    /// They arrive this much later. Any amount up to a mebibyte may be on its way.
    Delayed(Duration),
    /// All connections together get so many bytes per second through, one chunk after the other,
    /// which is what a server does that can do no more.
    Limited(NonZeroU64),
    /// They are not read and do not arrive, and the connection stays open: after
    /// [`Flow::Pass`] they arrive late.
    Silent,
}

/// How connections are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides get a FIN, as from a process that ended.
    Close,
    /// Both sides get an RST, as from a host that lost its state.
    Reset,
}

/// What the connections are to do. Connections are numbered from 1 in the order of their
/// acceptance, so that a bound tells those that were there from later ones.
#[derive(Debug, Clone, Copy)]
struct Plan {
    target: SocketAddr,
    to_target: Flow,
    to_client: Flow,
    /// Whether somebody listens.
    accepts: bool,
    /// Connections up to this one forward nothing any more, for good.
    swallowed_up_to: u64,
    /// Connections up to this one are ended.
    ended_up_to: u64,
    /// How.
    end: End,
    /// The number of the last connection.
    accepted: u64,
}

/// A TCP forwarder that fails on command. Dropping it resets its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    links: Links,
    /// Follows the listener: whether it listens.
    listening: watch::Receiver<bool>,
    listener: tokio::task::JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1 and forwards to `target`. Must be called in a Tokio
    /// runtime, in which the connections live.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), target).await
    }

    /// The same, listening on `address`.
    pub async fn start_at(address: SocketAddr, target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let plan = watch::Sender::new(Plan {
            target,
            to_target: Flow::Pass,
            to_client: Flow::Pass,
            accepts: true,
            swallowed_up_to: 0,
            ended_up_to: 0,
            end: End::Close,
            accepted: 0,
        });
        let links = Links {
            plan,
            open: Arc::default(),
            meters: Arc::new(Meters::new()),
        };
        let (listens, listening) = watch::channel(true);
        let task = listen(listener, address, links.clone(), listens);
        Ok(Self {
            address,
            links,
            listening,
            listener: tokio::spawn(task),
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `url` (`redis://…`, `postgres://…`) with its host and port replaced by the proxy's; none
    /// when it names no host.
    pub fn url(&self, url: &str) -> Option<String> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        let user = user.map_or_else(String::new, |user| format!("{user}@"));
        (!authority.is_empty()).then(|| format!("{scheme}://{user}{}{path}", self.address))
    }

    /// Connections that are open, swallowed ones included.
    pub fn connections(&self) -> usize {
        self.links.open.load(Ordering::Relaxed)
    }

    /// Connections that were ever accepted.
    pub fn accepted(&self) -> u64 {
        self.links.plan.borrow().accepted
    }

    /// Bytes that were ever forwarded in one direction.
    pub fn forwarded(&self, direction: Direction) -> u64 {
        self.links.meters.of(direction).bytes()
    }

    /// Sets what happens to the bytes of one direction, from now on.
    pub fn set(&self, direction: Direction, flow: Flow) {
        self.links.plan.send_modify(|plan| match direction {
            Direction::ToTarget => plan.to_target = flow,
            Direction::ToClient => plan.to_client = flow,
        });
    }

    /// Sets it for both directions.
    pub fn set_both(&self, flow: Flow) {
        self.links.plan.send_modify(|plan| {
            plan.to_target = flow;
            plan.to_client = flow;
        });
    }

    /// Ends the connections that there are; new ones are taken.
    pub fn end_all(&self, end: End) {
        self.links.plan.send_modify(|plan| {
            plan.ended_up_to = plan.accepted;
            plan.end = end;
        });
    }

    /// Ends the connections that there are, and refuses new ones until [`heal`](Self::heal).
    /// Comes back when nobody listens any more.
    pub async fn cut(&self, end: End) {
        self.refuse().await;
        self.end_all(end);
    }

    /// Refuses new connections until [`heal`](Self::heal); those that there are go on. Comes back
    /// when nobody listens any more.
    pub async fn refuse(&self) {
        self.links.plan.send_modify(|plan| plan.accepts = false);
        // An error means that the listener has ended, so nobody listens either.
        let _ = self.listening.clone().wait_for(|listens| !listens).await;
    }

    /// The connections that there are never forward another byte, whatever is set later, and stay
    /// open; new ones work. That is a firewall which forgot its connections.
    pub fn swallow_present(&self) {
        self.links
            .plan
            .send_modify(|plan| plan.swallowed_up_to = plan.accepted);
    }

    /// Leads new connections to `target`; those that there are keep theirs. With
    /// [`end_all`](Self::end_all) that is a failover.
    pub fn lead_to(&self, target: SocketAddr) {
        self.links.plan.send_modify(|plan| plan.target = target);
    }

    /// Where new connections lead.
    pub fn target(&self) -> SocketAddr {
        self.links.plan.borrow().target
    }

    /// Forwards everything at once again and takes new connections. Swallowed connections stay
    /// as they are.
    pub fn heal(&self) {
        self.links.plan.send_modify(|plan| {
            plan.to_target = Flow::Pass;
            plan.to_client = Flow::Pass;
            plan.accepts = true;
        });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.links.plan.send_modify(|plan| {
            plan.ended_up_to = u64::MAX;
            plan.end = End::Reset;
        });
    }
}

/// What every connection needs.
#[derive(Debug, Clone)]
struct Links {
    plan: watch::Sender<Plan>,
    open: Arc<AtomicUsize>,
    meters: Arc<Meters>,
}

/// Accepts while the plan says so. A port on which nobody listens refuses connections.
async fn listen(
    listener: TcpListener,
    address: SocketAddr,
    links: Links,
    listens: watch::Sender<bool>,
) {
    let mut changes = links.plan.subscribe();
    let mut listener = Some(listener);
    loop {
        let accepts = changes.borrow_and_update().accepts;
        match (&listener, accepts) {
            (Some(bound), true) => tokio::select! {
                accepted = bound.accept() => {
                    if let Ok((client, _)) = accepted {
                        links.accept(client);
                    }
                }
                _ = changes.changed() => {}
            },
            (Some(_), false) => {
                listener = None;
                listens.send_replace(false);
            }
            (None, true) => match TcpListener::bind(address).await {
                Ok(bound) => {
                    listener = Some(bound);
                    listens.send_replace(true);
                }
                Err(error) => {
                    tracing::warn!(%address, %error, "a proxy cannot listen again yet");
                    tokio::time::sleep(LISTEN_AGAIN).await;
                }
            },
            (None, false) => {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Links {
    fn accept(&self, client: TcpStream) {
        let mut number = 0;
        self.plan.send_modify(|plan| {
            plan.accepted += 1;
            number = plan.accepted;
        });
        self.open.fetch_add(1, Ordering::Relaxed);
        let (plan, meters) = (self.plan.subscribe(), Arc::clone(&self.meters));
        let open = Arc::clone(&self.open);
        tokio::spawn(async move {
            connection::forward(client, number, plan, meters).await;
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
