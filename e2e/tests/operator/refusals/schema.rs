//! A ledger that nobody has migrated.

use flashsale_e2e::{
    operator::{Stage, one_product},
    services::Services,
};
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn a_sale_waits_for_the_schema_and_says_who_makes_it() {
    let stage = Stage::set(Services::start().await).await;
    let url = &stage.services.database_url;
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .execute(&mut connection)
        .await
        .unwrap();
    let _operator = stage.operator("operator").await;
    stage.create("drop", one_product("shoe", 5)).await;
    let message = stage
        .until_condition("drop", "Accepted", "False", "SchemaMissing")
        .await;
    assert!(message.contains("run `flashsale migrate`"), "{message}");
    stage.until_event("drop", "SchemaMissing").await;
    stage.services.ledger.migrate().await.unwrap();
    stage.until_phase("drop", "Open").await;
}
