//! What a gateway says on a socket, as far as the bench cares (Engine.io 4, Socket.io 5).

use flashsale_core::id::JobId;
use serde::Deserialize;

/// What an event of the default namespace begins with.
const EVENT: &str = "42";

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Is this client still there?
    Ping,
    /// The namespace was entered.
    Entered,
    /// A product has so many units left.
    Stock(i32),
    /// A buy became an order.
    Confirmed(JobId),
    /// A buy ended without an order, or the gateway closed the socket: no measurement wants either.
    Unwanted,
    /// Something else.
    Other,
}

/// The payload of an event; each name has some of the fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    stock: Option<i32>,
    job_id: Option<JobId>,
}

impl Packet {
    /// Reads a packet; one that cannot be read is unwanted.
    pub(super) fn read(text: &str) -> Self {
        match text.strip_prefix(EVENT) {
            Some(event) => Self::read_event(event),
            None => match text.as_bytes() {
                [b'2'] => Self::Ping,
                [b'4', b'0', ..] => Self::Entered,
                [b'1' | b'4', ..] => Self::Unwanted,
                _ => Self::Other,
            },
        }
    }

    fn read_event(json: &str) -> Self {
        let Ok((name, payload)) = serde_json::from_str::<(&str, Payload)>(json) else {
            return Self::Unwanted;
        };
        match (name, payload.stock, payload.job_id) {
            ("stock-update", Some(stock), _) => Self::Stock(stock),
            ("order_confirmed", _, Some(job)) => Self::Confirmed(job),
            ("lane-progress" | "sale-status", ..) => Self::Other,
            _ => Self::Unwanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_known_by_their_beginning_and_name() {
        let job = "01900000-0000-7000-8000-000000000001";
        let confirmed =
            format!(r#"42["order_confirmed",{{"jobId":"{job}","orderId":7,"productId":"p"}}]"#);
        let rejected = format!(
            r#"42["order_rejected",{{"jobId":"{job}","productId":"p","reason":"failed"}}]"#
        );
        for (text, packet) in [
            ("2", Packet::Ping),
            (r#"40{"sid":"x"}"#, Packet::Entered),
            (
                r#"42["stock-update",{"productId":"p","stock":5}]"#,
                Packet::Stock(5),
            ),
            (
                confirmed.as_str(),
                Packet::Confirmed(JobId(job.parse().unwrap())),
            ),
            (rejected.as_str(), Packet::Unwanted),
            (r#"42["sale-status",{"sale":"s"}]"#, Packet::Other),
            (r#"44{"message":"no"}"#, Packet::Unwanted),
            ("41", Packet::Unwanted),
            ("1", Packet::Unwanted),
            ("6", Packet::Other),
            ("42[", Packet::Unwanted),
        ] {
            assert_eq!(Packet::read(text), packet, "{text}");
        }
    }
}
