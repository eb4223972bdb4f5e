//! What a confirmed order survives.

use super::{Finding, Reason, found};

/// How PostgreSQL is set up, as a session sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerSettings {
    /// `on`, `remote_apply`, `remote_write`, `local` or `off`.
    pub synchronous_commit: String,
    /// `on` or `off`.
    pub fsync: String,
    /// `on` or `off`.
    pub full_page_writes: String,
    /// The standbys that commits wait for; empty for none.
    pub synchronous_standby_names: String,
    /// Standbys that are connected.
    pub standbys: i64,
    /// Those of which this role may see no more than that.
    pub hidden_standbys: i64,
    /// Those that commits wait for.
    pub synchronous_standbys: i64,
}

/// What a confirmed order survives in a PostgreSQL that is set up like this.
pub fn judge_ledger(settings: &LedgerSettings) -> Finding {
    if settings.fsync == "off" {
        return found(
            false,
            Reason::FsyncOff,
            "fsync is off: a crash of PostgreSQL's machine can destroy the whole database; set fsync = on",
        );
    }
    if settings.full_page_writes == "off" {
        return found(
            false,
            Reason::FullPageWritesOff,
            "full_page_writes is off: a crash of PostgreSQL's machine can damage pages for good, unless its file system writes them as a whole; set full_page_writes = on",
        );
    }
    if settings.synchronous_commit == "off" {
        return found(
            false,
            Reason::SynchronousCommitOff,
            "synchronous_commit is off: a crash of PostgreSQL can lose the orders that were confirmed in its last second; set synchronous_commit = on",
        );
    }
    if settings.synchronous_standby_names.trim().is_empty() {
        without_synchronous_standbys(settings)
    } else {
        with_synchronous_standbys(settings)
    }
}

fn without_synchronous_standbys(settings: &LedgerSettings) -> Finding {
    match settings.standbys {
        0 => found(
            true,
            Reason::SingleCopy,
            "a confirmed order survives a crash of PostgreSQL; there is no standby, so nothing survives the loss of its disk",
        ),
        standbys => found(
            false,
            Reason::AsyncStandbys,
            format!(
                "a confirmed order survives a crash of PostgreSQL, but a failover can lose the last ones: commits wait for none of the {standbys} standbys; set synchronous_standby_names"
            ),
        ),
    }
}

fn with_synchronous_standbys(settings: &LedgerSettings) -> Finding {
    let names = &settings.synchronous_standby_names;
    if settings.synchronous_commit == "local" {
        return found(
            false,
            Reason::SynchronousCommitLocal,
            "synchronous_commit is local: a failover can lose the last confirmed orders, since commits do not wait for standbys; set synchronous_commit = on",
        );
    }
    if settings.synchronous_standbys > 0 {
        let together = if settings.synchronous_commit == "remote_write" {
            ", unless both machines crash together (synchronous_commit is remote_write)"
        } else {
            ""
        };
        return found(
            true,
            Reason::SynchronousStandby,
            format!(
                "a confirmed order survives a crash of PostgreSQL, and a failover to a synchronous standby{together}"
            ),
        );
    }
    if settings.hidden_standbys > 0 {
        return found(
            None,
            Reason::StandbysNotVisible,
            format!(
                "whether a standby of synchronous_standby_names ({names}) is connected cannot be seen; grant pg_monitor to the operator's role"
            ),
        );
    }
    found(
        false,
        Reason::NoSynchronousStandby,
        format!(
            "no standby of synchronous_standby_names ({names}) is connected: commits wait for one, and no order is confirmed; start it, or change synchronous_standby_names"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(commit: &str, names: &str, standbys: [i64; 3]) -> LedgerSettings {
        LedgerSettings {
            synchronous_commit: commit.to_owned(),
            fsync: "on".to_owned(),
            full_page_writes: "on".to_owned(),
            synchronous_standby_names: names.to_owned(),
            standbys: standbys[0],
            hidden_standbys: standbys[1],
            synchronous_standbys: standbys[2],
        }
    }

    #[test]
    fn each_set_up_has_its_promise() {
        let no_fsync = LedgerSettings {
            fsync: "off".to_owned(),
            ..settings("on", "*", [1, 0, 1])
        };
        let torn_pages = LedgerSettings {
            full_page_writes: "off".to_owned(),
            ..settings("on", "*", [1, 0, 1])
        };
        let cases = [
            (
                settings("on", "", [0, 0, 0]),
                Some(true),
                Reason::SingleCopy,
            ),
            (
                settings("on", "", [2, 2, 0]),
                Some(false),
                Reason::AsyncStandbys,
            ),
            (
                settings("on", "*", [1, 0, 1]),
                Some(true),
                Reason::SynchronousStandby,
            ),
            (
                settings("remote_apply", "*", [2, 0, 1]),
                Some(true),
                Reason::SynchronousStandby,
            ),
            (
                settings("on", "*", [1, 1, 0]),
                None,
                Reason::StandbysNotVisible,
            ),
            (
                settings("on", "a", [1, 0, 0]),
                Some(false),
                Reason::NoSynchronousStandby,
            ),
            (
                settings("on", "a", [0, 0, 0]),
                Some(false),
                Reason::NoSynchronousStandby,
            ),
            (
                settings("local", "*", [1, 0, 1]),
                Some(false),
                Reason::SynchronousCommitLocal,
            ),
            (
                settings("local", "", [0, 0, 0]),
                Some(true),
                Reason::SingleCopy,
            ),
            (
                settings("off", "", [0, 0, 0]),
                Some(false),
                Reason::SynchronousCommitOff,
            ),
            (no_fsync, Some(false), Reason::FsyncOff),
            (torn_pages, Some(false), Reason::FullPageWritesOff),
        ];
        for (settings, holds, reason) in cases {
            let found = judge_ledger(&settings);
            assert_eq!((found.holds, found.reason), (holds, reason), "{settings:?}");
        }
    }

    #[test]
    fn a_standby_that_only_writes_is_told_apart() {
        let found = judge_ledger(&settings("remote_write", "*", [1, 0, 1]));
        assert!(
            found.message.contains("unless both machines crash"),
            "{found:?}"
        );
    }
}
