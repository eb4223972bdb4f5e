//! What is on sale, as the gateway tells anyone who asks.

use std::collections::HashSet;

use flashsale_domain::id::{ProductId, SaleId};
use serde::Deserialize;

use super::{LoadError, crowd::Offer, target::Target};
use crate::http_client::Connection;

#[derive(Deserialize)]
struct Sales {
    sales: Vec<SaleView>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaleView {
    sale: SaleId,
    /// Gateways of the release before passes do not say it.
    #[serde(default)]
    pass_required: bool,
    products: Vec<ProductView>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProductView {
    product_id: ProductId,
    stock: Option<i64>,
}

/// What `target` offers. With `wanted`, only those products, and the error names those that are
/// not on offer. Each weighs as much as it has stock, or all the same when `uniform` or when
/// nothing has any.
pub async fn offers_of(
    target: &Target,
    wanted: &[ProductId],
    uniform: bool,
) -> Result<Vec<Offer>, LoadError> {
    let mut offers = read(target).await?;
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
    let sales: Sales = serde_json::from_slice(&reply.body)
        .map_err(|error| failed(format!("its answer is not a list of sales ({error})")))?;
    Ok(sales.sales)
}

async fn read(target: &Target) -> Result<Vec<Offer>, LoadError> {
    let offers = read_sales(target).await?.into_iter().flat_map(|view| {
        let sale = view.sale;
        view.products.into_iter().map(move |product| Offer {
            sale: sale.clone(),
            product: product.product_id,
            weight: product
                .stock
                .and_then(|stock| u64::try_from(stock).ok())
                .unwrap_or(0),
        })
    });
    Ok(offers.collect())
}
