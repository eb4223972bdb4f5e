//! `flashsale up`: everything on one machine.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use flashsale_domain::sale::Sale;
use flashsale_telemetry::shutdown;
use flashsale_testbed::redis::AppendFsync;
use flashsale_transport::StoreUrl;
use jiff::SignedDuration;

use super::{
    CommandError, Outcome,
    connection::{DirectArgs, LedgerConnectionArgs, RedisTlsArgs},
    crowd::CrowdArgs,
};
use crate::{
    display::Display,
    manifest::{self, Declared},
    up::{self, CrowdConfig, UpConfig},
};

/// Run sales on this machine: PostgreSQL, Redis, gateways and workers; send a crowd if you like.
///
/// PostgreSQL and Redis are private ones on free ports in a data directory, unless you give the
/// addresses of others. Gateways and workers are the same programs that run in a cluster, as
/// child processes; those that die are started again, and workers come and go with the queue.
///
/// Two addresses are printed for a browser: `shop`, where shoppers buy, and `operations`, the page
/// of those who run the sales: figures by the second and dead letters. Its token stands after #.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale up examples/sneaker-drop.yaml --crowd 20000
  flashsale up examples/winter-market.yaml --crowd 100000 --exit-when-done
  flashsale up examples/sneaker-drop.yaml --listen 8080 --data-dir ./data

Ctrl-C closes the sale, settles what is queued and stops everything that was started; a second
one leaves at once.

Exit status: 0 all is well, 1 a file has mistakes or a law was broken, 3 it could not be set up.")]
pub(super) struct Arguments {
    /// FlashSale files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Send this many simulated shoppers at the opening.
    #[arg(long, value_name = "SHOPPERS", value_parser = clap::value_parser!(u32).range(1..))]
    crowd: Option<u32>,

    /// End when the crowd is done; status 0 only if every law holds.
    #[arg(long, requires = "crowd")]
    exit_when_done: bool,

    /// Open this long after everything is ready, e.g. `3s`, whatever the file says. Without it:
    /// at opensAt; with a crowd and no opensAt to come, after 3 s, and the time to get passes where
    /// the sale asks for them.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    opens_in: Option<Duration>,

    /// Where the first gateway listens: an address, or a port of 127.0.0.1; 0 for any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = address)]
    listen: SocketAddr,

    /// How many gateways; further ones take free ports. 0: those that run elsewhere, by the same
    /// stores.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=64))]
    gateways: u32,

    /// Opens the gateways' operations and the page /ops: at least 16 visible ASCII characters.
    /// Without it one is made and printed.
    #[arg(
        long,
        env = "FLASHSALE_OPERATIONS_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    operations_token: Option<String>,

    /// Most workers a sale, if fewer than its file says. 0: those that run elsewhere, by the same
    /// stores.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(..=1000))]
    workers_max: Option<u32>,

    /// Keep everything in this directory, and go on from what is there. Without it: in a
    /// temporary one that goes when the command ends.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Use this PostgreSQL: postgres://USER:PASSWORD@HOST:PORT/DATABASE[?sslmode=verify-full].
    #[arg(
        long,
        env = "FLASHSALE_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<StoreUrl>,

    #[command(flatten)]
    database: LedgerConnectionArgs,

    #[command(flatten)]
    direct: DirectArgs,

    /// Use this Redis: redis://[:PASSWORD@]HOST:PORT[/DB],
    /// redis+sentinel://[:PASSWORD@]HOST:PORT,…/NAME[/DB], or
    /// redis+cluster://[:PASSWORD@]HOST:PORT,…; rediss for TLS.
    #[arg(
        long,
        env = "FLASHSALE_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    redis_url: Option<StoreUrl>,

    #[command(flatten)]
    redis_tls: RedisTlsArgs,

    /// When a private Redis brings buys to the disk.
    #[arg(long, value_name = "POLICY", value_enum, default_value = "everysec")]
    appendfsync: AppendFsync,

    #[command(flatten)]
    shape: CrowdArgs,
}

pub(super) async fn run(arguments: Arguments) -> Result<Outcome, CommandError> {
    let reading = manifest::read_files(&arguments.files)?;
    if !reading.problems.is_empty() {
        for problem in &reading.problems {
            writeln!(io::stdout(), "{problem}")?;
        }
        return Ok(Outcome::Broken);
    }
    let stop = shutdown::on_signals()?;
    let sales = reading
        .declared
        .into_iter()
        .map(|Declared { sale, .. }| sale);
    let config = arguments.config(sales.collect());
    let holds = up::run(config, Display::new(), stop).await?;
    Ok(Outcome::holds_if(holds))
}

impl Arguments {
    fn config(self, sales: Vec<Sale>) -> UpConfig {
        let crowd = self.crowd.map(|shoppers| CrowdConfig {
            shoppers,
            plan: self.shape.plan(self.shape.opening(shoppers), Vec::new()),
            uniform: self.shape.is_uniform(),
            connections: self.shape.connections(),
            patience: self.shape.patience(),
            settle_patience: self.shape.settle_patience(),
        });
        UpConfig {
            sales,
            crowd,
            exit_when_done: self.exit_when_done,
            data_dir: self.data_dir,
            database_url: self.database_url,
            database_tls: self.database.tls.database_tls,
            transaction_pooler: self.database.database_transaction_pooler,
            database_direct_url: self.direct.database_direct_url,
            redis_url: self.redis_url,
            redis_tls: self.redis_tls.redis_tls,
            append_fsync: self.appendfsync,
            listen: self.listen,
            gateways: self.gateways,
            operations_token: self.operations_token,
            workers_max: self.workers_max,
            opens_in: self.opens_in,
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse()
        .map_err(|_| "write a port, e.g. 8080, or an address, e.g. 0.0.0.0:8080".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text
        .parse()
        .map_err(|_| "write a time with its unit, e.g. 3s, 500ms or 2m".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "write a time that is not negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_a_port_alone() {
        assert_eq!(address("8080").unwrap(), "127.0.0.1:8080".parse().unwrap());
        assert_eq!(
            address("0.0.0.0:80").unwrap(),
            "0.0.0.0:80".parse().unwrap()
        );
        assert!(address("shop").unwrap_err().contains("8080"));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("3s").unwrap(), Duration::from_secs(3));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert!(duration("3").is_err());
        assert!(duration("-3s").is_err());
    }
}
