//! A gateway as a process of its own, for what only the whole program shows.

use std::{fs::File, net::SocketAddr, process::Stdio};

use flashsale_testbed::ports::free_port;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use super::{World, client::Client, eventually};

/// Killed when dropped.
pub struct GatewayProcess {
    pub child: Child,
    pub client: Client,
    pub probes: Client,
}

impl GatewayProcess {
    /// A process with these further arguments, ready.
    pub async fn start(world: &World, further: &[&str]) -> Self {
        let mut gateway = Command::new(env!("CARGO_BIN_EXE_flashsale-gateway"));
        gateway.stderr(Stdio::null());
        Self::spawn(gateway, world, further).await
    }

    /// The same with these variables.
    pub async fn start_with(world: &World, variables: &[(&str, &str)], further: &[&str]) -> Self {
        let mut gateway = Command::new(env!("CARGO_BIN_EXE_flashsale-gateway"));
        gateway
            .stderr(Stdio::null())
            .envs(variables.iter().copied());
        Self::spawn(gateway, world, further).await
    }

    /// The same with these limits of open files.
    pub async fn start_limited(world: &World, (soft, hard): (u64, u64), further: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell
            .stderr(Stdio::null())
            .arg("-c")
            .arg(format!(
                "ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\""
            ))
            .arg(env!("CARGO_BIN_EXE_flashsale-gateway"));
        Self::spawn(shell, world, further).await
    }

    /// A process that writes its log into this file.
    pub async fn start_logging(world: &World, log: &File, further: &[&str]) -> Self {
        let mut gateway = Command::new(env!("CARGO_BIN_EXE_flashsale-gateway"));
        gateway.stderr(log.try_clone().unwrap());
        Self::spawn(gateway, world, further).await
    }

    async fn spawn(mut command: Command, world: &World, further: &[&str]) -> Self {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (listen, probes) = (address(free_port().unwrap()), address(free_port().unwrap()));
        let child = command
            .args(["--auth-mode", "off", "--redis-url", &world.redis_url])
            .args(["--database-url", &world.ledger_url])
            .args(["--listen", &listen.to_string()])
            .args(["--probes-listen", &probes.to_string()])
            .args(further)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually("the process is ready", async || {
            TcpStream::connect(probes).await.is_ok()
                && Client::new(probes).get("/readyz").await.status == 200
        })
        .await;
        Self {
            child,
            client: Client::new(listen),
            probes: Client::new(probes),
        }
    }

    /// Its number, for `/proc`.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        let id = i32::try_from(self.id()).unwrap();
        kill(Pid::from_raw(id), Signal::SIGTERM).unwrap();
    }

    /// The value of one metric, with its labels as Prometheus writes them.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        self.probes.metric(name).await
    }
}
