//! Holds workers back until a lane is full: the bench holds the lanes' leases meanwhile, as if it
//! were a worker, so that starting up is no part of any figure.

use std::time::Duration;

use flashsale_core::{
    connect::DedicatedConnection,
    keys::{SaleKeys, WAKE, channel},
    lease,
    sale::Sale,
};
use redis::{AsyncCommands, aio::ConnectionLike};
use tokio::task::JoinHandle;

use crate::{error::BenchError, stores::Stores};

/// Names the bench in leases.
const OWNER: &str = "bench";

/// Three renewals a term, as workers do it.
const RENEWAL: Duration = lease::RENEWAL;

/// The lanes of a sale, closed to workers until [`Gate::open`]. Dropped unopened, it opens when
/// the leases run out.
#[derive(Debug)]
pub struct Gate {
    queue: DedicatedConnection,
    /// Key of each lease, and the message that calls workers to its lane.
    lanes: Vec<(String, String)>,
    renewal: JoinHandle<()>,
}

impl Gate {
    /// Takes the leases of all lanes of `sale`, which no worker may have yet.
    pub async fn close(stores: &Stores, sale: &Sale) -> Result<Self, BenchError> {
        let keys = SaleKeys::new(&sale.id);
        let lanes: Vec<(String, String)> = sale
            .products
            .iter()
            .map(|product| {
                (
                    keys.lease(&product.id),
                    format!("{} {}", sale.id, product.id),
                )
            })
            .collect();
        let queue = stores.queue.clone();
        hold_all(&queue, &lanes).await?;
        let renewal = tokio::spawn(renew(queue.clone(), lanes.clone()));
        Ok(Self {
            queue,
            lanes,
            renewal,
        })
    }

    /// Gives the leases back and calls the workers.
    pub async fn open(mut self) -> Result<(), BenchError> {
        self.renewal.abort();
        // Aborted or broken, it renews no more.
        let _ = (&mut self.renewal).await;
        let mut queue = self.queue.clone();
        for (lease, call) in &self.lanes {
            if !lease::release(&mut queue, lease, OWNER).await? {
                return Err(BenchError::Wrong(format!(
                    "the lease {lease} was lost while waiting"
                )));
            }
            let _: u32 = queue
                .publish(channel(WAKE, queue.get_db()).as_ref(), call)
                .await?;
        }
        Ok(())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(queue: DedicatedConnection, lanes: Vec<(String, String)>) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        // A lease that was lost by this is noticed when the gate opens.
        let _ = hold_all(&queue, &lanes).await;
    }
}

async fn hold_all(
    queue: &DedicatedConnection,
    lanes: &[(String, String)],
) -> Result<(), BenchError> {
    let mut queue = queue.clone();
    for (lease, _) in lanes {
        if !lease::hold(&mut queue, lease, OWNER).await? {
            return Err(BenchError::Wrong(format!(
                "the lease {lease} is a worker's already"
            )));
        }
    }
    Ok(())
}
