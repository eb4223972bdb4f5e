//! The calls for reports.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, rejection::PathRejection},
    response::{IntoResponse as _, Response},
};
use flashsale_domain::id::SaleId;
use flashsale_report::SaleReport;
use http::{HeaderValue, header::CONTENT_TYPE};

use super::ReportError;
use crate::{
    operations::{Operations, Operator},
    problem::{Problem, fresh, responses::problems},
    sales::SaleName,
};

const MARKDOWN: HeaderValue = HeaderValue::from_static("text/markdown; charset=utf-8");

problems!(ReportProblems {
    401: "unauthorized",
    404: "not-found: operations are off; unknown-sale: neither store knows it",
    503: "unavailable: PostgreSQL cannot be asked, or needs too long",
});

/// What came of a sale.
///
/// Also of one that is not in force any more, as far as its orders are kept. Made anew at most every five seconds.
/// The laws are not part of it: `flashsale report` and `flashsale audit` judge them.
#[utoipa::path(
    get,
    path = "/operations/sales/{sale}/report",
    operation_id = "report",
    tag = "operations",
    params(SaleName),
    responses(
        (status = 200, description = "The report", body = SaleReport),
        ReportProblems,
    ),
    security(("operations" = []))
)]
pub async fn report(
    Operator(operations): Operator,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let report = of_path(&operations, path).await?;
    Ok(fresh(Json(&*report)))
}

/// What came of a sale, as Markdown.
#[utoipa::path(
    get,
    path = "/operations/sales/{sale}/report.md",
    operation_id = "reportMarkdown",
    tag = "operations",
    params(SaleName),
    responses(
        (status = 200, description = "The report", body = String, content_type = "text/markdown"),
        ReportProblems,
    ),
    security(("operations" = []))
)]
pub async fn markdown(
    Operator(operations): Operator,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let report = of_path(&operations, path).await?;
    let body = ([(CONTENT_TYPE, MARKDOWN)], report.to_markdown());
    Ok(fresh(body.into_response()))
}

async fn of_path(
    operations: &Operations,
    path: Result<Path<String>, PathRejection>,
) -> Result<Arc<SaleReport>, Problem> {
    let named = path.ok().and_then(|Path(name)| SaleId::new(name).ok());
    let sale = named.ok_or(ReportError::UnknownSale)?;
    Ok(operations.reports().of(&sale).await?)
}
