//! `flashsale migrate --create-roles`.

use flashsale_testbed::{data_dir::DataDir, fixtures::roles, postgres::Postgres};

use crate::{Printed, flashsale};

fn migrate(url: &str, arguments: &[&str]) -> Printed {
    let mut command = flashsale();
    command.arg("migrate").args(arguments);
    command.env("FLASHSALE_DATABASE_URL", url);
    command.output().unwrap().into()
}

#[tokio::test]
async fn roles_are_made_once_asked_for_and_brought_up_to_date_by_every_further_run() {
    let data_dir = DataDir::temporary().unwrap();
    let postgres = Postgres::start(&data_dir).await.unwrap();
    let url = postgres.url();
    let plain = migrate(&url, &[]);
    assert_eq!(plain.out, "the schema is up to date\n", "{plain:?}");
    for _ in 0..2 {
        let printed = migrate(&url, &["--create-roles"]);
        assert_eq!(printed.status, Some(0), "{printed:?}");
        assert_eq!(
            printed.out,
            "the schema is up to date\nthe roles flashsale_owner, flashsale_worker and \
             flashsale_gateway have their rights\n"
        );
        assert_eq!(printed.err, "");
    }
    let reminded = migrate(&url, &[]);
    assert!(
        reminded.out.contains("run this with --create-roles"),
        "{reminded:?}"
    );
    let ledger = roles::ledger_at(&url);
    let worker = roles::login(&ledger, &url, "w", "flashsale_worker").await;
    let refused = migrate(&worker, &[]);
    assert_eq!(refused.status, Some(3), "{refused:?}");
}

#[tokio::test]
async fn who_may_not_make_roles_is_told_whom_to_ask() {
    let data_dir = DataDir::temporary().unwrap();
    let postgres = Postgres::start(&data_dir).await.unwrap();
    let ledger = roles::ledger_at(&postgres.url());
    for statement in [
        "CREATE ROLE shop LOGIN PASSWORD 'a-password'",
        "CREATE DATABASE shop OWNER shop",
    ] {
        sqlx::raw_sql(statement)
            .execute(ledger.pool())
            .await
            .unwrap();
    }
    let url = roles::address(&postgres.url().replace("/flashsale", "/shop"), "shop");
    let printed = migrate(&url, &["--create-roles", "--worker-role", "settles"]);
    assert_eq!(printed.status, Some(3), "{printed:?}");
    assert!(
        printed
            .err
            .contains("role shop may not create flashsale_owner, settles, flashsale_gateway:"),
        "{printed:?}"
    );
    assert!(printed.err.contains("CREATEROLE"), "{printed:?}");
    assert!(!printed.err.contains("a-password"), "{printed:?}");
}

#[test]
fn names_that_cannot_be_meant_are_refused_before_anything_is_asked() {
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
    for (arguments, says) in [
        (["--create-roles", "--owner-role", "Shop-Owner"], "a-z, 0-9"),
        (
            ["--create-roles", "--gateway-role", "pg_monitor"],
            "a-z, 0-9",
        ),
    ] {
        let printed = migrate(nowhere, &arguments);
        assert_eq!(printed.status, Some(2), "{printed:?}");
        assert!(printed.err.contains(says), "{printed:?}");
    }
    let alone = migrate(nowhere, &["--owner-role", "shop"]);
    assert_eq!(alone.status, Some(2), "{alone:?}");
    assert!(alone.err.contains("--create-roles"), "{alone:?}");
    let twice = migrate(
        nowhere,
        &["--create-roles", "--owner-role", "flashsale_worker"],
    );
    assert_eq!(twice.status, Some(3), "{twice:?}");
    assert!(twice.err.contains("names two of the roles"), "{twice:?}");
}
