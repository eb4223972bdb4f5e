//! The binary `flashsale-bench`.

use std::process::ExitCode;

use clap::Parser as _;
use flashsale_bench::{arguments::Arguments, error, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run::execute(Arguments::parse()).await {
        Ok(status) => status,
        Err(error) => {
            eprintln!("flashsale-bench: {}", error::message(&error));
            ExitCode::FAILURE
        }
    }
}
