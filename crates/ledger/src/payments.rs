//! Payments by providers: every payment has one order or one refund (law 8).
//!
//! What happens is decided by the functions of `migrations/0085_payments.sql`; each call here is one of them, in
//! a transaction of its own, and may be sent again.

use std::time::Duration;

use flashsale_domain::id::{JobId, ProductId, SaleId, UserId};
use uuid::Uuid;

use crate::{error::LedgerError, handle::Ledger};

/// Where the payment of an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkout {
    /// It can be paid at [`Session::url`].
    Ready(Session),
    /// The provider is to be asked for a session of this payment, perhaps for the second time.
    Opening(Session),
    /// The shopper has no such order.
    Unknown,
    /// The order is completed.
    Paid,
    /// The order is cancelled.
    Cancelled,
    /// The order's window is over.
    Over,
    /// The sale's orders are not paid by a provider.
    NoProvider,
}

/// A payment that a shopper can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Our id of it: of the one that is under way, if there is one.
    pub payment: Uuid,
    /// `orders.id`.
    pub order: i64,
    /// Of which sale.
    pub sale: SaleId,
    /// Of which product.
    pub product: ProductId,
    /// Name of the provider.
    pub provider: String,
    /// The provider's id of the session, once it is known.
    pub session_ref: Option<String>,
    /// Where the shopper pays, once it is known.
    pub url: Option<String>,
    /// In minor units of the currency.
    pub amount: i64,
    /// ISO 4217 code, in capital letters.
    pub currency: String,
    /// Until when the order may be paid, in milliseconds since the Unix epoch; [`i64::MAX`] for an order
    /// without such a window.
    pub expires_ms: i64,
}

flashsale_domain::words! {
    /// What a provider tells of a payment.
    pub enum PaymentKind {
        /// The money came.
        Paid = "paid",
        /// A payment that took its time failed for good.
        Declined = "declined",
        /// The session can no longer be paid.
        Ended = "ended",
        /// The money was given back.
        Refunded = "refunded",
    }
}

/// What a provider told of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentEvent {
    /// Name of the provider.
    pub provider: String,
    /// The provider's id of what it sent; none for what it answered when asked.
    pub event: Option<String>,
    /// What happened.
    pub kind: PaymentKind,
    /// Our id of the payment, where the provider gave it back. Without it, the payment is the one of the session.
    pub payment: Option<Uuid>,
    /// The provider's id of the session.
    pub session_ref: Option<String>,
    /// The provider's id of the money that came. A second one for a payment is money that came twice.
    pub payment_ref: Option<String>,
    /// What came or was given back, in minor units. Not read for [`PaymentKind::Declined`] and
    /// [`PaymentKind::Ended`].
    pub amount: i64,
    /// ISO 4217 code of it.
    pub currency: String,
}

flashsale_domain::words! {
    /// What came of an event.
    pub enum Applied {
        /// Nothing new; or a part of the money was given back, of which nothing follows.
        Repeat = "repeat",
        /// There is no such payment.
        Unknown = "unknown",
        /// The order is paid.
        Completed = "completed",
        /// The order had expired; a new one was made in its place.
        Reacquired = "reacquired",
        /// The money is going to be given back.
        RefundDue = "refund_due",
        /// The session is ended.
        Ended = "ended",
        /// The order is cancelled.
        Declined = "declined",
        /// The money is given back.
        Refunded = "refunded",
    }
}

flashsale_domain::words! {
    /// What became of an order whose shopper does not want it any more.
    pub enum Cancellation {
        /// It is cancelled now.
        Cancelled = "cancelled",
        /// The shopper has no such order.
        Unknown = "unknown",
        /// It is completed and stays so.
        Paid = "paid",
        /// It was cancelled before.
        WasCancelled = "was_cancelled",
        /// It is paid elsewhere, perhaps just now.
        NoProvider = "no_provider",
    }
}

flashsale_domain::words! {
    /// What a provider is to be asked for.
    pub enum ChoreKind {
        /// To end a session, so that nobody pays any more; or to tell that it is paid.
        End = "end",
        /// To give the money back.
        Refund = "refund",
    }
}

/// What a provider is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chore {
    /// What.
    pub kind: ChoreKind,
    /// Our id of the payment.
    pub payment: Uuid,
    /// Name of the provider.
    pub provider: String,
    /// The provider's id of the session; none when nobody heard whether there is one.
    pub session_ref: Option<String>,
    /// The provider's id of the money that came.
    pub payment_ref: Option<String>,
    /// What is to be given back, in minor units; of a session what was asked for.
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// How often it was tried, with this time.
    pub attempts: u32,
    /// `orders.id`; none of money that no order is known for, as are the next two.
    pub order: Option<i64>,
    /// Of which sale.
    pub sale: Option<SaleId>,
    /// Of which product.
    pub product: Option<ProductId>,
}

