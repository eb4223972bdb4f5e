//! Whether the role that connects has the rights that its process is going to need. Asked at start,
//! so that a right that is missing is not found out by the first buy.

use crate::{call::CHECK_LIMIT, error::LedgerError, handle::Ledger};

/// A process that connects with few rights. What each of them may do is written in `roles.sql`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerClient {
    /// Settles batches.
    Worker,
    /// Looks orders up and has them paid.
    Gateway,
}

/// What a worker calls and reads.
const OF_WORKERS: &str = "\
    SELECT current_user::text, wanted FROM (VALUES \
        ('EXECUTE on the function settle_jobs', has_function_privilege( \
            'settle_jobs(text, text, uuid, bigint, bigint, bigint, uuid[], text[], text[], bigint[])', \
            'EXECUTE')), \
        ('EXECUTE on the function take_over_from', \
            has_function_privilege('take_over_from(text, text, uuid, uuid)', 'EXECUTE')), \
        ('EXECUTE on the function expire_orders', \
            has_function_privilege('expire_orders(text, text, uuid, integer)', 'EXECUTE')), \
        ('EXECUTE on the function order_changes', \
            has_function_privilege('order_changes(text, text, bigint, integer)', 'EXECUTE')), \
        ('EXECUTE on the function order_states', has_function_privilege( \
            'order_states(text, text, text, text, integer)', 'EXECUTE')), \
        ('EXECUTE on the function raise_order_ids', \
            has_function_privilege('raise_order_ids(bigint)', 'EXECUTE')), \
        ('SELECT on the sequence orders_id_seq', \
            has_sequence_privilege('orders_id_seq', 'SELECT')) \
    ) AS needed(wanted, granted) WHERE NOT granted LIMIT 1";

/// What a gateway reads and calls.
const OF_GATEWAYS: &str = "\
    SELECT current_user::text, wanted FROM ( \
        SELECT format('SELECT on the column %s of the table orders', name), \
               has_column_privilege('orders', name, 'SELECT') \
          FROM unnest(ARRAY['id', 'job_id', 'user_id', 'product_id', 'sale_id', 'status', \
                            'expires_at', 'end_reason']) AS name \
        UNION ALL \
        SELECT format('EXECUTE on the function %s', split_part(signature, '(', 1)), \
               has_function_privilege(signature, 'EXECUTE') \
          FROM unnest(ARRAY['open_checkout(uuid, text, uuid)', 'session_opened(uuid, text, text)', \
                            'session_failed(uuid, text)', \
                            'apply_payment(text, text, text, uuid, text, text, bigint, text)', \
                            'cancel_order(uuid, text)', \
                            'claim_payment_chores(text[], integer, integer)', \
                            'end_payment_chore(uuid, text, text, text)', \
                            'payments_of_sale(text)', \
                            'sale_report(text, integer, bigint)']) AS signature \
    ) AS needed(wanted, granted) WHERE NOT granted LIMIT 1";

impl LedgerClient {
    fn question(self) -> &'static str {
        match self {
            Self::Worker => OF_WORKERS,
            Self::Gateway => OF_GATEWAYS,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Worker => "workers",
            Self::Gateway => "gateways",
        }
    }
}

impl Ledger {
    /// Asks whether the role of this connection may do what `client` does.
    ///
    /// # Errors
    /// [`LedgerError::MissingRight`] names the first right that is missing. Any other error says
    /// that it could not be asked: the ledger is away, or has no schema yet.
    pub async fn check_rights(&self, client: LedgerClient) -> Result<(), LedgerError> {
        let question = sqlx::query_as(client.question());
        let missing: Option<(String, String)> = self
            .call_within(CHECK_LIMIT, async |connection| {
                question.fetch_optional(connection).await
            })
            .await?;
        match missing {
            Some((role, right)) => Err(LedgerError::MissingRight {
                role,
                right,
                members: client.plural(),
            }),
            None => Ok(()),
        }
    }
}
