//! What is done to dead letters in Redis, within a bounded time.

use std::time::Duration;

use flashsale_queue::{
    connect::QueuePool,
    dead_letter::{self, DeadLetter, LetterId},
    keys::SaleKeys,
};
use tokio::time::timeout;

use super::{
    DeadLetterView, DeadLetters, LettersDone,
    search::{self, Wanted},
};
use crate::{
    catalogue::SaleEntry,
    problem::{Problem, ProblemKind, unavailable},
};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why letters could not be looked at or moved.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeskError {
    #[error("Redis is out of reach: {0}")]
    Pool(String),
    #[error("Redis failed: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("Redis does not answer within {PATIENCE:?}")]
    Silence,
    /// A job put into a lane that nobody drives would wait for ever.
    #[error(
        "letter {id} is of product {product:?}, which the sale does not offer; leave it out, \
         or discard it"
    )]
    NotOffered { id: String, product: String },
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        if let DeskError::NotOffered { .. } = error {
            return Self::new(ProblemKind::BodyInvalid, error.to_string());
        }
        tracing::debug!(%error, "dead letters could not be reached: {error}");
        unavailable(
            "the dead letters cannot be reached right now; list them again in a second to see \
             what was done",
        )
    }
}

/// The letters that are wanted.
pub(super) async fn list(
    pool: &QueuePool,
    sale: &SaleEntry,
    wanted: &Wanted,
) -> Result<DeadLetters, DeskError> {
    in_time(async {
        let mut connection = pool.get().await.map_err(out_of_reach)?;
        let found = search::search(&mut *connection, &sale.keys, wanted).await?;
        let total = dead_letter::count(&mut *connection, &sale.keys).await?;
        Ok(DeadLetters {
            dead_letters: found.letters.iter().map(DeadLetterView::of).collect(),
            next: found.next,
            total,
        })
    })
    .await
}

/// Puts letters back at the end of their lanes, oldest first; all or, when one of them has no lane
/// to go to, none.
pub(super) async fn replay(
    pool: &QueuePool,
    sale: &SaleEntry,
    ids: &[LetterId],
) -> Result<LettersDone, DeskError> {
    in_time(async {
        let mut connection = pool.get().await.map_err(out_of_reach)?;
        let letters = dead_letter::find(&mut *connection, &sale.keys, ids).await?;
        for letter in &letters {
            check_offered(sale, letter)?;
        }
        let mut replayed = 0;
        for letter in &letters {
            // Somebody else may have been faster since they were found: the script knows.
            if dead_letter::replay(&mut *connection, &sale.keys, letter).await? {
                replayed += 1;
            }
        }
        Ok(done(ids, replayed))
    })
    .await
}

/// Takes letters away for good.
pub(super) async fn discard(
    pool: &QueuePool,
    keys: &SaleKeys,
    ids: &[LetterId],
) -> Result<LettersDone, DeskError> {
    in_time(async {
        let mut connection = pool.get().await.map_err(out_of_reach)?;
        let discarded = dead_letter::discard_all(&mut *connection, keys, ids).await?;
        Ok(done(ids, discarded))
    })
    .await
}

fn done(named: &[LetterId], done: u64) -> LettersDone {
    let named = u64::try_from(named.len()).unwrap_or(u64::MAX);
    LettersDone {
        done,
        gone: named.saturating_sub(done),
    }
}

fn check_offered(sale: &SaleEntry, letter: &DeadLetter) -> Result<(), DeskError> {
    let mut products = sale.sale().products.iter();
    if products.any(|product| product.id.as_str() == letter.product) {
        return Ok(());
    }
    Err(DeskError::NotOffered {
        id: letter.id.clone(),
        product: letter.product.clone(),
    })
}

async fn in_time<T>(work: impl Future<Output = Result<T, DeskError>>) -> Result<T, DeskError> {
    timeout(PATIENCE, work)
        .await
        .unwrap_or(Err(DeskError::Silence))
}

fn out_of_reach(error: impl std::fmt::Display) -> DeskError {
    DeskError::Pool(error.to_string())
}
