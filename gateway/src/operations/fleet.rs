//! Which processes there are: those that were heard lately.

use std::{collections::BTreeMap, time::Instant};

use flashsale_queue::figures::{GatewayFigures, SILENCE, WorkerFigures};
use serde::Serialize;

/// A gateway that was heard lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayView {
    /// Its name.
    #[schema(example = "gateway-2f1c0f3f1f5e4d0a8c55a7e5d9a0f1b2")]
    pub name: String,
    /// Its version.
    pub version: String,
    /// Shoppers' Socket.io sockets.
    pub sockets: u64,
}

/// A worker that was heard lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerView {
    /// Its name; the `driver` of its lanes.
    #[schema(example = "worker-9b2e51c57f0d4c41a6dc0f6d1b7f3a70")]
    pub name: String,
    /// Its version.
    pub version: String,
    /// The lanes that it drives.
    pub lanes: Vec<DrivenLane>,
}

/// A lane that a worker drives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrivenLane {
    /// The sale.
    pub sale: String,
    /// The product.
    pub product_id: String,
}

/// The processes heard lately.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    pub(super) gateways: Heard<GatewayView>,
    pub(super) workers: Heard<WorkerView>,
}

/// Processes of one kind, by name, and when each was heard last.
#[derive(Debug)]
pub(super) struct Heard<T>(BTreeMap<String, (Instant, T)>);

impl<T> Default for Heard<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Clone> Heard<T> {
    /// Those who are not silent for too long.
    pub(super) fn recent(&self, now: Instant) -> Vec<T> {
        let recent = self.0.values().filter(|(at, _)| is_recent(*at, now));
        recent.map(|(_, view)| view.clone()).collect()
    }
}

impl Fleet {
    pub(super) fn hear_gateway(&mut self, figures: &GatewayFigures, now: Instant) {
        let view = GatewayView {
            name: figures.name.clone(),
            version: figures.version.clone(),
            sockets: figures.sockets,
        };
        self.gateways.0.insert(figures.name.clone(), (now, view));
    }

    pub(super) fn hear_worker(&mut self, figures: WorkerFigures, now: Instant) {
        let lanes = figures.lanes.into_iter().map(|(sale, product)| DrivenLane {
            sale: sale.into(),
            product_id: product.into(),
        });
        let view = WorkerView {
            name: figures.name.clone(),
            version: figures.version,
            lanes: lanes.collect(),
        };
        self.workers.0.insert(figures.name, (now, view));
    }

    /// Forgets who fell silent.
    pub(super) fn forget_silent(&mut self, now: Instant) {
        self.gateways.0.retain(|_, (at, _)| is_recent(*at, now));
        self.workers.0.retain(|_, (at, _)| is_recent(*at, now));
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < SILENCE
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn worker(name: &str) -> WorkerFigures {
        WorkerFigures {
            name: name.to_owned(),
            version: "1".to_owned(),
            lanes: Vec::new(),
        }
    }

    #[test]
    fn who_is_silent_for_five_seconds_is_gone_and_the_others_stand_by_name() {
        let (mut fleet, start) = (Fleet::default(), Instant::now());
        for name in ["b", "a", "c"] {
            fleet.hear_worker(worker(name), start);
        }
        let later = start + Duration::from_secs(3);
        fleet.hear_worker(worker("a"), later);
        let names = |now| -> Vec<String> {
            let workers = fleet.workers.recent(now).into_iter();
            workers.map(|worker| worker.name).collect()
        };
        assert_eq!(names(later), ["a", "b", "c"]);
        assert_eq!(names(start + SILENCE), ["a"]);
        fleet.forget_silent(start + SILENCE);
        assert_eq!(fleet.workers.0.len(), 1);
    }
}
