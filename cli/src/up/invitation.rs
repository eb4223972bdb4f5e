//! What a newcomer can do next: lines to paste.

use std::{env, fmt::Write as _};

use flashsale_domain::{
    id::{ProductId, SaleId},
    stock::StockLevel,
};

use super::{Machine, pages::Pages};

/// Units that the suggested restock adds.
const SUGGESTED_UNITS: u32 = 10;

/// What to open, how to buy by hand, and how to put units back on sale first when none is left.
pub(super) async fn text(machine: &Machine) -> String {
    let mut text = "\nstill up: Ctrl-C closes the sale and stops everything\n".to_owned();
    text.extend(machine.pages.as_ref().map(Pages::invitation));
    let Some(offer) = offer(machine).await else {
        return text;
    };
    let program = env::args().next().unwrap_or_else(|| "flashsale".to_owned());
    let tool = format!("{}{program}", machine.environment);
    let (sale, product) = (&offer.sale, &offer.product);
    // Writing to a string cannot fail.
    if offer.stock == Some(0) {
        let _ = write!(
            text,
            "\neverything is sold; put {SUGGESTED_UNITS} units back on sale:\n  {tool} restock \
             --sale {sale} --product {product} --by {SUGGESTED_UNITS}\n"
        );
    }
    if let Some(gateway) = machine.gateways.first() {
        let _ = write!(
            text,
            "\nbuy by hand:\n  {}\n",
            curl(&gateway.to_string(), product)
        );
        let _ = write!(
            text,
            "\nwhat is on sale:\n  curl -s http://{gateway}/sales\n"
        );
    }
    let _ = write!(text, "\ndo the laws hold:\n  {tool} audit\n");
    text
}

/// One buy. The key is made when the line is run, so that each run is a new buy.
fn curl(gateway: &str, product: &ProductId) -> String {
    format!(
        "curl -i http://{gateway}/buy -H 'Content-Type: application/json' -H \"Idempotency-Key: \
         $(cat /proc/sys/kernel/random/uuid)\" -d '{{\"productId\":\"{product}\",\"userId\":\"me\"}}'"
    )
}

/// Something to buy.
struct Offered {
    sale: SaleId,
    product: ProductId,
    /// Units left; none when the ledger could not be asked.
    stock: Option<i32>,
}

/// The first product of which something is left, else the first product.
async fn offer(machine: &Machine) -> Option<Offered> {
    let mut first = None;
    for sale in &machine.sales {
        let levels: Option<Vec<StockLevel>> = machine.ledger.stock(&sale.id).await.ok();
        for product in &sale.products {
            let level = levels
                .as_ref()
                .and_then(|levels| levels.iter().find(|level| level.product == product.id));
            let offered = Offered {
                sale: sale.id.clone(),
                product: product.id.clone(),
                stock: level.map(|level| level.stock),
            };
            if offered.stock.is_some_and(|stock| stock > 0) {
                return Some(offered);
            }
            first.get_or_insert(offered);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_paste_is_one_buy_with_a_fresh_key() {
        let product = ProductId::new("sneaker-001").unwrap();
        let line = curl("127.0.0.1:8080", &product);
        assert!(
            line.contains(r#"-d '{"productId":"sneaker-001","userId":"me"}'"#),
            "{line}"
        );
        assert!(line.contains("random/uuid)\""), "{line}");
        assert!(!line.contains('\n'));
    }
}
