//! A ledger that refuses one shopper, as a broken trigger would: what makes dead letters.

use crate::services::Services;

/// The shopper whose orders are refused.
pub const POISON: &str = "poison";

/// Makes the ledger refuse every order of the shopper [`POISON`].
pub async fn poison_the_ledger(services: &Services) {
    sqlx::raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'this shopper is poison'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON orders
           FOR EACH ROW WHEN (NEW.user_id = 'poison') EXECUTE FUNCTION refuse();",
    )
    .execute(services.ledger.pool())
    .await
    .unwrap();
}

/// Undoes it.
pub async fn mend_the_ledger(services: &Services) {
    sqlx::raw_sql("DROP TRIGGER refuse ON orders")
        .execute(services.ledger.pool())
        .await
        .unwrap();
}
