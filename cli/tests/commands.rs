//! The hand tools as people run them, on a real PostgreSQL and a real Redis.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

#[path = "commands/audit.rs"]
mod audit;
#[path = "commands/check.rs"]
mod check;
#[path = "commands/dead.rs"]
mod dead;
#[path = "commands/load.rs"]
mod load;
#[path = "commands/market.rs"]
mod market;
#[path = "commands/migrate.rs"]
mod migrate;
#[path = "commands/repair.rs"]
mod repair;
#[path = "commands/report.rs"]
mod report;
#[path = "commands/roles.rs"]
mod roles;
#[path = "commands/stock.rs"]
mod stock;
#[path = "commands/tls.rs"]
mod tls;
#[path = "commands/validate.rs"]
mod validate;

use std::process::{Command, Output};

/// What a command printed, and its exit status.
#[derive(Debug)]
struct Printed {
    status: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Printed {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Our own binary, with nothing of the tester's environment that it would read.
fn flashsale() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLASHSALE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// Runs it with these arguments.
fn run(arguments: &[&str]) -> Printed {
    flashsale().args(arguments).output().unwrap().into()
}
