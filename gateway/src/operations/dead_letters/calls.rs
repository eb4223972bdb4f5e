//! The calls about dead letters.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use flashsale_queue::dead_letter::LetterId;

use super::{DeadLetters, LetterIds, LetterQuery, LettersDone, desk, letter_ids, wanted};
use crate::{
    body::{self, Limits},
    catalogue::{Catalogue, SaleEntry},
    operations::Operator,
    problem::{Problem, responses::problems},
    sales,
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
    params(("sale" = String, Path, min_length = 1, max_length = 255,
        pattern = "^[a-z0-9][a-z0-9.-]*$", description = "Name of the sale"), LetterQuery),
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
) -> Result<Json<DeadLetters>, Problem> {
    let sale = sale_of(&catalogue, path).await?;
    let wanted = wanted(query)?;
    let letters = desk::list(operations.pool(), &sale, &wanted).await?;
    Ok(Json(letters))
}
problems!(ReplayProblems {
    400: "body-invalid: no letters are named, or one is of a product that the sale does not offer; nothing was done",
    401: "unauthorized",
    404: "not-found: operations are off; unknown-sale",
    413: "body-too-large",
    415: "media-type-unsupported",
    503: "unavailable",
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
    params(("sale" = String, Path, min_length = 1, max_length = 255,
        pattern = "^[a-z0-9][a-z0-9.-]*$", description = "Name of the sale")),
    request_body = LetterIds,
    responses(
        (status = 200, description = "What became of them", body = LettersDone),
        ReplayProblems,
    ),
    security(("operations" = []))
)]
pub async fn replay(
    Operator(operations): Operator,
    State(catalogue): State<Catalogue>,
    State(limits): State<Limits>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<LettersDone>, Problem> {
    let (sale, ids) = act(&catalogue, limits, path, request).await?;
    let done = desk::replay(operations.pool(), &sale, &ids).await?;
    tracing::info!(sale = %sale.id(), done = done.done, gone = done.gone,
        "{} dead letters of {} were replayed by hand", done.done, sale.id());
    Ok(Json(done))
}
problems!(DiscardProblems {
    400: "body-invalid: no letters are named",
    401: "unauthorized",
    404: "not-found: operations are off; unknown-sale",
    413: "body-too-large",
    415: "media-type-unsupported",
    503: "unavailable",
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
    params(("sale" = String, Path, min_length = 1, max_length = 255,
        pattern = "^[a-z0-9][a-z0-9.-]*$", description = "Name of the sale")),
    request_body = LetterIds,
    responses(
        (status = 200, description = "What became of them", body = LettersDone),
        DiscardProblems,
    ),
    security(("operations" = []))
)]
pub async fn discard(
    Operator(operations): Operator,
    State(catalogue): State<Catalogue>,
    State(limits): State<Limits>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<LettersDone>, Problem> {
    let (sale, ids) = act(&catalogue, limits, path, request).await?;
    let done = desk::discard(operations.pool(), &sale.keys, &ids).await?;
    tracing::info!(sale = %sale.id(), done = done.done, gone = done.gone,
        "{} dead letters of {} were discarded by hand", done.done, sale.id());
    Ok(Json(done))
}

/// Which letters of which sale are meant.
async fn act(
    catalogue: &Catalogue,
    limits: Limits,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<(Arc<SaleEntry>, Vec<LetterId>), Problem> {
    let (parts, body) = request.into_parts();
    let limits = Limits {
        body_bytes: limits.body_bytes.max(BODY_BYTES),
        ..limits
    };
    let body = body::read(&parts.headers, body, &limits).await?;
    let ids = letter_ids(&body)?;
    Ok((sale_of(catalogue, path).await?, ids))
}

async fn sale_of(
    catalogue: &Catalogue,
    path: Result<Path<String>, PathRejection>,
) -> Result<Arc<SaleEntry>, Problem> {
    let Path(name) = path.map_err(|_| sales::unknown_sale())?;
    sales::in_force(catalogue, &name).await
}
