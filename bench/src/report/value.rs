//! Numbers as people read them.

use crate::measure::Unit;

/// A value with its unit: `53,201 /s`, `2.91 ms`, `41.3 MB`.
#[must_use]
pub fn format(value: f64, unit: Unit) -> String {
    let number = number(value, unit);
    match unit.as_str() {
        "" => number,
        unit => format!("{number} {unit}"),
    }
}

/// A value without its unit, with as many digits as mean something.
#[must_use]
pub fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond | Unit::Bytes | Unit::Count => grouped(value),
        Unit::Milliseconds | Unit::MillisecondsASecond => format!("{value:.2}"),
        Unit::Megabytes | Unit::Microseconds | Unit::Times => format!("{value:.1}"),
    }
}

/// A share in percent.
#[must_use]
pub fn share(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

/// Rounded to a whole number, its digits in groups of three.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_read_them() {
        assert_eq!(format(53_201.4, Unit::PerSecond), "53,201 /s");
        assert_eq!(format(999.0, Unit::PerSecond), "999 /s");
        assert_eq!(format(1_000_000.0, Unit::Count), "1,000,000");
        assert_eq!(format(2.912, Unit::Milliseconds), "2.91 ms");
        assert_eq!(format(41.26, Unit::Megabytes), "41.3 MB");
        assert_eq!(share(0.507), "51 %");
    }
}
