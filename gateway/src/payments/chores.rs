//! What is left to do at providers, whichever gateway is there to do it: sessions to be ended, and money to be
//! paid back.

use std::{sync::Arc, time::Duration};

use flashsale_fault_point::FaultPoint;
use flashsale_ledger::{Chore, ChoreKind, ChoreResult, LedgerError, PaymentEvent, PaymentKind};
use flashsale_telemetry::probes::Heartbeat;
use futures_util::future::join_all;
use rand::Rng as _;
use tokio::time::{sleep, timeout};

use super::{
    Payments,
    provider::{Money, ProviderError, SessionEnd},
};

/// How often the ledger is asked; up to half of that is added, so that gateways take turns.
const INTERVAL: Duration = Duration::from_secs(1);

/// Chores of one provider that one gateway does at a time.
const AT_A_TIME: u32 = 32;

/// How long one chore may take.
const LIMIT: Duration = Duration::from_secs(12);

/// How long nobody else takes a chore that was claimed. Longer than it may take.
const LEASE: Duration = Duration::from_secs(15);

/// Does chores until it is stopped, those of each provider by themselves: one that is away delays no other.
pub(crate) async fn run(payments: Payments, heartbeat: Arc<Heartbeat>) {
    let providers = payments.0.providers.keys().cloned();
    join_all(providers.map(|provider| run_for(&payments, provider, &heartbeat))).await;
}

async fn run_for(payments: &Payments, provider: String, heartbeat: &Heartbeat) {
    let providers = [provider];
    let mut is_told = false;
    loop {
        heartbeat.beat();
        let claimed = payments
            .0
            .ledger
            .claim_payment_chores(&providers, AT_A_TIME, LEASE);
        match claimed.await {
            Ok(chores) => {
                is_told = false;
                let is_full = u32::try_from(chores.len()) == Ok(AT_A_TIME);
                join_all(chores.iter().map(|chore| do_one(payments, chore))).await;
                if is_full {
                    continue;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(%error, "payments cannot be looked after until the ledger answers: {error}");
                }
            }
        }
        let jitter = rand::rng().random_range(Duration::ZERO..INTERVAL / 2);
        sleep(INTERVAL + jitter).await;
    }
}

async fn do_one(payments: &Payments, chore: &Chore) {
    let late = || Err(ProviderError::Unknown("it took too long".to_owned()).into());
    let done = timeout(LIMIT, attempt(payments, chore))
        .await
        .unwrap_or_else(|_| late());
    let metrics = &payments.0.metrics;
    let (succeeded, failed) = match chore.kind {
        ChoreKind::End => (&metrics.ended, &metrics.end_failed),
        ChoreKind::Refund => (&metrics.refunded, &metrics.refund_failed),
    };
    let error = match done {
        Ok(()) => {
            succeeded.inc();
            return;
        }
        Err(error) => error,
    };
    if matches!(error, ChoreError::UnderWay) {
        tracing::debug!(payment = %chore.payment, "payment {} is under way", chore.payment);
    } else {
        failed.inc();
        tracing::warn!(
            %error,
            payment = %chore.payment,
            order = chore.order,
            provider = chore.provider,
            attempts = chore.attempts,
            "{} of payment {} failed and is tried again: {error}", name(chore.kind), chore.payment
        );
    }
    let failure = ChoreResult::Failed(error.to_string());
    // Where the ledger is away, the lease ends, and the chore is claimed again.
    let _ = end(payments, chore, failure).await;
}

fn name(kind: ChoreKind) -> &'static str {
    match kind {
        ChoreKind::End => "ending the session",
        ChoreKind::Refund => "the refund",
    }
}

#[derive(Debug, thiserror::Error)]
enum ChoreError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the ledger could not be told: {0}")]
    Ledger(#[from] LedgerError),
    #[error("no provider of this name is configured")]
    NoProvider,
    #[error("a payment is under way at the provider")]
    UnderWay,
}

async fn attempt(payments: &Payments, chore: &Chore) -> Result<(), ChoreError> {
    let configured = payments.0.providers.get(&chore.provider);
    let provider = &configured.ok_or(ChoreError::NoProvider)?.for_chores;
    match chore.kind {
        ChoreKind::End => match done(provider.end(chore)).await? {
            SessionEnd::Ended => end(payments, chore, ChoreResult::Ended).await?,
            SessionEnd::Paid(money) => payments.apply(&paid(chore, money)).await.map(drop)?,
            SessionEnd::UnderWay => return Err(ChoreError::UnderWay),
        },
        ChoreKind::Refund => {
            let refund = done(provider.refund(chore)).await?;
            end(payments, chore, ChoreResult::Refunded(refund)).await?;
        }
    }
    Ok(())
}

/// What the provider did, of which nobody knows yet.
async fn done<T>(call: impl Future<Output = Result<T, ProviderError>>) -> Result<T, ProviderError> {
    let done = call.await?;
    flashsale_fault_point::reach(FaultPoint::AfterPaymentChoreBeforeResult).await;
    Ok(done)
}

async fn end(payments: &Payments, chore: &Chore, result: ChoreResult) -> Result<(), LedgerError> {
    let ledger = &payments.0.ledger;
    ledger
        .end_payment_chore(chore.payment, chore.kind, result)
        .await
}

/// What ending a session told of money, whose event may have been lost.
fn paid(chore: &Chore, money: Money) -> PaymentEvent {
    PaymentEvent {
        provider: chore.provider.clone(),
        event: None,
        kind: PaymentKind::Paid,
        payment: Some(chore.payment),
        session_ref: chore.session_ref.clone(),
        payment_ref: money.payment_ref,
        amount: money.amount,
        currency: money.currency,
    }
}
