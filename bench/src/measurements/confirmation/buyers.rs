//! Buys by shoppers of a crowd, and which job each of them became.

use std::{io::Write as _, net::SocketAddr, sync::Arc, time::Instant};

use flashsale_domain::id::JobId;
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    error::{Result, check},
    load::open_loop::{self, Answer, CONNECTIONS, Plan, Traffic},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bought {
    pub(super) job: JobId,
    /// When it should have been sent.
    pub(super) due: Instant,
    pub(super) acknowledged: Instant,
}

#[derive(Debug)]
pub(super) struct Buyers {
    address: SocketAddr,
    product: String,
    /// They take turns.
    users: Arc<[String]>,
    bought: Vec<Bought>,
    /// Why an answer could not be read.
    failure: Option<serde_json::Error>,
}

/// The body of an acknowledgement, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Queued {
    job_id: JobId,
}

impl Buyers {
    /// `users` will buy `product` of the gateway at `address` in turn, each time with a new key.
    pub(super) fn new(address: SocketAddr, product: &str, users: Arc<[String]>) -> Self {
        Self {
            address,
            product: product.to_owned(),
            users,
            bought: Vec::new(),
            failure: None,
        }
    }

    /// Sends `count` buys, `rate` a second; each must be acknowledged.
    pub(super) async fn send(mut self, rate: u32, count: u32) -> Result<Vec<Bought>> {
        let plan = Plan {
            address: self.address,
            rate,
            count,
            connections: CONNECTIONS,
        };
        self.bought.reserve(count as usize);
        let (report, buyers) = open_loop::run(plan, self).await?;
        report.check()?;
        if let Some(failure) = buyers.failure {
            return Err(failure.into());
        }
        let answered = report.succeeded;
        check!(
            answered == count,
            "at {rate} buys/s only {answered} of {count} were answered: the machine is too busy"
        )?;
        Ok(buyers.bought)
    }
}

impl Traffic for Buyers {
    fn request(&mut self, number: u32, bytes: &mut Vec<u8>) {
        let user = &self.users[number as usize % self.users.len()];
        let body = format!(r#"{{"productId":"{}","userId":"{user}"}}"#, self.product);
        // Writing to a vector cannot fail.
        let _ = write!(
            bytes,
            "POST /buy HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            Uuid::new_v4(),
            body.len()
        );
    }

    fn answered(&mut self, answer: &Answer<'_>) {
        if answer.status != 200 {
            return;
        }
        match serde_json::from_slice::<Queued>(answer.body) {
            Ok(queued) => self.bought.push(Bought {
                job: queued.job_id,
                due: answer.due,
                acknowledged: answer.read,
            }),
            Err(error) => self.failure = Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shoppers_take_turns_and_never_repeat_a_key() {
        let users: Arc<[String]> = ["ann", "bob"].map(str::to_owned).into();
        let mut buyers = Buyers::new(([127, 0, 0, 1], 80).into(), "p", users);
        let [first, second, third] = [0, 1, 2].map(|number| {
            let mut bytes = Vec::new();
            buyers.request(number, &mut bytes);
            String::from_utf8(bytes).unwrap()
        });
        for (request, user) in [(&first, "ann"), (&second, "bob"), (&third, "ann")] {
            let body = format!(r#"{{"productId":"p","userId":"{user}"}}"#);
            assert!(request.ends_with(&body), "{request}");
        }
        assert_ne!(first, third);
    }

    #[test]
    fn the_job_of_an_answer_is_noted_with_its_instants() {
        let now = Instant::now();
        let mut buyers = Buyers::new(([127, 0, 0, 1], 80).into(), "p", Arc::new([]));
        let answer = |body| Answer {
            status: 200,
            body,
            due: now,
            read: now,
        };
        let body =
            br#"{"jobId":"00000000-0000-0000-0000-000000000007","status":"queued","position":1}"#;
        buyers.answered(&answer(body));
        let [
            Bought {
                job,
                due,
                acknowledged,
            },
        ] = buyers.bought[..]
        else {
            panic!("{buyers:?}");
        };
        assert_eq!(
            (job, due, acknowledged),
            (JobId(Uuid::from_u128(7)), now, now)
        );
        assert!(buyers.failure.is_none());
        buyers.answered(&answer(b"{}"));
        assert!(buyers.failure.is_some());
    }
}
