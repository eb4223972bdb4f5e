//! `POST /buy`: the hot path.

mod answer;
mod key;
mod request;

use std::{sync::Arc, time::Instant};

use axum::{
    BoxError,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flashsale_domain::{
    id::{IdempotencyKey, JobId, UserId},
    job,
};
use flashsale_queue::turnstile::Buy;
use http::{HeaderMap, header::EXPECT};
use hyper::body::Body;
use jiff::Timestamp;
use prometheus::Histogram;

use crate::{
    body::{self, Limits, leftover},
    catalogue::{Catalogue, Offer},
    identity::Identity,
    metrics::{BuyAnswer, BuyCounters},
    pass::Passes,
    problem::{Problem, responses::problems},
};

pub use answer::Queued;
pub use request::BuyRequest;

/// What a buy passes; clones are one.
#[derive(Debug, Clone)]
pub struct Checkout(Arc<Parts>);

/// The parts of a [`Checkout`].
#[derive(Debug)]
pub struct Parts {
    /// Who shoppers are.
    pub identity: Identity,
    /// What is on sale.
    pub catalogue: Catalogue,
    /// Passes for sales that ask for them.
    pub passes: Arc<Passes>,
    /// What a request may cost.
    pub limits: Limits,
    /// Buys by answer.
    pub buys: BuyCounters,
    /// From the arrival of a buy to its 200.
    pub ack_seconds: Histogram,
}

impl From<Parts> for Checkout {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}
problems!(BuyProblems {
    400: "idempotency-key-missing, idempotency-key-invalid, body-invalid",
    401: "unauthorized",
    403: "sale-not-open (with `opensAt`), sale-closed, pass-required, subject-unsupported, insufficient-scope",
    404: "unknown-product",
    408: "request-timeout",
    409: "sold-out, price-higher (with `price`)",
    413: "body-too-large",
    415: "media-type-unsupported",
    422: "idempotency-key-reused",
    429: "quota-exceeded",
    503: "lane-full, not-replicated, unavailable",
});

/// Ask to buy one unit of a product.
///
/// The answer 200 is a promise: the buy waits in line and reaches exactly one final outcome,
/// which `GET /orders/{jobId}` and the events `order_confirmed` and `order_rejected` tell. A
/// request whose answer was lost is repeated with the same key.
#[utoipa::path(
    post,
    path = "/buy",
    tag = "buy",
    params((
        "Idempotency-Key" = String, Header,
        min_length = 1, max_length = 257,
        pattern = r#"^([!#-\[\]-z|~]{1,255}|"[!#-\[\]-z|~]{1,255}")$"#,
        description = "Names this buy. The same key of the same shopper is the same buy, however \
                       often it is sent: visible ASCII without braces, quotes and backslashes, at \
                       most 255 bytes; plain or as a quoted string."
    ), (
        "Flashsale-Pass" = Option<String>, Header,
        description = "In a sale with `passRequired`: the pass of `POST /pass`."
    )),
    request_body = BuyRequest<'_>,
    responses(
        (status = 200, description = "In line. A repeat gets the first answer again.", body = Queued,
            headers(("Idempotent-Replayed" = bool, description = "`true` on a repeat"))),
        BuyProblems,
    ),
    security((), ("bearer" = []))
)]
pub async fn buy(State(checkout): State<Checkout>, request: Request) -> Response {
    checkout.answer(request).await
}

impl Checkout {
    /// The answer to a buy, whatever its body comes in.
    pub(crate) async fn answer<B>(self, request: http::Request<B>) -> Response
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: Into<BoxError>,
    {
        let arrived = Instant::now();
        let buys = &self.0.buys;
        let (parts, mut body) = request.into_parts();
        let (offer, buy) = match self.read(&parts.headers, &mut body).await {
            Ok(wanted) => wanted,
            Err(problem) => {
                buys.count(None, BuyAnswer::Refused(problem.kind()));
                let expects = parts.headers.contains_key(EXPECT);
                return leftover::settle(body, expects, problem.into_response()).await;
            }
        };
        let sale = Some(offer.sale.id());
        match self.decide(&parts.headers, &offer, buy, arrived).await {
            Ok(answer) => {
                buys.count(sale, answer.kind());
                if answer.is_acknowledgement() {
                    let acks = &self.0.ack_seconds;
                    acks.observe(arrived.elapsed().as_secs_f64());
                }
                answer.into_response()
            }
            Err(problem) => {
                buys.count(sale, BuyAnswer::Refused(problem.kind()));
                problem.into_response()
            }
        }
    }

    /// Who wants what, as the turnstile takes it.
    async fn read<B>(&self, headers: &HeaderMap, body: &mut B) -> Result<(Offer, Buy), Problem>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: Into<BoxError>,
    {
        let user = self.0.identity.of_headers(headers).await?;
        let key = key::of(headers)?;
        let body = body::read(headers, body, &self.0.limits).await?;
        let wanted = request::parse(&body)?;
        let user = match user {
            Some(user) => {
                wanted.check_user()?;
                user
            }
            None => wanted.user()?,
        };
        let offer = self.0.catalogue.find_offer(&wanted.product_id).await?;
        let offer = offer.ok_or_else(|| answer::unknown_product(&wanted.product_id))?;
        let buy = assemble(&offer, user, key, wanted.max_price);
        Ok((offer, buy))
    }

    async fn decide(
        &self,
        headers: &HeaderMap,
        offer: &Offer,
        buy: Buy,
        arrived: Instant,
    ) -> Result<answer::Answer, Problem> {
        if offer.sale.sale().turnstile.pass_required {
            self.0.passes.check(headers, offer.sale.id(), &buy.user)?;
        }
        let job_id = buy.job_id;
        let admission = offer.sale.queue.admit(buy, arrived).await;
        answer::of(admission, job_id, offer, &self.0.catalogue)
    }
}

/// The buy as the turnstile takes it.
fn assemble(offer: &Offer, user: UserId, key: IdempotencyKey, max_price: Option<i64>) -> Buy {
    let product = offer.product().id.clone();
    let job_id = JobId::with_route(offer.sale.route);
    let retry = offer.sale.sale().retry;
    let taken_at = Timestamp::now().as_millisecond();
    let price = offer.price();
    let is_accepted = max_price.is_none_or(|most| price <= most);
    let job =
        is_accepted.then(|| job::to_json(job_id, (&user, &product, &key), price, taken_at, retry));
    Buy {
        user,
        product,
        key,
        job_id,
        job,
    }
}
