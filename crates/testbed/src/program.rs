//! Our own programs as child processes: started, waited for until they are ready, killed, and
//! started again on the same ports.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::ExitStatus,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{
    binaries::{self, BinaryError},
    http,
    launch::Launch,
    ports::{PortError, free_port},
    process::{Process, ProcessError},
};

/// How long a program may take to be ready: a fraction of a second, unless the machine is busy.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// How often it is asked.
const READY_INTERVAL: Duration = Duration::from_millis(10);

/// How long a program may take to end once asked.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a program cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Its binary is not there.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// There is no port for it.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Its process could not be started or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It ended or did not become ready.
    #[error("{name} is not ready after {} ms; the end of its log:\n{log}", waited.as_millis())]
    NotReady {
        /// Name of the program.
        name: String,
        /// How long was waited.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// It did not end in order.
    #[error("{name} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// Name of the program.
        name: String,
        /// Its status.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
}

/// Where a program finds its stores, passwords included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreUrls<'a> {
    /// `postgres://…`
    pub database: &'a str,
    /// `redis://…`
    pub redis: &'a str,
}

/// A program of ours that runs, or ran.
#[derive(Debug)]
pub struct Program {
    process: Process,
    launch: Launch,
    /// Where it serves: a gateway's shop; for others the same as `probes`.
    pub address: SocketAddr,
    /// Where its health and its metrics are.
    pub probes: SocketAddr,
    /// The path that is answered 200 once it is ready.
    ready_path: &'static str,
}

impl Program {
    /// Starts a gateway without authentication from what [`ours`] made, which may have been given
    /// more variables or a wrapper since, with these further arguments. Comes back when it is ready.
    pub async fn gateway(launch: Launch, further: &[&str]) -> Result<Self, ProgramError> {
        Self::gateway_in_mode("off", launch, further).await
    }

    /// The same of a gateway that wants tokens; `further` says whose.
    pub async fn guarded_gateway(launch: Launch, further: &[&str]) -> Result<Self, ProgramError> {
        Self::gateway_in_mode("jwt", launch, further).await
    }

    async fn gateway_in_mode(
        auth_mode: &str,
        launch: Launch,
        further: &[&str],
    ) -> Result<Self, ProgramError> {
        let (address, probes) = (loopback()?, loopback()?);
        let launch = launch
            .args(["--auth-mode", auth_mode])
            .args(["--listen", &address.to_string()])
            .args(["--probes-listen", &probes.to_string()])
            .args(further);
        Self::start(launch, address, probes, "/readyz").await
    }

    /// Starts a worker from what [`ours`] made, with these further arguments. Comes back when it is
    /// ready.
    pub async fn worker(launch: Launch, further: &[&str]) -> Result<Self, ProgramError> {
        let probes = loopback()?;
        let launch = launch
            .args(["--probes-listen", &probes.to_string()])
            .args(further);
        Self::start(launch, probes, probes, "/readyz").await
    }

    /// Starts any program that serves at `address`. Comes back when `GET ready_path` at `probes`
    /// is answered 200.
    pub async fn start(
        launch: Launch,
        address: SocketAddr,
        probes: SocketAddr,
        ready_path: &'static str,
    ) -> Result<Self, ProgramError> {
        let program = Self {
            process: Process::start(launch.clone()).await?,
            launch,
            address,
            probes,
            ready_path,
        };
        program.ready().await?;
        Ok(program)
    }

    /// Waits until it is ready.
    pub async fn ready(&self) -> Result<(), ProgramError> {
        self.answers(self.probes, self.ready_path).await
    }

    /// Waits until `GET path` at `address`, one of its own, is answered 200.
    pub async fn answers(&self, address: SocketAddr, path: &str) -> Result<(), ProgramError> {
        let started = Instant::now();
        loop {
            let answer = http::get(address, path).await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if !self.process.is_running() || started.elapsed() > READY_TIMEOUT {
                return Err(ProgramError::NotReady {
                    name: self.process.name().to_owned(),
                    waited: started.elapsed(),
                    log: self.process.log_tail(),
                });
            }
            tokio::time::sleep(READY_INTERVAL).await;
        }
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Address of what it serves, for HTTP.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What Prometheus would scrape.
    pub async fn metrics(&self) -> io::Result<String> {
        Ok(http::get(self.probes, "/metrics").await?.body)
    }

    /// Kills it by SIGKILL and waits until it is gone.
    pub async fn kill(&self) -> Result<(), ProgramError> {
        self.process.kill()?;
        self.process.wait(END_TIMEOUT).await?;
        Ok(())
    }

    /// Starts it again on the same ports, killing it first if it runs. Comes back as soon as it
    /// was started; [`ready`](Self::ready) waits.
    pub async fn restart(&mut self) -> Result<(), ProgramError> {
        self.kill().await?;
        self.process = Process::start(self.launch.clone()).await?;
        Ok(())
    }

    /// Stops its threads (SIGSTOP) until [`resume`](Self::resume).
    pub fn pause(&self) -> Result<(), ProgramError> {
        Ok(self.process.signal(Signal::SIGSTOP)?)
    }

    /// Lets a paused program go on (SIGCONT).
    pub fn resume(&self) -> Result<(), ProgramError> {
        Ok(self.process.signal(Signal::SIGCONT)?)
    }

    /// Asks it to end (SIGTERM) and waits. Fails when it did not end by itself with status 0.
    pub async fn stop(&self) -> Result<(), ProgramError> {
        let status = self.process.stop(END_TIMEOUT).await?;
        if status.success() {
            return Ok(());
        }
        Err(ProgramError::Ended {
            name: self.process.name().to_owned(),
            status,
            log: self.process.log_tail(),
        })
    }
}

/// One of our programs with the addresses of its stores; its log is `{name}.log` in `logs`. Secrets
/// go by the environment, which other users of the machine cannot read.
pub fn ours(
    binary: &str,
    name: &str,
    stores: StoreUrls<'_>,
    logs: &Path,
) -> Result<Launch, BinaryError> {
    let log = logs.join(format!("{name}.log"));
    Ok(Launch::new(name, binaries::find(binary)?, log)
        .env("FLASHSALE_DATABASE_URL", stores.database)
        .env("FLASHSALE_REDIS_URL", stores.redis))
}

/// A free port of this machine.
pub fn loopback() -> Result<SocketAddr, PortError> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}
