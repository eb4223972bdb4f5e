//! The limit of settlement: the batches that a worker settles, by the plain statements that this
//! takes and nothing else.
//!
//! The same values come over the same wire in the same form, binary arrays of job ids, shoppers and
//! keys, into the same table with all its indexes, under the same row lock. What is left out is
//! looking for repeats, telling outcomes, and everything about lanes.
//!
//! pgbench cannot send this: its variables hold single values as text, so arrays would have to be
//! written out in its script and parsed anew by PostgreSQL, which no worker asks of it. Hence a
//! client of our own, whose statements are prepared once and pipelined: a transaction costs one
//! round trip.

mod copy;
mod rows;

use std::time::Instant;

use flashsale_core::{sale::Sale, turnstile::Buy};
use tokio::{task::JoinSet, try_join};
use tokio_postgres::{Client, NoTls, Statement};

use self::{copy::Copy, rows::Rows};
use crate::{
    error::BenchError,
    measure::settlement::Form,
    prefill,
    shop::{self, PRICE},
    stores::Stores,
    verification,
};

/// Clients at most; more of them only wait for each other's turn on the processor.
const CLIENTS: usize = 10;

/// What is to be settled, and how.
#[derive(Debug)]
pub struct Task<'a> {
    /// Where PostgreSQL is; it may be at a distance.
    pub url: &'a str,
    /// Number of the sale.
    pub number: u32,
    /// Its products, each with as large a share of the jobs.
    pub products: u32,
    /// Jobs in one transaction at most.
    pub batch: u32,
    /// Jobs in all, a multiple of the products.
    pub jobs: u32,
    /// How rows are sent.
    pub form: Form,
}

/// Settles as told, one client a product up to [`CLIENTS`]; answers orders a second.
pub async fn run(stores: &Stores, task: &Task<'_>) -> Result<f64, BenchError> {
    stores.empty().await?;
    let stock = i32::try_from(task.jobs / task.products).unwrap_or(i32::MAX);
    let sale = shop::sale(task.number, task.products, stock)?;
    shop::open(stores, &sale).await?;
    let mut clients = Vec::new();
    for work in shares(&sale, &shop::buys(&sale, task.jobs)?, task.batch) {
        clients.push((Settler::connect(task.url, task.form).await?, work));
    }
    stores.settle_down().await?;
    let started = Instant::now();
    let mut settling = JoinSet::new();
    for (settler, work) in clients {
        settling.spawn(async move {
            for batch in &work {
                settler.settle(batch).await?;
            }
            Ok::<(), BenchError>(())
        });
    }
    prefill::finish(settling).await?;
    let count = usize::try_from(task.jobs).unwrap_or(usize::MAX);
    let rate = prefill::rate(count, started);
    verification::orders(stores, &sale, task.jobs).await?;
    verification::nothing_left(stores, &sale).await?;
    Ok(rate)
}

/// The batches of each client. A client's products take turns, as the lanes of a worker do.
fn shares(sale: &Sale, buys: &[Buy], batch: u32) -> Vec<Vec<Rows>> {
    let batch = usize::try_from(batch).unwrap_or(usize::MAX);
    let clients = sale.products.len().min(CLIENTS);
    let mut shares: Vec<Vec<(usize, Rows)>> = Vec::new();
    shares.resize_with(clients, Vec::new);
    for (index, product) in sale.products.iter().enumerate() {
        let of_product: Vec<&Buy> = buys
            .iter()
            .filter(|buy| buy.product == product.id)
            .collect();
        let batches = of_product.chunks(batch).enumerate();
        let turns = batches.map(|(turn, buys)| (turn, Rows::new(sale, &product.id, buys)));
        shares[index % clients].extend(turns);
    }
    let in_turn = |mut share: Vec<(usize, Rows)>| {
        share.sort_by_key(|(turn, _)| *turn);
        share.into_iter().map(|(_, rows)| rows).collect()
    };
    shares.into_iter().map(in_turn).collect()
}

/// One client with its statements.
struct Settler {
    client: Client,
    lock: Statement,
    insert: Statement,
    take: Statement,
    copy: Option<Copy>,
}

impl Settler {
    async fn connect(url: &str, form: Form) -> Result<Self, BenchError> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        // It ends with the client, whose calls tell what was wrong.
        tokio::spawn(connection);
        let lock = "SELECT stock_quantity, price FROM products
                      WHERE id = $1 AND sale_id = $2 FOR UPDATE";
        let insert = format!(
            "INSERT INTO orders
               (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
             SELECT u, $1, 'COMPLETED', $2, j, k, {PRICE}
               FROM unnest($3::uuid[], $4::text[], $5::text[]) AS job(j, u, k)"
        );
        let take = "UPDATE products
                      SET stock_quantity = stock_quantity - $2, sold = sold + $2 WHERE id = $1";
        Ok(Self {
            lock: client.prepare(lock).await?,
            insert: client.prepare(&insert).await?,
            take: client.prepare(take).await?,
            copy: match form {
                Form::Arrays => None,
                Form::Copy => Some(Copy::prepare(&client).await?),
            },
            client,
        })
    }

    /// One transaction. What is joined is sent in this order at once; once one statement fails,
    /// PostgreSQL refuses the rest.
    async fn settle(&self, rows: &Rows) -> Result<(), BenchError> {
        let Self { client, .. } = self;
        let begin = client.batch_execute("BEGIN");
        let key: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&rows.product, &rows.sale];
        let lock = client.execute(&self.lock, &key);
        let count = rows.count();
        let taken: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&rows.product, &count];
        let take = client.execute(&self.take, &taken);
        let commit = client.batch_execute("COMMIT");
        if let Some(copy) = &self.copy {
            // The rows may only be sent once PostgreSQL has said that it waits for them.
            let ((), locked, sink) = try_join!(begin, lock, copy.begin(client))?;
            rows::expect(locked, 1)?;
            copy.send(sink, rows).await?;
            try_join!(take, commit)?;
            return Ok(());
        }
        let values = rows.values();
        let insert = client.execute(&self.insert, &values);
        let ((), locked, inserted, ..) = try_join!(begin, lock, insert, take, commit)?;
        rows::expect(locked, 1)?;
        rows::expect(inserted, rows.len())
    }
}
