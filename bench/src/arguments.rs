//! What can be chosen about a run.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::metrics::table::{DEFAULT_BATCH, PRODUCTS};

/// Rounds of a full run: the least number whose median leaves an outlier on either side out.
const ROUNDS: u32 = 3;

/// Jobs settled in each settlement of a full run, and of a quick one: several seconds of work, long
/// against the second in which Redis syncs its file.
const JOBS: [u32; 2] = [200_000, 50_000];

/// Seconds of load for each acknowledgement figure of a full run, and of a quick one.
const LOAD_SECONDS: [u32; 2] = [5, 2];

/// What every number of jobs must be a multiple of, so that each product of each settlement gets
/// whole batches: pgbench is told a number of transactions, not of orders.
const JOBS_STEP: u32 = PRODUCTS * DEFAULT_BATCH;

const EXAMPLE: &str = "\
Examples:
  Everything, some ten minutes:
    flashsale-bench --json figures.json

  A first impression, under a minute:
    flashsale-bench --quick

  Fail when a target is missed:
    flashsale-bench --check

The servers keep their files in TMPDIR (else /tmp): name a directory on the disk to be measured.";

/// Measures settlement, acknowledgements and memory beside this machine's own limits.
///
/// Starts its own PostgreSQL and Redis, and the gateway and worker built beside it, and stops them
/// at the end. Nothing else should run meanwhile.
#[derive(Debug, Parser)]
#[command(
    name = "flashsale-bench",
    version,
    after_help = EXAMPLE,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Arguments {
    /// Something else than measuring.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What to measure, and for how long.
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// What the binary does besides measuring.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a route that does nothing: the limit that acknowledgements are measured by.
    EmptyRoute {
        /// Where to listen.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
}

/// One part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Workers and the turnstile's script beside plain statements, COPY, pgbench and plain writes:
    /// each batch, number of workers and products, orders that wait for their payment, and PostgreSQL
    /// a round trip of 1 and 5 ms away.
    /// With --quick at the default batch, by 1 and 8 workers, of 1 and 10 products, with and without
    /// payment, and 1 ms away.
    Settlement,
    /// `POST /buy` beside an empty route, as fast as answers come and at fixed rates, and the
    /// turnstile's script by redis-benchmark; with --quick over 64 connections only.
    Acknowledgements,
    /// What a buy with a token costs the gateway: known and new ones of each algorithm.
    Tokens,
    /// What TLS to Redis and PostgreSQL costs gateway, worker and servers.
    Tls,
    /// Resident memory with a full lane.
    Memory,
    /// A million buys, deep lanes, many products and many sales beside few; measured once a run,
    /// with --quick only 100,000 buys through one sale.
    Growth,
    /// From a buy to `order_confirmed` on its shopper's socket.
    Confirmations,
    /// 10,000 connected shoppers (2,000 with --quick).
    Sockets,
    /// The usual stack, Express and BullMQ, in turn with ours; needs Node and npm. Left out of
    /// --quick unless it is named.
    Peer,
}

/// What to measure, and for how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArguments {
    /// One round of short measurements: under a minute, and only an impression.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Rounds; every figure is the median of one measurement a round. Default: 3, or 1 with --quick.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: Option<u32>,

    /// Jobs that each settlement settles, a multiple of 10000. Default: 200000, or 50000 with --quick.
    #[arg(long, value_name = "NUMBER", value_parser = jobs)]
    pub(crate) jobs: Option<u32>,

    /// Seconds of load for each acknowledgement figure. Default: 5, or 2 with --quick.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) load_seconds: Option<u32>,

    /// Measure this part alone; may be given several times. Without it: all parts.
    #[arg(long = "only", value_name = "PART", value_enum)]
    pub(crate) only: Vec<Part>,

    /// Write all figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// End with status 1 when a target is missed.
    #[arg(long)]
    pub(crate) check: bool,

    /// Measure in short what this baseline holds, and end with status 1 when a ratio has fallen by
    /// more than its margin, twice. Two minutes at most.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["quick", "only", "check", "jobs", "load_seconds", "write_baseline"]
    )]
    pub(crate) baseline: Option<PathBuf>,

    /// Measure the same, and write it to this file as the new baseline.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["quick", "only", "check", "jobs", "load_seconds"]
    )]
    pub(crate) write_baseline: Option<PathBuf>,
}

impl RunArguments {
    /// How many rounds.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { ROUNDS })
    }

    /// Whether nothing but what a baseline holds is measured.
    pub(crate) fn is_short(&self) -> bool {
        self.baseline.is_some() || self.write_baseline.is_some()
    }

    /// How many jobs each settlement settles.
    pub(crate) fn jobs(&self) -> u32 {
        self.jobs.unwrap_or(self.pick(JOBS))
    }

    /// How long each load lasts.
    pub(crate) fn load_seconds(&self) -> u32 {
        self.load_seconds.unwrap_or(self.pick(LOAD_SECONDS))
    }

    /// One of two numbers: that of a full run, or that of a quick or a short one.
    pub(crate) fn pick(&self, [full, quick]: [u32; 2]) -> u32 {
        if self.quick || self.is_short() {
            quick
        } else {
            full
        }
    }

    /// Whether `part` is to be measured.
    pub(crate) fn wants(&self, part: Part) -> bool {
        !self.is_short() && (self.only.is_empty() || self.only.contains(&part))
    }
}

fn jobs(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(jobs) if jobs > 0 && jobs % JOBS_STEP == 0 => Ok(jobs),
        _ => Err(format!("write a multiple of {JOBS_STEP}, e.g. {}", JOBS[0])),
    }
}
