//! Shoppers who keep buying while parts of the system are killed, stopped or replaced.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use flashsale_domain::id::JobId;
use tokio::{sync::watch, task::JoinSet};

use crate::{patience::until, processes::client};

/// How long a crowd may need for the buys that a test waits for.
const LONGEST: Duration = Duration::from_mins(1);

/// How long a shopper waits before a failed buy is repeated.
const REPEAT: Duration = Duration::from_millis(50);

/// Shoppers of product `p` who keep buying until told to stop; each failed buy is repeated with its
/// key, as a real client would.
pub struct Crowd {
    gateways: watch::Sender<Vec<String>>,
    stop: Arc<AtomicBool>,
    bought: Arc<AtomicU64>,
    shoppers: JoinSet<Vec<JobId>>,
}

impl Crowd {
    /// Sends `shoppers` to the gateways at `urls`, the same number to each.
    pub fn start(urls: &[String], shoppers: usize) -> Self {
        let (gateways, _) = watch::channel(urls.to_vec());
        let (stop, bought) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let mut set = JoinSet::new();
        for shopper in 0..shoppers {
            let gateways = gateways.subscribe();
            set.spawn(shop(gateways, shopper, stop.clone(), bought.clone()));
        }
        Self {
            gateways,
            stop,
            bought,
            shoppers: set,
        }
    }

    /// Sends the shoppers to other gateways, from their next attempt on.
    pub fn move_to(&self, urls: &[String]) {
        self.gateways.send_replace(urls.to_vec());
    }

    /// Acknowledged buys.
    pub fn bought(&self) -> u64 {
        self.bought.load(Ordering::Relaxed)
    }

    /// Waits until `count` buys are acknowledged.
    pub async fn bought_at_least(&self, count: u64) {
        until("the crowd buys", LONGEST, || async {
            self.bought() >= count
        })
        .await;
    }

    /// Waits until `count` further buys are acknowledged.
    pub async fn buys_more(&self, count: u64) {
        self.bought_at_least(self.bought() + count).await;
    }

    /// Ends it. The job ids of every acknowledged buy.
    pub async fn leave(self) -> Vec<JobId> {
        self.stop.store(true, Ordering::Relaxed);
        self.shoppers
            .join_all()
            .await
            .into_iter()
            .flatten()
            .collect()
    }
}

async fn shop(
    gateways: watch::Receiver<Vec<String>>,
    shopper: usize,
    stop: Arc<AtomicBool>,
    bought: Arc<AtomicU64>,
) -> Vec<JobId> {
    let (http, mut acknowledged, mut number) = (client(), Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let url = {
            let urls = gateways.borrow();
            urls[shopper % urls.len()].clone()
        };
        let sent = http
            .post(format!("{url}/buy"))
            .header("Idempotency-Key", format!("k{number}"))
            .header("Content-Type", "application/json")
            .body(format!(r#"{{"productId":"p","userId":"u{shopper}"}}"#))
            .send()
            .await;
        let answer = match sent {
            Ok(response) if response.status() == 200 => response.text().await.ok(),
            Ok(response) => {
                assert!(response.status().is_server_error(), "{}", response.status());
                None
            }
            Err(_) => None,
        };
        if let Some(answer) = answer {
            let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
            acknowledged.push(answer["jobId"].as_str().unwrap().parse().unwrap());
            bought.fetch_add(1, Ordering::Relaxed);
            number += 1;
        } else {
            tokio::time::sleep(REPEAT).await;
        }
    }
    acknowledged
}
