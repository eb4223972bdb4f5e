//! The provider's HTTP API and its page.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State as Extracted},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::sleep;
use url::form_urlencoded;

use super::{SECRET_KEY, Session, SessionStatus, State, account::Kept, events::tell};

type Shared = Arc<Mutex<State>>;
type Form = BTreeMap<String, String>;
type Answer = (u16, Value);

/// A session ends this long after it was made at least, and this long at most; in seconds.
const LIFETIME: std::ops::RangeInclusive<i64> = 30 * 60..=24 * 60 * 60;

/// How long a transfer takes.
const TRANSFER: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Front {
    url: String,
    state: Shared,
}

pub(super) fn router(url: String, state: Shared) -> Router {
    Router::new()
        .route("/v1/checkout/sessions", post(create))
        .route("/v1/checkout/sessions/{id}", get(retrieve))
        .route("/v1/checkout/sessions/{id}/expire", post(expire_call))
        .route("/v1/payment_intents/{id}", get(intent))
        .route("/v1/refunds", post(refund))
        .route("/pay/{id}", get(page).post(press))
        .with_state(Front { url, state })
}

async fn create(Extracted(front): Extracted<Front>, headers: HeaderMap, body: Bytes) -> Response {
    let url = front.url.clone();
    call(&front, &headers, &body, move |state, form| {
        Ok(made(state, form, &url)?.to_json())
    })
    .await
}

fn made(state: &mut State, form: &Form, url: &str) -> Result<Session, Answer> {
    let field = |name: &str| {
        let missing = || invalid(&format!("Missing required param: {name}."));
        form.get(name).cloned().ok_or_else(missing)
    };
    let number = |name: &str| {
        let text = field(name)?;
        text.parse::<i64>()
            .map_err(|_| invalid(&format!("Invalid integer: {text}")))
    };
    let item = |name: &str| format!("line_items[0]{name}");
    if field("mode")? != "payment" || number(&item("[quantity]"))? != 1 {
        return Err(invalid("only payments of one unit are known here"));
    }
    let expires_at = number("expires_at")?;
    if !LIFETIME.contains(&(expires_at - now())) {
        return Err(invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
        ));
    }
    let metadata = form.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("metadata[")?.strip_suffix(']')?;
        Some((name.to_owned(), value.clone()))
    });
    let id = format!("cs_test_{}", state.account.next());
    let session = Session {
        payment: field("client_reference_id")?,
        status: SessionStatus::Open,
        amount: number(&item("[price_data][unit_amount]"))?,
        currency: field(&item("[price_data][currency]"))?,
        paid: 0,
        refunded: 0,
        refunds: 0,
        has_failed: false,
        success_url: field("success_url")?,
        cancel_url: field("cancel_url")?,
        name: field(&item("[price_data][product_data][name]"))?,
        metadata: metadata.collect(),
        expires_at,
        url: format!("{url}/pay/{id}"),
        id,
    };
    state.account.add(session.clone());
    Ok(session)
}

async fn retrieve(
    Extracted(front): Extracted<Front>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    call(&front, &headers, &Bytes::new(), move |state, _| {
        let session = state.account.session(&id);
        session.map(|session| session.to_json()).ok_or_else(no_such)
    })
    .await
}

async fn intent(
    Extracted(front): Extracted<Front>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    call(&front, &headers, &Bytes::new(), move |state, _| {
        let session = state.account.of_intent(&id);
        session
            .map(|session| session.intent_json())
            .ok_or_else(no_such)
    })
    .await
}

async fn expire_call(
    Extracted(front): Extracted<Front>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut is_ended = false;
    let response = call(&front, &headers, &body, |state, _| {
        let session = state.account.session(&id).ok_or_else(no_such)?;
        if session.status != SessionStatus::Open {
            return Err(invalid(
                "Only Checkout Sessions with a status in [\"open\"] can be expired.",
            ));
        }
        session.status = SessionStatus::Expired;
        is_ended = true;
        Ok(session.to_json())
    })
    .await;
    // Also where the answer is lost, and not where nothing was done.
    if is_ended {
        tell_of_session(&front.state, "checkout.session.expired", &id);
    }
    response
}

