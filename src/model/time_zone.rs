//! Time zones: their names, and the calendar and clock in each.
//!
//! The data is IANA's and in the binary, so that all instances know the same zones.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::model::clock::Timestamp;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone of IANA's database.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

/// What calendar and clock show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Year.
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
    /// 0 to 23.
    pub hour: i8,
    /// 0 to 59.
    pub minute: i8,
}

impl Zone {
    /// The zone that needs no data.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of that name, such as `Europe/Berlin`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "UTC" {
            return Some(Self::UTC);
        }
        ZONES.get(name).ok().filter(|zone| zone.iana_name() == Some(name)).map(Self)
    }

    /// The zone that a person typed, in any case and with spaces: its name, or its city where only one zone has it.
    ///
    /// # Errors
    /// The names that were perhaps meant, at most five.
    pub fn typed(text: &str) -> Result<Self, Vec<String>> {
        const SUGGESTIONS: usize = 5;
        let wanted = text.trim().replace(' ', "_").to_lowercase();
        let mut names: Vec<String> = if wanted.is_empty() { Vec::new() } else { Self::names() };
        names.retain(|name| name.to_lowercase().contains(&wanted));
        let city = |name: &str| name.rsplit('/').next().is_some_and(|city| city.to_lowercase() == wanted);
        let exact =
            names.iter().position(|name| name.to_lowercase() == wanted).map(|at| vec![names[at].clone()]);
        let cities = exact.unwrap_or_else(|| names.iter().filter(|name| city(name)).cloned().collect());
        if let [name] = &cities[..]
            && let Some(zone) = Self::named(name)
        {
            return Ok(zone);
        }
        names.truncate(SUGGESTIONS);
        Err(names)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The names of the zones that people live in, in the order of the alphabet: those of an area and a
    /// place, and `UTC`. Names without a place are kept by the database for old programs only.
    #[must_use]
    pub fn names() -> Vec<String> {
        let all = ZONES.available().map(|name| name.to_string());
        let mut names: Vec<String> =
            all.filter(|name| name == "UTC" || name.contains('/') && !name.starts_with("Etc/")).collect();
        names.sort_unstable();
        names
    }

    /// The instant at which calendar and clock show a text such as `2026-03-31T18:00`; the first of two, and the
    /// one after a gap. `None` for a text with an offset, or one that is no date and time.
    #[must_use]
    pub fn instant(&self, text: &str) -> Option<Timestamp> {
        let (_, time) = text.split_once(['T', ' '])?;
        if !time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.')) {
            return None;
        }
        let at = self.0.to_timestamp(text.parse().ok()?).ok()?;
        Some(Timestamp::from_micros(at.as_microsecond()))
    }

    /// The first instant of a day such as `2026-03-31`, and that of the day after it.
    #[must_use]
    pub fn day(&self, text: &str) -> Option<(Timestamp, Timestamp)> {
        let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
        let start = |day: jiff::civil::Date| {
            let at = self.0.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
            Some(Timestamp::from_micros(at.as_microsecond()))
        };
        Some((start(day)?, start(day.tomorrow().ok()?)?))
    }

    /// The date and time at an instant as a `datetime-local` field takes it: as exact as it can be.
    #[must_use]
    pub fn field_text(&self, at: Timestamp) -> String {
        let Ok(at) = jiff::Timestamp::from_microsecond(at.micros()) else { return String::new() };
        let local = self.0.to_datetime(at);
        let pattern = match (local.second(), local.subsec_nanosecond()) {
            (0, 0) => "%Y-%m-%dT%H:%M",
            (_, 0) => "%Y-%m-%dT%H:%M:%S",
            _ => "%Y-%m-%dT%H:%M:%S%.3f",
        };
        local.strftime(pattern).to_string()
    }

    /// What calendar and clock show at an instant; `None` for one that no calendar reaches.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> Option<Local> {
        let at = self.0.to_datetime(jiff::Timestamp::from_microsecond(at.micros()).ok()?);
        let (year, month, day) = (at.year(), at.month(), at.day());
        Some(Local { year, month, day, hour: at.hour(), minute: at.minute() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(zone: &str, at: &str) -> (i16, i8, i8, i8, i8) {
        let local = Zone::named(zone).unwrap().local(Timestamp::parse(at).unwrap()).unwrap();
        (local.year, local.month, local.day, local.hour, local.minute)
    }

    #[test]
    fn clocks_follow_the_zone_and_its_summer_time() {
        assert_eq!(shown("UTC", "2026-03-29T00:59Z"), (2026, 3, 29, 0, 59));
        assert_eq!(shown("Europe/Berlin", "2026-03-29T00:59Z"), (2026, 3, 29, 1, 59));
        assert_eq!(shown("Europe/Berlin", "2026-03-29T01:00Z"), (2026, 3, 29, 3, 0));
        assert_eq!(shown("Asia/Kathmandu", "2025-12-31T18:15Z"), (2026, 1, 1, 0, 0));
    }

    #[test]
    fn a_zone_is_typed_by_its_name_or_its_city() {
        for (typed, name) in [
            ("Europe/Berlin", "Europe/Berlin"),
            (" europe/berlin ", "Europe/Berlin"),
            ("berlin", "Europe/Berlin"),
            ("New York", "America/New_York"),
            ("utc", "UTC"),
        ] {
            assert_eq!(Zone::typed(typed).unwrap().name(), name, "{typed}");
        }
        let meant = |typed: &str| Zone::typed(typed).unwrap_err();
        assert_eq!(meant("Louisville"), ["America/Kentucky/Louisville", "America/Louisville"]);
        assert_eq!(meant("york"), ["America/New_York"], "a part is a question");
        assert_eq!(meant("america").len(), 5);
        assert!(meant("").is_empty() && meant("Europe/Nowhere").is_empty());
    }

    #[test]
    fn a_field_for_a_date_shows_and_reads_the_clock_of_its_zone() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        for (stored, shown) in
            [("2026-03-31T18:00:00Z", "2026-03-31T20:00"), ("2026-01-31T18:00:05Z", "2026-01-31T19:00:05")]
        {
            let at = Timestamp::parse(stored).unwrap();
            assert_eq!(berlin.field_text(at), shown);
            assert_eq!(berlin.instant(shown), Some(at), "{shown}");
        }
        let exact = Timestamp::parse("2026-03-31T18:00:00.123456Z").unwrap();
        assert_eq!(Zone::UTC.field_text(exact), "2026-03-31T18:00:00.123", "as exact as a browser can be");
        // Twice on the clock, and never.
        assert_eq!(berlin.instant("2026-10-25T02:30"), Timestamp::parse("2026-10-25T00:30:00Z"));
        assert_eq!(berlin.instant("2026-03-29T02:30"), Timestamp::parse("2026-03-29T01:30:00Z"));
        for text in
            ["", "2026-03-31", "2026-03-31T18:00Z", "2026-03-31T18:00+02:00", "2026-02-30T18:00", "T", "now"]
        {
            assert_eq!(berlin.instant(text), None, "{text}");
        }
        let at = |text: &str| Timestamp::parse(text).unwrap();
        assert_eq!(
            berlin.day("2026-03-29"),
            Some((at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z"))),
            "a day of 23 hours"
        );
        assert_eq!((berlin.day("2026-02-30"), berlin.day("2026-03-29T10:00")), (None, None));
    }

    #[test]
    fn only_names_of_the_database_are_zones() {
        for name in ["", "Europe/Nowhere", "europe/berlin", "../etc/passwd", "Europe/Berlin\0", "CET-1CEST"] {
            assert_eq!(Zone::named(name), None, "{name}");
        }
        let names = Zone::names();
        assert!(names.len() > 300 && names.is_sorted());
        for name in names {
            assert_eq!(Zone::named(&name).unwrap().name(), name);
        }
    }

    #[test]
    fn no_instant_is_too_far_away_to_ask() {
        assert_eq!(Zone::UTC.local(Timestamp::from_micros(i64::MAX)), None);
        assert_eq!(Zone::UTC.local(Timestamp::from_micros(i64::MIN)), None);
    }
}
