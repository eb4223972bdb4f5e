//! What the scripts say to an operator who mistypes.

use flashsale_testbed::binaries;

use crate::shop::{script, told};

async fn refused(name: &str, arguments: &[&str], words: &str) {
    let output = script(name).args(arguments).output().await.unwrap();
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}",
        told(&output)
    );
    assert!(
        told(&output).contains(words),
        "{arguments:?}: {}",
        told(&output)
    );
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", told(&output));
}

#[tokio::test]
async fn a_backup_that_cannot_be_made_is_refused_in_words() {
    let help = script("backup").arg("--help").output().await.unwrap();
    assert!(help.status.success() && told(&help).contains("REDISCLI_AUTH"));
    for (arguments, words) in [
        (&[][..], "which store"),
        (&["mysql", "/tmp"], "is no store of flashsale"),
        (&["postgres"], "a directory for the copy is missing"),
        (&["postgres", "/nowhere"], "is no directory"),
        (
            &["postgres", "/tmp", "--url", "x"],
            "takes the address of Redis",
        ),
        (&["redis", "/tmp", "--url", "http://h"], "no redis://"),
        (
            &["redis", "/tmp", "--url", "redis://:secret@h"],
            "REDISCLI_AUTH",
        ),
        (&["redis", "/tmp", "--all"], "unknown argument: --all"),
    ] {
        refused("backup", arguments, words).await;
    }
}

#[tokio::test]
async fn servers_that_do_not_answer_are_named_and_nothing_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let nobody = "redis://127.0.0.1:1";
    let output = script("backup")
        .arg("redis")
        .arg(directory.path())
        .args(["--url", nobody])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains(nobody), "{}", told(&output));
    let output = script("backup")
        .arg("postgres")
        .arg(directory.path())
        .envs([
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", "1"),
            ("PGUSER", "backup"),
        ])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("REPLICATION"), "{}", told(&output));
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);

    let flashsale = binaries::find("flashsale").unwrap();
    let output = script("restore")
        .arg("sales")
        .env("FLASHSALE_BIN_DIR", flashsale.parent().unwrap())
        .env("FLASHSALE_REDIS_URL", nobody)
        .env("FLASHSALE_DATABASE_URL", "postgres://127.0.0.1:1/none")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
}

#[tokio::test]
async fn a_restore_that_would_lose_something_is_refused_in_words() {
    let help = script("restore").arg("--help").output().await.unwrap();
    assert!(help.status.success() && told(&help).contains("--until TIME"));
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str, files: &[(&str, &str)]| {
        let path = directory.path().join(name);
        std::fs::create_dir(&path).unwrap();
        for (file, text) in files {
            std::fs::write(path.join(file), text).unwrap();
        }
        path.display().to_string()
    };
    let label = "START TIME: 2026-01-02 03:04:05 UTC\n";
    let base = make("base", &[("PG_VERSION", "15"), ("backup_label", label)]);
    let wal = make("wal", &[]);
    let in_use = make("in-use", &[("PG_VERSION", "15")]);
    let redis = make("redis", &[("dump.rdb", "REDIS")]);
    let new = directory.path().join("new").display().to_string();
    let postgres = |until: &'static str, data: &str| {
        let options = [
            "postgres", "--base", &base, "--wal", &wal, "--until", until, "--data", data,
        ];
        options.map(str::to_owned).to_vec()
    };
    let owned = |arguments: &[&str]| -> Vec<String> {
        arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect()
    };
    for (arguments, words) in [
        (owned(&[]), "what: postgres, redis or sales?"),
        (owned(&["everything"]), "cannot be restored"),
        (owned(&["postgres", "--base", &wal]), "--wal is missing"),
        (
            owned(&["postgres", "--into", &wal]),
            "unknown argument: --into",
        ),
        (
            owned(&[
                "postgres", "--base", &wal, "--wal", &wal, "--until", "latest", "--data", &new,
            ]),
            "is no base backup",
        ),
        (postgres("yesterday", &new), "is no time with an offset"),
        (
            postgres("2026-01-02T03:04:05", &new),
            "is no time with an offset",
        ),
        (
            postgres("2026-01-02T03:04:04Z", &new),
            "is before this base backup",
        ),
        (postgres("2999-01-01T00:00:00Z", &new), "has not come yet"),
        (postgres("latest", &in_use), "is not empty"),
        (
            owned(&["redis", "--from", &base, "--data", &new]),
            "has no .manifest",
        ),
        (
            owned(&[
                "redis",
                "--from",
                &format!("{base}/PG_VERSION"),
                "--data",
                &new,
            ]),
            "neither a snapshot",
        ),
        (
            owned(&[
                "redis",
                "--from",
                &format!("{redis}/dump.rdb"),
                "--data",
                &redis,
            ]),
            "dump.rdb` away",
        ),
        (owned(&["sales", "now"]), "unknown argument: now"),
        (owned(&["sales"]), "have to be set"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        refused("restore", &arguments, words).await;
    }
    assert!(!directory.path().join("new").exists());
}
