//! The limit of open files: each socket is one, here and in the gateway, which inherits the limit.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::error::Result;

/// Files that a process has open besides the sockets of a crowd: logs, stores, libraries, and the
/// connections that buy.
const BESIDES: u64 = 1_000;

/// Raises the limit of this process, and of the children that it starts afterwards, so that
/// `sockets` may be open at once.
pub(crate) fn allow(sockets: u32) -> Result<()> {
    let not_changed = |error| {
        format!("the limit of open files could not be changed: {error}; raise it with `ulimit -n`")
    };
    let limits = getrlimit(Resource::RLIMIT_NOFILE).map_err(not_changed)?;
    if let Some(limit) = raised(sockets, limits)? {
        setrlimit(Resource::RLIMIT_NOFILE, limit, limits.1).map_err(not_changed)?;
    }
    Ok(())
}

/// The soft limit that is needed; none when the one in force is enough.
fn raised(sockets: u32, (soft, hard): (u64, u64)) -> Result<Option<u64>> {
    let needed = u64::from(sockets) + BESIDES;
    if needed > hard {
        Err(format!(
            "{sockets} sockets need {needed} open files, {hard} are allowed: raise the hard limit \
             (`ulimit -Hn`, or LimitNOFILE of the service), or leave the part `sockets` out with --only"
        ))?;
    }
    Ok((needed > soft).then_some(needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_needed_and_allowed() {
        assert!(matches!(raised(10_000, (20_000, 20_000)), Ok(None)));
        assert!(matches!(raised(10_000, (1_024, 20_000)), Ok(Some(11_000))));
        let refused = raised(10_000, (1_024, 4_096)).map_err(|error| error.to_string());
        assert!(refused.is_err_and(|text| text.contains("11000")));
    }
}
