//! How gateways and workers are started: the same binaries that pods run.

use std::{
    env,
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use flashsale_domain::sale::Sale;
use flashsale_testbed::{
    binaries::{self, BinaryError},
    data_dir::DataDir,
    launch::Launch,
    password,
    ports::{self, PortError},
};
use nix::sys::signal::Signal;

use super::{ToolError, UpConfig, stores::Stores, token::OperationsToken};

/// A child that can be started, any number of times.
#[derive(Debug, Clone)]
pub(super) struct Child {
    /// How.
    pub(super) launch: Launch,
    /// Where its probes will be.
    pub(super) probes: SocketAddr,
}

/// Makes the child with this number; numbers begin at 1. Called for each start, since a worker
/// that died may have lost its port.
pub(super) type Recipe = Box<dyn Fn(u32) -> Result<Child, PortError> + Send + Sync>;

/// The binary of a gateway.
const GATEWAY: &str = "flashsale-gateway";

/// The binary of a worker.
const WORKER: &str = "flashsale-worker";

/// Whether the children's binaries are there.
pub(super) fn find() -> Result<(), BinaryError> {
    binaries::find(GATEWAY)?;
    binaries::find(WORKER)?;
    Ok(())
}

/// Where the secret of the gateways' passes is kept: passes outlive the gateway that issued them, and
/// all gateways take them.
const PASS_SECRET_FILE: &str = "pass-secret";

/// Zero bits of a proof of work where a crowd comes: this machine does the work of all its shoppers.
const CROWD_DIFFICULTY: u32 = 6;

/// What all children share.
#[derive(Debug)]
pub(super) struct Program {
    /// How they find the stores: secrets go by the environment, which other users of the machine
    /// cannot read.
    stores: [(&'static str, Option<OsString>); 4],
    transaction_pooler: bool,
    listen: SocketAddr,
    gateways: u32,
    operations_token: OperationsToken,
    /// What gateways are told further: how to issue passes, and where orders are paid.
    of_gateways: Vec<(&'static str, String)>,
    logs: PathBuf,
    /// Keeps the logs' directory in place.
    data_dir: DataDir,
}

impl Program {
    /// The children of this run.
    pub(super) fn new(
        config: &UpConfig,
        stores: &Stores,
        data_dir: &DataDir,
        operations_token: &OperationsToken,
    ) -> Result<Self, ToolError> {
        Ok(Self {
            stores: stores.variables(),
            transaction_pooler: config.database.database_transaction_pooler,
            listen: config.listen,
            gateways: config.gateways,
            operations_token: operations_token.clone(),
            of_gateways: passes(config, data_dir)?,
            logs: data_dir.subdirectory("logs")?,
            data_dir: data_dir.clone(),
        })
    }

    /// Tells gateways this as well.
    pub(super) fn tell_gateways(&mut self, variable: Option<(&'static str, String)>) {
        self.of_gateways.extend(variable);
    }

    /// Where the children's logs are.
    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    /// Where the gateways will listen.
    pub(super) fn gateway_addresses(&self) -> Result<Vec<SocketAddr>, PortError> {
        (0..self.gateways)
            .map(|index| match (index, self.listen.port()) {
                (0, port @ 1..) => Ok(SocketAddr::new(self.listen.ip(), port)),
                _ => Ok(SocketAddr::new(self.listen.ip(), ports::free_port()?)),
            })
            .collect()
    }

    /// How to make gateways that listen there.
    pub(super) fn gateway(&self, addresses: Vec<SocketAddr>) -> Result<Recipe, ToolError> {
        let base = self.base(GATEWAY)?;
        let token = self.operations_token.clone();
        let further = self.of_gateways.clone();
        Ok(Box::new(move |number| {
            let index = usize::try_from(number)
                .unwrap_or(usize::MAX)
                .saturating_sub(1);
            let address = addresses.get(index).copied();
            let mut child = base(number)?;
            child.launch = child
                .launch
                .args(["--auth-mode", "off"])
                .env("FLASHSALE_OPERATIONS_TOKEN", token.as_str())
                .envs(further.iter().map(|(variable, value)| (variable, value)));
            if let Some(address) = address {
                child.launch = child.launch.arg("--listen").arg(address.to_string());
            }
            Ok(child)
        }))
    }

    /// How to make workers for `sale`.
    pub(super) fn worker(&self, sale: &Sale) -> Result<Recipe, ToolError> {
        let base = self.base(WORKER)?;
        let sale_id = sale.id.clone();
        let lanes = sale.workers.lanes_per_worker.to_string();
        Ok(Box::new(move |number| {
            let mut child = base(number)?;
            child.launch = child
                .launch
                .arg("--sale")
                .arg(sale_id.as_str())
                .arg("--lanes")
                .arg(&lanes);
            Ok(child)
        }))
    }

    fn base(&self, binary: &'static str) -> Result<Recipe, ToolError> {
        let program = binaries::find(binary)?;
        let kind = binary.trim_start_matches("flashsale-");
        let stores = self.stores.clone();
        let (logs, pooler) = (self.logs.clone(), self.transaction_pooler);
        let data_dir = self.data_dir.clone();
        Ok(Box::new(move |number| {
            let name = format!("{kind}-{number}");
            let probes = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports::free_port()?);
            let mut launch = Launch::new(&name, &program, logs.join(format!("{name}.log")));
            for (variable, value) in &stores {
                launch = match value {
                    Some(value) => launch.env(variable, value),
                    None => launch.env_remove(variable),
                };
            }
            let launch = launch
                .env("FLASHSALE_DATABASE_TRANSACTION_POOLER", pooler.to_string())
                .current_dir(data_dir.path())
                .arg("--probes-listen")
                .arg(probes.to_string())
                .on_drop(Signal::SIGTERM);
            Ok(Child { launch, probes })
        }))
    }
}

/// How gateways issue passes, unless the environment says it: with one secret, and for little work
/// where a crowd comes.
fn passes(config: &UpConfig, data_dir: &DataDir) -> Result<Vec<(&'static str, String)>, ToolError> {
    let file = data_dir.path().join(PASS_SECRET_FILE);
    let secret = password::read_or_create(&file).map_err(ToolError::SecretFile)?;
    let mut variables = vec![("FLASHSALE_PASS_SECRET", secret)];
    if config.crowd.is_some() {
        variables.push(("FLASHSALE_PASS_DIFFICULTY", CROWD_DIFFICULTY.to_string()));
    }
    variables.retain(|(variable, _)| env::var_os(variable).is_none());
    Ok(variables)
}
