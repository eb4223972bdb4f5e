//! Processor time: what an order or a request costs whom, and whether others compete for it.
//!
//! Unlike speed, processor time hardly depends on what else the machine does, so it shows where
//! the time goes even where speed is disturbed.

use std::{fs, time::Duration};

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

/// How long the machine is watched for what else it does.
const WATCH: Duration = Duration::from_secs(1);

/// Position of the idle time in the first line of `/proc/stat`, behind its name; waiting for the
/// disk follows and is idle as well.
const IDLE: usize = 3;

/// Seconds that the process `pid` has used.
pub fn seconds(pid: i32) -> Result<f64, BenchError> {
    read_stat(pid)
        .and_then(|stat| ticks(&stat, &OWN_TIMES))
        .map(in_seconds)
        .ok_or_else(|| gone(pid))
}

/// Seconds that the process `pid` and all its children have used, those that have ended included.
pub fn seconds_with_children(pid: i32) -> Result<f64, BenchError> {
    let own = read_stat(pid)
        .and_then(|stat| Some(ticks(&stat, &OWN_TIMES)? + ticks(&stat, &ENDED_CHILDREN_TIMES)?))
        .ok_or_else(|| gone(pid))?;
    let children: f64 = processes()
        .filter_map(read_stat)
        .filter(|stat| field(stat, PARENT) == Some(f64::from(pid)))
        .filter_map(|stat| ticks(&stat, &OWN_TIMES))
        .sum();
    Ok(in_seconds(own + children))
}

/// Share of the machine's processor time that is in use now. Asked while a run does nothing, it
/// is what others use.
pub async fn share_in_use() -> Result<f64, BenchError> {
    let look = || {
        fs::read_to_string("/proc/stat")
            .ok()
            .as_deref()
            .and_then(used_and_all)
    };
    let untold = || untold("/proc/stat".to_owned());
    let (used, all) = look().ok_or_else(untold)?;
    tokio::time::sleep(WATCH).await;
    let (used_then, all_then) = look().ok_or_else(untold)?;
    Ok((used_then - used) / (all_then - all).max(1.0))
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

/// Ticks in use and ticks in all, since the machine started.
fn used_and_all(stat: &str) -> Option<(f64, f64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<f64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let all: f64 = times.iter().sum();
    let idle: f64 = times.get(IDLE..=IDLE + 1)?.iter().sum();
    Some((all - idle, all))
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
    fn waiting_for_the_disk_is_no_use() {
        let stat = "cpu  10 0 20 60 10 0 0 0 0 0\ncpu0 1 2 3\n";
        assert_eq!(used_and_all(stat), Some((30.0, 100.0)));
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
