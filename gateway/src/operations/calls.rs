//! The calls for figures.

use axum::{Json, extract::State, response::Response};

use super::{figures::Figures, history::HistoryView, operator::Operator};
use crate::{
    catalogue::Catalogue,
    problem::{Problem, fresh, responses::problems},
};

problems!(FiguresProblems: HistoryProblems {
    503: "unavailable: the sales were never read yet",
});

/// The running of all sales, as of now.
///
/// The same is told each second as the event `figures` of the Socket.io namespace `/operations`
/// (handshake `auth: { token }`).
#[utoipa::path(
    get,
    path = "/operations/figures",
    operation_id = "figures",
    tag = "operations",
    responses(
        (status = 200, description = "All sales and processes", body = Figures),
        FiguresProblems,
    ),
    security(("operations" = []))
)]
pub async fn figures(
    Operator(operations): Operator,
    State(catalogue): State<Catalogue>,
) -> Result<Response, Problem> {
    catalogue.be_known().await?;
    Ok(fresh(Json(operations.figures())))
}
problems!(HistoryProblems {
    401: "unauthorized",
    404: "not-found: operations are off",
});

/// The last two minutes of every sale in which something happened, one figure a second.
#[utoipa::path(
    get,
    path = "/operations/history",
    operation_id = "history",
    tag = "operations",
    responses(
        (status = 200, description = "The history, as this gateway heard it", body = HistoryView),
        HistoryProblems,
    ),
    security(("operations" = []))
)]
pub async fn history(Operator(operations): Operator) -> Response {
    fresh(Json(operations.history()))
}
