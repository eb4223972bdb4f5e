//! The binary `flashsale-gateway`.

use std::process::ExitCode;

use clap::Parser as _;
use flashsale_gateway::{
    config::{Arguments, Command, Config},
    openapi,
    process::Process,
};
use flashsale_telemetry::shutdown;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Openapi) => openapi::json()
            .map(|json| print!("{json}"))
            .map_err(Into::into),
        None => serve(arguments.config).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flashsale-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    config.log.init()?;
    // Fails only where another provider was chosen before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let shutdown = shutdown::on_signals()?;
    Process::start(config).await?.run(shutdown).await;
    Ok(())
}
