//! `GET /sales` and `GET /sales/{sale}`: what is on sale, from memory.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use flashsale_domain::sale::Product;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    catalogue::{Catalogue, SaleEntry},
    problem::{Problem, ProblemKind, fresh, responses::problems},
    schemas,
    stocks::Stocks,
};

/// All sales in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SalesView {
    /// The clock by which sales open and close (RFC 3339): Redis's.
    #[schema(format = DateTime)]
    pub server_time: String,
    /// The sales, by name.
    pub sales: Vec<SaleView>,
}

/// One sale.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleView {
    /// Its name.
    #[schema(example = "sneaker-drop")]
    pub sale: String,
    /// `Scheduled`, `Open`, `SoldOut`, `Suspended`, `Draining` or `Closed`.
    #[schema(schema_with = schemas::sale_status)]
    pub status: &'static str,
    /// First instant of the sale; null when it is open since ever.
    #[schema(format = DateTime)]
    pub opens_at: Option<String>,
    /// First instant after the sale; null when it has no end.
    #[schema(format = DateTime)]
    pub closes_at: Option<String>,
    /// The clock by which it opens and closes (RFC 3339): Redis's.
    #[schema(format = DateTime)]
    pub server_time: String,
    /// Whether a buy needs a pass of `POST /pass`.
    pub pass_required: bool,
    /// The currency of its prices: an ISO 4217 code.
    #[schema(example = "USD", pattern = "^[A-Z]{3}$")]
    pub currency: &'static str,
    /// How long an order may wait for its payment. Not there where orders are completed at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentView>,
    /// What it offers.
    pub products: Vec<ProductView>,
}

/// How long an order may wait for its payment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentView {
    /// Seconds from settlement until it expires.
    #[schema(example = 600)]
    pub window_seconds: u32,
    /// Who takes the payment: then `POST /orders/{jobId}/checkout` says where. Not there where the shop sees
    /// to payments by itself.
    #[schema(example = "stripe")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// One product of a sale.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    /// Its id.
    #[schema(example = "sneaker-001")]
    pub product_id: String,
    /// What shoppers read.
    pub name: String,
    /// More to read.
    pub description: Option<String>,
    /// Price of one unit, in minor units of the currency.
    pub price: i64,
    /// Units left; null as long as nobody has told.
    pub stock: Option<i32>,
    /// Units that the sale offers in all. Units put back on sale by hand come on top.
    pub offered: i32,
    /// Most units one shopper can have; null for no limit.
    pub max_per_user: Option<i32>,
    /// Address of a picture.
    pub image: Option<String>,
}
problems!(SalesProblems {
    503: "unavailable: the sales were never read yet",
});

/// All sales in force.
#[utoipa::path(
    get,
    path = "/sales",
    tag = "sales",
    responses(
        (status = 200, description = "The sales, by name", body = SalesView),
        SalesProblems,
    )
)]
pub async fn sales(
    State(catalogue): State<Catalogue>,
    State(stocks): State<Stocks>,
) -> Result<Response, Problem> {
    catalogue.be_known().await?;
    let now = catalogue.clock.now();
    let snapshot = catalogue.snapshot();
    let sales = snapshot.sales().iter();
    let sales_view = SalesView {
        server_time: now.to_string(),
        sales: sales
            .map(|entry| view(&catalogue, &stocks, entry, now))
            .collect(),
    };
    Ok(fresh(Json(sales_view)))
}

/// The part of an address that names a sale, for the OpenAPI document.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SaleName {
    /// Name of the sale
    #[param(min_length = 1, max_length = 255, pattern = "^[a-z0-9][a-z0-9.-]*$")]
    #[expect(dead_code, reason = "describes what Path reads")]
    sale: String,
}

problems!(SaleProblems {
    404: "unknown-sale",
    503: "unavailable: the sales could not be read",
});

/// One sale in force.
#[utoipa::path(
    get,
    path = "/sales/{sale}",
    tag = "sales",
    params(SaleName),
    responses(
        (status = 200, description = "The sale", body = SaleView),
        SaleProblems,
    )
)]
pub async fn sale(
    State(catalogue): State<Catalogue>,
    State(stocks): State<Stocks>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let entry = of_path(&catalogue, path).await?;
    let now = catalogue.clock.now();
    Ok(fresh(Json(view(&catalogue, &stocks, &entry, now))))
}

/// The sale that an address names.
pub(crate) async fn of_path(
    catalogue: &Catalogue,
    path: Result<Path<String>, PathRejection>,
) -> Result<Arc<SaleEntry>, Problem> {
    let Path(name) = path.map_err(|_| unknown_sale())?;
    in_force(catalogue, &name).await
}

/// The sale of this name. A miss looks into Redis, where it may have been announced an instant ago.
pub(crate) async fn in_force(catalogue: &Catalogue, name: &str) -> Result<Arc<SaleEntry>, Problem> {
    let mut snapshot = catalogue.snapshot();
    if snapshot.sale(name).is_none() {
        catalogue.be_recent().await?;
        snapshot = catalogue.snapshot();
    }
    snapshot.sale(name).map(Arc::clone).ok_or_else(unknown_sale)
}

/// No such sale.
fn unknown_sale() -> Problem {
    Problem::new(
        ProblemKind::UnknownSale,
        "no such sale is in force; GET /sales lists those that are",
    )
}

fn view(catalogue: &Catalogue, stocks: &Stocks, entry: &SaleEntry, now: Timestamp) -> SaleView {
    let sale = entry.sale();
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let readings = catalogue.observed.borrow().readings(entry, stocks);
    let product = |product: &Product| {
        let id = product.id.as_str();
        // A sale that is over may have let it go to another one, and what is left is that one's.
        let offer = catalogue.offer(id);
        let is_its_own = offer.is_some_and(|offer| offer.sale.id() == entry.id());
        ProductView {
            product_id: product.id.to_string(),
            name: product.name.clone(),
            description: product.description.clone(),
            price: product.price,
            stock: stocks.of(id).filter(|_| is_its_own),
            offered: product.stock,
            max_per_user: product.max_per_user,
            image: product.image.clone(),
        }
    };
    SaleView {
        sale: sale.id.to_string(),
        status: entry.phase(readings, now).as_str(),
        opens_at: time(sale.schedule.opens_at),
        closes_at: time(sale.schedule.closes_at),
        server_time: now.to_string(),
        pass_required: sale.turnstile.pass_required,
        currency: sale.currency.code(),
        payment: sale.payment.as_ref().map(|payment| PaymentView {
            window_seconds: payment.window_seconds,
            provider: payment.provider.clone(),
        }),
        products: sale.products.iter().map(product).collect(),
    }
}
