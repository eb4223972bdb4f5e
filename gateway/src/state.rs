//! What the handlers share. Each takes the parts that it needs, not the whole.

use std::sync::Arc;

use axum::extract::FromRef;

use crate::{
    body::Limits, buy::Checkout, catalogue::Catalogue, identity::Identity, openapi::ApiDocument,
    operations::Operations, orders::OrderLookup, pass::Passes, payments::Payments,
    session::SessionOptions, stocks::Stocks, storefront::Storefront,
};

/// The state of the router; clones are one.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<Parts>);

/// The parts of a [`Gateway`].
#[derive(Debug)]
pub struct Parts {
    /// What a buy passes.
    pub checkout: Checkout,
    /// What is on sale.
    pub catalogue: Catalogue,
    /// How much is left.
    pub stocks: Stocks,
    /// Who shoppers are.
    pub identity: Identity,
    /// What became of buys.
    pub orders: OrderLookup,
    /// Passes for sales that ask for them.
    pub passes: Arc<Passes>,
    /// Where orders are paid.
    pub payments: Payments,
    /// What pages are told before anybody signs in.
    pub session: SessionOptions,
    /// The running of the sales, for who has the operations token; none when operations are off.
    pub operations: Option<Operations>,
    /// The shop's own pages.
    pub storefront: Arc<Storefront>,
    /// The OpenAPI document.
    pub document: ApiDocument,
    /// What a request may cost.
    pub limits: Limits,
}

impl From<Parts> for Gateway {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// Lets handlers take these parts as `State`; their clones share what they stand for.
macro_rules! parts {
    ($($part:ident: $type:ty,)*) => {$(
        impl FromRef<Gateway> for $type {
            fn from_ref(gateway: &Gateway) -> Self {
                gateway.0.$part.clone()
            }
        }
    )*};
}

parts! {
    checkout: Checkout,
    catalogue: Catalogue,
    stocks: Stocks,
    identity: Identity,
    orders: OrderLookup,
    passes: Arc<Passes>,
    payments: Payments,
    session: SessionOptions,
    operations: Option<Operations>,
    storefront: Arc<Storefront>,
    document: ApiDocument,
    limits: Limits,
}
