//! What is on sale, as the gateway tells anyone who asks.

use std::collections::HashSet;

use flashsale_domain::id::{ProductId, SaleId};
use jiff::Timestamp;
use serde::Deserialize;

use super::{LoadError, crowd::Offer, target::Target};
use crate::http_client::Connection;

/// What `GET /sales` tells.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SalesView {
    /// What nothing but a history asks for.
    pub(super) server_time: Option<Timestamp>,
    pub(super) sales: Vec<SaleView>,
}

/// One sale of it.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SaleView {
    pub(super) sale: SaleId,
    pub(super) opens_at: Option<Timestamp>,
    pub(super) closes_at: Option<Timestamp>,
    /// Gateways of the release before passes do not say it.
    #[serde(default)]
    pass_required: bool,
    pub(super) products: Vec<ProductView>,
}

/// One product of it.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductView {
    pub(super) product_id: ProductId,
    pub(super) stock: Option<i64>,
    pub(super) max_per_user: Option<i64>,
}

/// What `target` offers. With `wanted`, only those products, and the error names those that are
/// not on offer. Each weighs as much as it has stock, or all the same when `uniform` or when
/// nothing has any.
pub async fn offers_of(
    target: &Target,
    wanted: &[ProductId],
    uniform: bool,
) -> Result<Vec<Offer>, LoadError> {
    let offers_of = |view: SaleView| {
        let offer = move |product: ProductView| Offer {
            sale: view.sale.clone(),
            product: product.product_id,
            // A sale that does not tell its stock is wanted by nobody but where all are wanted alike.
            weight: product
                .stock
                .and_then(|stock| stock.try_into().ok())
                .unwrap_or(0),
        };
        view.products.into_iter().map(offer)
    };
    let sales = read_sales(target).await?.into_iter();
    let mut offers: Vec<Offer> = sales.flat_map(offers_of).collect();
    for product in wanted {
        if !offers.iter().any(|offer| offer.product == *product) {
            return Err(LoadError::NothingToBuy(format!(
                "product {product} is not on offer at {}",
                target.url()
            )));
        }
    }
    offers.retain(|offer| wanted.is_empty() || wanted.contains(&offer.product));
    if offers.is_empty() {
        let nothing = format!("nothing is on offer at {}", target.url());
        return Err(LoadError::NothingToBuy(nothing));
    }
    if uniform || offers.iter().all(|offer| offer.weight == 0) {
        for offer in &mut offers {
            offer.weight = 1;
        }
    }
    Ok(offers)
}

/// The sales at `target` that ask for a pass.
pub async fn guarded_sales(target: &Target) -> Result<HashSet<SaleId>, LoadError> {
    let sales = read_sales(target).await?.into_iter();
    let guarded = sales.filter(|view| view.pass_required);
    Ok(guarded.map(|view| view.sale).collect())
}

async fn read_sales(target: &Target) -> Result<Vec<SaleView>, LoadError> {
    let failed = |reason: String| LoadError::Offers {
        url: target.url(),
        reason,
    };
    let reply = Connection::new(target.clone())
        .get("/sales")
        .await
        .map_err(|error| failed(error.to_string()))?;
    if !reply.status.is_success() {
        return Err(failed(format!("it answered {}", reply.status)));
    }
    let sales: SalesView = serde_json::from_slice(&reply.body)
        .map_err(|error| failed(format!("its answer is not a list of sales ({error})")))?;
    Ok(sales.sales)
}
