//! Programs without a certificate where the stores ask for one.

use std::{path::Path, time::Duration};

use flashsale_testbed::{http, process::Process, program};

use super::{stores::Stores, tls::Certificates};
use crate::{error::ChaosError, stores::until};

/// How long a program may take to find out that a store refuses it.
const REFUSED: Duration = Duration::from_secs(20);

/// Fails unless a gateway and a worker without a certificate are not ready and say what they need.
pub(super) async fn are_wanted(
    certificates: &Certificates,
    stores: &Stores,
    logs: &Path,
) -> Result<(), ChaosError> {
    let address = program::loopback()?.to_string();
    let serves = ["--auth-mode", "off", "--listen", &address];
    let both = ["--redis-tls", "--database-tls"];
    for (binary, arguments, options) in [
        ("flashsale-gateway", &serves[..], &both[..1]),
        ("flashsale-worker", &[], &both),
    ] {
        is_refused(certificates, stores, logs, binary, arguments, options).await?;
    }
    Ok(())
}

/// Starts a program of ours without a certificate, and waits until it says that it needs one by
/// each of `options`.
async fn is_refused(
    certificates: &Certificates,
    stores: &Stores,
    logs: &Path,
    binary: &str,
    arguments: &[&str],
    options: &[&str],
) -> Result<(), ChaosError> {
    let probes = program::loopback()?;
    let name = format!("{binary}-without-certificate");
    let launch = stores
        .launch(binary, &name, logs)?
        .args(arguments)
        .args(["--probes-listen", &probes.to_string()])
        .envs(Certificates::variables(&certificates.without_pair));
    let _program = Process::start(launch).await?;
    let what = format!("{name} is not ready and says why");
    until(&what, REFUSED, async || {
        let Ok(answer) = http::get(probes, "/readyz").await else {
            return Ok(false);
        };
        let says = |words: &str| answer.body.contains(words);
        Ok(answer.status == 503
            && says("give tls.crt and tls.key")
            && options.iter().all(|option| says(option)))
    })
    .await
}
