//! Bearer tokens of a crowd, where gateways want to know who buys.

use std::{fs, path::Path};

use http::{
    HeaderValue, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, InvalidHeaderValue},
    request::Builder,
};

use super::{LoadError, target::Target};

/// A token for each shopper, as the value of the header `Authorization`.
#[derive(Debug)]
pub struct Tokens(Vec<HeaderValue>);

impl Tokens {
    /// Reads a file with a token on each line, the first shopper's first. Fails when there are
    /// fewer than `shoppers`: two shoppers with one token would be one to the gateway.
    pub fn read(path: &Path, shoppers: usize) -> Result<Self, LoadError> {
        let problem = |reason: String| LoadError::Tokens {
            path: path.to_path_buf(),
            reason,
        };
        let text = fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
        let tokens = text
            .lines()
            .map(|token| {
                let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))?;
                // Not for logs.
                value.set_sensitive(true);
                Ok(value)
            })
            .collect::<Result<Vec<_>, InvalidHeaderValue>>()
            .map_err(|error| problem(error.to_string()))?;
        if tokens.len() < shoppers {
            return Err(problem(format!(
                "it has {} tokens for {shoppers} shoppers; each needs one of their own",
                tokens.len()
            )));
        }
        Ok(Self(tokens))
    }

    /// A request of a shopper, by number, with JSON to `path` of `target`. Where there are tokens, it
    /// has theirs.
    pub(super) fn request(
        tokens: Option<&Self>,
        target: &Target,
        path: &str,
        shopper: u32,
    ) -> Result<Builder, String> {
        let request = Request::post(target.path(path))
            .header(HOST, target.authority())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let Some(tokens) = tokens else {
            return Ok(request);
        };
        let token = tokens.of(shopper).ok_or("this shopper has no token")?;
        Ok(request.header(AUTHORIZATION, token))
    }

    /// The token of a shopper, by number.
    fn of(&self, shopper: u32) -> Option<&HeaderValue> {
        self.0.get(usize::try_from(shopper).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shopper_needs_a_token() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        fs::write(&path, "one\ntwo\n").unwrap();
        let tokens = Tokens::read(&path, 2).unwrap();
        assert_eq!(tokens.of(1).unwrap(), "Bearer two");
        assert_eq!(tokens.of(2), None);
        let error = Tokens::read(&path, 3).unwrap_err().to_string();
        assert!(error.contains("2 tokens for 3 shoppers"), "{error}");
        fs::remove_file(&path).unwrap();
        assert!(Tokens::read(&path, 1).is_err());
    }
}
