//! Telling the operations page which lanes this worker drives, once a second.

use flashsale_domain::id::{ProductId, SaleId};
use flashsale_queue::{
    connect::SharedConnection,
    figures::{self, INTERVAL, ProcessFigures, WorkerFigures},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

/// Tells of this worker, named `name`, and of the lanes that it drives as `lanes` shows them; ends
/// when their sender is gone, and so with the roster.
pub async fn tell(
    mut queue: SharedConnection,
    name: String,
    lanes: watch::Receiver<Vec<(SaleId, ProductId)>>,
) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if lanes.has_changed().is_err() {
            return;
        }
        let driven = lanes.borrow().clone();
        let figures = ProcessFigures::Worker(WorkerFigures {
            name: name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes: driven,
        });
        let told = match figures.to_json() {
            Ok(json) => figures::publish(&mut queue, &json)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = told {
            // The roster says when Redis is away; this message's turn comes again in a second.
            tracing::debug!(%error, "could not tell which lanes are driven here: {error}");
        }
    }
}
