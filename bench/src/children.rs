//! The processes that are measured: the binaries that production runs, and the empty route.

use std::{env, fs, net::SocketAddr};

use flashsale_testbed::{
    binaries::BinaryError,
    launch::Launch,
    program::{self, Program},
};

use crate::{
    error::BenchError,
    processor,
    stores::{Stores, Way},
};

/// Bytes of a kibibyte, in which `/proc` gives memory.
const BYTES_PER_KIB: f64 = 1024.0;

/// Bytes of a megabyte, in which figures are told.
const BYTES_PER_MEGABYTE: f64 = 1e6;

/// A child and where it answers.
#[derive(Debug)]
pub struct Child {
    program: Program,
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
        Self::worker_by(&stores.way(), stores, name, lanes, batch).await
    }

    /// The same by another way to the stores of the run.
    pub async fn worker_by(
        way: &Way,
        stores: &Stores,
        name: &str,
        lanes: u32,
        batch: u32,
    ) -> Result<Self, BenchError> {
        let (lanes, batch) = (lanes.to_string(), batch.to_string());
        let mut further = vec!["--lanes", &lanes, "--batch-size", &batch];
        further.extend(way.flags.iter().map(String::as_str));
        let directory = stores.data_dir.path();
        let worker = Program::worker(name, way.urls(), directory, &further).await?;
        Ok(Self::from(worker))
    }

    /// A gateway without authentication.
    pub async fn gateway(stores: &Stores) -> Result<Self, BenchError> {
        Self::gateway_by(&stores.way(), stores).await
    }

    /// The same by another way to the stores of the run.
    pub async fn gateway_by(way: &Way, stores: &Stores) -> Result<Self, BenchError> {
        let further: Vec<&str> = way.flags.iter().map(String::as_str).collect();
        let directory = stores.data_dir.path();
        let gateway = Program::gateway("gateway", way.urls(), directory, &further).await?;
        Ok(Self::from(gateway))
    }

    /// A gateway that wants tokens; `further` says whose.
    pub async fn gateway_with_tokens(
        stores: &Stores,
        further: &[&str],
    ) -> Result<Self, BenchError> {
        let directory = stores.data_dir.path();
        let way = stores.way();
        let gateway = Program::guarded_gateway("gateway", way.urls(), directory, further).await?;
        Ok(Self::from(gateway))
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
        path: &'static str,
    ) -> Result<Self, BenchError> {
        Ok(Program::start(launch, address, probes, path).await?.into())
    }

    /// Waits until `GET path` at `address`, one of the child's, is answered 200.
    pub async fn wait_for(&self, address: SocketAddr, path: &str) -> Result<(), BenchError> {
        Ok(self.program.answers(address, path).await?)
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
        processor::seconds(self.program.process().pid())
    }

    fn megabytes(&self, what: &'static str) -> Result<f64, BenchError> {
        let file = format!("/proc/{}/status", self.program.process().pid());
        let kibibytes = fs::read_to_string(&file)
            .ok()
            .and_then(|status| read_kibibytes(&status, what));
        kibibytes
            .map(|kibibytes| kibibytes * BYTES_PER_KIB / BYTES_PER_MEGABYTE)
            .ok_or(BenchError::Untold { file, what })
    }

    /// Ends it in order, or says what its log says.
    pub async fn stop(self) -> Result<(), BenchError> {
        Ok(self.program.stop().await?)
    }
}

impl From<Program> for Child {
    fn from(program: Program) -> Self {
        Self {
            address: program.address,
            program,
        }
    }
}

/// A free port of this machine.
pub(crate) fn loopback() -> Result<SocketAddr, BenchError> {
    Ok(program::loopback()?)
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
