//! The body of a buy.

use std::borrow::Cow;

use flashsale_domain::id::{IdError, ProductId, UserId};
use serde::Deserialize;

use crate::{body::invalid, json, problem::Problem};

/// What to buy.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(
    rename_all = "camelCase",
    expecting = "an object like {\"productId\":\"sneaker-001\"}"
)]
pub struct BuyRequest<'a> {
    /// The product.
    #[serde(borrow)]
    #[schema(value_type = String, example = "sneaker-001", min_length = 1, max_length = 255,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    pub product_id: Cow<'a, str>,
    /// The shopper; only where authentication is off, ignored otherwise.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "user-1", min_length = 1, max_length = 255,
        pattern = r"^[!#-\[\]-z|~]+$")]
    pub user_id: Option<Cow<'a, str>>,
    /// The most that the shopper would pay for one unit, in minor units. A buy whose price in force is higher is
    /// refused as `price-higher`, with that price; without this, the price in force is accepted.
    #[serde(default)]
    #[schema(example = 12900, minimum = 0)]
    pub max_price: Option<u64>,
}

impl BuyRequest<'_> {
    /// The shopper whom the body names.
    pub(super) fn user(&self) -> Result<UserId, Problem> {
        let user = self.user_id.as_deref().ok_or_else(|| {
            invalid("userId is missing; where authentication is off, the body says who buys")
        })?;
        UserId::new(user).map_err(|error| invalid_id("userId", error))
    }

    /// Checks a shopper whom the body names where a token says who buys: what is no id is refused there
    /// too, as the OpenAPI document says.
    pub(super) fn check_user(&self) -> Result<(), Problem> {
        let user = self.user_id.as_deref();
        let checked = user.map_or(Ok(()), UserId::check);
        checked.map_err(|error| invalid_id("userId", error))
    }
}

/// Reads what to buy.
pub(super) fn parse(body: &[u8]) -> Result<BuyRequest<'_>, Problem> {
    let wanted: BuyRequest<'_> =
        json::object(body).map_err(|error| invalid(format!("the body is not a buy: {error}")))?;
    ProductId::check(&wanted.product_id).map_err(|error| invalid_id("productId", error))?;
    Ok(wanted)
}

fn invalid_id(field: &str, error: IdError) -> Problem {
    invalid(format!("{field} {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_without_copying_and_unknown_fields_pass() {
        let wanted = parse(br#"{"productId":"p","userId":"u","colour":["red"]}"#).unwrap();
        assert!(matches!(wanted.product_id, Cow::Borrowed("p")));
        assert_eq!(wanted.user().unwrap().as_str(), "u");
    }

    #[test]
    fn an_escaped_id_is_the_id_it_spells() {
        assert_eq!(parse(br#"{"productId":"\u0070"}"#).unwrap().product_id, "p");
    }
}
