//! Time: the only module that reads the wall clock.
//!
//! Everything that needs the time takes a [`Clock`], so that a test can stand still or jump.
//! A [`Timestamp`] is a count of microseconds, which both databases store as an integer and
//! therefore sort and compare alike.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Serialize, Serializer};
use time::{Date, Month, OffsetDateTime};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// Microseconds in a day.
const DAY: i64 = 86_400 * SECOND;

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
        let mut rest = Cursor(text.as_bytes());
        let year = rest.digits(4)?;
        rest.literal(b"-")?;
        let month = rest.digits(2)?;
        rest.literal(b"-")?;
        let day = rest.digits(2)?;
        let date = Date::from_calendar_date(
            i32::try_from(year).ok()?,
            Month::try_from(u8::try_from(month).ok()?).ok()?,
            u8::try_from(day).ok()?,
        )
        .ok()?;
        let midnight = i64::from(date.to_julian_day() - UNIX_EPOCH_JULIAN_DAY) * DAY;
        if rest.0.is_empty() {
            return Some(Self(midnight));
        }
        rest.literal(b"T ")?;
        let hour = rest.digits(2).filter(|hour| *hour < 24)?;
        rest.literal(b":")?;
        let minute = rest.digits(2).filter(|minute| *minute < 60)?;
        let mut micros = 0;
        if rest.literal(b":").is_some() {
            let second = rest.digits(2).filter(|second| *second < 60)?;
            micros = second * SECOND;
            if rest.literal(b".").is_some() {
                micros += rest.fraction()?;
            }
        }
        let offset = rest.offset()?;
        if !rest.0.is_empty() {
            return None;
        }
        let instant = midnight + (hour * 60 + minute - offset) * 60 * SECOND + micros;
        // An offset may lead out of the years that can be written with four digits.
        FOUR_DIGIT_YEARS.contains(&instant).then_some(Self(instant))
    }
}

/// The Julian day number of 1970-01-01.
const UNIX_EPOCH_JULIAN_DAY: i32 = 2_440_588;

/// From 0000-01-01T00:00:00Z to the last microsecond of 9999.
const FOUR_DIGIT_YEARS: std::ops::RangeInclusive<i64> =
    -62_167_219_200 * SECOND..=253_402_300_800 * SECOND - 1;

/// What is left to read of a timestamp.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// Takes exactly `count` ASCII digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let value = digits.iter().try_fold(0, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
        })?;
        self.0 = rest;
        Some(value)
    }

    /// Takes one byte if it is one of `any_of`.
    fn literal(&mut self, any_of: &[u8]) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        any_of.contains(first).then(|| self.0 = rest)
    }

    /// Takes one to six fraction digits, as microseconds.
    fn fraction(&mut self) -> Option<i64> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=6).contains(&count) {
            return None;
        }
        let missing = u32::try_from(6 - count).ok()?;
        Some(self.digits(count)? * 10_i64.pow(missing))
    }

    /// Takes nothing, `Z` or `±hh:mm`, as minutes east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.literal(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.literal(b"+").is_some() {
            1
        } else {
            self.literal(b"-")?;
            -1
        };
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        self.literal(b":")?;
        let minutes = self.digits(2).filter(|minutes| *minutes < 60)?;
        Some(sign * (hours * 60 + minutes))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = i32::try_from(self.0.div_euclid(DAY)).map_err(|_| fmt::Error)?;
        let date = Date::from_julian_day(UNIX_EPOCH_JULIAN_DAY + days).map_err(|_| fmt::Error)?;
        let (year, month, day) = date.to_calendar_date();
        let micros = self.0.rem_euclid(DAY);
        let seconds = micros / SECOND;
        // Lists are full of these: `write!` would take as long as all the rest of a record.
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (place, number) in [
            (0..4, i64::from(u16::try_from(year).map_err(|_| fmt::Error)?)),
            (5..7, u8::from(month).into()),
            (8..10, day.into()),
            (11..13, seconds / 3600),
            (14..16, seconds / 60 % 60),
            (17..19, seconds % 60),
            (20..26, micros % SECOND),
        ] {
            put_digits(text.get_mut(place).unwrap_or_default(), number);
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Fills a field with the last digits of a number.
fn put_digits(field: &mut [u8], mut number: i64) {
    for place in field.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
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
            Self::System => {
                let now = OffsetDateTime::now_utc();
                let micros = now.unix_timestamp_nanos() / 1_000;
                Timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
            }
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
