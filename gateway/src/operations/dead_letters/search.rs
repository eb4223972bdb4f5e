//! Looking through dead letters, a page at a time and not for ever.

use flashsale_queue::{
    connect::Queue,
    dead_letter::{self, DeadLetter, LetterId},
    keys::SaleKeys,
    lane::HEAD,
};
use redis::RedisResult;

/// Letters read by one command: under a millisecond of Redis's time.
const PAGE: usize = 250;

/// Letters looked at for one answer. A filter that fits none of a hundred thousand letters takes
/// twenty answers, and holds up neither Redis nor the gateway with any of them.
const MOST_LOOKED_AT: usize = 5000;

/// Which letters are wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Of this product.
    pub(super) product: Option<String>,
    /// With this part in the reason; in lower case.
    pub(super) reason: Option<String>,
    /// After this one.
    pub(super) after: Option<LetterId>,
    /// At most so many.
    pub(super) limit: usize,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) letters: Vec<DeadLetter>,
    /// The letter after which to go on; none when all were looked at.
    pub(super) next: Option<String>,
}

impl Wanted {
    fn fits(&self, letter: &DeadLetter) -> bool {
        let is_of = |product: &String| letter.product == *product;
        let tells = |part: &String| letter.reason.to_lowercase().contains(part.as_str());
        self.product.as_ref().is_none_or(is_of) && self.reason.as_ref().is_none_or(tells)
    }
}

/// The first letters that are wanted, oldest first.
pub(super) async fn search(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    wanted: &Wanted,
) -> RedisResult<Found> {
    let start = wanted.after.map(|id| id.to_string());
    let mut last = start.unwrap_or_else(|| HEAD.to_owned());
    let mut letters: Vec<DeadLetter> = Vec::new();
    for _ in 0..MOST_LOOKED_AT / PAGE {
        let page = dead_letter::list(connection, keys, &last, PAGE).await?;
        let is_last_page = page.len() < PAGE;
        for letter in page {
            last.clone_from(&letter.id);
            if !wanted.fits(&letter) {
                continue;
            }
            if letters.len() == wanted.limit {
                // One more than was asked for: so there is a next page, and it is not empty.
                let next = letters.last().map(|letter| letter.id.clone());
                return Ok(Found { letters, next });
            }
            letters.push(letter);
        }
        if is_last_page {
            return Ok(Found {
                letters,
                next: None,
            });
        }
    }
    let next = Some(last);
    Ok(Found { letters, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(product: Option<&str>, reason: Option<&str>) -> bool {
        let wanted = Wanted {
            product: product.map(str::to_owned),
            reason: reason.map(str::to_owned),
            after: None,
            limit: 1,
        };
        wanted.fits(&DeadLetter {
            id: "1-0".to_owned(),
            product: "p".to_owned(),
            reason: "This shopper is Poison".to_owned(),
            attempts: 3,
            job: Vec::new(),
        })
    }

    #[test]
    fn the_product_must_be_the_same_and_the_reason_have_the_part() {
        assert!(fits(None, None));
        assert!(fits(Some("p"), Some("is poison")));
        assert!(!fits(Some("P"), None));
        assert!(!fits(Some("p"), Some("cure")));
    }
}
