//! What flags of all topics have in common.

use std::{
    num::{NonZeroU32, ParseIntError},
    ops::RangeInclusive,
    time::Duration,
};

use clap::{
    Arg, ArgAction,
    builder::{RangedI64ValueParser, TypedValueParser, ValueParserFactory as _},
};
use url::{Host, Url};

/// Completes a flag. Seconds and milliseconds are named in it, as in `--head-timeout-seconds` for
/// `head_timeout`; what is true or false may stand without a value; and it has an environment
/// variable, as `FLASHSALE_HEAD_TIMEOUT_SECONDS`. One that names a variable of its own keeps that.
pub(super) fn complete(mut flag: Arg) -> Arg {
    if let (Some(long), Some([unit])) = (flag.get_long(), flag.get_value_names())
        && matches!(unit.as_str(), "SECONDS" | "MILLIS")
    {
        let long = format!("{long}-{}", unit.to_ascii_lowercase());
        flag = flag.long(long);
    }
    if matches!(flag.get_action(), ArgAction::SetTrue) {
        flag = flag
            .action(ArgAction::Set)
            .value_name("BOOL")
            .num_args(0..=1)
            .default_value("false")
            .default_missing_value("true");
    }
    match flag.get_long() {
        Some(long) if flag.get_env().is_none() => {
            let variable = long.to_ascii_uppercase().replace('-', "_");
            flag.env(format!("FLASHSALE_{variable}"))
        }
        _ => flag,
    }
}

/// A whole number of seconds within `range`.
pub(super) fn seconds(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = Duration> {
    u64::value_parser().range(range).map(Duration::from_secs)
}

/// A whole number of milliseconds within `range`.
pub(super) fn millis(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = Duration> {
    u64::value_parser().range(range).map(Duration::from_millis)
}

/// A whole number within `range`.
pub(super) fn number(range: RangeInclusive<i64>) -> RangedI64ValueParser<u32> {
    u32::value_parser().range(range)
}

/// A whole number within `range`, as a length.
pub(super) fn count(range: RangeInclusive<u32>) -> impl TypedValueParser<Value = usize> {
    let range = i64::from(*range.start())..=i64::from(*range.end());
    u32::value_parser().range(range).map(|count| count as usize)
}

/// A whole number from 1 on.
pub(super) fn at_least_one(text: &str) -> Result<usize, ParseIntError> {
    let count: NonZeroU32 = text.parse()?;
    Ok(count.get() as usize)
}

/// The address of something on the web; none of anything else.
pub(super) fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// What never leaves this machine needs no TLS.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        let is_loopback = |text: &str| is_loopback(&Url::parse(text).unwrap());
        assert!(is_loopback("http://127.0.0.1:1/k"));
        assert!(is_loopback("http://[::1]:1/k"));
        assert!(!is_loopback("http://id.example.com/k"));
    }
}
