//! Time: the only module that reads the wall clock.
//!
//! Everything that needs the time takes a [`Clock`], so that a test can stand still or jump.
//! A [`Timestamp`] is a count of microseconds, which both databases store as an integer and
//! therefore sort and compare alike.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::{self, DateTime};
use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::{DateTimePrinter, Pieces};
use jiff::tz::Offset;
use serde::{Serialize, Serializer};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// An instant: microseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Displayed and serialized as `YYYY-MM-DDTHH:MM:SS.ffffffZ`, always with six fraction digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// This instant plus a duration; stays at the end of time rather than wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// This instant less a duration; stays at the beginning of time rather than wrapping.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads `YYYY-MM-DD`, or a date followed by `T` or a space and `HH:MM[:SS[.f{1,6}]]` with an
    /// optional `Z` or `±hh:mm`. Without an offset the time is UTC.
    ///
    /// # Errors
    /// `None` for anything else, including days that the calendar does not have.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !has_documented_form(text) {
            return None;
        }
        let pieces = Pieces::parse(text).ok()?;
        let local = pieces.date().to_datetime(pieces.time().unwrap_or_default());
        let offset = i64::from(pieces.to_numeric_offset().unwrap_or(Offset::UTC).seconds());
        let since_epoch = i64::try_from(local.duration_since(EPOCH).as_micros()).ok()?;
        let instant = since_epoch - offset * SECOND;
        // An offset may lead out of the years that can be written with four digits.
        let is_printable = offset.abs() < 86_400 && FOUR_DIGIT_YEARS.contains(&instant);
        is_printable.then_some(Self(instant))
    }
}

const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// From 0000-01-01T00:00:00Z to the last microsecond of 9999.
const FOUR_DIGIT_YEARS: std::ops::RangeInclusive<i64> =
    -62_167_219_200 * SECOND..=253_402_300_800 * SECOND - 1;

/// Whether a text looks like what [`Timestamp::parse`] promises to read: jiff reads all of ISO 8601, and
/// takes a leap second for the one before.
fn has_documented_form(text: &str) -> bool {
    let shape = text.replacen(' ', "T", 1).replace(|c: char| c.is_ascii_digit(), "0");
    let time = ["Z", "z", "+00:00", "-00:00"].iter().find_map(|offset| shape.strip_suffix(offset));
    let time = time.unwrap_or(&shape);
    let is_whole = matches!(time.len(), 16 | 19 | 21..=26) || shape.len() == 10;
    is_whole && "0000-00-00T00:00:00.000000".starts_with(time) && text.get(17..19) != Some("60")
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        static PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        if let Ok(instant) = jiff::Timestamp::from_microsecond(self.0) {
            return PRINTER.print_timestamp(&instant, StdFmtWrite(f)).map_err(|_| fmt::Error);
        }
        // jiff's instants end 26 hours before its calendar does, with the year 9999. Lists are full of
        // timestamps, and printing all of them by the calendar would take half as long again.
        let local = EPOCH.checked_add(SignedDuration::from_micros(self.0)).map_err(|_| fmt::Error)?;
        PRINTER.print_datetime(&local, StdFmtWrite(&mut *f)).map_err(|_| fmt::Error)?;
        f.write_str("Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the time comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that moves only by [`Clock::advance`]; for tests. Holds microseconds since the epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still at `now` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now.micros())))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
            Self::System => Timestamp(jiff::Timestamp::now().as_microsecond()),
            Self::Manual(micros) => Timestamp(micros.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; does nothing to the system's.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(micros) = self {
            micros.store(self.now().plus(by).micros(), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timestamp_prints_six_fraction_digits() {
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn every_documented_form_is_read_as_the_same_instant() {
        let noon = Timestamp::parse("2024-02-29T12:00:00Z").unwrap();
        for text in [
            "2024-02-29T12:00",
            "2024-02-29 12:00:00",
            "2024-02-29T12:00:00.0",
            "2024-02-29T12:00:00.000000Z",
            "2024-02-29T14:30:00+02:30",
            "2024-02-29 07:00:00.000-05:00",
        ] {
            assert_eq!(Timestamp::parse(text), Some(noon), "{text}");
        }
        assert_eq!(Timestamp::parse("2024-02-29").unwrap().to_string(), "2024-02-29T00:00:00.000000Z");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "2024",
            "2023-02-29",
            "2024-13-01",
            "2024-01-01T",
            "2024-01-01T24:00",
            "2024-01-01T10:60",
            "2024-01-01T10:00:60",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00:00.1234567",
            "2024-01-01T10:00:00+2",
            "2024-01-01T10:00Zx",
            "2024-01-01Z",
            "+024-01-01",
            "2024-1-1",
            "2024-01-01T10:00 +01:00",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+00:01",
            "٢٠٢٤-01-01",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_timestamp_is_read_back(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let timestamp = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&timestamp.to_string()), Some(timestamp));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}|[0-9TZ:+. -]{0,40}") {
            let _ = Timestamp::parse(&text);
        }
    }
}