/// What came of a chore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChoreResult {
    /// The session is ended and was not paid. That it was paid is told by [`Ledger::apply_payment`].
    Ended,
    /// The money is given back, with the provider's id of the refund.
    Refunded(String),
    /// It is to be tried again, with the reason.
    Failed(String),
}

/// Payments of one sale in one state.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PaymentTotal {
    /// `OPENING`, `OPEN`, `ENDING`, `ENDED`, `PAID`, `REFUND_DUE` or `REFUNDED`.
    pub state: String,
    /// How many.
    pub payments: i64,
    /// Their sum, in minor units.
    pub amount: i64,
    /// For how long the first of them has been in the state, in milliseconds.
    pub oldest_ms: i64,
}

/// The one row that `open_checkout` returns.
#[derive(sqlx::FromRow)]
struct CheckoutRow {
    result: String,
    order_id: Option<i64>,
    payment_id: Option<Uuid>,
    provider: Option<String>,
    session_ref: Option<String>,
    url: Option<String>,
    amount: Option<i64>,
    currency: Option<String>,
    expires_ms: Option<i64>,
    sale: Option<String>,
    product: Option<String>,
}

/// A row of `claim_payment_chores`.
#[derive(sqlx::FromRow)]
struct ChoreRow {
    chore: String,
    payment_id: Uuid,
    provider: String,
    session_ref: Option<String>,
    payment_ref: Option<String>,
    amount: i64,
    currency: String,
    attempts: i32,
    order_id: Option<i64>,
    sale: Option<String>,
    product: Option<String>,
}

impl Ledger {
    /// The payment of the order that settled `job`, which is `user`'s. Whoever asks again gets the same one;
    /// `id` is the id of a new one.
    ///
    /// # Errors
    /// The ledger cannot be asked; the call may be sent again.
    pub async fn open_checkout(
        &self,
        job: JobId,
        user: &UserId,
        id: Uuid,
    ) -> Result<Checkout, LedgerError> {
        let query = sqlx::query_as(
            "SELECT result, order_id, payment_id, provider, session_ref, url, amount, currency, expires_ms,
                    sale, product
               FROM open_checkout($1, $2, $3)",
        )
        .bind(job.0)
        .bind(user.as_str())
        .bind(id);
        let row: CheckoutRow = self
            .call(async |connection| query.fetch_one(connection).await)
            .await?;
        Ok(match row.result.as_str() {
            "open" => Checkout::Ready(row.session()?),
            "opening" => Checkout::Opening(row.session()?),
            "unknown" => Checkout::Unknown,
            "paid" => Checkout::Paid,
            "cancelled" => Checkout::Cancelled,
            "over" => Checkout::Over,
            "no_provider" => Checkout::NoProvider,
            _ => return Err(LedgerError::Mismatch),
        })
    }

    /// Notes that the provider opened a session of `payment`. False: it is not to be paid, since its order ended
    /// meanwhile; it is going to be ended.
    ///
    /// # Errors
    /// The ledger cannot be asked; the call may be sent again.
    pub async fn session_opened(
        &self,
        payment: Uuid,
        session_ref: &str,
        url: &str,
    ) -> Result<bool, LedgerError> {
        let query = sqlx::query_scalar("SELECT session_opened($1, $2, $3)")
            .bind(payment)
            .bind(session_ref)
            .bind(url);
        self.call(async |connection| query.fetch_one(connection).await)
            .await
    }

    /// Notes that the provider answered that there is no session of `payment`, and why. Not for an answer that
    /// is unknown.
    ///
    /// # Errors
    /// The ledger cannot be asked; the call may be sent again.
    pub async fn session_failed(&self, payment: Uuid, error: &str) -> Result<(), LedgerError> {
        let query = sqlx::query("SELECT session_failed($1, $2)")
            .bind(payment)
            .bind(error);
        self.call(async |connection| query.execute(connection).await.map(drop))
            .await
    }

