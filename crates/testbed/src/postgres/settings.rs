//! The settings a private PostgreSQL runs with.

use std::path::Path;

/// A Unix socket's path may take 107 bytes (`unix(7)`); the longest name PostgreSQL adds to the
/// directory is `/.s.PGSQL.65535.lock`, which is no socket, so `/.s.PGSQL.65535` counts.
const LONGEST_SOCKET_DIRECTORY: usize = 107 - "/.s.PGSQL.65535".len();

/// Command line arguments for `postgres`, each `-c name=value`.
///
/// They are given on the command line rather than in `postgresql.conf` so that a reused data
/// directory gets them too, and so that what is said here cannot be edited away.
pub(super) fn arguments(port: u16, socket_directory: &Path) -> Vec<String> {
    let port = port.to_string();
    let sockets = sockets(socket_directory);
    [
        ("listen_addresses", "127.0.0.1"),
        ("port", &port),
        ("unix_socket_directories", &sockets),
        // A settled order survives a crash. Speed is never bought with these two.
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("max_connections", "200"),
        // The whole of a sale fits, so that a burst reads nothing from disk.
        ("shared_buffers", "256MB"),
        // A burst writes for seconds. With the stock 1 GB a checkpoint would fall into it and
        // write every touched page out in full again.
        ("max_wal_size", "2GB"),
        ("min_wal_size", "256MB"),
        ("checkpoint_timeout", "15min"),
        // Files in the data directory instead of /dev/shm: they go with the directory even when
        // the server is killed, and containers have little /dev/shm.
        ("dynamic_shared_memory_type", "mmap"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("cluster_name", "flashsale"),
    ]
    .iter()
    .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
    .collect()
}

/// The directory of the Unix socket, or nothing (TCP only) where its path would be too long. The
/// value is a list to PostgreSQL, hence the quotes.
fn sockets(directory: &Path) -> String {
    let directory = directory.to_string_lossy();
    if directory.len() > LONGEST_SOCKET_DIRECTORY {
        return String::new();
    }
    format!("\"{}\"", directory.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_buys_speed_with_durability() {
        let arguments = arguments(5432, Path::new("/tmp/data"));
        for required in ["fsync=on", "synchronous_commit=on", "port=5432"] {
            assert!(arguments.iter().any(|a| a == required), "{required}");
        }
        assert!(!arguments.iter().any(|a| a.starts_with("full_page_writes")));
    }

    #[test]
    fn directory_too_long_for_a_socket_means_tcp_only() {
        assert_eq!(sockets(Path::new(&"/d".repeat(47))), "");
        assert_eq!(sockets(Path::new("/data, mine")), "\"/data, mine\"");
    }
}
