//! Lists of what a client takes, with weights (RFC 9110, 12.4.2): `br, gzip;q=0.5`.

use http::{HeaderMap, HeaderName};

/// The items of a header with their weights, from 0 ("not at all") to 1. A weight that is none
/// counts as 0; other parameters are passed over.
pub(super) fn items<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (&'a str, f32)> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(item)
        .filter(|(name, _)| !name.is_empty())
}

fn item(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("q"))
        .map_or(1.0, |(_, weight)| weight_of(weight.trim()));
    (name, weight)
}

fn weight_of(text: &str) -> f32 {
    text.parse()
        .ok()
        .filter(|weight| (0.0..=1.0).contains(weight))
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::ACCEPT};

    use super::*;

    #[test]
    fn weights_are_read_and_what_is_none_weighs_nothing() {
        let mut headers = HeaderMap::new();
        let first = HeaderValue::from_static("text/html;level=1;q=0.5, ,*/* ; Q = 0");
        headers.append(ACCEPT, first);
        headers.append(ACCEPT, HeaderValue::from_static("a;q=7,b;q=NaN,c;q=,d"));
        let found: Vec<_> = items(&headers, &ACCEPT).collect();
        let expected = [
            ("text/html", 0.5),
            ("*/*", 0.0),
            ("a", 0.0),
            ("b", 0.0),
            ("c", 0.0),
            ("d", 1.0),
        ];
        assert_eq!(found, expected);
    }
}
