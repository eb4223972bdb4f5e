//! The processes that are measured: the binaries that production runs, and the empty route.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use flashsale_testbed::{
    binaries::{self, BinaryError},
    launch::Launch,
    ports::free_port,
    process::Process,
};

use crate::{error::BenchError, probe, processor, stores::Stores};

/// How long a child may take to be ready: a fraction of a second, unless the machine is busy.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// How often it is asked.
const READY_INTERVAL: Duration = Duration::from_millis(10);

/// How long it may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a kibibyte, in which `/proc` gives memory.
const BYTES_PER_KIB: f64 = 1024.0;

/// Bytes of a megabyte, in which figures are told.
const BYTES_PER_MEGABYTE: f64 = 1e6;

/// A child and where it answers.
#[derive(Debug)]
pub struct Child {
    process: Process,
    /// Where it serves what is measured; for a worker its probes.
    pub address: SocketAddr,
}

impl Child {
    /// A worker that drives up to `lanes` lanes in batches of `batch`.
    pub async fn worker(
        stores: &Stores,
        name: &str,
        lanes: u32,
        batch: u32,
    ) -> Result<Self, BenchError> {
        Self::worker_at(stores, name, lanes, batch, &stores.postgres.url()).await
    }

    /// The same, with PostgreSQL at `database_url`: the run's own, by another way.
    pub async fn worker_at(
        stores: &Stores,
        name: &str,
        lanes: u32,
        batch: u32,
        database_url: &str,
    ) -> Result<Self, BenchError> {
        let probes = loopback()?;
        let launch = ours(stores, "flashsale-worker", name)?
            .env("FLASHSALE_DATABASE_URL", database_url)
            .args(["--probes-listen", &probes.to_string()])
            .args(["--lanes", &lanes.to_string()])
            .args(["--batch-size", &batch.to_string()]);
        Self::start(launch, probes, probes, "/readyz").await
    }

    /// A gateway without authentication.
    pub async fn gateway(stores: &Stores) -> Result<Self, BenchError> {
        let (address, probes) = (loopback()?, loopback()?);
        let launch = ours(stores, "flashsale-gateway", "gateway")?
            .args(["--auth-mode", "off"])
            .args(["--listen", &address.to_string()])
            .args(["--probes-listen", &probes.to_string()]);
        Self::start(launch, address, probes, "/readyz").await
    }

    /// This program, serving a route that does nothing.
    pub async fn empty_route(stores: &Stores) -> Result<Self, BenchError> {
        let address = loopback()?;
        let program = env::current_exe().map_err(BinaryError::CurrentProgram)?;
        let log = stores.data_dir.path().join("empty-route.log");
        let launch = Launch::new("empty-route", program, log).args([
            "empty-route",
            "--listen",
            &address.to_string(),
        ]);
        Self::start(launch, address, address, "/").await
    }

    /// Starts any program that serves at `address`, and waits until `GET path` at `probes` is
    /// answered 200.
    pub(crate) async fn start(
        launch: Launch,
        address: SocketAddr,
        probes: SocketAddr,
        path: &str,
    ) -> Result<Self, BenchError> {
        let process = Process::start(launch).await?;
        let child = Self { process, address };
        child.wait_for(probes, path).await?;
        Ok(child)
    }

    /// Waits until `GET path` at `address`, one of the child's, is answered 200.
    pub async fn wait_for(&self, address: SocketAddr, path: &str) -> Result<(), BenchError> {
        let started = Instant::now();
        while probe::status(address, path).await != Some(200) {
            if !self.process.is_running() || started.elapsed() > READY_PATIENCE {
                return Err(BenchError::NotReady {
                    name: self.process.name().to_owned(),
                    waited: started.elapsed(),
                    log: self.process.log_tail(),
                });
            }
            tokio::time::sleep(READY_INTERVAL).await;
        }
        Ok(())
    }

    /// Its resident memory in megabytes.
    pub fn memory(&self) -> Result<f64, BenchError> {
        self.megabytes("VmRSS:")
    }

    /// The most that it ever had resident, in megabytes.
    pub fn most_memory(&self) -> Result<f64, BenchError> {
        self.megabytes("VmHWM:")
    }

    /// Seconds of processor time that it has used.
    pub fn processor_seconds(&self) -> Result<f64, BenchError> {
        processor::seconds(self.process.pid())
    }

    fn megabytes(&self, what: &'static str) -> Result<f64, BenchError> {
        let file = format!("/proc/{}/status", self.process.pid());
        let kibibytes = fs::read_to_string(&file)
            .ok()
            .and_then(|status| read_kibibytes(&status, what));
        kibibytes
            .map(|kibibytes| kibibytes * BYTES_PER_KIB / BYTES_PER_MEGABYTE)
            .ok_or(BenchError::Untold { file, what })
    }

    /// Ends it in order, or says what its log says.
    pub async fn stop(self) -> Result<(), BenchError> {
        let status = self.process.stop(STOP_PATIENCE).await?;
        if status.success() {
            return Ok(());
        }
        Err(BenchError::Ended {
            name: self.process.name().to_owned(),
            status,
            log: self.process.log_tail(),
        })
    }
}

fn ours(stores: &Stores, binary: &str, name: &str) -> Result<Launch, BenchError> {
    let log = stores.data_dir.path().join(format!("{name}.log"));
    Ok(Launch::new(name, binaries::find(binary)?, log)
        .env("FLASHSALE_REDIS_URL", stores.redis.url())
        .env("FLASHSALE_DATABASE_URL", stores.postgres.url()))
}

/// A free port of this machine.
pub(crate) fn loopback() -> Result<SocketAddr, BenchError> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}

fn read_kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_by_its_name() {
        let status = "Name:\tworker\nVmHWM:\t  9000 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(read_kibibytes(status, "VmHWM:"), Some(9_000.0));
        assert_eq!(read_kibibytes("Name:\tzombie\n", "VmRSS:"), None);
    }
}
