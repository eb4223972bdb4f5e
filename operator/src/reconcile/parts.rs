//! What a Deployment is made of.

use flashsale_domain::sale::Sale;

use super::deployable::Deployable;
use crate::stores::Located;

/// What a Deployment is made of, besides the object that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The sale that its workers settle.
    pub sale: &'a Sale,
    /// What its pods are like.
    pub deployable: &'a Deployable,
    /// Where the addresses stand.
    pub located: &'a Located,
    /// Changes when an address does, see [`addresses`].
    pub mark: &'a str,
}
