//! The report of a sale: made of what the ledger and Redis say, at most once every few seconds.

pub mod calls;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::id::SaleId;
use flashsale_ledger::{Fault, Ledger, LedgerError};
use flashsale_queue::{
    answers::{self, Answers},
    connect::QueuePool,
};
use flashsale_report::{SaleReport, Sources};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    catalogue::Catalogue,
    problem::{Problem, ProblemKind, unavailable},
};

/// How long a report is shown again instead of being made anew.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// How long PostgreSQL may count the orders of a sale: about two million of them. Below the time that a request may
/// take, so that people are told what else they can do.
const LEDGER_LIMIT: Duration = Duration::from_secs(8);

/// How long Redis may take to tell what gateways answered. Without it the report is made all the same.
const REDIS_LIMIT: Duration = Duration::from_secs(1);

/// Makes reports, one at a time, so that however many people ask, the ledger counts once.
#[derive(Debug)]
pub(super) struct Reports {
    ledger: Ledger,
    pool: QueuePool,
    catalogue: Catalogue,
    /// Reports that are still fresh.
    kept: Mutex<HashMap<SaleId, Kept>>,
}

#[derive(Debug)]
struct Kept {
    at: Instant,
    report: Arc<SaleReport>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    /// Neither store knows the sale.
    #[error(
        "neither PostgreSQL nor Redis knows a sale of this name; `flashsale report` lists those that they know"
    )]
    UnknownSale,
    /// The ledger did not tell.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        let ReportError::Ledger(failure) = &error else {
            return Self::new(ProblemKind::UnknownSale, error.to_string());
        };
        tracing::debug!(error = %failure, "no report could be made: {failure}");
        match failure {
            LedgerError::NotPermitted(_) | LedgerError::SchemaMissing(_) => {
                unavailable(failure.to_string())
            }
            _ if failure.fault() == Fault::TooSlow => unavailable(
                "PostgreSQL needs too long to count the orders of this sale; run `flashsale report` instead",
            ),
            _ => unavailable("PostgreSQL cannot be asked right now; try again in a few seconds"),
        }
    }
}

impl Reports {
    pub(super) fn new(ledger: Ledger, pool: QueuePool, catalogue: Catalogue) -> Self {
        Self {
            ledger,
            pool,
            catalogue,
            kept: Mutex::default(),
        }
    }

    /// The report of a sale, in force or not, at most a few seconds old.
    pub(super) async fn of(&self, sale: &SaleId) -> Result<Arc<SaleReport>, ReportError> {
        let mut kept = self.kept.lock().await;
        kept.retain(|_, report| report.at.elapsed() < KEPT_FOR);
        if let Some(fresh) = kept.get(sale) {
            return Ok(Arc::clone(&fresh.report));
        }
        let report = Arc::new(self.make(sale).await?);
        let fresh = Kept {
            at: Instant::now(),
            report: Arc::clone(&report),
        };
        kept.insert(sale.clone(), fresh);
        Ok(report)
    }

    async fn make(&self, sale: &SaleId) -> Result<SaleReport, ReportError> {
        let entry = self.catalogue.snapshot().sale(sale.as_str()).cloned();
        let products = self.ledger.sale_report(sale, None, LEDGER_LIMIT);
        let (products, answers) = tokio::join!(products, self.answers(sale));
        let products = products?;
        if products.is_empty() && entry.is_none() && !matches!(answers, Ok(Some(_))) {
            return Err(ReportError::UnknownSale);
        }
        Ok(SaleReport::new(Sources {
            sale,
            at: self.catalogue.clock.now(),
            declared: entry.as_ref().map(|entry| entry.sale()),
            answers,
            products: &products,
        }))
    }

    async fn answers(&self, sale: &SaleId) -> Result<Option<Answers>, String> {
        let asking = async {
            let mut connection = self.pool.get().await.map_err(|error| error.to_string())?;
            let answers = answers::read(&mut *connection, sale).await;
            answers.map_err(|error| error.to_string())
        };
        let told = timeout(REDIS_LIMIT, asking).await;
        told.unwrap_or_else(|_| Err(format!("no answer within {REDIS_LIMIT:?}")))
            .map_err(|error| format!("Redis does not tell what gateways answered: {error}."))
    }
}
