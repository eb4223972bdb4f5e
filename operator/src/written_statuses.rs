//! The statuses that this operator wrote last. The watch delivers a written status a moment later;
//! a visit in between sees the status before it, and would tell the same turn of a sale twice.

use std::{
    borrow::Cow,
    collections::HashMap,
    time::{Duration, Instant},
};

use kube::{ResourceExt, core::DynamicObject};
use parking_lot::Mutex;

use crate::crd::{FlashSale, status::FlashSaleStatus};

/// Objects whose status is remembered at most. What is forgotten too early may be told twice.
const OBJECTS_MOST: usize = 4_096;

/// The last written status of each object, by its uid.
#[derive(Debug, Default)]
pub struct WrittenStatuses(Mutex<HashMap<String, Written>>);

#[derive(Debug)]
struct Written {
    /// Resource version of the object with this status.
    version: u64,
    status: FlashSaleStatus,
    at: Instant,
}

impl WrittenStatuses {
    /// `object`, with the status that was written last if the object is from before that write.
    pub fn latest<'a>(&self, object: &'a FlashSale) -> Cow<'a, FlashSale> {
        let written = self.0.lock();
        let known = object.uid().and_then(|uid| written.get(&uid));
        match (known, version(object)) {
            (Some(known), Some(version)) if version < known.version => Cow::Owned(FlashSale {
                status: Some(known.status.clone()),
                ..object.clone()
            }),
            _ => Cow::Borrowed(object),
        }
    }

    /// Remembers the status of `object`, which the API server answered to a write.
    pub fn remember(&self, object: &DynamicObject) {
        let version = version(object);
        let status = object.data.get("status").cloned().unwrap_or_default();
        let status = serde_json::from_value(status).ok();
        let (Some(uid), Some(version), Some(status)) = (object.uid(), version, status) else {
            return;
        };
        let mut written = self.0.lock();
        if written.len() >= OBJECTS_MOST && !written.contains_key(&uid) {
            written.clear();
        }
        let at = Instant::now();
        written.insert(
            uid,
            Written {
                version,
                status,
                at,
            },
        );
    }

    /// How long ago the status of `object` was written; none where that is not remembered.
    pub fn age(&self, object: &FlashSale) -> Option<Duration> {
        let written = self.0.lock();
        Some(written.get(&object.uid()?)?.at.elapsed())
    }
}

/// Resource versions of one kind of object are integers that grow. A server that does it otherwise
/// is taken by what its watch delivers.
fn version(object: &impl ResourceExt) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(version: &str, phase: &str) -> FlashSale {
        serde_json::from_value(json!({
            "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
            "metadata": {"name": "drop", "uid": "u", "resourceVersion": version},
            "spec": {"products": [{"id": "p", "name": "P", "price": 1, "stock": 1}]},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    fn phase(statuses: &WrittenStatuses, object: &FlashSale) -> Option<String> {
        statuses.latest(object).status.clone()?.phase
    }

    #[test]
    fn an_object_from_before_a_write_has_the_written_status() {
        let statuses = WrittenStatuses::default();
        let before = object("7", "Scheduled");
        assert_eq!(phase(&statuses, &before).as_deref(), Some("Scheduled"));
        let written = serde_json::to_value(object("9", "Open")).unwrap();
        statuses.remember(&serde_json::from_value(written).unwrap());
        assert_eq!(phase(&statuses, &before).as_deref(), Some("Open"));
        let after = object("10", "SoldOut");
        assert_eq!(phase(&statuses, &after).as_deref(), Some("SoldOut"));
        let opaque = object("a", "Scheduled");
        assert_eq!(phase(&statuses, &opaque).as_deref(), Some("Scheduled"));
    }
}
