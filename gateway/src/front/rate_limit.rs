//! How many requests each address may send.
//!
//! A token bucket an address, in the memory of this gateway: a flood that Redis had to count would
//! have reached Redis. The table has one size for good. A full set forgets the address whose bucket
//! is fullest, which loses the least: whoever comes from many addresses neither makes the table
//! grow nor has it searched for longer, and does not push out those who send much.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::Router;
use http::HeaderValue;

use crate::{
    config::ClientConfig,
    problem::{Problem, ProblemKind, seconds_rounded_up},
};

/// Sets of the table, a power of two: 131,072 addresses in 1 MiB.
const SETS: u64 = 16_384;

/// Addresses of one set, which fill a cache line.
const WAYS: usize = 8;

/// Bits of a slot that have a time in microseconds: twelve days until it begins anew. A bucket that
/// was last used exactly so long ago may be taken for one that was used just now; it fills up as soon.
const TIME_BITS: u32 = 40;

const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// How long a refusal is held back. A connection brings its next request only afterwards, so that who
/// sends too much costs the gateway ten refusals a second for each connection, not thousands.
const REFUSED_AFTER: Duration = Duration::from_millis(100);

/// How often a slot is tried that other threads change at the same moment. Whoever finds it changed
/// each time passes uncounted.
const TRIES: usize = 8;

/// One address a slot: 24 bits of its hash, and the time at which its bucket will be full again.
/// Two addresses of a set share a bucket once in two million.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set([AtomicU64; WAYS]);

/// A bucket an address.
#[derive(Debug)]
pub(super) struct RateLimiter {
    sets: Box<[Set]>,
    /// With a key of its own, so that nobody can choose addresses of one set.
    hasher: RandomState,
    began: Instant,
    /// Microseconds that one request costs.
    interval: u64,
    /// Microseconds that a full bucket holds.
    capacity: u64,
}

impl RateLimiter {
    /// Full buckets, as `config` has them; none where there is no limit.
    pub(super) fn new(config: &ClientConfig) -> Option<Self> {
        let interval = 1_000_000_u64.checked_div(config.requests_per_address.into())?;
        let interval = interval.max(1);
        Some(Self {
            sets: (0..SETS).map(|_| Set::default()).collect(),
            hasher: RandomState::new(),
            began: Instant::now(),
            interval,
            capacity: interval * u64::from(config.request_burst_per_address),
        })
    }

    /// Takes one request of `address` out of its bucket, or says how long until the next one passes.
    /// Costs no lock, no allocation and no more than one cache line of the table.
    pub(super) fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(address);
        let mark = hash >> TIME_BITS;
        let set = usize::try_from(hash % SETS).unwrap_or_default();
        let now = now.saturating_duration_since(self.began).as_micros();
        let now = u64::try_from(now).unwrap_or_default();
        for _ in 0..TRIES {
            let Some((slot, seen)) = self.find(&self.sets[set], mark, now) else {
                break;
            };
            let is_known = seen >> TIME_BITS == mark;
            let debt = if is_known { self.debt(seen, now) } else { 0 } + self.interval;
            if debt > self.capacity {
                return Err(Duration::from_micros(debt - self.capacity));
            }
            let next = (mark << TIME_BITS) | ((now + debt) & TIME_MASK);
            let swapped =
                slot.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed);
            if swapped.is_ok() {
                break;
            }
        }
        Ok(())
    }

    /// The slot of the address with this mark, or the one to forget for it, and what it holds.
    fn find<'set>(&self, set: &'set Set, mark: u64, now: u64) -> Option<(&'set AtomicU64, u64)> {
        let slots = set
            .0
            .iter()
            .map(|slot| (slot, slot.load(Ordering::Relaxed)));
        slots.min_by_key(|(_, seen)| {
            let is_other = seen >> TIME_BITS != mark;
            (is_other, self.debt(*seen, now))
        })
    }

    /// Microseconds until the bucket of a slot is full.
    fn debt(&self, slot: u64, now: u64) -> u64 {
        let left = slot.wrapping_sub(now) & TIME_MASK;
        // A time that has passed is as good as far away.
        if left > self.capacity { 0 } else { left }
    }
}

/// What a request is answered whose address has none left.
pub(super) fn refusals(config: &ClientConfig) -> Router {
    let (rate, burst) = (
        config.requests_per_address,
        config.request_burst_per_address,
    );
    let window = Duration::from_secs_f64(f64::from(burst) / f64::from(rate.max(1)));
    let policy = format!("\"address\";q={burst};w={}", seconds_rounded_up(window));
    // Digits and the marks above are a header value.
    let policy =
        HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("\"address\""));
    Router::new().fallback(move || {
        let problem = Problem::new(
            ProblemKind::QuotaExceeded,
            "too many requests from this address; try again in a second",
        );
        let problem = problem.retry_soon().quota("address", 1, policy.clone());
        async move {
            tokio::time::sleep(REFUSED_AFTER).await;
            problem
        }
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        clients: ClientConfig,
    }

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

    /// Ten requests a second, three at once.
    fn limiter() -> RateLimiter {
        let arguments = ["--requests-per-address=10", "--request-burst-per-address=3"];
        let arguments = Arguments::parse_from([&["gateway"], &arguments[..]].concat());
        RateLimiter::new(&arguments.clients).unwrap()
    }

    fn passed(limiter: &RateLimiter, address: IpAddr, now: Instant) -> usize {
        (0..10)
            .take_while(|_| limiter.take(address, now).is_ok())
            .count()
    }

    #[test]
    fn an_address_has_a_bucket_that_refills() {
        let limiter = limiter();
        let now = limiter.began;
        assert_eq!(passed(&limiter, ADDRESS, now), 3);
        let wait = limiter.take(ADDRESS, now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        let other = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 8));
        assert_eq!(passed(&limiter, other, now), 3, "a bucket of its own");
        let later = |millis| now + Duration::from_millis(millis);
        assert_eq!(passed(&limiter, ADDRESS, later(99)), 0);
        assert_eq!(passed(&limiter, ADDRESS, later(200)), 2);
        assert_eq!(passed(&limiter, ADDRESS, later(100_000)), 3, "full again");
    }

    #[test]
    fn many_addresses_do_not_push_out_who_sends_much() {
        let limiter = limiter();
        let now = limiter.began;
        passed(&limiter, ADDRESS, now);
        for network in 0..2 * u128::from(SETS) * WAYS as u128 {
            let address = IpAddr::V6(Ipv6Addr::from_bits(network << 64));
            assert_eq!(limiter.take(address, now), Ok(()));
        }
        assert_eq!(passed(&limiter, ADDRESS, now), 0);
    }

    #[test]
    fn a_time_that_began_anew_is_no_debt() {
        let limiter = limiter();
        let now = limiter.began + Duration::from_micros(TIME_MASK);
        assert_eq!(passed(&limiter, ADDRESS, now), 3);
        assert_eq!(
            passed(&limiter, ADDRESS, now + Duration::from_millis(150)),
            1
        );
    }

    #[test]
    fn without_a_limit_there_is_no_table() {
        let arguments = Arguments::parse_from(["gateway", "--requests-per-address=0"]);
        assert!(RateLimiter::new(&arguments.clients).is_none());
    }
}
