//! How much memory this process has, and may have.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where control groups are mounted, by convention of every distribution and container runtime.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Bytes of memory that this process has in use; none where that cannot be read.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Bytes of memory that this process's control group may have; none where it has no limit. More
/// than that, and the kernel kills the process.
pub fn limit_bytes() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    // Control groups above may have limits of their own, which this does not look at: a container's
    // limit is set on its own group.
    limit_files(&own)
        .iter()
        .find_map(|file| fs::read_to_string(file).ok())
        .as_deref()
        .and_then(limit)
}

/// Where the limit may be, by what `/proc/self/cgroup` says. In a container the path there may be
/// the host's, and then the container's own group is mounted at the top.
fn limit_files(own: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (top, name) = match controllers {
            "" => (PathBuf::from(CGROUPS), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (Path::new(CGROUPS).join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        files.push(top.join(path.trim_start_matches('/')).join(name));
        files.push(top.join(name));
    }
    files
}

/// Version 2 says `max` where there is no limit, version 1 a number that no machine has.
fn limit(text: &str) -> Option<u64> {
    const NO_LIMIT: u64 = 1 << 60;
    text.trim().parse().ok().filter(|bytes| *bytes < NO_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files_of(own: &str) -> Vec<String> {
        let files = limit_files(own).into_iter();
        files.map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn the_limit_is_looked_for_where_either_version_has_it() {
        assert_eq!(
            files_of("0::/kubepods/pod1/a\n"),
            [
                "/sys/fs/cgroup/kubepods/pod1/a/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            files_of("5:cpu,cpuacct:/a\n4:memory:/docker/b\n"),
            [
                "/sys/fs/cgroup/memory/docker/b/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
    }

    #[test]
    fn no_limit_is_none() {
        assert_eq!(limit("536870912\n"), Some(512 << 20));
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
