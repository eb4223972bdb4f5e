//! Questions, as many as fit.

use std::{fmt::Write as _, io, time::Duration};

use flashsale_domain::id::JobId;
use tokio::time::timeout;

use super::{Attacker, Kind};
use crate::overload::wire::Wire;

/// Requests that are sent together, to spend the attacker's own time well.
const TOGETHER: usize = 16;

/// How long the answer to a request may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Header and claims of a token without `kid`: `{"alg":"RS256","typ":"JWT"}` and a subject, an
/// issuer, an audience and an expiry in the year 2100.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJzdWIiOiJhdHRhY2tlciIsImlzcyI6Imh0dHBzOi8vaWQuZXhhbXBsZS5jb20vIiwiYXVkIjoic2hvcCIsImV4cCI6NDEwMjQ0NDgwMH0.";

/// Characters of a signature by a key of 2048 bits.
const SIGNATURE: usize = 342;

impl Attacker {
    /// Asks on one connection until it ends.
    pub(super) async fn flood(&self) -> io::Result<()> {
        let target = &self.target;
        let mut wire = Wire::connect(target.source, target.gateway, None).await?;
        self.books.connected(self.kind);
        let mut requests = String::new();
        loop {
            requests.clear();
            for _ in 0..TOGETHER {
                requests.push_str(&self.request());
            }
            wire.send(requests.as_bytes()).await?;
            for _ in 0..TOGETHER {
                let status = timeout(ANSWER, wire.answer()).await??;
                self.books.answered(self.kind, status);
            }
        }
    }

    fn request(&self) -> String {
        match self.kind {
            Kind::BadTokens => self.bad_token(),
            Kind::MadeUpUsers => self.made_up_user(),
            Kind::OrderLookups => self.lookup(),
            _ => self.open_session(),
        }
    }

    /// A request that opens an Engine.IO session.
    pub(super) fn open_session(&self) -> String {
        format!(
            "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.host()
        )
    }

    /// Each token is another one, so that none is known.
    fn bad_token(&self) -> String {
        let mut signature = String::with_capacity(SIGNATURE);
        while signature.len() < SIGNATURE {
            // Writing into a string does not fail. Hexadecimal digits are base64url as well.
            let _ = write!(signature, "{:016x}", rand::random::<u64>());
        }
        signature.truncate(SIGNATURE - 1);
        // The last character has bits that must be zero.
        signature.push('A');
        format!(
            "GET /session HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}{signature}\r\n\r\n",
            self.host()
        )
    }

    fn made_up_user(&self) -> String {
        let random: u64 = rand::random();
        let body = format!(
            "{{\"productId\":\"{}\",\"userId\":\"ghost-{random:x}\"}}",
            self.target.product
        );
        format!(
            "POST /buy HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {random:x}\r\nContent-Length: {}\r\n\r\n{body}",
            self.host(),
            body.len()
        )
    }

    fn lookup(&self) -> String {
        let job = JobId::with_route(self.target.sale.route());
        format!(
            "GET /orders/{job} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.host()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::Arc};

    use flashsale_domain::id::SaleId;

    use super::*;
    use crate::overload::attacker::Target;

    #[test]
    fn every_question_is_another_one_and_tokens_look_like_tokens() {
        let target = Target {
            gateway: ([127, 0, 0, 1], 1).into(),
            source: Ipv4Addr::LOCALHOST,
            seconds: 1,
            sale: SaleId::new("drop").unwrap(),
            product: "p".to_owned(),
        };
        for kind in [Kind::BadTokens, Kind::MadeUpUsers, Kind::OrderLookups] {
            let attacker = Attacker {
                target: Arc::new(target.clone()),
                books: Arc::default(),
                kind,
                number: 0,
            };
            assert_ne!(attacker.request(), attacker.request(), "{kind:?}");
        }
        assert_eq!(TOKEN.matches('.').count(), 2);
    }
}