async fn refund(Extracted(front): Extracted<Front>, headers: HeaderMap, body: Bytes) -> Response {
    call(&front, &headers, &body, move |state, form| {
        let number = state.account.next();
        let intent = form.get("payment_intent").cloned().unwrap_or_default();
        let session = state.account.of_intent(&intent).ok_or_else(no_such)?;
        if session.paid == 0 {
            return Err(invalid(
                "This PaymentIntent does not have a successful charge to refund.",
            ));
        }
        if session.refunded == session.paid {
            return Err(error(
                400,
                "charge_already_refunded",
                "The charge has already been refunded.",
            ));
        }
        session.refunded = session.paid;
        session.refunds += 1;
        Ok(json!({
            "id": format!("re_test_{number}"), "object": "refund", "status": "succeeded",
            "amount": session.paid, "currency": session.currency, "payment_intent": intent,
        }))
    })
    .await
}

/// Carries a call out, with all that goes wrong, once for each idempotency key.
async fn call(
    front: &Front,
    headers: &HeaderMap,
    body: &Bytes,
    carry_out: impl FnOnce(&mut State, &Form) -> Result<Value, Answer>,
) -> Response {
    let faults = front.state.lock().faults.clone();
    if faults.is_away {
        return hang_up();
    }
    sleep(faults.delay).await;
    let answer = {
        let mut state = front.state.lock();
        let expected = format!("Bearer {SECRET_KEY}");
        let given = headers.get(header::AUTHORIZATION);
        if given.is_none_or(|given| given.as_bytes() != expected.as_bytes()) {
            error(401, "invalid_api_key", "Invalid API Key provided")
        } else if state.faults.errors > 0 {
            state.faults.errors -= 1;
            // Under its key, the call is answered so from now on.
            let failure = error(500, "api_error", "An error occurred on purpose");
            once(&mut state, headers, body, |_, _| Err(failure))
        } else {
            state.calls += 1;
            once(&mut state, headers, body, carry_out)
        }
    };
    if faults.answers_are_lost {
        return hang_up();
    }
    let status = StatusCode::from_u16(answer.0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(answer.1)).into_response()
}

fn once(
    state: &mut State,
    headers: &HeaderMap,
    body: &Bytes,
    carry_out: impl FnOnce(&mut State, &Form) -> Result<Value, Answer>,
) -> Answer {
    let request = String::from_utf8_lossy(body).into_owned();
    let key = headers.get("idempotency-key");
    let key = key.and_then(|key| key.to_str().ok()).map(str::to_owned);
    if let Some(kept) = key.as_ref().and_then(|key| state.account.kept.get(key)) {
        return if kept.request == request {
            kept.answer.clone()
        } else {
            error(
                400,
                "idempotency_error",
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            )
        };
    }
    let form = form_urlencoded::parse(request.as_bytes())
        .into_owned()
        .collect();
    let answer = carry_out(state, &form).map_or_else(|refused| refused, |done| (200, done));
    if let Some(key) = key {
        let answer = answer.clone();
        state.account.kept.insert(key, Kept { request, answer });
    }
    answer
}

/// An answer that breaks off before its first byte of content: the client learns nothing.
fn hang_up() -> Response {
    let broken = axum::body::Body::from_stream(Broken);
    Response::new(broken)
}

/// A body that fails at once.
struct Broken;

impl futures_util::Stream for Broken {
    type Item = std::io::Result<Bytes>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}

fn no_such() -> Answer {
    error(404, "resource_missing", "No such object")
}

