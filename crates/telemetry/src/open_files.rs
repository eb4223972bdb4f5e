//! The limit of open files: every connection is one, and so is every file that is read.
//!
//! Container runtimes start processes with a soft limit of 1,024 more and more often, which a
//! thousand idle clients use up, and leave raising it to the process, as the Go runtime and
//! systemd's documentation do. The soft limit is that low for the sake of `select(2)`, which
//! nothing here calls.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What systems set where nobody chose a limit, for when it cannot be asked.
pub const SMALLEST_USUAL: u64 = 1_024;

/// Raises the soft limit of open files to the hard one and logs what then is in force. A process
/// that may not do so runs on with what it has.
pub fn raise_limit() {
    match raise() {
        Ok((before, now)) if now > before => {
            tracing::info!(
                before,
                limit = now,
                "the limit of open files was raised from {before} to {now}"
            );
        }
        Ok((_, now)) => tracing::info!(limit = now, "the limit of open files is {now}"),
        Err(error) => tracing::warn!(
            %error,
            "the limit of open files could not be raised: {error}; raise the soft limit of the \
             service (`ulimit -Sn`, LimitNOFILE)"
        ),
    }
}

/// How many files this process may have open at a time: the soft limit.
pub fn limit() -> io::Result<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(soft)
}

/// The soft limit before and after.
fn raise() -> io::Result<(u64, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok((soft, hard.max(soft)))
}
