//! The sales that crowds buy from.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use flashsale_domain::id::SaleId;
use flashsale_queue::keys::SaleKeys;
use flashsale_testbed::{http, launch::Launch, program::Program};

use crate::{error::ChaosError, files, payments, stores::until};

/// Its name, and its id.
pub(crate) const NAME: &str = "chaos";

/// Its products, and the units for a round of one fault. The first one is wanted by two of three
/// shoppers and sold out some time into the round, so that there are rejections too; its lane is deep.
/// The second has hardly any units.
pub(crate) const PRODUCTS: [(&str, u32); 5] = [
    ("hot", 4_000),
    ("rare", 40),
    ("warm-1", 700),
    ("warm-2", 700),
    ("warm-3", 700),
];

/// What is further written of a round's sale: small batches, so that many are on their way.
const SPEC: [&str; 2] = [
    "turnstile: {rateLimit: {requests: 5, windowSeconds: 10, burst: 5}}",
    "worker: {lanesPerWorker: 8, batchSize: 10}",
];

/// How long a sale may take to be in force.
pub(crate) const IN_FORCE: Duration = Duration::from_mins(1);

/// Writes the file of a round's sale into `directory`, with units for so many faults: enough for
/// most of it, so that the last fault still meets jobs in the lanes.
pub(crate) fn write(
    directory: &Path,
    faults: usize,
    has_payments: bool,
) -> Result<PathBuf, ChaosError> {
    let faults = u32::try_from(faults).unwrap_or(u32::MAX);
    let units = |stock: u32| stock.max(stock.saturating_mul(faults).saturating_mul(3) / 4);
    let products = PRODUCTS.map(|(product, stock)| (product, units(stock)));
    // The crowd's greedy shoppers meet the limit.
    let payment = has_payments.then_some(payments::SPEC);
    let spec: Vec<&str> = SPEC.into_iter().chain(payment).collect();
    write_file(directory, NAME, &products, ", maxPerUser: 1", &spec)
}

/// Writes the file of the sale `name` into `directory`: products and their units, what further stands
/// at each product, and lines of its `spec`.
pub(crate) fn write_file(
    directory: &Path,
    name: &str,
    products: &[(&str, u32)],
    of_product: &str,
    spec: &[&str],
) -> Result<PathBuf, ChaosError> {
    let product = |(id, stock): &(&str, u32)| {
        format!("{{id: {id}, name: \"{id}\", price: 100, stock: {stock}{of_product}}}")
    };
    let products: Vec<String> = products.iter().map(product).collect();
    let file = directory.join("sale.yaml");
    let text = format!(
        "apiVersion: flashsale.dev/v1alpha1\nkind: FlashSale\nmetadata:\n  name: {name}\n\
         spec:\n  products: [{}]\n  {}\n",
        products.join(", "),
        spec.join("\n  ")
    );
    files::write(&file, text)?;
    Ok(file)
}

/// What Redis calls the parts of the sale `name`.
pub(crate) fn keys(name: &str) -> Result<SaleKeys, ChaosError> {
    let id = SaleId::new(name);
    let wrong = |_| ChaosError::wrong("the sale of the harness has a bad name");
    Ok(SaleKeys::new(&id.map_err(wrong)?))
}

/// `launch`, which starts `flashsale`, as the control loop alone of the sale in `file`.
pub(crate) fn control_loop(launch: Launch, file: &Path) -> Launch {
    let launch = launch.arg("up").arg(file);
    launch.args(["--gateways", "0", "--workers-max", "0"])
}

/// Waits until each of the gateways offers `product`.
pub(crate) async fn until_offered(gateways: &[Program], product: &str) -> Result<(), ChaosError> {
    until("the gateways offer the sale", IN_FORCE, async || {
        for gateway in gateways {
            let answer = http::get(gateway.address, "/sales").await;
            if !answer.is_ok_and(|answer| answer.body.contains(product)) {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await
}
