//! Which failures of the ledger speak of a job, which of the server, and which of the driver that
//! asked: one table of SQLSTATEs (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use std::borrow::Cow;

/// What a failure of the ledger means for the batch that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server cannot settle anything of this product now. The batch waits as it is, and no
    /// attempt of a job is counted.
    Server(WaitReason),
    /// It took too long. A smaller batch may pass; a single job waits.
    TooSlow,
    /// Somebody else has taken the product over, so nothing more is to be settled by this driver.
    Fenced,
    /// The batch before this one is not settled.
    OutOfTurn,
    /// A row was refused: one of the jobs, or what was declared. Nothing but another batch, or
    /// another declaration, can pass.
    Row,
}

flashsale_domain::words! {
    /// What a batch waits for, as the label of a metric.
    pub enum WaitReason {
        /// The server is away, starting, stopping, or lets nobody in.
        Unreachable = "unreachable",
        /// The server takes no writes: a standby, or a primary set read-only.
        ReadOnly = "read_only",
        /// Others hold the row, or changed it meanwhile.
        Locked = "locked",
        /// The server has no connection left.
        TooManyConnections = "too_many_connections",
        /// The sale does not offer the product; it has to be declared.
        NotOffered = "not_offered",
        /// There are no order ids left.
        IdsExhausted = "ids_exhausted",
        /// The schema is missing, or older than this version.
        Schema = "schema",
        /// The role that connects lacks a right; somebody has to grant it.
        NotPermitted = "not_permitted",
        /// Anything else that is no job's fault: a full disk, for example.
        Other = "other",
    }
}

/// SQLSTATE class of what the schema does not have: undefined tables, columns, functions.
const SCHEMA_CLASS: &str = "42";

/// `insufficient_privilege`, which is in that class too.
const NOT_PERMITTED: &str = "42501";

/// SQLSTATEs, and classes of them, with what they mean; the first that a code begins with decides.
/// What is not listed is [`WaitReason::Other`]: nobody's buy may fail because of a server whose
/// trouble is unknown.
const SQLSTATES: [(&str, Fault); 26] = [
    // Raised by our functions, see `migrations/0008_settle_jobs.sql`.
    ("FS001", Fault::Fenced),
    ("FS002", Fault::Server(WaitReason::NotOffered)),
    ("FS003", Fault::OutOfTurn),
    // query_canceled: a statement timeout, or somebody's pg_cancel_backend.
    ("57014", Fault::TooSlow),
    ("57", Fault::Server(WaitReason::Unreachable)),
    ("08", Fault::Server(WaitReason::Unreachable)),
    // Refused passwords and roles, which are mended on the server.
    ("28", Fault::Server(WaitReason::Unreachable)),
    // read_only_sql_transaction.
    ("25006", Fault::Server(WaitReason::ReadOnly)),
    // idle_in_transaction_session_timeout.
    ("25P03", Fault::Server(WaitReason::Unreachable)),
    ("53300", Fault::Server(WaitReason::TooManyConnections)),
    // lock_not_available: a lock timeout.
    ("55P03", Fault::Server(WaitReason::Locked)),
    // Serialization failures and deadlocks.
    ("40", Fault::Server(WaitReason::Locked)),
    // sequence_generator_limit_exceeded.
    ("2200H", Fault::Server(WaitReason::IdsExhausted)),
    // invalid_catalog_name, invalid_schema_name.
    ("3D", Fault::Server(WaitReason::Schema)),
    ("3F", Fault::Server(WaitReason::Schema)),
    // duplicate_prepared_statement: a connection pooler mixed statements up.
    ("42P05", Fault::Server(WaitReason::Other)),
    (NOT_PERMITTED, Fault::Server(WaitReason::NotPermitted)),
    (SCHEMA_CLASS, Fault::Server(WaitReason::Schema)),
    // What speaks of the rows sent: cardinality, data exceptions, integrity constraints, external
    // routines, WITH CHECK OPTION, limits of a single row, and errors raised by triggers.
    ("21", Fault::Row),
    ("22", Fault::Row),
    ("23", Fault::Row),
    ("38", Fault::Row),
    ("39", Fault::Row),
    ("44", Fault::Row),
    ("54", Fault::Row),
    ("P0", Fault::Row),
];

/// Tables whose constraints no job can break; only the ledger's own state can.
const OWN_TABLES: [&str; 3] = ["products", "rejections", "sales"];

/// The constraint that is broken when the sequence of order ids is behind the table. The function
/// mends that itself; where it cannot, no job is to blame.
const ORDER_IDS: &str = "orders_pkey";

/// What a failure of the driver, or of the server behind it, means.
pub(super) fn sqlstate_fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) => {
            let is_own = error
                .table()
                .is_some_and(|table| OWN_TABLES.contains(&table))
                || error.constraint() == Some(ORDER_IDS);
            match error.code() {
                Some(code) if code.starts_with("23") && is_own => Fault::Server(WaitReason::Other),
                Some(code) => of_code(&code),
                None => Fault::Server(WaitReason::Other),
            }
        }
        sqlx::Error::Encode(_) | sqlx::Error::Decode(_) => Fault::Row,
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::TypeNotFound { .. } => Fault::Server(WaitReason::Schema),
        _ => Fault::Server(WaitReason::Unreachable),
    }
}

/// `undefined_function`, `undefined_table` and `undefined_column`.
const MISSING_OBJECTS: [&str; 3] = ["42883", "42P01", "42703"];

/// Whether the server answers, and has no schema or an older one.
pub(super) fn is_schema_missing(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| MISSING_OBJECTS.contains(&code.as_ref()))
}

/// Whether the role that connects lacks a right.
pub(super) fn is_not_permitted(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == NOT_PERMITTED)
}

/// Whether the server lets the role in with a client certificate only, or with another one. It says so
/// in the language of its own messages, so the words decide that no language changes.
pub(super) fn is_about_certificate(error: &sqlx::Error) -> bool {
    let is_refusal = code(error).is_some_and(|code| code.starts_with("28"));
    is_refusal && error.to_string().contains("certificate")
}

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

fn of_code(code: &str) -> Fault {
    SQLSTATES
        .iter()
        .find(|(prefix, _)| code.starts_with(prefix))
        .map_or(Fault::Server(WaitReason::Other), |(_, fault)| *fault)
}
