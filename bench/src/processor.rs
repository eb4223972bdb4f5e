//! Processor time: what an order or a request costs whom, and whether others compete for it.
//!
//! Unlike speed, processor time hardly depends on what else the machine does, so it shows where
//! the time goes even where speed is disturbed.

use std::{fs, time::Duration};

use flashsale_testbed::process::processor_time;
use nix::time::{ClockId, clock_gettime};

use crate::error::{Error, Result};

/// Ticks a second in which `/proc` gives times. Linux has fixed it at 100 for every architecture
/// we run on (`USER_HZ`, `proc(5)`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Positions in `/proc/PID/stat` behind the command's closing bracket, from 0 (`proc(5)` counts
/// from 1 and starts before it, so its field 4 is our 1).
const PARENT: usize = 1;

/// The same of the time in user and in system mode: fields 14 and 15.
const OWN_TIMES: [usize; 2] = [11, 12];

/// The same of children that have ended: fields 16 and 17.
const ENDED_CHILDREN_TIMES: [usize; 2] = [13, 14];

/// Positions of the times in the first line of `/proc/stat`, behind its name, that programs used or
/// other machines of the same host took: user, nice, system, steal. Interrupts are left out, since
/// nobody is told whose they are.
const IN_USE: [usize; 4] = [0, 1, 2, 7];

/// Seconds that the process `pid` has used.
pub(crate) fn seconds(pid: i32) -> Result<f64> {
    let used = processor_time(pid).map_err(|_| gone(pid))?;
    Ok(used.as_secs_f64())
}

/// Seconds that this thread has used.
pub(crate) fn own_thread_seconds() -> nix::Result<f64> {
    let used = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(Duration::from(used).as_secs_f64())
}

/// Seconds that the process `pid` and all its children have used, those that have ended included.
pub(crate) fn seconds_with_children(pid: i32) -> Result<f64> {
    let read = || read_stat(pid).ok_or_else(|| gone(pid));
    let mut before = read()?;
    loop {
        let children: f64 = processes()
            .filter_map(read_stat)
            .filter(|stat| field(stat, PARENT) == Some(f64::from(pid)))
            .filter_map(|stat| ticks(&stat, &OWN_TIMES))
            .sum();
        let after = read()?;
        let ended = |stat: &str| ticks(stat, &ENDED_CHILDREN_TIMES);
        // A child that ended meanwhile may have been counted in neither place, or in both.
        if ended(&before) == ended(&after) {
            let own = ticks(&after, &OWN_TIMES).zip(ended(&after));
            let (own, ended) = own.ok_or_else(|| gone(pid))?;
            return Ok((own + ended + children) / TICKS_PER_SECOND);
        }
        before = after;
    }
}

/// Seconds that this process has used, and those of its children that have ended.
pub(crate) fn own_seconds() -> Result<f64> {
    let file = "/proc/self/stat";
    let used = fs::read_to_string(file)
        .ok()
        .and_then(|stat| Some(ticks(&stat, &OWN_TIMES)? + ticks(&stat, &ENDED_CHILDREN_TIMES)?));
    Ok(used.ok_or_else(|| untold(file))? / TICKS_PER_SECOND)
}

/// Ticks that all cores of the machine have spent since it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MachineTime {
    /// On programs.
    used: f64,
    /// On anything, idling included.
    all: f64,
}

impl MachineTime {
    pub(crate) fn look() -> Result<Self> {
        let file = "/proc/stat";
        let stat = fs::read_to_string(file).ok();
        let times = stat.as_deref().and_then(machine_time);
        times.ok_or_else(|| untold(file))
    }

    /// The share of the time since `before` that went to programs which together did not use
    /// `ours` seconds of it.
    pub(crate) fn share_of_others(&self, before: &Self, ours: f64) -> f64 {
        let (used, all) = (self.used - before.used, self.all - before.all);
        let ours = ours * TICKS_PER_SECOND;
        ((used - ours) / all.max(TICKS_PER_SECOND)).max(0.0)
    }
}

fn gone(pid: i32) -> Error {
    untold(&format!("/proc/{pid}/stat"))
}

fn untold(file: &str) -> Error {
    format!("`{file}` does not tell processor times; is /proc mounted, does the process still run?")
        .into()
}

fn read_stat(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn ticks(stat: &str, positions: &[usize]) -> Option<f64> {
    positions
        .iter()
        .map(|position| field(stat, *position))
        .sum()
}

/// The command's name may hold spaces and brackets, so counting starts behind its last bracket.
fn field(stat: &str, position: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(position)?.parse().ok()
}

fn machine_time(stat: &str) -> Option<MachineTime> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let times = line.split_whitespace().map(|time| time.parse().ok());
    let times: Vec<f64> = times.collect::<Option<_>>()?;
    let used: Option<f64> = IN_USE.iter().map(|position| times.get(*position)).sum();
    Some(MachineTime {
        used: used?,
        all: times.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "77 (a ) b) S 12 77 77 0 -1 4194560 9 0 0 0 150 50 30 20 20 0 1 0 12000 1 2";

    #[test]
    fn times_are_read_behind_the_name_of_the_command() {
        assert_eq!(ticks(STAT, &OWN_TIMES), Some(200.0));
        assert_eq!(ticks(STAT, &ENDED_CHILDREN_TIMES), Some(50.0));
        assert_eq!(field(STAT, PARENT), Some(12.0));
        assert_eq!(ticks("77 (a", &OWN_TIMES), None);
    }

    #[test]
    fn what_was_neither_idle_nor_ours_was_used_by_others() {
        let before = machine_time("cpu  0 0 0 0 0 0 0 0 0 0\n").unwrap();
        let after = machine_time("cpu  3000 0 2000 4000 500 0 300 200 0 0\ncpu0 1\n").unwrap();
        assert!((after.share_of_others(&before, 40.0) - 0.12).abs() < 1e-9);
        assert!(after.share_of_others(&before, 60.0) < 1e-9);
    }

    #[test]
    fn this_process_has_used_time_and_has_a_parent() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(seconds(own).unwrap() >= 0.0);
        let parent = std::os::unix::process::parent_id();
        let with_children = seconds_with_children(i32::try_from(parent).unwrap()).unwrap();
        assert!(with_children >= seconds(own).unwrap());
    }
}
