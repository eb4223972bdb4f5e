//! `flashsale probe`: whether a gateway answers.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use clap::Args;
use tokio::time::{Instant, sleep};

use super::{Outcome, ToolError};
use crate::{
    http_client::{Connection, HttpError, Reply},
    load::{LoadError, target::Target},
};

/// How long a failed attempt is let rest. Short beside the second that a new gateway takes to
/// start, long beside one attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// Ask an address of a gateway until it answers well, for images without a shell or curl.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale probe http://127.0.0.1:8080/sales
  flashsale probe --within 60 http://127.0.0.1:9090/readyz

Exit status: 0 it answered 2xx, 1 it did not in time.")]
pub(super) struct Arguments {
    /// What is asked for by GET.
    #[arg(value_name = "URL")]
    url: String,

    /// The host instead of the one in the address, e.g. of an environment variable: an IPv6 address
    /// needs no brackets here.
    #[arg(long)]
    host: Option<String>,

    /// Seconds within which it has to answer 2xx; 0: at the first attempt.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    within: u64,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, ToolError> {
    let mut target = Target::parse(&arguments.url).map_err(LoadError::from)?;
    if let Some(host) = &arguments.host {
        target.set_host(host);
    }
    let url = target.url();
    let last = Instant::now() + Duration::from_secs(arguments.within);
    // What is asked for is the whole address; only where it ends with the port, a path is missing.
    let call = if target.path("").is_empty() { "/" } else { "" };
    let mut connection = Connection::new(target);
    loop {
        let reply = connection.get(call).await;
        let well = matches!(&reply, Ok(reply) if reply.status.is_success());
        if well || Instant::now() + PAUSE > last {
            writeln!(io::stdout(), "{url}: {}", said(&reply))?;
            return Ok(Outcome::holds_if(well));
        }
        sleep(PAUSE).await;
    }
}

/// The answer, or why there is none.
fn said(reply: &Result<Reply, HttpError>) -> String {
    match reply {
        Ok(reply) if reply.status.is_success() => reply.status.to_string(),
        Ok(reply) => format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body)),
        Err(error) => error.to_string(),
    }
}
