//! A connection of the ledger's pool, for the length of one call.
//!
//! The driver prepares each statement by a name that it chooses, and keeps it for the next time.
//! That is right for a session of one's own. A pooler in transaction mode (PgBouncer) gives every
//! transaction whichever server connection is free, so a name may be unknown there, or may be
//! another client's statement. Behind such a pooler statements therefore have no name. The driver
//! still parses and executes them in two steps, and [`Ledger::call`](super::Ledger) keeps both in
//! one transaction.

use futures_util::{future::BoxFuture, stream::BoxStream};
use sqlx::{
    Describe, Either, Error, Execute, Executor, PgConnection, Postgres, SqlStr,
    error::BoxDynError,
    pool::PoolConnection,
    postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

/// A connection to the ledger that queries can be run on, behind a pooler too.
#[derive(Debug)]
pub struct LedgerConnection {
    connection: PoolConnection<Postgres>,
    /// Behind a pooler in transaction mode no statement may outlive its transaction.
    transaction_pooler: bool,
}

impl LedgerConnection {
    pub(super) fn new(connection: PoolConnection<Postgres>, transaction_pooler: bool) -> Self {
        Self {
            connection,
            transaction_pooler,
        }
    }

    pub(super) fn into_inner(self) -> PoolConnection<Postgres> {
        self.connection
    }
}

/// A query whose statement gets no name.
struct Unnamed<E>(E);

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}

impl<'c> Executor<'c> for &'c mut LedgerConnection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let connection: &'c mut PgConnection = &mut self.connection;
        if self.transaction_pooler {
            connection.fetch_many(Unnamed(query))
        } else {
            connection.fetch_many(query)
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let connection: &'c mut PgConnection = &mut self.connection;
        if self.transaction_pooler {
            connection.fetch_optional(Unnamed(query))
        } else {
            connection.fetch_optional(query)
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        let connection: &'c mut PgConnection = &mut self.connection;
        if self.transaction_pooler {
            return named_statement();
        }
        connection.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        let connection: &'c mut PgConnection = &mut self.connection;
        if self.transaction_pooler {
            return named_statement();
        }
        connection.describe(sql)
    }
}

/// Refuses what the driver can only do with a named statement.
fn named_statement<'e, T: Send + 'e>() -> BoxFuture<'e, Result<T, Error>> {
    Box::pin(async {
        Err(Error::Protocol(
            "a statement cannot be prepared by name behind a transaction pooler; run it as a query"
                .to_owned(),
        ))
    })
}
