//! What becomes of orders after their settlement, as Redis tells it: which were paid, expired or
//! cancelled, and when somebody has to look at a product's orders next.
//!
//! Hash `fs:{sale}:orders`: the number of an order → where it stands ([`flashsale_domain::order`]). An order
//! that is not there is completed. Hash `fs:{sale}:due`: field `PRODUCT` is when a worker has to look at
//! the product's orders, in milliseconds by Redis's clock; `PRODUCT!` the number of the last change in the
//! ledger that was told. String `fs:{sale}:pending`, which expires: how many orders wait for their payment, as
//! whoever runs the sale has read it in the ledger.

use std::{sync::LazyLock, time::Duration};

use flashsale_domain::{
    event::{OrdersChanged, Settled},
    id::{JobId, ProductId, SaleId, UserId},
    order::OrderState,
    stock::StockLevel,
};
use redis::{ErrorKind, RedisError, RedisResult, Script};

use crate::{
    connect::Queue,
    keys::{EVENTS, ORDERS, SaleKeys, WAKE, channel},
    lane,
};

/// What Redis knows of the changes of a product's orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Number of the last change that was told; none: nobody has looked yet.
    pub told: Option<i64>,
    /// Jobs of the product's lane that have ended.
    pub ended: u64,
    /// Whether they are to be looked at by now.
    pub is_due: bool,
}

/// Changes to be told.
#[derive(Debug, Clone)]
pub struct Telling<'a> {
    /// Who must hold the lease of the product's lane.
    pub holder: &'a str,
    /// Number of the last change that was told before; 0: none.
    pub from: i64,
    /// That with these.
    pub upto: i64,
    /// The orders: whose each is, of which buy, its number, and where it stands.
    pub orders: Vec<(UserId, JobId, i64, OrderState)>,
    /// What is left of the product.
    pub stock: Option<StockLevel>,
    /// When the product's orders are to be looked at next; none: that stays as it is.
    pub next: Option<NextLook>,
}

/// When a product's orders are to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextLook {
    /// In this time.
    pub within: Duration,
    /// [`Known::ended`] before the ledger was asked, from whose answer `within` comes. If more have ended by
    /// now, the look may be brought forward by this and not put off.
    pub ended: u64,
}

/// What came of a [`Telling`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was told.
    Yes {
        /// Jobs of the lane that have ended.
        ended: u64,
        /// Whether Redis has this stock or a newer one. If not, it contains a batch that is not
        /// acknowledged yet, and is to be told again.
        has_stock: bool,
    },
    /// Another change was told last, this one. Nothing was changed, and so below.
    Misfit(i64),
    /// Another holds the lease, or nobody.
    NotHolder,
    /// The sale is not in force.
    NotInForce,
}

static TELL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("orders/tell.lua")));

/// Orders that are told at once after their sale.
const AFTER_SALE: usize = 1_000;

static TELL_AFTER_SALE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("orders/tell_after_sale.lua")));

/// How long nobody looks at orders of a product that another sale offers.
const PUT_OFF_MS: u32 = 60_000;

static LOOK_AT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("orders/look_at.lua")));

/// Reads what is known of the changes of a product's orders.
pub async fn known(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
) -> RedisResult<Known> {
    type Fields = (Option<i64>, Option<i64>);
    let ((told, due), ended): (Fields, Option<u64>) = redis::pipe()
        .cmd("HMGET")
        .arg(keys.due())
        .arg(format!("{product}!"))
        .arg(product.as_str())
        .cmd("HGET")
        .arg(keys.stock())
        .arg(format!("{product}#"))
        .query_async(connection)
        .await?;
    let is_due = match due {
        Some(at) => at <= lane::now_ms(connection).await?,
        None => false,
    };
    Ok(Known {
        told,
        ended: ended.unwrap_or(0),
        is_due,
    })
}

/// Tells where orders of a sale stand whose product another sale has by now. Nothing happens if the sale is not
/// in force. Nobody holds a lease for that; a sale that is over gets no new orders.
pub async fn tell_after_sale(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
    orders: &[(UserId, JobId, i64, OrderState)],
) -> RedisResult<()> {
    for orders in orders.chunks(AFTER_SALE) {
        let mut call = TELL_AFTER_SALE.prepare_invoke();
        call.key(keys.record()).key(keys.orders());
        call.arg(channel(ORDERS, connection.get_db()).as_ref())
            .arg(orders_event(keys.sale(), product, orders)?);
        for (_, _, order, state) in orders {
            call.arg(order).arg(state.to_string());
        }
        let () = call.invoke_async(connection).await?;
    }
    Ok(())
}

/// Forgets what was told of the changes of `products`, so that all their orders are told anew.
pub async fn forget_told(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    products: impl Iterator<Item = &ProductId>,
) -> RedisResult<()> {
    let fields = products.flat_map(|product| [product.to_string(), format!("{product}!")]);
    let fields: Vec<String> = fields.collect();
    if fields.is_empty() {
        return Ok(());
    }
    redis::cmd("HDEL")
        .arg(keys.due())
        .arg(fields)
        .query_async(connection)
        .await
}

/// Has workers look at the orders of `products`, which have changed, at once, even if the lanes are empty and
/// the sale has no payment window. Does nothing if the sale is not in force.
pub async fn remind(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    products: &[ProductId],
) -> RedisResult<()> {
    if products.is_empty() {
        return Ok(());
    }
    let wake = channel(WAKE, connection.get_db());
    look_at(connection, keys, &wake, 0, products).await
}

