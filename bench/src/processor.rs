//! Processor time: what an order or a request costs whom, and whether others compete for it.
//!
//! Unlike speed, processor time hardly depends on what else the machine does, so it shows where
//! the time goes even where speed is disturbed.

use std::{fs, time::Duration};

use nix::{
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

use crate::error::BenchError;

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

/// Seconds that the process `pid` has used, exactly: by its own clock, not in ticks, which say
/// nothing of a process that sleeps most of the time.
pub fn seconds(pid: i32) -> Result<f64, BenchError> {
    clock_getcpuclockid(Pid::from_raw(pid))
        .and_then(clock_gettime)
        .map(|used| Duration::from(used).as_secs_f64())
        .map_err(|_| gone(pid))
}

/// Seconds that this thread has used.
pub fn own_thread_seconds() -> Result<f64, BenchError> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(|used| Duration::from(used).as_secs_f64())
        .map_err(|_| untold("/proc/thread-self/stat".to_owned()))
}

/// Seconds that the process `pid` and all its children have used, those that have ended included.
pub fn seconds_with_children(pid: i32) -> Result<f64, BenchError> {
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
            return Ok(in_seconds(own + ended + children));
        }
        before = after;
    }
}

/// Seconds that this process has used, and those of its children that have ended.
pub fn own_seconds() -> Result<f64, BenchError> {
    let file = "/proc/self/stat";
    fs::read_to_string(file)
        .ok()
        .and_then(|stat| Some(ticks(&stat, &OWN_TIMES)? + ticks(&stat, &ENDED_CHILDREN_TIMES)?))
        .map(in_seconds)
        .ok_or_else(|| untold(file.to_owned()))
}

/// Seconds that all cores of the machine have spent since it started.
#[derive(Debug, Clone, Copy)]
pub struct MachineTime {
    /// On programs.
    used: f64,
    /// On anything, idling included.
    all: f64,
}

impl MachineTime {
    /// Reads both.
    pub fn look() -> Result<Self, BenchError> {
        let file = "/proc/stat";
        let stat = fs::read_to_string(file).ok();
        stat.as_deref()
            .and_then(machine_time)
            .ok_or_else(|| untold(file.to_owned()))
    }

    /// The share of the time since `before` that went to programs which together did not use
    /// `ours` seconds of it.
    #[must_use]
    pub fn share_of_others(&self, before: &Self, ours: f64) -> f64 {
        let (used, all) = (self.used - before.used, self.all - before.all);
        ((used - ours) / all.max(1.0)).max(0.0)
    }
}

fn gone(pid: i32) -> BenchError {
    untold(format!("/proc/{pid}/stat"))
}

fn untold(file: String) -> BenchError {
    let what = "processor times";
    BenchError::Untold { file, what }
}

fn read_stat(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

fn processes() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn in_seconds(ticks: f64) -> f64 {
    ticks / TICKS_PER_SECOND
}

fn ticks(stat: &str, positions: &[usize]) -> Option<f64> {
    positions
        .iter()
        .map(|position| field(stat, *position))
        .sum()
}

/// The command's name may hold spaces and brackets, so counting starts behind its last bracket.
fn field(stat: &str, position: usize) -> Option<f64> {
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(position)?
        .parse()
        .ok()
}

fn machine_time(stat: &str) -> Option<MachineTime> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<f64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let used: Option<f64> = IN_USE.iter().map(|position| times.get(*position)).sum();
    Some(MachineTime {
        used: in_seconds(used?),
        all: in_seconds(times.iter().sum()),
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
