//! The configuration file of a private Redis.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::AppendFsync;

/// What goes into the file.
#[derive(Debug)]
pub(super) struct Configuration<'a> {
    /// Directory of the data, which also holds the pid file.
    pub(super) directory: &'a Path,
    /// Where the server notes its process id.
    pub(super) pid_file: &'a Path,
    /// TCP port on 127.0.0.1.
    pub(super) port: u16,
    /// Password of the default user.
    pub(super) password: &'a str,
    /// When the append-only file reaches the disk.
    pub(super) append_fsync: AppendFsync,
    /// Further settings.
    pub(super) further: &'a [(&'static str, String)],
}

impl Configuration<'_> {
    /// Writes the file, readable by us alone. A file rather than arguments, because every user of
    /// the machine can read a process's arguments and the password is among the settings.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(file)?
            .write_all(self.text().as_bytes())
    }

    fn text(&self) -> String {
        let settings = [
            ("bind", "127.0.0.1".to_owned()),
            ("port", self.port.to_string()),
            ("requirepass", self.password.to_owned()),
            // What it shows a primary, should it be a replica or be made one.
            ("masterauth", self.password.to_owned()),
            ("dir", quoted(self.directory)),
            ("pidfile", quoted(self.pid_file)),
            ("daemonize", "no".to_owned()),
            ("appendonly", "yes".to_owned()),
            ("appendfsync", self.append_fsync.to_string()),
            // Rewriting the file forks and takes a core for seconds: not for what a sale of a
            // million buys writes in its one busy minute.
            ("auto-aof-rewrite-min-size", "1gb".to_owned()),
            // Redis else waits for five seconds whether more replicas want the same copy.
            ("repl-diskless-sync-delay", "0".to_owned()),
            // The append-only file says everything that a snapshot says, and later.
            ("save", "\"\"".to_owned()),
            // Redis must refuse a buy rather than forget one it has acknowledged.
            ("maxmemory-policy", "noeviction".to_owned()),
        ];
        let lines = settings.into_iter().chain(self.further.iter().cloned());
        let lines: Vec<String> = lines
            .map(|(name, value)| format!("{name} {value}\n"))
            .collect();
        lines.concat()
    }
}

/// A path in the double quotes of a Redis configuration, which know backslash escapes.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted() {
        assert_eq!(quoted(Path::new("/my \"data\"")), "\"/my \\\"data\\\"\"");
    }

    #[test]
    fn nothing_acknowledged_is_evicted() {
        let text = Configuration {
            directory: Path::new("/data"),
            pid_file: Path::new("/data/redis.pid"),
            port: 7000,
            password: "secret",
            append_fsync: AppendFsync::Always,
            further: &[],
        }
        .text();
        for line in [
            "appendonly yes",
            "appendfsync always",
            "maxmemory-policy noeviction",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }
}