/// Tells for `lasts` how many orders of a sale wait for their payment, which only the ledger knows: gateways
/// and tools read it with the lanes. Afterwards it is unknown, as when the teller is gone.
pub async fn tell_pending(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    pending: u64,
    lasts: Duration,
) -> RedisResult<()> {
    redis::cmd("SET")
        .arg(keys.pending())
        .arg(pending)
        .arg("PX")
        .arg(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX))
        .query_async(connection)
        .await
}

/// Keeps workers from looking at the orders of `product` for a minute, since another sale offers it. Does nothing
/// if the sale is not in force.
pub async fn put_off(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
) -> RedisResult<()> {
    look_at(
        connection,
        keys,
        "",
        PUT_OFF_MS,
        std::slice::from_ref(product),
    )
    .await
}

/// Sets when the orders of `products` are looked at next, and wakes workers over the channel `wake` unless it is
/// empty.
async fn look_at(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    wake: &str,
    in_ms: u32,
    products: &[ProductId],
) -> RedisResult<()> {
    let mut call = LOOK_AT.prepare_invoke();
    call.key(keys.record()).key(keys.due());
    call.arg(wake).arg(keys.sale().as_str()).arg(in_ms);
    for product in products {
        call.arg(product.as_str());
    }
    call.invoke_async(connection).await
}

/// Tells some changes: notes where the orders stand, announces that and the stock, wholly or not at all.
/// May be repeated.
pub async fn tell(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
    telling: &Telling<'_>,
) -> RedisResult<Told> {
    let database = connection.get_db();
    let mut call = TELL.prepare_invoke();
    call.key(keys.record())
        .key(keys.lease(product))
        .key(keys.orders())
        .key(keys.due())
        .key(keys.stock())
        .key(keys.lane(product));
    call.arg(product.as_str())
        .arg(telling.holder)
        .arg(telling.from)
        .arg(telling.upto);
    match &telling.stock {
        Some(level) => call
            .arg(level.stock)
            .arg(level.version)
            .arg(level.settled_version)
            .arg(stock_event(keys.sale(), level)?),
        None => call.arg("").arg("").arg("").arg(""),
    };
    call.arg(channel(EVENTS, database).as_ref())
        .arg(orders_event(keys.sale(), product, &telling.orders)?)
        .arg(channel(ORDERS, database).as_ref());
    match telling.next {
        Some(next) => call
            .arg(u64::try_from(next.within.as_millis()).unwrap_or(u64::MAX))
            .arg(next.ended),
        None => call.arg("").arg(""),
    };
    for (_, _, order, state) in &telling.orders {
        call.arg(order).arg(state.to_string());
    }
    let answer: Vec<i64> = call.invoke_async(connection).await?;
    match answer[..] {
        [1, ended, has_stock] => Ok(Told::Yes {
            ended: u64::try_from(ended).unwrap_or(0),
            has_stock: has_stock == 1,
        }),
        [-1] => Ok(Told::NotInForce),
        [-2] => Ok(Told::NotHolder),
        [-3, last] => Ok(Told::Misfit(last)),
        _ => {
            let text = "the script answers otherwise than it may";
            Err((ErrorKind::UnexpectedReturnType, text, format!("{answer:?}")).into())
        }
    }
}

/// A settled batch without jobs: so gateways of the release before, too, hear of units that came back.
fn stock_event(sale: &SaleId, level: &StockLevel) -> RedisResult<Vec<u8>> {
    let settled = Settled {
        sale: sale.clone(),
        product: level.product.clone(),
        stock: Some(level.stock),
        version: level.version,
        confirmed: Vec::new(),
        rejected: Vec::new(),
        states: Vec::new(),
    };
    settled.to_json().map_err(|error| no_json(&error))
}

fn orders_event(
    sale: &SaleId,
    product: &ProductId,
    orders: &[(UserId, JobId, i64, OrderState)],
) -> RedisResult<Vec<u8>> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let orders = orders.iter();
    let changed = OrdersChanged {
        sale: sale.clone(),
        product: product.clone(),
        orders: orders
            .map(|(user, job, order, state)| (user.clone(), *job, *order, state.to_string()))
            .collect(),
    };
    changed.to_json().map_err(|error| no_json(&error))
}

fn no_json(error: &serde_json::Error) -> RedisError {
    let text = "the event has no JSON";
    RedisError::from((ErrorKind::UnexpectedReturnType, text, error.to_string()))
}

/// Whether somebody has to look at the orders of each of these products by now, in one round trip. So it
/// is of products that nobody has looked at yet.
pub async fn are_due(
    connection: &mut impl Queue,
    lanes: &[(SaleId, ProductId)],
) -> RedisResult<Vec<bool>> {
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let now_ms = lane::now_ms(connection).await?;
    let mut pipe = redis::pipe();
    for (sale, product) in lanes {
        let keys = SaleKeys::new(sale);
        pipe.cmd("HGET").arg(keys.due()).arg(product.as_str());
    }
    let due: Vec<Option<i64>> = pipe.query_async(connection).await?;
    let is_due = |due: Option<i64>| due.is_none_or(|at| at <= now_ms);
    Ok(due.into_iter().map(is_due).collect())
}
