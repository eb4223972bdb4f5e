//! The calls about dead letters.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        FromRef, FromRequest, FromRequestParts as _, Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use flashsale_queue::dead_letter::LetterId;

use super::{DeadLetters, LetterIds, LetterQuery, LettersDone, desk, letter_ids, wanted};
use crate::{
    body::{self, Limits},
    catalogue::{Catalogue, SaleEntry},
    operations::Operator,
    problem::{Problem, fresh, responses::problems},
    sales::{self, SaleName},
};

/// Largest body in bytes: two hundred ids of the longest kind, with room for white space.
const BODY_BYTES: usize = 16 * 1024;
problems!(ListProblems {
    400: "body-invalid: a parameter is not valid",
    401: "unauthorized",
    404: "not-found: operations are off; unknown-sale",
    503: "unavailable",
});

/// The dead letters of a sale, oldest first.
///
/// One answer looks at 5,000 letters at most. With a filter it can therefore hold fewer than
/// `limit`, even none, and still have a `next`: ask on until `next` is null.
#[utoipa::path(
    get,
    path = "/operations/sales/{sale}/dead-letters",
    operation_id = "deadLetters",
    tag = "operations",
    params(SaleName, LetterQuery),
    responses(
        (status = 200, description = "Some letters", body = DeadLetters),
        ListProblems,
    ),
    security(("operations" = []))
)]
pub async fn list(
    Operator(operations): Operator,
    State(catalogue): State<Catalogue>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<LetterQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let sale = sales::of_path(&catalogue, path).await?;
    let wanted = wanted(query)?;
    let letters = desk::list(operations.pool(), &sale, &wanted).await?;
    Ok(fresh(Json(letters)))
}
problems!(ReplayProblems: ListProblems {
    400: "body-invalid: no letters are named, or one is of a product that the sale does not offer; nothing was done",
    413: "body-too-large",
    415: "media-type-unsupported",
});

/// Put dead letters back at the end of their lanes.
///
/// Each is replayed once however many people ask; `gone` counts those that were not there any
/// more. After a 503 some may have been replayed: list them again.
#[utoipa::path(
    post,
    path = "/operations/sales/{sale}/dead-letters/replay",
    operation_id = "replayDeadLetters",
    tag = "operations",
    params(SaleName),
    request_body = LetterIds,
    responses(
        (status = 200, description = "What became of them", body = LettersDone),
        ReplayProblems,
    ),
    security(("operations" = []))
)]
pub async fn replay(
    Operator(operations): Operator,
    NamedLetters { sale, ids }: NamedLetters,
) -> Result<Response, Problem> {
    let done = desk::replay(operations.pool(), &sale, &ids).await?;
    tracing::info!(sale = %sale.id(), done = done.done, gone = done.gone,
        "{} dead letters of {} were replayed by hand", done.done, sale.id());
    Ok(fresh(Json(done)))
}
problems!(DiscardProblems: ReplayProblems {
    400: "body-invalid: no letters are named",
});

/// Take dead letters away for good.
///
/// Their buys have ended as `failed` and stay so. `gone` counts letters that were not there any
/// more.
#[utoipa::path(
    post,
    path = "/operations/sales/{sale}/dead-letters/discard",
    operation_id = "discardDeadLetters",
    tag = "operations",
    params(SaleName),
    request_body = LetterIds,
    responses(
        (status = 200, description = "What became of them", body = LettersDone),
        DiscardProblems,
    ),
    security(("operations" = []))
)]
pub async fn discard(
    Operator(operations): Operator,
    NamedLetters { sale, ids }: NamedLetters,
) -> Result<Response, Problem> {
    let done = desk::discard(operations.pool(), &sale.keys, &ids).await?;
    tracing::info!(sale = %sale.id(), done = done.done, gone = done.gone,
        "{} dead letters of {} were discarded by hand", done.done, sale.id());
    Ok(fresh(Json(done)))
}

/// The letters that a request names, and their sale.
pub struct NamedLetters {
    sale: Arc<SaleEntry>,
    ids: Vec<LetterId>,
}

impl<S: Send + Sync> FromRequest<S> for NamedLetters
where
    Catalogue: FromRef<S>,
    Limits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let path = Path::from_request_parts(&mut parts, state).await;
        let limits = Limits::from_ref(state);
        let limits = Limits {
            body_bytes: limits.body_bytes.max(BODY_BYTES),
            ..limits
        };
        let body = body::read(&parts.headers, body, &limits).await?;
        let ids = letter_ids(&body)?;
        let sale = sales::of_path(&Catalogue::from_ref(state), path).await?;
        Ok(Self { sale, ids })
    }
}
