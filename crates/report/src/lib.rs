//! What came of a sale: asked, refused, queued, confirmed, paid, expired and refunded, with times and money.
//!
//! Everything about orders is from the ledger. What gateways answered is from counts in Redis, and unknown where those
//! are lost. This crate asks neither: it makes one report of what both said, for `flashsale report` and for gateways,
//! as JSON (the fields of [`SaleReport`]) and as Markdown ([`SaleReport::to_markdown`]).

mod arrival;
mod buys;
mod figures;
mod markdown;
mod money;
mod orders;

use flashsale_domain::{id::SaleId, sale::Sale};
use flashsale_ledger::ProductReport;
use flashsale_queue::answers::Answers;
use jiff::Timestamp;
use serde::Serialize;

pub use arrival::Arrival;
pub use buys::BuyCounts;
pub use figures::{Figures, Stock, Times, TurnedAway};
pub use money::Money;
pub use orders::OrderCounts;

/// What both stores said of a sale.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The sale.
    pub sale: &'a SaleId,
    /// When they were asked.
    pub at: Timestamp,
    /// The sale as declared; none when it is not in force.
    pub declared: Option<&'a Sale>,
    /// What gateways answered; none when nobody has counted. An error says in words why that is unknown.
    pub answers: Result<Option<Answers>, String>,
    /// What the ledger knows of each product.
    pub products: &'a [ProductReport],
}

/// What came of a sale. Times are RFC 3339; sums of money are in minor units of the currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleReport {
    /// The sale.
    #[schema(example = "sneaker-drop")]
    pub sale: String,
    /// When the report was made.
    #[schema(format = DateTime)]
    pub made_at: String,
    /// Which sale of that name the orders are of, counted from 1; null when the ledger has nothing of it.
    #[schema(required = true)]
    pub incarnation: Option<i32>,
    /// Whether the sale still has its products. Once it is withdrawn, books and rejections are gone from the ledger.
    pub is_on: bool,
    /// First instant of the sale; null when it is open since ever, or not in force.
    #[schema(required = true, format = DateTime)]
    pub opens_at: Option<String>,
    /// First instant after the sale; null when it has no end, or is not in force.
    #[schema(required = true, format = DateTime)]
    pub closes_at: Option<String>,
    /// What gateways answered; null when unknown.
    #[schema(required = true)]
    pub buys: Option<BuyCounts>,
    /// What there is to know about `buys`: why they are unknown, or that some are missing; null when nothing is.
    #[schema(required = true)]
    pub buys_note: Option<String>,
    /// All products together.
    pub total: Figures,
    /// Each product, by its id.
    pub products: Vec<ReportedProduct>,
}

/// What came of the sale of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportedProduct {
    /// The product.
    #[schema(example = "sneaker-001")]
    pub product_id: String,
    /// What shoppers read; null once the sale has let go of it.
    #[schema(required = true)]
    pub name: Option<String>,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

impl SaleReport {
    /// The report of what both stores said.
    pub fn new(sources: Sources<'_>) -> Self {
        let Sources {
            sale,
            at,
            declared,
            answers,
            products,
        } = sources;
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let currency = declared.map(|sale| sale.currency.code());
        let total = Figures::total(products, currency);
        let (buys, buys_note) = buys::of(answers, &total);
        let first = products.first();
        Self {
            sale: sale.to_string(),
            made_at: at.to_string(),
            incarnation: first.map(|product| product.incarnation),
            is_on: first.is_some_and(|product| product.is_on),
            opens_at: time(declared.and_then(|sale| sale.schedule.opens_at)),
            closes_at: time(declared.and_then(|sale| sale.schedule.closes_at)),
            buys,
            buys_note,
            total,
            products: products
                .iter()
                .map(|product| ReportedProduct {
                    product_id: product.product.clone(),
                    name: product.name.clone(),
                    figures: Figures::of(product, currency),
                })
                .collect(),
        }
    }

    /// The report for people.
    pub fn to_markdown(&self) -> String {
        markdown::write(self)
    }
}

#[cfg(test)]
mod tests;
