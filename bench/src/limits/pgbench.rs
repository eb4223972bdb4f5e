//! The limit of settlement: pgbench, PostgreSQL's own load generator, settling the same batches.
//!
//! It inserts the very rows that the workers insert, into the same table with all its indexes,
//! under the same row lock, and takes the same units off the stock. What it leaves out is what
//! workers do beside that: looking for repeats, reading lanes, writing outcomes, telling events.
//! The rows are read from a table in memory: making them up in SQL would cost PostgreSQL time and
//! by that flatter the workers.

use std::fs;

use flashsale_domain::sale::Sale;
use flashsale_queue::turnstile::Buy;
use flashsale_testbed::postgres::Installation;
use tokio::process::Command;

use crate::{
    environment::{
        Stores,
        shop::{self, PRICE},
        verification,
    },
    error::{self, Result, wrong},
    external,
};

const PROGRAM: &str = "pgbench";

/// Rows sent to PostgreSQL at a time.
const CHUNK: usize = 10_000;

/// Puts the rows of `buys` where [`run`] takes them from, in the place of those before.
pub(crate) async fn load(stores: &Stores, buys: &[Buy]) -> Result<()> {
    let pool = stores.ledger.pool();
    let table = "CREATE UNLOGGED TABLE IF NOT EXISTS bench_rows (n INTEGER PRIMARY KEY,
           job_id UUID, user_id VARCHAR(255), idempotency_key VARCHAR(255));
         TRUNCATE bench_rows";
    sqlx::raw_sql(table).execute(pool).await?;
    for (chunk, first) in buys.chunks(CHUNK).zip((1_i64..).step_by(CHUNK)) {
        sqlx::query(
            "INSERT INTO bench_rows SELECT $1 - 1 + nth, j, u, k
               FROM unnest($2::uuid[], $3::text[], $4::text[]) WITH ORDINALITY AS row(j, u, k, nth)",
        )
        .bind(first)
        .bind(chunk.iter().map(|buy| buy.job_id.0).collect::<Vec<_>>())
        .bind(chunk.iter().map(|buy| buy.user.as_str()).collect::<Vec<_>>())
        .bind(chunk.iter().map(|buy| buy.key.as_str()).collect::<Vec<_>>())
        .execute(pool)
        .await?;
    }
    // Frozen rows are read without writing hint bits first, and the planner knows the index.
    let vacuum = sqlx::raw_sql("VACUUM (FREEZE, ANALYZE) bench_rows");
    vacuum.execute(pool).await?;
    Ok(())
}

/// Settles `jobs` of the rows loaded, in batches of `batch`, by one client for the one product of a new
/// sale. Answers orders per second, and seconds of processor time that PostgreSQL used.
pub(crate) async fn run(stores: &Stores, number: u32, batch: u32, jobs: u32) -> Result<(f64, f64)> {
    stores.empty().await?;
    let sale = shop::sale(number, 1, jobs);
    shop::open(stores, &sale).await?;
    let file = stores.data_dir.path().join("settle.pgbench");
    fs::write(&file, script(&sale, batch)).map_err(error::file(&file))?;
    stores.settle_down().await?;
    let before = stores.postgres_seconds()?;
    let mut pgbench = command(stores).await?;
    pgbench
        .args(["--no-vacuum", "--protocol=prepared", "--client=1"])
        .arg("--define=done=0")
        .arg(format!("--transactions={}", jobs / batch))
        .arg("--file")
        .arg(&file);
    let transactions = external::figure(PROGRAM, &mut pgbench, transactions_per_second).await?;
    let postgres_seconds = stores.postgres_seconds()? - before;
    verification::orders(stores, &sale, jobs).await?;
    Ok((transactions * f64::from(batch), postgres_seconds))
}

/// One transaction. The client keeps count of the rows it has taken.
fn script(sale: &Sale, batch: u32) -> String {
    let product = format!("'{}'", sale.products[0].id);
    format!(
        "\\set first :done + 1
\\set last :done + {batch}
\\set done :done + {batch}
BEGIN;
SELECT stock_quantity, price FROM products WHERE id = {product} FOR UPDATE;
INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price) SELECT user_id, {product}, 'COMPLETED', '{sale}', job_id, idempotency_key, {PRICE} FROM bench_rows WHERE n BETWEEN :first AND :last;
UPDATE products SET stock_quantity = stock_quantity - {batch}, sold = sold + {batch} WHERE id = {product};
COMMIT;
",
        sale = sale.id,
    )
}

/// The program with the address of the database in its environment: the password is nobody
/// else's business.
async fn command(stores: &Stores) -> Result<Command> {
    let server = Installation::find().await?;
    let mut program = server.program(PROGRAM);
    if !program.is_file() {
        program = external::installed(PROGRAM, "postgresql")?;
    }
    let url = stores.postgres_url()?;
    let no_password = || wrong("PostgreSQL's address has no password");
    let mut command = Command::new(program);
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", stores.postgres.port().to_string())
        .env("PGUSER", url.username())
        .env("PGPASSWORD", url.password().ok_or_else(no_password)?)
        .env("PGDATABASE", url.path().trim_start_matches('/'))
        .env("LC_ALL", "C");
    Ok(command)
}

/// The figure in e.g. `tps = 53.201877 (without initial connection time)`.
fn transactions_per_second(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_leaves_connecting_out() {
        let text = "latency average = 18.8 ms\ninitial connection time = 7.5 ms\n\
                    tps = 53.201877 (without initial connection time)\n";
        assert_eq!(transactions_per_second(text), Some(53.201_877));
        assert_eq!(transactions_per_second("pgbench: error"), None);
    }

    #[test]
    fn a_batch_takes_the_next_rows_for_the_product_of_its_sale() {
        let script = script(&shop::sale(3, 1, 100), 1_000);
        for part in [":done + 1\n", ":done + 1000\n", "'hot-3-0'", "'bench-3'"] {
            assert!(script.contains(part), "{script}");
        }
    }
}
