//! Judges a written sale: every mistake at once, each with its path and what to write instead.
//! Pure: no clock, no network.

mod pods;
mod quantity;
mod secrets;
mod workers;

pub use pods::exceeds;

use std::{collections::HashSet, fmt, ops::RangeInclusive, time::Duration};

use super::{
    Currency, Durability, PRICES, PaymentWindow, Product, RateLimit, Sale, Schedule, Turnstile,
    manifest::{API_VERSION, KIND, Manifest},
    spec::{FlashSaleSpec, PassSpec, PaymentSpec, ProductSpec, TimeSpec, TurnstileSpec, Zone},
};
use crate::{
    id::{ProductId, SaleId},
    job::JobOptions,
};

/// How long an order may wait for its payment unless the spec says: as long as shops keep a cart.
const PAYMENT_WINDOW_SECONDS: i32 = 600;

/// How long a payment may be on its way unless the spec says.
const PAYMENT_GRACE_SECONDS: i32 = 15;

/// Something in a manifest that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where: e.g. `spec.products[1].price`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

/// The mistakes found so far.
#[derive(Default)]
struct Findings(Vec<Mistake>);

impl Findings {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Mistake {
            path: path.into(),
            message: message.into(),
        });
    }

    /// `value` as an unsigned number when it lies in `min..=max`; the nearest bound otherwise,
    /// with the mistake noted, so that checking goes on.
    fn in_range<T: TryFrom<i64> + Default>(
        &mut self,
        path: &str,
        value: impl Into<i64>,
        range: RangeInclusive<i64>,
    ) -> T {
        let (value, (min, max)) = (value.into(), range.into_inner());
        let nearest = value.clamp(min, max);
        if nearest != value {
            self.add(
                path,
                format!("is {value}; write a number from {min} to {max}"),
            );
        }
        T::try_from(nearest).unwrap_or_else(|_| {
            // A range of ours is wrong; no sale passes with a number that nobody wrote.
            self.add(path, format!("is {value}, which this release cannot hold"));
            T::default()
        })
    }
}

/// Checks a whole manifest; the sale is named by `metadata.name`.
pub fn check_manifest(manifest: &Manifest) -> Result<Sale, Vec<Mistake>> {
    let mut findings = Findings::default();
    if manifest.api_version != API_VERSION {
        findings.add(
            "apiVersion",
            format!("is {:?}; write {API_VERSION:?}", manifest.api_version),
        );
    }
    if manifest.kind != KIND {
        findings.add("kind", format!("is {:?}; write {KIND:?}", manifest.kind));
    }
    let id = SaleId::new(manifest.metadata.name.as_str());
    if let Err(error) = &id {
        findings.add("metadata.name", error.to_string());
    }
    // Checked under a stand-in name too, so that one run tells every mistake.
    let sale = match id.or_else(|_| SaleId::new("unnamed")) {
        Ok(id) => check_spec(id, &manifest.spec),
        Err(_) => return Err(findings.0),
    };
    match sale {
        Ok(sale) if findings.0.is_empty() => Ok(sale),
        Ok(_) => Err(findings.0),
        Err(mistakes) => {
            findings.0.extend(mistakes);
            Err(findings.0)
        }
    }
}

/// Checks a spec under the name `id`.
pub fn check_spec(id: SaleId, spec: &FlashSaleSpec) -> Result<Sale, Vec<Mistake>> {
    let mut findings = Findings::default();
    pods::check(&spec.worker, &mut findings);
    if let Some(seconds) = spec.ttl_seconds_after_finished {
        let path = "spec.ttlSecondsAfterFinished";
        findings.in_range::<u64>(path, seconds, 0..=i32::MAX.into());
    }
    secrets::check(spec, &mut findings);
    let sale = Sale {
        id,
        schedule: check_schedule(spec, &mut findings),
        suspended: spec.suspend,
        currency: check_currency(spec.currency.as_deref(), &mut findings),
        products: check_products(&spec.products, &mut findings),
        retired: Vec::new(),
        turnstile: check_turnstile(&spec.turnstile, &mut findings),
        workers: workers::check(&spec.worker, &mut findings),
        retry: JobOptions {
            attempts: findings.in_range("spec.attempts", spec.attempts, 1..=20),
            backoff: findings.in_range("spec.backoffMillis", spec.backoff_millis, 1..=600_000),
        },
        drain_timeout: Duration::from_secs(findings.in_range(
            "spec.drainTimeoutSeconds",
            spec.drain_timeout_seconds,
            1..=86_400,
        )),
        durability: Durability {
            redis_replicas: findings.in_range(
                "spec.durability.redisReplicas",
                spec.durability.redis_replicas,
                0..=5,
            ),
        },
        payment: spec
            .payment
            .as_ref()
            .map(|payment| check_payment(payment, &spec.products, &mut findings)),
    };
    if findings.0.is_empty() {
        Ok(sale)
    } else {
        Err(findings.0)
    }
}

fn check_schedule(spec: &FlashSaleSpec, findings: &mut Findings) -> Schedule {
    let zone = match spec.time_zone.as_deref().map(Zone::named) {
        Some(Ok(zone)) => Some(zone),
        Some(Err(mistake)) => {
            findings.add("spec.timeZone", mistake);
            // Times are judged all the same, in some zone.
            Zone::named("UTC").ok()
        }
        None => None,
    };
    let mut instant = |field: &str, time: Option<&TimeSpec>| {
        let instant = time?.instant(zone.as_ref());
        let mistake = |mistake| findings.add(format!("spec.{field}"), mistake);
        instant.map_err(mistake).ok()
    };
    let opens_at = instant("opensAt", spec.opens_at.as_ref());
    let closes_at = instant("closesAt", spec.closes_at.as_ref());
    if let (Some(opens), Some(closes)) = (opens_at, closes_at)
        && opens >= closes
    {
        findings.add(
            "spec.closesAt",
            format!("is {closes}, not after opensAt ({opens}); write a later closesAt"),
        );
    }
    Schedule {
        opens_at,
        closes_at,
    }
}

