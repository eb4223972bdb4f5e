//! The body of a buy.

use std::borrow::Cow;

use flashsale_domain::{
    id::{IdError, ProductId, UserId},
    sale::PRICES,
};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Number;

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
    #[serde(default, deserialize_with = "price")]
    #[schema(example = 12900, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub max_price: Option<i64>,
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

/// A price, as JSON has whole numbers: `12900` and `12900.0` are one.
fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let whole = number.as_i64().or_else(|| number.as_f64().and_then(whole));
    let price = whole.filter(|price| PRICES.contains(price));
    let wrong = || {
        D::Error::custom(format!(
            "{number} is no price; write minor units, a whole number"
        ))
    };
    price.map(Some).ok_or_else(wrong)
}

/// The whole number that `number` is.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it is whole and within 2^53"
)]
fn whole(number: f64) -> Option<i64> {
    let is_whole = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    is_whole.then_some(number as i64)
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
    fn a_price_is_a_whole_number_however_it_is_written() {
        let of = |price: &str| {
            let body = format!(r#"{{"productId":"p","maxPrice":{price}}}"#);
            parse(body.as_bytes()).map(|wanted| wanted.max_price)
        };
        assert_eq!(of("12900").unwrap(), Some(12_900));
        assert_eq!(of("12900.0").unwrap(), Some(12_900));
        assert_eq!(of("1e3").unwrap(), Some(1000));
        assert_eq!(of("null").unwrap(), None);
        for wrong in ["-1", "0.5", "\"1\"", "9007199254740992", "1e300", "{}"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_escaped_id_is_the_id_it_spells() {
        assert_eq!(parse(br#"{"productId":"\u0070"}"#).unwrap().product_id, "p");
    }
}
