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

use std::{pin::pin, time::Instant};

use bytes::Bytes;
use flashsale_domain::{id::ProductId, sale::Sale};
use flashsale_queue::turnstile::Buy;
use tokio::{task::JoinSet, try_join};
use tokio_postgres::{
    Client, CopyInSink, NoTls, Statement,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};
use uuid::Uuid;

use crate::{
    environment::{
        Stores,
        shop::{self, PRICE},
        verification,
    },
    error::{Result, check},
    load::prefill,
};

/// Clients at most; more of them only wait for each other's turn on the processor.
const CLIENTS: usize = 10;

const TEXT: Type = Type::VARCHAR;

/// Types of the columns, in the order of `COPY`.
const TYPES: [Type; 7] = [TEXT, TEXT, TEXT, TEXT, Type::UUID, TEXT, Type::INT4];

/// What is to be settled, and how.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    /// Where PostgreSQL is; it may be at a distance.
    pub(crate) url: &'a str,
    pub(crate) number: u32,
    /// Its products, each with as large a share of the jobs.
    pub(crate) products: u32,
    /// Jobs in one transaction at most.
    pub(crate) batch: u32,
    /// Jobs in all, a multiple of the products.
    pub(crate) jobs: u32,
    /// Whether rows are sent by `COPY` in its binary form, in place of binary arrays that are unnested
    /// as the worker sends them.
    pub(crate) by_copy: bool,
}

/// Settles as told, one client a product up to [`CLIENTS`]; answers orders per second.
pub(crate) async fn run(stores: &Stores, task: &Task<'_>) -> Result<f64> {
    stores.empty().await?;
    let sale = shop::sale(task.number, task.products, task.jobs);
    shop::open(stores, &sale).await?;
    let mut clients = Vec::new();
    for work in shares(&sale, &shop::buys(&sale, task.jobs), task.batch as usize) {
        clients.push((Settler::connect(task.url, task.by_copy).await?, work));
    }
    stores.settle_down().await?;
    let started = Instant::now();
    let mut settling = JoinSet::new();
    for (settler, work) in clients {
        settling.spawn(async move {
            for batch in &work {
                settler.settle(batch).await?;
            }
            Ok(())
        });
    }
    prefill::finish(settling).await?;
    let rate = prefill::rate(task.jobs, started);
    verification::orders(stores, &sale, task.jobs).await?;
    verification::nothing_left(stores, &sale).await?;
    Ok(rate)
}

/// The batches of each client. A client's products take turns, as the lanes of a worker do.
fn shares(sale: &Sale, buys: &[Buy], batch: usize) -> Vec<Vec<Rows>> {
    let clients = sale.products.len().min(CLIENTS);
    let mut batches = Vec::new();
    for (index, product) in sale.products.iter().enumerate() {
        let of_product = buys.iter().filter(|buy| buy.product == product.id);
        let of_product: Vec<&Buy> = of_product.collect();
        for (turn, buys) in of_product.chunks(batch).enumerate() {
            batches.push((turn, index % clients, Rows::new(sale, &product.id, buys)));
        }
    }
    batches.sort_by_key(|(turn, ..)| *turn);
    let mut shares: Vec<Vec<Rows>> = (0..clients).map(|_| Vec::new()).collect();
    for (_, client, rows) in batches {
        shares[client].push(rows);
    }
    shares
}

struct Settler {
    client: Client,
    lock: Statement,
    insert: Statement,
    take: Statement,
    copy: Statement,
    by_copy: bool,
}

impl Settler {
    async fn connect(url: &str, by_copy: bool) -> Result<Self> {
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
        let copy = "COPY orders
            (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
            FROM STDIN (FORMAT binary)";
        Ok(Self {
            by_copy,
            lock: client.prepare(lock).await?,
            insert: client.prepare(&insert).await?,
            take: client.prepare(take).await?,
            copy: client.prepare(copy).await?,
            client,
        })
    }

    /// One transaction. What is joined is sent in this order at once; once one statement fails,
    /// PostgreSQL refuses the rest.
    async fn settle(&self, rows: &Rows) -> Result<()> {
        let Self { client, .. } = self;
        let begin = client.batch_execute("BEGIN");
        let key: [&(dyn ToSql + Sync); 2] = [&rows.product, &rows.sale];
        let lock = client.execute(&self.lock, &key);
        let count = i32::try_from(rows.len())?;
        let taken: [&(dyn ToSql + Sync); 2] = [&rows.product, &count];
        let take = client.execute(&self.take, &taken);
        let commit = client.batch_execute("COMMIT");
        if self.by_copy {
            // The rows may only be sent once PostgreSQL has said that it waits for them.
            let ((), locked, sink) = try_join!(begin, lock, client.copy_in(&self.copy))?;
            require(locked, 1)?;
            rows.send(sink).await?;
            try_join!(take, commit)?;
            return Ok(());
        }
        let of_jobs: [&(dyn ToSql + Sync); 3] = [&rows.jobs, &rows.users, &rows.keys];
        let values = [&key[..], &of_jobs].concat();
        let insert = client.execute(&self.insert, &values);
        let ((), locked, inserted, ..) = try_join!(begin, lock, insert, take, commit)?;
        require(locked, 1)?;
        require(inserted, rows.len())
    }
}

/// The rows of one batch of one product.
#[derive(Debug)]
struct Rows {
    sale: String,
    product: String,
    jobs: Vec<Uuid>,
    users: Vec<String>,
    keys: Vec<String>,
}

impl Rows {
    fn new(sale: &Sale, product: &ProductId, buys: &[&Buy]) -> Self {
        Self {
            sale: sale.id.to_string(),
            product: product.to_string(),
            jobs: buys.iter().map(|buy| buy.job_id.0).collect(),
            users: buys.iter().map(|buy| buy.user.to_string()).collect(),
            keys: buys.iter().map(|buy| buy.key.to_string()).collect(),
        }
    }

    fn len(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// Sends them by `COPY` and waits until they are in.
    async fn send(&self, sink: CopyInSink<Bytes>) -> Result<()> {
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
        let Self { sale, product, .. } = self;
        for ((job, user), key) in self.jobs.iter().zip(&self.users).zip(&self.keys) {
            let row: [&(dyn ToSql + Sync); 7] =
                [user, product, &"COMPLETED", sale, job, key, &PRICE];
            writer.as_mut().write(&row).await?;
        }
        require(writer.finish().await?, self.len())
    }
}

/// Fails unless a statement did to rows what it had to.
fn require(rows: u64, expected: u64) -> Result<()> {
    check!(
        rows == expected,
        "a statement of the limit had {rows} rows instead of {expected}"
    )
}
