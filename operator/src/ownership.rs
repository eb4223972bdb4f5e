//! Which of several installations of the operator looks after a FlashSale.
//!
//! Replicas of one installation share a Lease, and one of them leads. Two installations that watch the same
//! namespace do not, so the object itself says whose it is: `spec.operatorClass` is written by people,
//! and `status.operator` names the Lease of the installation that looks after it. Another installation
//! takes the object over once that Lease is not held any more. A Lease is judged as a standby judges
//! its own: by how long it was seen unchanged.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{crd::FlashSale, lease::Record};

/// How long what a Lease says counts as current.
const FRESH: Duration = Duration::from_secs(5);

/// How long the API server may take to show a Lease.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is assumed of a Lease that does not say for how long it holds.
const DURATION: Duration = Duration::from_secs(15);

/// What an object is to this operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is looked after here.
    Ours,
    /// It is to be looked after here, and does not say so yet.
    Unclaimed,
    /// It is of another class.
    OtherClass,
    /// Another installation looks after it, which holds this Lease.
    Claimed(String),
}

/// Who this operator is, and what it knows of other installations.
pub struct Ownership {
    client: Client,
    class: Option<String>,
    /// `namespace/name` of the Lease; none without an election, and then nothing is claimed.
    installation: Option<String>,
    others: Mutex<HashMap<String, Sighting>>,
}

/// What was seen of the Lease of another installation.
#[derive(Debug, Clone)]
struct Sighting {
    record: Option<Record>,
    /// Since when it has been like that.
    since: Instant,
    asked: Instant,
}

impl Sighting {
    /// Whether somebody holds the Lease, as far as can be told.
    fn is_held(&self, now: Instant) -> bool {
        let Some(record) = &self.record else {
            return false;
        };
        record.is_held() && now.duration_since(self.since) <= record.duration(DURATION)
    }
}

impl Ownership {
    /// Of an operator of `class` that holds the Lease `installation`.
    pub fn new(client: Client, class: Option<String>, installation: Option<String>) -> Self {
        Self {
            client,
            class,
            installation,
            others: Mutex::default(),
        }
    }

    /// The Lease that this operator holds, as `namespace/name`.
    pub fn installation(&self) -> Option<&str> {
        self.installation.as_deref()
    }

    /// Whether `object` is of the class of this operator.
    pub fn has_class_of(&self, object: &FlashSale) -> bool {
        object.spec.operator_class == self.class
    }

    /// What `object` is to this operator.
    pub async fn standing(&self, object: &FlashSale) -> Standing {
        if !self.has_class_of(object) {
            return Standing::OtherClass;
        }
        let Some(own) = &self.installation else {
            return Standing::Ours;
        };
        let status = object.status.as_ref();
        match status.and_then(|status| status.operator.as_ref()) {
            Some(claimed) if claimed == own => Standing::Ours,
            Some(claimed) if self.is_held(claimed).await => Standing::Claimed(claimed.clone()),
            _ => Standing::Unclaimed,
        }
    }

    /// Whether another installation holds its Lease. If nobody can tell, it does.
    async fn is_held(&self, installation: &str) -> bool {
        let now = Instant::now();
        if let Some(known) = self.others.lock().get(installation)
            && now.duration_since(known.asked) < FRESH
        {
            return known.is_held(now);
        }
        let Some((namespace, name)) = installation.split_once('/') else {
            return false;
        };
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), namespace);
        let read = match timeout(PATIENCE, leases.get_opt(name)).await {
            Ok(Ok(lease)) => lease.as_ref().map(Record::of),
            Ok(Err(error)) => {
                tracing::warn!(installation, %error, "the lease {installation} could not be read: {error}");
                return true;
            }
            Err(_) => return true,
        };
        let now = Instant::now();
        let mut others = self.others.lock();
        let before = others.get(installation);
        let since = before
            .filter(|before| before.record == read)
            .map_or(now, |before| before.since);
        let sighting = Sighting {
            record: read,
            since,
            asked: now,
        };
        let is_held = sighting.is_held(now);
        others.insert(installation.to_owned(), sighting);
        is_held
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_lease_counts_until_it_is_released_or_was_seen_unchanged_for_its_duration() {
        let start = Instant::now();
        let (now, duration) = (Timestamp::now(), Duration::from_secs(15));
        let held = Record::first("a", duration, now);
        let sighting = |record| Sighting {
            record,
            since: start,
            asked: start,
        };
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(sighting(Some(held.clone())).is_held(after(15)));
        assert!(!sighting(Some(held.clone())).is_held(after(16)));
        assert!(!sighting(Some(held.released(now))).is_held(start));
        assert!(!sighting(None).is_held(start));
    }
}
