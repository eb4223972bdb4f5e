//! A network namespace whose packets can be dropped: a link that fails below TCP.
//!
//! The program inside reaches the servers of this machine at the outer address of a virtual
//! cable; the kernel leads what arrives there to 127.0.0.1. Rules inside drop packets by the
//! server's port, so neither kernel hears of the other: what a program or a server notices, it
//! notices by its own deadlines or by TCP's.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::{self, Stdio},
};

use flashsale_testbed::{binaries, fault_proxy::Direction};
use nix::unistd::Uid;
use tokio::process::Command;

use crate::{error::ChaosError, files};

/// First two bytes of the addresses of the cable's ends.
const NETWORK: (u8, u8) = (10, 209);

/// Programs that are needed.
const TOOLS: [&str; 2] = ["ip", "iptables"];

/// A namespace, a cable into it, and the rules that lead to this machine's servers. All of it is
/// removed when it is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    cable: String,
    outside: Ipv4Addr,
    inside: Ipv4Addr,
}

/// Why there can be no namespace here; none when there can.
pub fn unavailable() -> Option<String> {
    if !Uid::effective().is_root() {
        return Some("packets can be dropped by root alone".to_owned());
    }
    let missing = TOOLS
        .iter()
        .find(|tool| binaries::on_path(tool).is_none())?;
    Some(format!(
        "`{missing}` is missing: scripts/install-dependencies --for-chaos"
    ))
}

impl Namespace {
    /// Makes one. There is one per process at a time.
    pub async fn create() -> Result<Self, ChaosError> {
        let id = process::id();
        let [_, _, high, low] = id.to_be_bytes();
        // Networks of four addresses, of which the middle two are usable.
        let at = |last: u8| Ipv4Addr::new(NETWORK.0, NETWORK.1, high, (low & 0x3f) * 4 + last);
        let namespace = Self {
            name: format!("flashsale-{id}"),
            cable: format!("fs{id}"),
            outside: at(1),
            inside: at(2),
        };
        namespace.set_up().await?;
        Ok(namespace)
    }

    async fn set_up(&self) -> Result<(), ChaosError> {
        let (name, cable) = (&self.name, &self.cable);
        let (outside, inside) = (self.outside, self.inside);
        for command in [
            format!("ip netns add {name}"),
            format!("ip link add {cable} type veth peer name eth0 netns {name}"),
            format!("ip addr add {outside}/30 dev {cable}"),
            format!("ip link set {cable} up"),
            format!("ip -n {name} addr add {inside}/30 dev eth0"),
            format!("ip -n {name} link set eth0 up"),
            format!("ip -n {name} link set lo up"),
            format!("iptables -w -t nat -A {}", self.rule()),
        ] {
            run(&command).await?;
        }
        let switch = format!("/proc/sys/net/ipv4/conf/{cable}/route_localnet");
        files::write(Path::new(&switch), "1")
    }

    /// What leads packets from the cable to 127.0.0.1.
    fn rule(&self) -> String {
        format!(
            "PREROUTING -i {} -p tcp -j DNAT --to-destination {}",
            self.cable,
            Ipv4Addr::LOCALHOST
        )
    }

    /// Where programs inside find the servers of this machine.
    pub fn outside(&self) -> Ipv4Addr {
        self.outside
    }

    /// Where programs inside are found.
    pub fn inside(&self) -> Ipv4Addr {
        self.inside
    }

    /// What a command line begins with that runs inside: a program and its arguments.
    pub fn enter(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Drops packets between programs inside and the server on `port`, in one direction.
    pub async fn drop_packets(&self, port: u16, direction: Direction) -> Result<(), ChaosError> {
        let rule = match direction {
            Direction::ToTarget => format!("OUTPUT -p tcp --dport {port}"),
            Direction::ToClient => format!("INPUT -p tcp --sport {port}"),
        };
        let name = &self.name;
        run(&format!(
            "ip netns exec {name} iptables -w -A {rule} -j DROP"
        ))
        .await
    }

    /// Drops no more packets.
    pub async fn pass(&self) -> Result<(), ChaosError> {
        run(&format!("ip netns exec {} iptables -w -F", self.name)).await
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for command in [
            format!("iptables -w -t nat -D {}", self.rule()),
            format!("ip netns del {}", self.name),
            // Goes with the namespace, which lives on while a program is in it.
            format!("ip link del {}", self.cable),
        ] {
            let mut words = command.split(' ');
            let _ = words.next().map(|program| {
                process::Command::new(program)
                    .args(words)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
            });
        }
    }
}

async fn run(command: &str) -> Result<(), ChaosError> {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(ChaosError::file(program))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ChaosError::Tool {
        command: command.to_owned(),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
