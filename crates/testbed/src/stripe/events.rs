//! Signed events, each delivered until it is acknowledged.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use ring::hmac;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Endpoint, EventFault, State};
use crate::http;

/// How often an event is delivered that is not acknowledged.
const ATTEMPTS: u32 = 100;

/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// An event as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Event(String);

/// Events on their way, one after the other.
pub(super) struct Delivery {
    pub(super) endpoint: Endpoint,
    pub(super) events: Vec<Event>,
}

/// The header `Stripe-Signature` of `body` at `seconds` since the epoch.
pub fn signature(secret: &str, seconds: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let bytes = tag.as_ref().iter();
    let hex = bytes.fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    format!("t={seconds},v1={hex}")
}

/// Tells of `object`, as the faults have it.
pub(super) fn tell(state: &Arc<Mutex<State>>, kind: &str, object: &Value) {
    let (delivery, event) = {
        let mut state = state.lock();
        let id = format!("evt_test_{}", state.account.next());
        let event =
            json!({ "id": id, "object": "event", "type": kind, "data": { "object": object } });
        let event = Event(event.to_string());
        let Some(endpoint) = state.endpoint.clone() else {
            return;
        };
        let events = match state.faults.events {
            EventFault::None => vec![event.clone()],
            EventFault::Twice => vec![event.clone(), event.clone()],
            EventFault::Lost => Vec::new(),
            EventFault::Held => {
                state.held.push(event);
                return;
            }
        };
        (Delivery { endpoint, events }, event)
    };
    drop(event);
    deliver(delivery);
}

/// Delivers in the background.
pub(super) fn deliver(Delivery { endpoint, events }: Delivery) {
    tokio::spawn(async move {
        for Event(body) in events {
            for _ in 0..ATTEMPTS {
                if is_acknowledged(&endpoint, &body).await {
                    break;
                }
                sleep(PAUSE).await;
            }
        }
    });
}

async fn is_acknowledged(endpoint: &Endpoint, body: &str) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let signature = signature(&endpoint.secret, now.unwrap_or_default().as_secs(), body);
    let headers = [("Stripe-Signature", signature.as_str())];
    let answer = http::post(endpoint.address, &endpoint.path, &headers, body).await;
    answer.is_ok_and(|answer| (200..300).contains(&answer.status))
}
