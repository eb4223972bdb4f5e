//! Addresses of stores as people give them.

use std::{convert::Infallible, fmt, ops::Deref, str::FromStr};

/// The address of a store, which may hold a password: its `Debug` shows only where the store is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreUrl(Box<str>);

impl Deref for StoreUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for StoreUrl {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for StoreUrl {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Takes any text: a parser of arguments would repeat a bad address in its message.
impl FromStr for StoreUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&without_login(self))
    }
}

/// The address without user, password and query, which can hold a password as well. What has no scheme is no
/// address, and could be a password alone.
fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "…".to_owned();
    };
    // A password may hold any of the characters that end an address, so the last `@` counts.
    let (login, place) = match rest.rsplit_once('@') {
        // The password of a login, or one in the query: either may go on behind the `@`.
        Some((before, _)) if before.contains(['?', '#']) => ("…", ""),
        Some((_, place)) => ("…@", place),
        None => ("", rest),
    };
    let place = place.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{login}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_password() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("redis://:secret@redis:6379", "redis://…@redis:6379"),
            (
                "redis+sentinel://u:secret@a:1,b:2/m",
                "redis+sentinel://…@a:1,b:2/m",
            ),
            ("postgres://u:sec@re/t@db/shop", "postgres://…@db/shop"),
            (
                "postgres://db/shop?user=u&password=secret",
                "postgres://db/shop",
            ),
            ("postgres://db/shop?password=sec@ret", "postgres://…"),
            ("postgres://u:sec?re@db/shop", "postgres://…"),
            ("u:secret@db", "…"),
            ("secret", "…"),
        ] {
            let url = StoreUrl::from(url);
            assert_eq!(format!("{url:?}"), shown);
            assert!(!format!("{:?}", Some(url)).contains("secret"));
        }
    }
}
