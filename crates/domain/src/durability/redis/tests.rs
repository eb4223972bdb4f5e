use super::*;

fn settings(append_fsync: &str, replicas: usize, min_replicas_to_write: usize) -> RedisSettings {
    RedisSettings {
        append_only: Some(true),
        append_fsync: Some(append_fsync.to_owned()),
        maxmemory_policy: Some(SAFE_POLICY.to_owned()),
        is_primary: Some(true),
        replicas: Some(replicas),
        min_replicas_to_write: Some(min_replicas_to_write),
    }
}

#[test]
fn each_set_up_has_its_promise() {
    let evicts = RedisSettings {
        maxmemory_policy: Some("allkeys-lru".to_owned()),
        ..settings("always", 1, 1)
    };
    let no_file = RedisSettings {
        append_only: Some(false),
        ..settings("always", 1, 1)
    };
    let silent = RedisSettings {
        append_fsync: None,
        min_replicas_to_write: None,
        ..settings("always", 1, 0)
    };
    let no_replication = RedisSettings {
        is_primary: None,
        replicas: None,
        ..settings("always", 0, 0)
    };
    let replica = RedisSettings {
        is_primary: Some(false),
        ..settings("always", 0, 0)
    };
    let cases = [
        (settings("always", 0, 0), 0, Some(true), Reason::SingleCopy),
        (
            settings("everysec", 0, 0),
            0,
            Some(true),
            Reason::SingleCopy,
        ),
        (settings("no", 0, 0), 0, Some(false), Reason::AppendFsyncNo),
        (
            settings("always", 1, 0),
            0,
            Some(false),
            Reason::AsyncReplicas,
        ),
        (
            settings("always", 1, 1),
            0,
            Some(true),
            Reason::AsyncReplicas,
        ),
        (settings("no", 1, 1), 0, Some(false), Reason::AsyncReplicas),
        (silent.clone(), 0, None, Reason::AsyncReplicas),
        (silent, 1, Some(true), Reason::ReplicaAcknowledged),
        (
            settings("always", 0, 0),
            1,
            Some(false),
            Reason::TooFewReplicas,
        ),
        (
            settings("always", 1, 0),
            2,
            Some(false),
            Reason::TooFewReplicas,
        ),
        (
            settings("no", 1, 0),
            1,
            Some(true),
            Reason::ReplicaAcknowledged,
        ),
        (
            settings("always", 3, 1),
            2,
            Some(true),
            Reason::ReplicaAcknowledged,
        ),
        (evicts.clone(), 0, Some(false), Reason::Evicts),
        (evicts, 1, Some(false), Reason::Evicts),
        (no_file.clone(), 0, Some(false), Reason::NoAppendOnlyFile),
        (no_file, 1, Some(false), Reason::NoAppendOnlyFile),
        (
            no_replication.clone(),
            0,
            Some(true),
            Reason::AppendOnlyFile,
        ),
        (no_replication, 1, None, Reason::NotTold),
        (replica, 0, None, Reason::NotPrimary),
        (RedisSettings::default(), 1, None, Reason::NotTold),
    ];
    for (settings, wanted, holds, reason) in cases {
        let found = judge_redis(&settings, wanted);
        assert_eq!(
            (found.holds, found.reason),
            (holds, reason),
            "{wanted} of {settings:?}: {}",
            found.message
        );
    }
}

#[test]
fn messages_say_what_can_be_lost_and_what_to_change() {
    let message = |settings: &RedisSettings, wanted| judge_redis(settings, wanted).message;
    assert_eq!(
        message(&settings("everysec", 0, 0), 0),
        "a crash of Redis can lose up to 2 s of acknowledged buys; appendfsync always loses none; \
         there is no replica, so nothing survives the loss of its disk"
    );
    let lost = message(&settings("always", 1, 0), 0);
    assert!(lost.contains("set spec.durability.redisReplicas"), "{lost}");
    assert!(lost.contains("min-replicas-to-write is 0"), "{lost}");
    let some = message(&settings("always", 3, 1), 2);
    assert!(some.contains("set durability.redisReplicas to 3"), "{some}");
    assert!(!some.contains("min-replicas-to-write"), "{some}");
    let all = message(&settings("always", 2, 0), 2);
    assert!(all.contains("whichever is promoted"), "{all}");
    assert!(all.contains("set min-replicas-to-write"), "{all}");
    let no_file = RedisSettings {
        append_only: Some(false),
        ..settings("always", 1, 1)
    };
    let empty = message(&no_file, 1);
    assert!(empty.contains("its replicas copy that"), "{empty}");
}

#[test]
fn replicas_that_are_copying_or_silent_do_not_count() {
    let info = "# Replication\r\nrole:master\r\nconnected_slaves:4\r\n\
                slave0:ip=10.0.0.2,port=6379,state=online,offset=42,lag=1\r\n\
                slave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0\r\n\
                slave2:ip=10.0.0.4,port=6379,state=online,offset=9,lag=11\r\n\
                slave3:ip=10.0.0.5,port=6379,state=online,offset=42,lag=0\r\n\
                slave_repl_offset:42\r\naof_enabled:1\r\naof_enabled_since:9\r\n\
                maxmemory_policy:noeviction\r\n";
    let config = HashMap::from([
        ("appendfsync".to_owned(), "always".to_owned()),
        ("min-replicas-to-write".to_owned(), "1".to_owned()),
    ]);
    assert_eq!(RedisSettings::parse(info, config), settings("always", 2, 1));
    assert_eq!(
        RedisSettings::parse("role:slave\r\n", HashMap::new()),
        RedisSettings {
            is_primary: Some(false),
            replicas: Some(0),
            ..RedisSettings::default()
        }
    );
}