fn invalid(message: &str) -> Answer {
    error(400, "parameter_invalid", message)
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    let kind = match code {
        "idempotency_error" | "api_error" => code,
        _ => "invalid_request_error",
    };
    (
        status,
        json!({ "error": { "type": kind, "code": code, "message": message } }),
    )
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

/// The page on which a shopper pays.
async fn page(Extracted(front): Extracted<Front>, Path(id): Path<String>) -> Response {
    let session = front.state.lock().account.session(&id).cloned();
    let Some(session) = session.filter(|session| session.status == SessionStatus::Open) else {
        return (
            StatusCode::NOT_FOUND,
            Html("<h1>This page has expired</h1>"),
        )
            .into_response();
    };
    let page = format!(
        "<!doctype html><title>Pay</title><link rel=icon href=data:,><h1>Pay {} {}</h1><p>{}</p>\
         <form method=post><button name=method value=card>Pay</button>\
         <button name=method value=transfer>By bank transfer</button></form><a href=\"{}\">Back to the shop</a>",
        session.amount,
        session.currency.to_uppercase(),
        session.name.replace('<', "&lt;"),
        session.cancel_url.replace('"', "&quot;"),
    );
    Html(page).into_response()
}

/// A button of that page. `after` says in how many seconds a transfer arrives.
async fn press(
    Extracted(front): Extracted<Front>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let form: Form = form_urlencoded::parse(&body).into_owned().collect();
    let is_taken = if form
        .get("method")
        .is_some_and(|method| method == "transfer")
    {
        let after = form.get("after").and_then(|after| after.parse().ok());
        transfer(
            &front.state,
            &id,
            after.map_or(TRANSFER, Duration::from_secs),
        )
    } else {
        pay(&front.state, &id)
    };
    if !is_taken {
        return (StatusCode::CONFLICT, Html("<h1>This page has expired</h1>")).into_response();
    }
    let session = front.state.lock().account.session(&id).cloned();
    let to = session
        .map(|session| session.success_url)
        .unwrap_or_default();
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// The money arrives by itself after that time.
fn transfer(state: &Shared, id: &str, after: Duration) -> bool {
    let is_taken = pay_later(state, id);
    if is_taken {
        let (state, id) = (Arc::clone(state), id.to_owned());
        tokio::spawn(async move {
            sleep(after).await;
            settle(&state, &id, true);
        });
    }
    is_taken
}

/// Changes a session that is in `status`, and tells of it.
fn change(
    state: &Shared,
    id: &str,
    status: SessionStatus,
    kind: &str,
    change: impl FnOnce(&mut Session, Option<(i64, String)>),
) -> bool {
    {
        let mut state = state.lock();
        let instead = state.faults.pays_instead.clone();
        let session = state.account.session(id);
        let Some(session) = session.filter(|session| session.status == status) else {
            return false;
        };
        change(session, instead);
    }
    tell_of_session(state, kind, id);
    true
}

fn take_money(session: &mut Session, instead: Option<(i64, String)>) {
    let asked = (session.amount, session.currency.clone());
    (session.paid, session.currency) = instead.unwrap_or(asked);
    session.status = SessionStatus::Complete;
}

pub(super) fn pay(state: &Shared, id: &str) -> bool {
    change(
        state,
        id,
        SessionStatus::Open,
        "checkout.session.completed",
        take_money,
    )
}

pub(super) fn pay_later(state: &Shared, id: &str) -> bool {
    change(
        state,
        id,
        SessionStatus::Open,
        "checkout.session.completed",
        |session, _| {
            session.status = SessionStatus::Complete;
        },
    )
}

pub(super) fn settle(state: &Shared, id: &str, is_paid: bool) -> bool {
    let complete = SessionStatus::Complete;
    if is_paid {
        change(
            state,
            id,
            complete,
            "checkout.session.async_payment_succeeded",
            take_money,
        )
    } else {
        change(
            state,
            id,
            complete,
            "checkout.session.async_payment_failed",
            |session, _| session.has_failed = true,
        )
    }
}

pub(super) fn expire(state: &Shared, id: &str) -> bool {
    change(
        state,
        id,
        SessionStatus::Open,
        "checkout.session.expired",
        |session, _| {
            session.status = SessionStatus::Expired;
        },
    )
}

pub(super) fn refund_by_hand(state: &Shared, id: &str) -> bool {
    let charge = {
        let mut state = state.lock();
        let session = state.account.session(id);
        let Some(session) = session.filter(|session| session.paid > session.refunded) else {
            return false;
        };
        session.refunded = session.paid;
        session.refunds += 1;
        json!({
            "id": session.id.replacen("cs_", "ch_", 1), "object": "charge", "refunded": true,
            "amount": session.paid, "amount_refunded": session.refunded, "currency": session.currency,
            "payment_intent": session.intent(), "metadata": session.metadata,
        })
    };
    tell(state, "charge.refunded", &charge);
    true
}

fn tell_of_session(state: &Shared, kind: &str, id: &str) {
    let object = state
        .lock()
        .account
        .session(id)
        .map(|session| session.to_json());
    if let Some(object) = object {
        tell(state, kind, &object);
    }
}
