//! What a build with fault points does at them.

use std::{
    env,
    num::NonZeroU32,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use nix::sys::signal::{Signal, raise};
use tokio::signal::unix::{SignalKind, signal};

use crate::point::{FaultPoint, FaultPointError};

/// The point of this process; unset in a process that never armed one, as in tests of a crate.
static ARMED: OnceLock<Armed> = OnceLock::new();

/// What happens at the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Abort,
    Stop,
    Hold,
}

/// A point that is armed.
#[derive(Debug)]
struct Armed {
    point: FaultPoint,
    action: Action,
    /// At which time it acts.
    at: NonZeroU32,
    /// How often it was reached.
    reached: AtomicU32,
}

impl FromStr for Armed {
    type Err = FaultPointError;

    fn from_str(text: &str) -> Result<Self, FaultPointError> {
        parse(text).ok_or_else(|| FaultPointError {
            given: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Armed> {
    let (name, action) = text.split_once('=')?;
    let (action, at) = action.split_once('@').unwrap_or((action, "1"));
    Some(Armed {
        point: FaultPoint::ALL
            .into_iter()
            .find(|point| point.name() == name)?,
        action: match action {
            "abort" => Action::Abort,
            "stop" => Action::Stop,
            "hold" => Action::Hold,
            _ => return None,
        },
        at: at.parse().ok()?,
        reached: AtomicU32::new(0),
    })
}

/// Arms the point that the environment names, if any. To be called once, at the start of a process.
///
/// # Errors
/// When the variable cannot be read: a test that broke nothing would pass.
pub fn arm() -> Result<(), FaultPointError> {
    let Some(value) = env::var_os(FaultPoint::VARIABLE) else {
        return Ok(());
    };
    let armed: Armed = value.to_string_lossy().parse()?;
    tracing::warn!(point = %armed.point, "the fault point {} is armed", armed.point);
    ARMED.get_or_init(|| armed);
    Ok(())
}

/// Says that the process has come to `point`, which is where it goes no further if it is armed.
pub async fn reach(point: FaultPoint) {
    let Some(armed) = ARMED.get().filter(|armed| armed.point == point) else {
        return;
    };
    let times = armed.reached.fetch_add(1, Ordering::Relaxed) + 1;
    if times == armed.at.get() {
        act(point, armed.action).await;
    }
}

async fn act(point: FaultPoint, action: Action) {
    let tell = || tracing::warn!(%point, ?action, "reached the fault point {point}");
    // Sent to this thread, not to the process: so it takes effect before `raise` returns.
    let acted = match action {
        Action::Abort => {
            tell();
            raise(Signal::SIGKILL).map_err(Into::into)
        }
        Action::Stop => {
            tell();
            raise(Signal::SIGSTOP).map_err(Into::into)
        }
        // Who reads that line may send the signal at once, so it is listened for before.
        Action::Hold => match signal(SignalKind::from_raw(Signal::SIGCONT as i32)) {
            Ok(mut continued) => {
                tell();
                continued.recv().await;
                Ok(())
            }
            Err(error) => Err(error),
        },
    };
    match acted {
        Ok(()) => tracing::warn!(%point, "went on from the fault point {point}"),
        Err(error) => tracing::error!(%point, %error, "the fault point {point} failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_can_be_armed_by_its_name() {
        for point in FaultPoint::ALL {
            let armed: Armed = format!("{point}=stop").parse().unwrap();
            assert_eq!((armed.point, armed.action), (point, Action::Stop));
            assert_eq!(armed.at.get(), 1);
        }
    }

    #[test]
    fn a_point_can_be_armed_for_a_later_time() {
        let armed: Armed = "between-renewals=hold@3".parse().unwrap();
        assert_eq!((armed.action, armed.at.get()), (Action::Hold, 3));
    }

    #[test]
    fn what_arms_nothing_is_refused_with_what_to_write() {
        for wrong in [
            "",
            "between-renewals",
            "between-renewal=abort",
            "between-renewals=explode",
            "between-renewals=abort@0",
            "between-renewals=abort@",
        ] {
            let error = wrong.parse::<Armed>().unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
            assert!(error.contains("between-renewals"), "{error}");
        }
    }
}
