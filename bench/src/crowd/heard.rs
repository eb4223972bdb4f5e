//! What all sockets of a crowd heard together.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use flashsale_core::id::JobId;
use tokio::sync::Notify;

/// `order_confirmed` as one socket heard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmation {
    /// The buy.
    pub job: JobId,
    /// When the packet was read.
    pub at: Instant,
}

/// What all sockets heard; each of them notes here, a few thousand times a second at most.
#[derive(Debug)]
pub struct Heard {
    sockets: usize,
    /// The stock that is waited for, and when each socket heard of it.
    stock: Mutex<(Option<i32>, Vec<Instant>)>,
    everyone: Notify,
    confirmations: Mutex<Vec<Confirmation>>,
}

impl Heard {
    pub(super) fn new(sockets: usize) -> Self {
        Self {
            sockets,
            stock: Mutex::default(),
            everyone: Notify::new(),
            confirmations: Mutex::default(),
        }
    }

    /// From now on notes who hears that `stock` units are left.
    pub fn expect_stock(&self, stock: i32) {
        *lock(&self.stock) = (Some(stock), Vec::with_capacity(self.sockets));
    }

    /// Waits until as many updates as there are sockets were heard. One task may wait at a time.
    pub async fn everyone(&self) {
        self.everyone.notified().await;
    }

    /// When the stock expected last was heard, in the order of hearing; no longer waits for it.
    pub fn take_stock(&self) -> Vec<Instant> {
        mem::take(&mut *lock(&self.stock)).1
    }

    /// How many confirmations were heard since they were last taken.
    #[must_use]
    pub fn confirmed_so_far(&self) -> usize {
        lock(&self.confirmations).len()
    }

    /// The confirmations since this was last asked.
    pub fn take_confirmations(&self) -> Vec<Confirmation> {
        mem::take(&mut *lock(&self.confirmations))
    }

    pub(super) fn stock(&self, stock: i32, at: Instant) {
        let mut expected = lock(&self.stock);
        if expected.0 == Some(stock) {
            expected.1.push(at);
            if expected.1.len() == self.sockets {
                self.everyone.notify_one();
            }
        }
    }

    pub(super) fn confirmed(&self, job: JobId, at: Instant) {
        lock(&self.confirmations).push(Confirmation { job, at });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_has_heard_when_each_socket_has() {
        let heard = Heard::new(2);
        heard.expect_stock(7);
        let now = Instant::now();
        heard.stock(8, now);
        heard.stock(7, now);
        assert_eq!(heard.take_stock().len(), 1, "another figure does not count");
        heard.expect_stock(6);
        heard.stock(6, now);
        heard.stock(6, now);
        heard.everyone().await;
        assert_eq!(heard.take_stock(), [now, now]);
    }
}
