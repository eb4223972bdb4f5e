//! Processor time: who has used how much, and control groups that limit it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use flashsale_testbed::process::processor_time;

use crate::error::ChaosError;

/// The time over which a limit holds, in microseconds. A fifth of the kernel's default, so that a
/// process held to a fraction of a core is not stopped for most of 100 ms.
const PERIOD_US: u32 = 20_000;

/// The least quota that the kernel takes, in microseconds.
const LEAST_QUOTA_US: f64 = 1_000.0;

/// Where mounted file systems are listed.
const MOUNTS: &str = "/proc/mounts";

/// Processor time that the process `pid` has used since it started.
pub fn used(pid: i32) -> Result<Duration, ChaosError> {
    processor_time(pid).map_err(|error| {
        ChaosError::Wrong(format!(
            "the processor time of process {pid} is unknown: {error}"
        ))
    })
}

/// Control groups of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hierarchy {
    /// Version 1 with the controller `cpu`, mounted here.
    V1(PathBuf),
    /// Version 2, mounted here.
    V2(PathBuf),
}

/// A control group whose processes together may use so much processor time. Dropping it removes
/// it; its processes must have ended by then.
#[derive(Debug)]
pub struct ProcessorLimit {
    directory: PathBuf,
}

impl ProcessorLimit {
    /// A new group called `name` for so many cores, e.g. 0.25. Fails where control groups cannot be
    /// used, and says so.
    pub fn new(name: &str, cores: f64) -> Result<Self, ChaosError> {
        let mounts = fs::read_to_string(MOUNTS).map_err(ChaosError::file(MOUNTS))?;
        let hierarchy = hierarchy(&mounts).ok_or_else(|| {
            unusable("neither cgroup v1 with the controller `cpu` nor cgroup v2 is mounted")
        })?;
        let name = format!("flashsale-{name}-{}", process::id());
        let quota = quota_us(cores);
        match hierarchy {
            Hierarchy::V1(mount) => Self::v1(&mount.join(name), quota),
            Hierarchy::V2(mount) => {
                // Fails where it is switched on already and may not be changed, too.
                let control = mount.join("cgroup.subtree_control");
                let switched_on = fs::write(&control, "+cpu");
                Self::v2(&mount.join(name), quota).map_err(|error| match switched_on {
                    Ok(()) => error,
                    Err(why) => unusable(&format!("{}: {why}", control.display())),
                })
            }
        }
    }

    fn v1(directory: &Path, quota: u32) -> Result<Self, ChaosError> {
        let group = Self::create(directory)?;
        group.write("cpu.cfs_period_us", &PERIOD_US.to_string())?;
        group.write("cpu.cfs_quota_us", &quota.to_string())?;
        Ok(group)
    }

    fn v2(directory: &Path, quota: u32) -> Result<Self, ChaosError> {
        let group = Self::create(directory)?;
        group.write("cpu.max", &format!("{quota} {PERIOD_US}"))?;
        Ok(group)
    }

    fn create(directory: &Path) -> Result<Self, ChaosError> {
        fs::create_dir(directory)
            .map_err(|error| unusable(&format!("{}: {error}", directory.display())))?;
        Ok(Self {
            directory: directory.to_path_buf(),
        })
    }

    /// Holds the process `pid` with all its threads to the limit.
    pub fn hold(&self, pid: i32) -> Result<(), ChaosError> {
        self.write("cgroup.procs", &pid.to_string())
    }

    fn write(&self, file: &str, text: &str) -> Result<(), ChaosError> {
        let path = self.directory.join(file);
        fs::write(&path, text).map_err(|error| unusable(&format!("{}: {error}", path.display())))
    }
}

impl Drop for ProcessorLimit {
    fn drop(&mut self) {
        match fs::remove_dir(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => eprintln!(
                "the control group {} could not be removed: {error}; remove it with rmdir",
                self.directory.display()
            ),
            _ => {}
        }
    }
}

fn unusable(why: &str) -> ChaosError {
    ChaosError::Wrong(format!(
        "a process cannot be held to a share of a core, because control groups cannot be used here \
         ({why}); run as root on Linux, in a container with /sys/fs/cgroup writable, or leave out \
         the parts that need it with --only slow-redis"
    ))
}

/// The control groups that limit processor time, from the list of mounted file systems.
fn hierarchy(mounts: &str) -> Option<Hierarchy> {
    let groups = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind, options) = (words.next()?, words.next()?, words.next()?);
        Some((PathBuf::from(place), kind, options))
    });
    let mut unified = None;
    for (place, kind, options) in groups {
        match kind {
            "cgroup" if options.split(',').any(|option| option == "cpu") => {
                return Some(Hierarchy::V1(place));
            }
            "cgroup2" => unified = Some(Hierarchy::V2(place)),
            _ => {}
        }
    }
    unified
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few cores at most"
)]
fn quota_us(cores: f64) -> u32 {
    (cores * f64::from(PERIOD_US)).max(LEAST_QUOTA_US).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_with_the_controller_is_used() {
        let v1 = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
            cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n";
        let place = PathBuf::from("/sys/fs/cgroup/cpu,cpuacct");
        assert_eq!(hierarchy(v1), Some(Hierarchy::V1(place)));
        let v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        let place = PathBuf::from("/sys/fs/cgroup");
        assert_eq!(hierarchy(v2), Some(Hierarchy::V2(place)));
        assert_eq!(hierarchy("proc /proc proc rw 0 0\n"), None);
    }

    #[test]
    fn quotas_are_shares_of_the_period_and_never_too_small() {
        assert_eq!(quota_us(0.25), 5_000);
        assert_eq!(quota_us(2.0), 40_000);
        assert_eq!(quota_us(0.001), 1_000);
    }
}
