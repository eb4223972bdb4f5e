//! The binary `flashsale-gateway`.

use std::process::ExitCode;

use clap::Parser as _;
use flashsale_gateway::{
    config::{Arguments, Command, Config},
    process::Process,
    routes,
};
use flashsale_telemetry::{open_files, shutdown};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Openapi) => routes::document()
            .map(|json| print!("{json}"))
            .map_err(Into::into),
        None => serve(arguments.config),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flashsale-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    config.log.init()?;
    open_files::raise_limit();
    flashsale_fault_point::arm()?;
    // Fails only where another provider was chosen before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(async {
        let stop = shutdown::on_signals()?;
        shutdown::end_within(config.http.stop_limit(), stop.clone());
        Process::start(config).await?.run(stop).await;
        Ok(())
    });
    // A look-up of a name that hangs must not keep the process from ending.
    runtime.shutdown_background();
    outcome
}