/// A currency with minor units; gold and test codes have none.
fn check_currency(code: Option<&str>, findings: &mut Findings) -> Currency {
    let Some(code) = code else {
        return Currency::USD;
    };
    let currency = Currency::from_code(code).filter(|known| known.exponent().is_some());
    currency.unwrap_or_else(|| {
        let message = format!("is {code:?}; write an ISO 4217 code, e.g. EUR, USD or JPY");
        findings.add("spec.currency", message);
        Currency::USD
    })
}

fn check_payment(
    spec: &PaymentSpec,
    products: &[ProductSpec],
    findings: &mut Findings,
) -> PaymentWindow {
    if spec.provider.is_some() {
        for (index, _) in products
            .iter()
            .enumerate()
            .filter(|(_, product)| product.price == 0)
        {
            let path = format!("spec.products[{index}].price");
            findings.add(
                path,
                "is 0, and no provider takes a payment of nothing; write 1 or more",
            );
        }
    }
    PaymentWindow {
        window_seconds: findings.in_range(
            "spec.payment.windowSeconds",
            spec.window_seconds.unwrap_or(PAYMENT_WINDOW_SECONDS),
            2..=86_400,
        ),
        grace_seconds: findings.in_range(
            "spec.payment.graceSeconds",
            spec.grace_seconds.unwrap_or(PAYMENT_GRACE_SECONDS),
            0..=3_600,
        ),
        provider: spec.provider.clone().filter(|name| {
            let is_label = pods::is_dns_name(name) && !name.contains('.') && name.len() <= 63;
            if !is_label {
                let message = format!(
                    "is {name:?}; write at most 63 of a-z, 0-9 and \"-\", with a letter or digit at both ends"
                );
                findings.add("spec.payment.provider", message);
            }
            is_label
        }),
        on_late: spec.on_late.unwrap_or_default(),
    }
}

fn check_products(specs: &[ProductSpec], findings: &mut Findings) -> Vec<Product> {
    if specs.is_empty() {
        findings.add("spec.products", "is empty; write at least one product");
    }
    if specs.len() > 1_000 {
        findings.add(
            "spec.products",
            format!("has {} entries; write at most 1000", specs.len()),
        );
    }
    let mut seen = HashSet::new();
    let mut products = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        if !seen.insert(spec.id.as_str()) {
            findings.add(
                format!("spec.products[{index}].id"),
                format!(
                    "{:?} stands here a second time; give each product its own id",
                    spec.id
                ),
            );
        }
        products.extend(check_product(index, spec, findings));
    }
    products
}

fn check_product(index: usize, spec: &ProductSpec, findings: &mut Findings) -> Option<Product> {
    let path = |field: &str| format!("spec.products[{index}].{field}");
    let id = ProductId::new(spec.id.as_str());
    if let Err(error) = &id {
        findings.add(path("id"), error.to_string());
    }
    if spec.name.trim().is_empty() || spec.name.chars().count() > 255 {
        findings.add(path("name"), "write a name of 1 to 255 characters");
    }
    let texts = [
        ("name", Some(&spec.name)),
        ("description", spec.description.as_ref()),
    ];
    for (field, text) in texts {
        if text.is_some_and(|text| text.contains('\0')) {
            findings.add(path(field), "write it without NUL characters");
        }
    }
    if spec
        .image
        .as_ref()
        .is_some_and(|image| image.len() > 2048 || image.contains('\0'))
    {
        findings.add(path("image"), "write an address of at most 2048 bytes");
    }
    if !PRICES.contains(&spec.price) {
        let (least, most) = (PRICES.start(), PRICES.end());
        findings.add(
            path("price"),
            format!("is {}; write minor units, {least} to {most}", spec.price),
        );
    }
    if spec.stock < 0 {
        findings.add(
            path("stock"),
            format!("is {}; write the units on offer, 0 or more", spec.stock),
        );
    }
    if spec.max_per_user.is_some_and(|most| most < 1) {
        findings.add(
            path("maxPerUser"),
            "write 1 or more, or leave it out for no limit",
        );
    }
    Some(Product {
        id: id.ok()?,
        name: spec.name.clone(),
        description: spec.description.clone(),
        price: spec.price,
        stock: spec.stock,
        image: spec.image.clone(),
        max_per_user: spec.max_per_user,
    })
}

fn check_turnstile(spec: &TurnstileSpec, findings: &mut Findings) -> Turnstile {
    let rate = &spec.rate_limit;
    let mut of_rate = |field: &str, value: i32, most: i64| {
        findings.in_range(
            &format!("spec.turnstile.rateLimit.{field}"),
            value,
            1..=most,
        )
    };
    let requests = of_rate("requests", rate.requests, 1_000_000);
    let window = of_rate("windowSeconds", rate.window_seconds, 86_400);
    let burst = rate.burst.map(|burst| of_rate("burst", burst, 1_000_000));
    Turnstile {
        rate_limit: RateLimit {
            requests,
            window: Duration::from_secs(window.into()),
            burst: burst.unwrap_or(requests),
        },
        max_queue_depth: findings.in_range(
            "spec.turnstile.maxQueueDepth",
            spec.max_queue_depth,
            1..=10_000_000,
        ),
        pass_required: spec.pass == PassSpec::Required,
    }
}

#[cfg(test)]
mod tests;
