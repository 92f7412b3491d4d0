//! Times on pages, in the viewer's time zone.

use std::cell::RefCell;
use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::model::clock::Timestamp;
use crate::model::time_zone::Zone;

/// An instant, for people and for programs. Templates are given `machine`, such as `2026-03-01T09:00Z`,
/// and `text`, such as `1 Mar 2026, 10:00`.
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
}

/// Does what shows times, with its times in a zone.
pub(super) fn shown_in<T>(zone: Zone, work: impl FnOnce() -> T) -> T {
    let before = ZONE.replace(zone);
    let result = work();
    ZONE.set(before);
    result
}

impl Time {
    /// For programs, in UTC.
    fn machine(self) -> String {
        let printed = self.0.to_string();
        format!("{}Z", printed.get(..16).unwrap_or_default())
    }

    /// For people.
    fn text(self) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let Some(local) = ZONE.with_borrow(|zone| zone.local(self.0)) else { return self.machine() };
        let month = usize::try_from(local.month - 1).ok().and_then(|month| MONTHS.get(month));
        let (day, month, year) = (local.day, month.unwrap_or(&""), local.year);
        format!("{day} {month} {year}, {:02}:{:02}", local.hour, local.minute)
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
        let mut members = serializer.serialize_struct("Time", 2)?;
        members.serialize_field("machine", &self.machine())?;
        members.serialize_field("text", &self.text())?;
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
        assert_eq!(json!(time), json!({"machine": "2026-03-01T09:05Z", "text": "1 Mar 2026, 09:05"}));
    }

    #[test]
    fn words_are_those_of_the_zone_and_programs_get_utc() {
        let time = Time::from(Timestamp::parse("2026-12-31T23:30Z").unwrap());
        let berlin = shown_in(Zone::named("Europe/Berlin").unwrap(), || json!(time));
        assert_eq!(berlin, json!({"machine": "2026-12-31T23:30Z", "text": "1 Jan 2027, 00:30"}));
        assert_eq!(json!(time)["text"], "31 Dec 2026, 23:30", "afterwards it is UTC again");
    }
}
