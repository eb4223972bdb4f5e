//! `flashsale migrate` behind a pooler.

use flashsale_testbed::{data_dir::DataDir, pgbouncer::PgBouncer, postgres::Postgres};

use crate::{Printed, flashsale};

fn migrate(pooler: &PgBouncer, direct: Option<&str>) -> Printed {
    let mut command = flashsale();
    command
        .args(["migrate", "--database-transaction-pooler"])
        .env("FLASHSALE_DATABASE_URL", pooler.url());
    if let Some(direct) = direct {
        command.env("FLASHSALE_DATABASE_DIRECT_URL", direct);
    }
    command.output().unwrap().into()
}

#[tokio::test]
async fn behind_a_pooler_the_schema_is_changed_at_the_direct_address() {
    let data_dir = DataDir::temporary().unwrap();
    let postgres = Postgres::start(&data_dir).await.unwrap();
    let pooler = PgBouncer::start(&data_dir, &postgres.url(), 2)
        .await
        .unwrap();
    let refused = migrate(&pooler, None);
    assert_ne!(refused.status, Some(0), "{refused:?}");
    assert!(
        refused.err.contains("FLASHSALE_DATABASE_DIRECT_URL"),
        "{refused:?}"
    );
    // Once it is up to date, there is nothing that would need the direct address.
    for direct in [Some(postgres.url()), None] {
        let done = migrate(&pooler, direct.as_deref());
        assert_eq!(done.out, "the schema is up to date\n", "{done:?}");
        assert_eq!(done.status, Some(0), "{done:?}");
    }
}
