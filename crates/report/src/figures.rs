//! The figures of a product, or of all.

use flashsale_ledger::ProductReport;
use jiff::Timestamp;
use serde::Serialize;

use crate::{arrival::Arrival, money::Money, orders::OrderCounts};

/// What came of the buys of a product, or of all products of a sale, as the ledger tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReportFigures)]
pub struct Figures {
    /// Units; null once the sale is withdrawn.
    #[schema(required = true)]
    pub stock: Option<Stock>,
    /// Buys that were taken and got no order; null once the sale is withdrawn. Those that failed are dead letters,
    /// which the ledger does not know.
    #[schema(required = true)]
    pub turned_away: Option<TurnedAway>,
    /// Orders by where they stand.
    pub orders: OrderCounts,
    /// Sums of money.
    pub money: Money,
    /// When it happened.
    pub times: Times,
    /// Whether the order of arrival was kept.
    pub arrival: Arrival,
    /// Orders that were made again for late payments: among `orders`, and of no buys of their own.
    #[serde(skip)]
    #[schema(ignore)]
    late: i64,
}

/// Units of a product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stock {
    /// As the manifest declared them last; null when the product was not declared by one.
    #[schema(required = true)]
    pub declared: Option<i64>,
    /// Ever on offer in this sale: `sold` and `left`.
    pub on_offer: i64,
    /// Of orders that are not cancelled.
    pub sold: i64,
    /// Left.
    pub left: i64,
    /// Of orders of earlier sales that were cancelled after those were over; no sale offers them.
    pub returned: i64,
    /// Restocks by hand.
    pub restocks: i64,
    /// Units that they added, less those that they took back.
    pub restocked: i64,
}

/// Buys that were taken and got no order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnedAway {
    /// No unit was left when they were settled.
    pub sold_out: i64,
    /// Their shoppers had as many units as the sale allows.
    pub limit_reached: i64,
}

/// When it happened (RFC 3339). Null where it did not, or nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// The oldest buy that got an order, by the clock of its gateway.
    #[schema(required = true, format = DateTime)]
    pub first_buy_at: Option<String>,
    /// The newest one.
    #[schema(required = true, format = DateTime)]
    pub last_buy_at: Option<String>,
    /// The first order, by PostgreSQL's clock, as those that follow.
    #[schema(required = true, format = DateTime)]
    pub first_order_at: Option<String>,
    /// The last order.
    #[schema(required = true, format = DateTime)]
    pub last_order_at: Option<String>,
    /// When an order was last paid, expired or cancelled.
    #[schema(required = true, format = DateTime)]
    pub last_change_at: Option<String>,
    /// How long a new order may wait for its payment, in seconds; null where orders are completed at once.
    #[schema(required = true)]
    pub payment_window_seconds: Option<i32>,
}

/// A time of the ledger in RFC 3339.
pub(crate) fn time(ms: Option<i64>) -> Option<String> {
    let at = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map(|at| at.to_string())
}

impl Figures {
    /// The figures of one product.
    pub(crate) fn of(product: &ProductReport, currency: Option<&'static str>) -> Self {
        Self::total(std::slice::from_ref(product), currency)
    }

    /// The figures of products together. What is unknown of one is unknown of all.
    pub(crate) fn total(products: &[ProductReport], currency: Option<&'static str>) -> Self {
        let (mut orders, mut money) = (OrderCounts::default(), Money::new(currency));
        let mut arrival = Arrival::new();
        for product in products {
            orders.add(product);
            money.add(product);
            arrival.add(product);
        }
        Self {
            stock: sum(products, Stock::of, Stock::add),
            turned_away: sum(products, TurnedAway::of, TurnedAway::add),
            orders,
            money,
            times: Times::of(products),
            arrival,
            late: products.iter().map(|product| product.late).sum(),
        }
    }

    /// Buys of which the ledger knows that they were settled.
    pub(crate) fn settled(&self) -> u64 {
        let turned_away = self.turned_away.unwrap_or_default();
        let settled =
            self.orders.confirmed - self.late + turned_away.sold_out + turned_away.limit_reached;
        u64::try_from(settled).unwrap_or(0)
    }
}

/// What all products have together; none when there are none, or one of them is not known.
fn sum<T: Default>(
    products: &[ProductReport],
    of: impl Fn(&ProductReport) -> Option<T>,
    add: impl Fn(T, T) -> T,
) -> Option<T> {
    let parts: Option<Vec<T>> = products.iter().map(of).collect();
    parts?.into_iter().reduce(add)
}

impl Stock {
    fn of(product: &ProductReport) -> Option<Self> {
        Some(Self {
            declared: product.declared,
            on_offer: product.on_offer?,
            sold: product.units_sold?,
            left: product.units_left?,
            returned: product.returned?,
            restocks: product.restocks?,
            restocked: product.restocked?,
        })
    }

    fn add(self, other: Self) -> Self {
        Self {
            declared: self
                .declared
                .zip(other.declared)
                .map(|(one, two)| one + two),
            on_offer: self.on_offer + other.on_offer,
            sold: self.sold + other.sold,
            left: self.left + other.left,
            returned: self.returned + other.returned,
            restocks: self.restocks + other.restocks,
            restocked: self.restocked + other.restocked,
        }
    }
}

impl TurnedAway {
    fn of(product: &ProductReport) -> Option<Self> {
        Some(Self {
            sold_out: product.sold_out?,
            limit_reached: product.limit_reached?,
        })
    }

    fn add(self, other: Self) -> Self {
        Self {
            sold_out: self.sold_out + other.sold_out,
            limit_reached: self.limit_reached + other.limit_reached,
        }
    }
}

impl Times {
    fn of(products: &[ProductReport]) -> Self {
        let first = |of: fn(&ProductReport) -> Option<i64>| products.iter().filter_map(of).min();
        let last = |of: fn(&ProductReport) -> Option<i64>| products.iter().filter_map(of).max();
        Self {
            first_buy_at: time(first(|product| product.first_job_ms)),
            last_buy_at: time(last(|product| product.last_job_ms)),
            first_order_at: time(first(|product| product.first_order_ms)),
            last_order_at: time(last(|product| product.last_order_ms)),
            last_change_at: time(last(|product| product.last_change_ms)),
            payment_window_seconds: products
                .iter()
                .filter_map(|product| product.pay_seconds)
                .max(),
        }
    }
}
