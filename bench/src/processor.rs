//! Processor time: what an order or a request costs whom, and whether others compete for it.
//!
//! Unlike speed, processor time hardly depends on what else the machine does, so it shows where
//! the time goes even where speed is disturbed.

use std::{fmt::Display, fs, time::Duration};

use flashsale_testbed::process::{processor_time, processor_time_with_children};
use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
    },
    time::{ClockId, clock_gettime},
};

use crate::error::Result;

/// Ticks per second in which `/proc/stat` gives times (`USER_HZ`, `proc(5)`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Positions of the times in the first line of `/proc/stat`, behind its name, that programs used or
/// other machines of the same host took: user, nice, system, steal. Interrupts are left out, since
/// nobody is told whose they are.
const IN_USE: [usize; 4] = [0, 1, 2, 7];

/// Seconds that the process `pid` has used.
pub(crate) fn seconds(pid: i32) -> Result<f64> {
    told(pid, processor_time(pid))
}

/// Seconds that the process `pid` and all its children have used, those that have ended included.
pub(crate) fn seconds_with_children(pid: i32) -> Result<f64> {
    told(pid, processor_time_with_children(pid))
}

fn told<E: Display>(pid: i32, used: Result<Duration, E>) -> Result<f64> {
    let used = used.map_err(|error| {
        format!("the processor time of process {pid} is unknown ({error}); does it still run?")
    })?;
    Ok(used.as_secs_f64())
}

/// Seconds that this thread has used.
pub(crate) fn own_thread_seconds() -> nix::Result<f64> {
    let used = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(Duration::from(used).as_secs_f64())
}

/// Seconds that this process has used, and those of its children that have ended.
#[expect(clippy::cast_precision_loss, reason = "seconds, far below 2^52")]
pub(crate) fn own_seconds() -> Result<f64> {
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let mut used = 0.0;
    for whose in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(whose)?;
        used += seconds(usage.user_time()) + seconds(usage.system_time());
    }
    Ok(used)
}

/// Seconds that all cores of the machine have spent since it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MachineTime {
    /// On programs.
    used: f64,
    /// On anything, idling included.
    all: f64,
}

impl MachineTime {
    pub(crate) fn look() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").ok();
        let times = stat.as_deref().and_then(machine_time);
        Ok(times.ok_or("`/proc/stat` does not tell processor times; is /proc mounted?")?)
    }

    /// The share of the time since `before` that went to programs which together did not use
    /// `ours` seconds of it.
    pub(crate) fn share_of_others(&self, before: &Self, ours: f64) -> f64 {
        let (used, all) = (self.used - before.used, self.all - before.all);
        ((used - ours) / all.max(1.0)).max(0.0)
    }
}

fn machine_time(stat: &str) -> Option<MachineTime> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let times = line.split_whitespace().map(|time| time.parse().ok());
    let times: Vec<f64> = times.collect::<Option<_>>()?;
    let used: Option<f64> = IN_USE.iter().map(|position| times.get(*position)).sum();
    Some(MachineTime {
        used: used? / TICKS_PER_SECOND,
        all: times.iter().sum::<f64>() / TICKS_PER_SECOND,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_neither_idle_nor_ours_was_used_by_others() {
        let before = machine_time("cpu  0 0 0 0 0 0 0 0 0 0\n").unwrap();
        let after = machine_time("cpu  3000 0 2000 4000 500 0 300 200 0 0\ncpu0 1\n").unwrap();
        assert!((after.share_of_others(&before, 40.0) - 0.12).abs() < 1e-9);
        assert!(after.share_of_others(&before, 60.0) < 1e-9);
    }
}
