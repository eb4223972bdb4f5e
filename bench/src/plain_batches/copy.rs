//! Rows by `COPY`, in its binary form.

use std::pin::pin;

use bytes::Bytes;
use tokio_postgres::{
    Client, CopyInSink, Error, Statement,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use super::rows::{self, Rows};
use crate::{error::BenchError, shop::PRICE};

/// What an order is when it is made.
const STATUS: &str = "COMPLETED";

/// Types of the columns, in the order of the statement.
const TYPES: [Type; 7] = [
    Type::VARCHAR,
    Type::VARCHAR,
    Type::VARCHAR,
    Type::VARCHAR,
    Type::UUID,
    Type::VARCHAR,
    Type::INT4,
];

/// The prepared statement.
pub(super) struct Copy(Statement);

impl Copy {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let copy = "COPY orders
            (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
            FROM STDIN (FORMAT binary)";
        Ok(Self(client.prepare(copy).await?))
    }

    /// Waits until PostgreSQL waits for rows.
    pub(super) async fn begin(&self, client: &Client) -> Result<CopyInSink<Bytes>, Error> {
        client.copy_in(&self.0).await
    }

    /// Sends the rows and waits until they are in.
    pub(super) async fn send(
        &self,
        sink: CopyInSink<Bytes>,
        rows: &Rows,
    ) -> Result<(), BenchError> {
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
        let each = rows.jobs.iter().zip(&rows.users).zip(&rows.keys);
        for ((job, user), key) in each {
            let row: [&(dyn ToSql + Sync); 7] =
                [user, &rows.product, &STATUS, &rows.sale, job, key, &PRICE];
            writer.as_mut().write(&row).await?;
        }
        rows::expect(writer.finish().await?, rows.len())
    }
}
