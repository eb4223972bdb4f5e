//! The binary `flashsale-gateway`.

use std::process::ExitCode;

use clap::Parser as _;
use flashsale_gateway::{
    config::{Arguments, Command, Config},
    routes,
};
use flashsale_telemetry::{open_files, process};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Openapi) => routes::document()
            .map(|json| print!("{json}"))
            .map_err(Into::into),
        None => serve(arguments.config),
    };
    process::exit("flashsale-gateway", outcome)
}

fn serve(config: Config) -> process::Outcome {
    config.log.init()?;
    open_files::raise_limit();
    flashsale_fault_point::arm()?;
    // Fails only where another provider was chosen before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    flashsale_gateway::process::serve(config)
}