    /// Carries out what a provider told, once.
    ///
    /// # Errors
    /// On any error either nothing was changed, or nobody knows, and the call may be sent again.
    pub async fn apply_payment(&self, event: &PaymentEvent) -> Result<Applied, LedgerError> {
        let query = sqlx::query_scalar("SELECT apply_payment($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(&event.provider)
            .bind(&event.event)
            .bind(event.kind.as_str())
            .bind(event.payment)
            .bind(&event.session_ref)
            .bind(&event.payment_ref)
            .bind(event.amount)
            .bind(&event.currency);
        let result: String = self
            .call(async |connection| query.fetch_one(connection).await)
            .await?;
        Applied::named(&result).ok_or(LedgerError::Mismatch)
    }

    /// Cancels the order that settled `job`, which is `user`'s, unless it is paid.
    ///
    /// # Errors
    /// On any error either nothing was changed, or nobody knows, and the call may be sent again.
    pub async fn cancel_order(
        &self,
        job: JobId,
        user: &UserId,
    ) -> Result<Cancellation, LedgerError> {
        let query = sqlx::query_scalar("SELECT cancel_order($1, $2)")
            .bind(job.0)
            .bind(user.as_str());
        let result: String = self
            .call(async |connection| query.fetch_one(connection).await)
            .await?;
        Cancellation::named(&result).ok_or(LedgerError::Mismatch)
    }

    /// Up to `limit` chores at `providers`, those that wait the longest first. Nobody else gets them for `lease`;
    /// after that they are tried again, ever more seldom.
    ///
    /// # Errors
    /// The ledger cannot be asked. Chores that were claimed without this being heard come again.
    pub async fn claim_payment_chores(
        &self,
        providers: &[String],
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Chore>, LedgerError> {
        let query = sqlx::query_as(
            "SELECT payment_id, chore, provider, session_ref, payment_ref, amount, currency, attempts, order_id,
                    sale, product
               FROM claim_payment_chores($1, $2, $3)",
        )
        .bind(providers)
        .bind(i32::try_from(limit).unwrap_or(i32::MAX))
        .bind(i32::try_from(lease.as_millis()).unwrap_or(i32::MAX));
        let rows: Vec<ChoreRow> = self
            .call(async |connection| query.fetch_all(connection).await)
            .await?;
        rows.into_iter().map(ChoreRow::chore).collect()
    }

    /// Notes what came of a chore. What changed about the payment meanwhile stays as it is.
    ///
    /// # Errors
    /// The ledger cannot be asked; the call may be sent again.
    pub async fn end_payment_chore(
        &self,
        payment: Uuid,
        kind: ChoreKind,
        result: ChoreResult,
    ) -> Result<(), LedgerError> {
        let (word, told) = match result {
            ChoreResult::Ended => ("ended", None),
            ChoreResult::Refunded(refund) => ("refunded", Some(refund)),
            ChoreResult::Failed(error) => ("failed", Some(error)),
        };
        let query = sqlx::query("SELECT end_payment_chore($1, $2, $3, $4)")
            .bind(payment)
            .bind(kind.as_str())
            .bind(word)
            .bind(told);
        self.call(async |connection| query.execute(connection).await.map(drop))
            .await
    }

    /// Payments of `sale` by state, those states that have any. None: money that no order is known for.
    ///
    /// # Errors
    /// The ledger cannot be asked.
    pub async fn payments_of_sale(
        &self,
        sale: Option<&SaleId>,
    ) -> Result<Vec<PaymentTotal>, LedgerError> {
        let query = sqlx::query_as(
            "SELECT state, payments, amount, oldest_ms FROM payments_of_sale($1) ORDER BY state",
        )
        .bind(sale.map(SaleId::as_str));
        self.call(async |connection| query.fetch_all(connection).await)
            .await
    }
}

impl CheckoutRow {
    fn session(self) -> Result<Session, LedgerError> {
        let session = || {
            Some(Session {
                payment: self.payment_id?,
                order: self.order_id?,
                sale: SaleId::new(self.sale?).ok()?,
                product: ProductId::new(self.product?).ok()?,
                provider: self.provider?,
                session_ref: self.session_ref,
                url: self.url,
                amount: self.amount?,
                currency: self.currency?,
                expires_ms: self.expires_ms.unwrap_or(i64::MAX),
            })
        };
        session().ok_or(LedgerError::Mismatch)
    }
}

impl ChoreRow {
    fn chore(self) -> Result<Chore, LedgerError> {
        Ok(Chore {
            kind: ChoreKind::named(&self.chore).ok_or(LedgerError::Mismatch)?,
            payment: self.payment_id,
            provider: self.provider,
            session_ref: self.session_ref,
            payment_ref: self.payment_ref,
            amount: self.amount,
            currency: self.currency,
            attempts: u32::try_from(self.attempts).map_err(|_| LedgerError::Mismatch)?,
            order: self.order_id,
            sale: self.sale.and_then(|sale| SaleId::new(sale).ok()),
            product: self
                .product
                .and_then(|product| ProductId::new(product).ok()),
        })
    }
}
