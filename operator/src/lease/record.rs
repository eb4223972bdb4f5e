//! What a lease says.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};

/// A released lease is worth nothing any more; client-go writes the same.
const RELEASED_SECONDS: i32 = 1;

/// The spec of a Lease, as far as an election needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Record {
    /// Who holds it; `None`: nobody.
    pub(super) holder: Option<String>,
    /// For how long others leave it alone after a renewal, in seconds.
    pub(super) duration_seconds: Option<i32>,
    /// When the holder took it. For people.
    pub(super) acquired: Option<Timestamp>,
    /// When the holder renewed it. For people; others only see *that* it changes.
    pub(super) renewed: Option<Timestamp>,
    /// How often it went from one holder to another.
    pub(super) transitions: i32,
}

impl Record {
    /// A lease that was never held.
    pub(crate) fn first(identity: &str, duration: Duration, now: Timestamp) -> Self {
        Self {
            holder: Some(identity.to_owned()),
            duration_seconds: Some(seconds(duration)),
            acquired: Some(now),
            renewed: Some(now),
            transitions: 0,
        }
    }

    /// The lease goes to `identity`.
    pub(super) fn taken_over(&self, identity: &str, duration: Duration, now: Timestamp) -> Self {
        Self {
            transitions: self.transitions.saturating_add(1),
            ..Self::first(identity, duration, now)
        }
    }

    /// Its holder keeps it.
    pub(super) fn renewed(&self, duration: Duration, now: Timestamp) -> Self {
        Self {
            duration_seconds: Some(seconds(duration)),
            renewed: Some(now),
            ..self.clone()
        }
    }

    /// Its holder gives it up.
    pub(crate) fn released(&self, now: Timestamp) -> Self {
        Self {
            holder: None,
            duration_seconds: Some(RELEASED_SECONDS),
            acquired: Some(now),
            renewed: Some(now),
            transitions: self.transitions,
        }
    }

    pub(super) fn is_held_by(&self, identity: &str) -> bool {
        self.holder.as_deref() == Some(identity)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holder.is_some()
    }

    /// For how long others leave it alone: what its holder promised to go by, or `otherwise`.
    pub(crate) fn duration(&self, otherwise: Duration) -> Duration {
        self.duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(otherwise, Duration::from_secs)
    }

    /// Reads a Lease.
    pub(crate) fn of(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        Self {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration_seconds: spec.lease_duration_seconds,
            acquired: spec.acquire_time.map(|time| time.0),
            renewed: spec.renew_time.map(|time| time.0),
            transitions: spec.lease_transitions.unwrap_or(0),
        }
    }

    /// Writes itself into a Lease; what else is in there stays.
    pub(super) fn write_to(self, lease: &mut Lease) {
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        // Empty, not absent, is how a released lease looks to everyone else.
        spec.holder_identity = Some(self.holder.unwrap_or_default());
        spec.lease_duration_seconds = self.duration_seconds;
        spec.acquire_time = self.acquired.map(MicroTime);
        spec.renew_time = self.renewed.map(MicroTime);
        spec.lease_transitions = Some(self.transitions);
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIFTEEN: Duration = Duration::from_secs(15);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_life_of_a_lease_is_counted_and_dated() {
        let first = Record::first("a", FIFTEEN, at(100));
        let renewed = first.renewed(FIFTEEN, at(102));
        assert_eq!(
            (renewed.acquired, renewed.renewed),
            (Some(at(100)), Some(at(102)))
        );
        let taken = renewed.taken_over("b", FIFTEEN, at(120));
        assert_eq!((taken.transitions, taken.acquired), (1, Some(at(120))));
        let released = taken.released(at(130));
        assert_eq!(
            (released.holder.as_deref(), released.transitions),
            (None, 1)
        );
        assert_eq!(released.duration(FIFTEEN), Duration::from_secs(1));
        assert_eq!(released.taken_over("a", FIFTEEN, at(131)).transitions, 2);
    }

    #[test]
    fn a_lease_keeps_what_others_wrote_to_it() {
        let mut lease = Lease::default();
        lease.metadata.labels = Some([("team".to_owned(), "shop".to_owned())].into());
        let record = Record::first("a", FIFTEEN, at(100));
        record.clone().write_to(&mut lease);
        assert_eq!(Record::of(&lease), record);
        assert!(lease.metadata.labels.is_some());
        record.released(at(101)).write_to(&mut lease);
        let holder = lease.spec.as_ref().unwrap().holder_identity.as_deref();
        assert_eq!(
            holder,
            Some(""),
            "absent would leave the old one in a patch"
        );
        assert_eq!(Record::of(&lease).holder, None);
    }
}
