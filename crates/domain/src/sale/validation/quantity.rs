//! Amounts of resources, as Kubernetes writes them.

/// Decimal and binary units, with what each stands for.
const UNITS: [(&str, f64); 16] = [
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1_024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

/// An amount, near enough to compare two; none when the text is no amount or one below zero.
pub(super) fn quantity(text: &str) -> Option<f64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    // Parsed like any number, which "5." and ".5" are to both.
    let number: f64 = number.parse().ok()?;
    let unit = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, worth)| *worth);
    unit.or_else(|| exponent(text.get(digits..)?))
        .map(|unit| number * unit)
}

/// What "e3" or "E-3" stands for.
fn exponent(text: &str) -> Option<f64> {
    let power: i8 = text.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some(10_f64.powi(power.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        for good in ["0", "500m", "1.5", ".5", "5.", "256Mi", "1e3", "2E", "1Ei"] {
            assert!(quantity(good).is_some(), "{good}");
        }
        for bad in [
            "", ".", "lots", "1 Gi", "1GiB", "1.2.3", "-1", "1e", "Mi", "0x10",
        ] {
            assert!(quantity(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn amounts_compare_across_units() {
        for (less, more) in [
            ("999m", "1"),
            ("1G", "1Gi"),
            ("1e3", "1Ki"),
            ("1.5", "2000m"),
        ] {
            assert!(quantity(less) < quantity(more), "{less} < {more}");
        }
        assert_eq!(quantity("0.5"), quantity("500m"));
    }
}
