//! Values out of what Prometheus would scrape.

/// The sum of all series of this name, whatever their labels; none when there is no such series.
pub(crate) fn sum(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with([' ', '{']) {
            return None;
        }
        rest.rsplit(' ').next()?.parse::<f64>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_name_are_added_up() {
        let text = "# HELP a x\na{b=\"1\"} 2\na{b=\"2\"} 3.5\na_total 7\nc 1\n";
        assert_eq!(sum(text, "a"), Some(5.5));
        assert_eq!(sum(text, "c"), Some(1.0));
        assert_eq!(sum(text, "d"), None);
    }
}
