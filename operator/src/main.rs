//! The binary `flashsale-operator`.

use std::{error::Error, io::Write as _, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use flashsale_operator::{
    config::OperatorArgs,
    crd,
    definition::{self, Outcome},
    run,
};
use flashsale_telemetry::{logging::LogArgs, open_files, process};

/// Less memory kept after a burst than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the flash sales of a Kubernetes cluster: makes of each FlashSale what Redis has to know and
/// a Deployment of workers, scales it by the queue, and reports what it sees.
///
/// Start two or three: one works, the others stand by. SIGTERM lets what is in work finish, gives
/// the lease back and ends with status 0; a lost lease ends it with status 1.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example, with the cluster of KUBECONFIG:\n  \
        flashsale-operator crd | kubectl create -f -\n  \
        flashsale-operator --worker-image ghcr.io/flashsale/flashsale:0.1.0 --namespace shop"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the definition of FlashSales, for `kubectl create -f -`, or `replace`.
    Crd {
        #[command(subcommand)]
        action: Option<Action>,
        /// The minor version of Kubernetes that it is for, e.g. 26; fields that it does not know are
        /// left out
        #[arg(long, value_name = "MINOR")]
        kubernetes: Option<u32>,
    },
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create the definition, or bring it up to date unless a newer release wrote it, whoever owns it.
    Apply(Deadline),
    /// Delete the definition, unless there are sales, or operators of other releases.
    Remove {
        #[command(flatten)]
        deadline: Deadline,
        /// The namespace of the release that needs it no more
        #[arg(long)]
        namespace: String,
        /// The name of that release
        #[arg(long)]
        release: String,
    },
}

#[derive(Debug, Args)]
struct Deadline {
    /// Seconds after which it has failed
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout_seconds: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Crd {
            action: None,
            kubernetes,
        }) => print_definition(kubernetes),
        Some(Command::Crd {
            action: Some(action),
            ..
        }) => change_definition(&action),
        None => work(arguments),
    };
    process::exit("flashsale-operator", outcome)
}

fn print_definition(kubernetes: Option<u32>) -> process::Outcome {
    let text = match kubernetes {
        None => crd::definition_yaml()?,
        Some(minor) => serde_json::to_string_pretty(&crd::servers::definition_for(minor)?)? + "\n",
    };
    Ok(write!(std::io::stdout(), "{text}")?)
}

#[tokio::main(flavor = "current_thread")]
async fn change_definition(action: &Action) -> process::Outcome {
    // Which TLS provider rustls uses is a decision of the process. Only a second call can fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (Action::Apply(deadline) | Action::Remove { deadline, .. }) = action;
    let seconds = deadline.timeout_seconds;
    let work = async {
        let client = kube::Client::try_default().await?;
        Ok::<_, Box<dyn Error>>(match action {
            Action::Apply(_) => definition::apply(&client).await?,
            Action::Remove {
                namespace, release, ..
            } => definition::remove(&client, namespace, release).await?,
        })
    };
    let outcome = tokio::time::timeout(Duration::from_secs(seconds), work)
        .await
        .map_err(|_| {
            format!(
                "not done within {seconds} s: see whether the API server answers, and whether \
                 `kubectl describe crd {}` waits for sales to be drained",
                definition::NAME
            )
        })??;
    let told = match outcome {
        Outcome::Applied => "the definition of FlashSales is up to date".to_owned(),
        Outcome::Newer(version) => {
            format!("the definition of FlashSales is of release {version}, and stays")
        }
        Outcome::Removed => "the definition of FlashSales is gone".to_owned(),
        Outcome::InUse(operators) => {
            format!("the definition of FlashSales stays, since {operators} use it")
        }
    };
    Ok(writeln!(std::io::stdout(), "{told}")?)
}

fn work(arguments: Arguments) -> process::Outcome {
    arguments.log.init()?;
    open_files::raise_limit();
    // Which TLS provider rustls uses is a decision of the process. Only a second call can fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    run::serve(arguments.operator)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn definition_needs_no_flags() {
        let arguments = Arguments::try_parse_from(["operator", "crd"]).unwrap();
        assert!(matches!(
            arguments.command,
            Some(Command::Crd { action: None, .. })
        ));
        assert!(Arguments::try_parse_from(["operator"]).is_err());
    }
}
