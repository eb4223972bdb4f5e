//! The control loop of one sale, a turn at a time, as the operator and `flashsale up` run it.

use std::time::Duration;

use flashsale_domain::{
    control::{Controller, Look, Step},
    lifecycle::Announced,
    sale::Sale,
};
use flashsale_queue::{catalogue, keys::SaleKeys, observation, orders, stock};
use flashsale_testbed::fixtures::services::Services;
use jiff::Timestamp;

pub(crate) struct ControlLoop<'a> {
    services: &'a Services,
    sale: &'a Sale,
    controller: Controller,
    turns: u32,
}

impl<'a> ControlLoop<'a> {
    pub(crate) fn new(services: &'a Services, sale: &'a Sale) -> Self {
        let desired = Announced {
            sale: sale.clone(),
            closing: false,
        };
        Self {
            services,
            sale,
            controller: Controller::new(desired),
            turns: 0,
        }
    }

    /// Looks, decides and acts once; answers what was decided.
    pub(crate) async fn turn(&mut self) -> Step {
        let look = self.look().await;
        self.turns += 1;
        let uptime = Duration::from_secs(self.turns.into());
        let step = self.controller.step(&look, Timestamp::now(), uptime, 1);
        let (mut queue, ledger) = (self.services.queue.clone(), &self.services.ledger);
        let keys = SaleKeys::new(&self.sale.id);
        if step.declare {
            let levels = ledger.declare(self.sale).await.unwrap().levels;
            stock::publish(&mut queue, &keys, &levels).await.unwrap();
        }
        if !step.went_back.is_empty() {
            let last_order = look.lanes.as_ref().and_then(|lanes| lanes.last_order);
            let back = &step.went_back;
            flashsale_recovery::correct(ledger, &mut queue, &self.sale.id, back, last_order)
                .await
                .unwrap();
        }
        stock::publish(&mut queue, &keys, &step.publish)
            .await
            .unwrap();
        stock::forget(&mut queue, &keys, &step.forget)
            .await
            .unwrap();
        orders::remind(&mut queue, &keys, &step.remind)
            .await
            .unwrap();
        if let Some(record) = &step.announce {
            catalogue::announce(&mut queue, &record.sale, false)
                .await
                .unwrap();
        }
        let id = &self.sale.id;
        ledger.release_products(id, &step.release).await.unwrap();
        if let Some(server) = &step.restore {
            flashsale_recovery::restore_outcomes(ledger, &mut queue, id, server, |_| ())
                .await
                .unwrap();
        }
        step
    }

    async fn look(&self) -> Look {
        let mut queue = self.services.queue.clone();
        let id = &self.sale.id;
        let stocks = self
            .services
            .ledger
            .stocks(std::slice::from_ref(id))
            .await
            .ok();
        let record = self.controller.record();
        let lanes = observation::observe(&mut queue, &[&record.sale])
            .await
            .unwrap();
        let stock = stocks.and_then(|mut stocks| stocks.remove(id));
        Look {
            server: Some(
                flashsale_queue::connect::server_id(&mut queue)
                    .await
                    .unwrap(),
            ),
            announced: Some(catalogue::read(&mut queue, id).await.unwrap()),
            ledger: stock.as_ref().map(|stock| stock.levels.clone()),
            pending: stock
                .as_ref()
                .and_then(|stock| u64::try_from(stock.pending).ok()),
            changed: stock
                .as_ref()
                .map_or_else(Vec::new, |stock| stock.changed.clone()),
            unlisted: stock.map(|stock| {
                let unlisted = stock.unlisted.into_iter();
                unlisted.map(|level| level.product).collect()
            }),
            lanes: lanes.into_iter().next(),
        }
    }
}
