//! Times on pages, in the viewer's time zone.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::model::clock::Timestamp;
use crate::model::time_zone::Zone;

/// An instant, for people and for programs. Templates are given `machine`, such as `2026-03-01T09:00Z`,
/// `text`, such as `1 Mar 2026, 10:00`, `day`, such as `1 Mar 2026`, and `ago`, such as `3 months ago`.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Time(Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

thread_local! {
    /// The zone of the page that is being made. Serializing takes no argument that could say it.
    static ZONE: RefCell<Zone> = const { RefCell::new(Zone::UTC) };
    /// When the page is made.
    static NOW: Cell<Timestamp> = const { Cell::new(Timestamp::from_micros(0)) };
}

/// Does what shows times, with its times in a zone and as seen from a moment.
pub(super) fn shown_in<T>(zone: Zone, now: Timestamp, work: impl FnOnce() -> T) -> T {
    let before = (ZONE.replace(zone), NOW.replace(now));
    let result = work();
    ZONE.set(before.0);
    NOW.set(before.1);
    result
}

impl Time {
    /// For programs, in UTC.
    fn machine(self) -> String {
        let printed = self.0.to_string();
        format!("{}Z", printed.get(..16).unwrap_or_default())
    }

    /// For people, exactly.
    fn text(self) -> String {
        match ZONE.with_borrow(|zone| zone.local(self.0)) {
            Some(local) => format!("{}, {:02}:{:02}", self.day(), local.hour, local.minute),
            None => self.machine(),
        }
    }

    /// The same in a zone that is known before the page is made.
    pub(in crate::web) fn text_in(self, zone: &Zone) -> String {
        shown_in(zone.clone(), self.0, || self.text())
    }

    /// The day alone in such a zone.
    pub(in crate::web) fn day_in(self, zone: &Zone) -> String {
        shown_in(zone.clone(), self.0, || self.day())
    }

    /// For people, the day alone.
    fn day(self) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let Some(local) = ZONE.with_borrow(|zone| zone.local(self.0)) else { return self.machine() };
        let month = usize::try_from(local.month - 1).ok().and_then(|month| MONTHS.get(month));
        let (day, month, year) = (local.day, month.unwrap_or(&""), local.year);
        format!("{day} {month} {year}")
    }

    /// For people who compare: how long ago. What is still to come is told exactly.
    fn ago(self) -> String {
        let now = NOW.get();
        if self.0 > now {
            return self.text();
        }
        let minutes = now.since(self.0).as_secs() / 60;
        let days = minutes / (24 * 60);
        let (count, unit) = match (days, minutes) {
            (0, 0) => return "Just now".to_owned(),
            (0, 1..60) => (minutes, "minute"),
            (0, _) => (minutes / 60, "hour"),
            (1..60, _) => (days, "day"),
            (60..730, _) => (days / 30, "month"),
            (730.., _) => (days / 365, "year"),
        };
        format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
    }
}

/// In a sentence that is put together before a page is made: in UTC, and says so.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} UTC", self.text())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Time", 4)?;
        members.serialize_field("machine", &self.machine())?;
        members.serialize_field("text", &self.text())?;
        members.serialize_field("day", &self.day())?;
        members.serialize_field("ago", &self.ago())?;
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_shown_in_words_and_for_programs() {
        let time = Time::from(Timestamp::parse("2026-03-01T09:05:59.5Z").unwrap());
        let shown = json!(time);
        assert_eq!(shown["machine"], "2026-03-01T09:05Z");
        assert_eq!([&shown["text"], &shown["day"]], ["1 Mar 2026, 09:05", "1 Mar 2026"]);
    }

    #[test]
    fn what_is_over_is_told_by_how_long_ago_it_was() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        for (time, told) in [
            ("2026-11-26T09:00:00Z", "Just now"),
            ("2026-11-26T08:59:00Z", "1 minute ago"),
            ("2026-11-26T07:01:00Z", "1 hour ago"),
            ("2026-11-25T08:00:00Z", "1 day ago"),
            ("2026-10-01T09:00:00Z", "56 days ago"),
            ("2026-08-20T09:00:00Z", "3 months ago"),
            ("2025-08-20T09:00:00Z", "15 months ago"),
            ("2020-11-26T09:00:00Z", "6 years ago"),
            ("2026-11-26T09:01:00Z", "26 Nov 2026, 09:01"),
        ] {
            let shown = shown_in(Zone::UTC, at("2026-11-26T09:00:20Z"), || json!(Time::from(at(time))));
            assert_eq!(shown["ago"], told, "{time}");
        }
    }

    #[test]
    fn words_are_those_of_the_zone_and_programs_get_utc() {
        let time = Time::from(Timestamp::parse("2026-12-31T23:30Z").unwrap());
        let now = Timestamp::from_micros(0);
        let berlin = shown_in(Zone::named("Europe/Berlin").unwrap(), now, || json!(time));
        assert_eq!(berlin["machine"], "2026-12-31T23:30Z");
        assert_eq!([&berlin["text"], &berlin["day"]], ["1 Jan 2027, 00:30", "1 Jan 2027"]);
        assert_eq!(json!(time)["text"], "31 Dec 2026, 23:30", "afterwards it is UTC again");
    }
}
