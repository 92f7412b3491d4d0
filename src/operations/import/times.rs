//! Times as databases, programs and spreadsheets write them.

use crate::model::clock::Timestamp;
use crate::model::raw::Raw;

/// The order of day and month in dates with slashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// 31/12/2024
    DayFirst,
    /// 12/31/2024
    MonthFirst,
}

impl DateOrder {
    /// What comes first.
    #[must_use]
    pub const fn first(self) -> &'static str {
        match self {
            Self::DayFirst => "day",
            Self::MonthFirst => "month",
        }
    }
}

/// What is no time in any form that is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Reads a time; `None` is what databases write for none. Beyond what [`Timestamp::parse`] reads: offsets of
/// hours only or without a colon, as PostgreSQL writes them, `UTC`, any number of fraction digits,
/// `31.12.2024 14:30`, `31 Dec 2024`, counts of days, seconds and the like; with an order, or a part beyond 12, also dates
/// with slashes, or hyphens and the year last. Without an offset the time is UTC.
pub(super) fn parse(text: &str, order: Option<DateOrder>) -> Result<Option<Timestamp>, Unreadable> {
    // Between a time and `PM` some programs put other spaces.
    let text = text.replace(['\u{202f}', '\u{a0}'], " ");
    let text = text.trim();
    if text.starts_with("0000-00-00") || text == "0" || text == NEVER {
        return Ok(None);
    }
    // Directories put a `Z` behind the digits.
    let digits = text.strip_suffix('Z').filter(|digits| digits.find('.').unwrap_or(digits.len()) == 14);
    of_number(digits.unwrap_or(text)).or_else(|| time(text, order)).map(Some).ok_or(Unreadable)
}

/// What Active Directory has for an account that does not end: the greatest number of 64 bits.
const NEVER: &str = "9223372036854775807";

/// Whether a word says that there is no such time, as PostgreSQL's `infinity` does of an end, and `-infinity` of a beginning.
pub(super) fn is_none_of(field: &str, word: &str) -> bool {
    match word.trim().to_ascii_lowercase().as_str() {
        "infinity" => field == "valid_until",
        "-infinity" => matches!(field, "valid_from" | "last_login" | "password_changed_at" | "modified_at"),
        "never" => matches!(field, "valid_until" | "last_login" | "password_changed_at"),
        _ => false,
    }
}

/// Whether this may be a date in which the order of day and month has to be said.
pub(super) fn needs_order(text: &str) -> bool {
    let (date, _) = text.trim().split_once([' ', 'T']).unwrap_or((text.trim(), ""));
    let is_separated = |at: usize| date.get(at..).is_some_and(|rest| rest.starts_with(['/', '-']));
    date.starts_with(|c: char| c.is_ascii_digit()) && (is_separated(1) || is_separated(2))
}

/// What the dates of a file show of the order of day and month.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    day_first: bool,
    month_first: bool,
}

impl Evidence {
    /// Takes note of a time.
    pub(super) fn see(&mut self, text: &str) {
        if !needs_order(text) {
            return;
        }
        let date = text.trim().split([' ', 'T', ',']).next().unwrap_or_default();
        let mut parts = date.split(['/', '-']);
        if let (Some(first), Some(second), Some(_)) = (parts.next(), parts.next(), parts.next()) {
            let order = evident_order(first, second);
            self.day_first |= order == Some(DateOrder::DayFirst);
            self.month_first |= order == Some(DateOrder::MonthFirst);
        }
    }

    /// The order that all of them have which can be read in one way only.
    pub(super) fn order(self) -> Option<DateOrder> {
        match (self.day_first, self.month_first) {
            (true, false) => Some(DateOrder::DayFirst),
            (false, true) => Some(DateOrder::MonthFirst),
            _ => None,
        }
    }
}

/// The order of the first two parts of a date, if one of them can be no month.
fn evident_order(first: &str, second: &str) -> Option<DateOrder> {
    match (first.parse::<u8>().ok()?, second.parse::<u8>().ok()?) {
        (13..=31, 1..=12) => Some(DateOrder::DayFirst),
        (1..=12, 13..=31) => Some(DateOrder::MonthFirst),
        _ => None,
    }
}

/// A time that is written as a number, of which the count of digits tells the kind: days as spreadsheets count them,
/// seconds, milliseconds or microseconds since 1970, or a date without what separates its parts.
fn of_number(text: &str) -> Option<Timestamp> {
    /// The day on which the seconds begin, as spreadsheets count.
    const EPOCH_DAY: f64 = 25_569.0;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 12 {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    let has_fraction = text.len() > whole.len();
    match whole.len() {
        // From 1954 to 2119.
        5 if (20_000..=80_000).contains(&number) => {
            let days: f64 = text.parse().ok()?;
            let seconds = ((days - EPOCH_DAY) * 86_400.0).round();
            #[expect(clippy::cast_possible_truncation, reason = "it is less than five thousand million")]
            let seconds = seconds as i64;
            Some(Timestamp::from_micros(seconds * 1_000_000))
        }
        9 | 10 => {
            let digits = format!("{fraction:0<6}");
            let micros: i64 = digits.get(..6)?.parse().ok()?;
            Some(Timestamp::from_micros(number * 1_000_000 + if has_fraction { micros } else { 0 }))
        }
        12 | 13 => Some(Timestamp::from_micros(number * 1000)),
        15 | 16 => Some(Timestamp::from_micros(number)),
        // Windows counts tenths of microseconds since 1601.
        18 => Some(Timestamp::from_micros(number / 10 - 11_644_473_600_000_000)),
        8 if !has_fraction => Timestamp::parse(&format!("{}-{}-{}", &whole[..4], &whole[4..6], &whole[6..])),
        14 => {
            let date = format!("{}-{}-{}", &whole[..4], &whole[4..6], &whole[6..8]);
            Timestamp::parse(&format!("{date}T{}:{}:{}Z", &whole[8..10], &whole[10..12], &whole[12..]))
        }
        _ => None,
    }
}

fn time(text: &str, order: Option<DateOrder>) -> Option<Timestamp> {
    let worded = with_month_as_number(text);
    let text = worded.as_deref().unwrap_or(text);
    let text =
        ["UTC", "GMT", "Uhr"].iter().find_map(|word| text.strip_suffix(word)).map_or(text, str::trim_end);
    let halves = [("AM", 0), ("am", 0), ("a.m.", 0), ("PM", 12), ("pm", 12), ("p.m.", 12)];
    let noon = halves.iter().find_map(|(word, noon)| Some((text.strip_suffix(word)?, *noon)));
    let text = noon.map_or(text, |(text, _)| text);
    let (local, offset) = split_offset(text.trim_end());
    let local = local.trim_end();
    let (date, time) = local.split_once([' ', 'T']).map_or((local, None), |(date, time)| (date, Some(time)));
    let date = iso_date(date.trim_end_matches(','), order)?;
    let Some(time) = time else {
        return Timestamp::parse(&date).filter(|_| offset.is_empty());
    };
    let mut time = iso_time(time.trim_start())?;
    if let Some((_, noon)) = noon {
        let hour: u8 = time.get(..2)?.parse().ok().filter(|hour| (1..=12).contains(hour))?;
        time = format!("{:02}{}", hour % 12 + noon, &time[2..]);
    }
    let (offset, seconds) = match offset.len() {
        3 => (format!("{offset}:00"), 0),
        5 => (format!("{}:{}", &offset[..3], &offset[3..]), 0),
        // Before there were time zones, towns had their own time.
        9 => (offset[..6].to_owned(), format!("{}{}", &offset[..1], &offset[7..]).parse().ok()?),
        _ => (offset.to_owned(), 0_i64),
    };
    let of_minutes = Timestamp::parse(&format!("{date}T{time}{offset}"))?;
    let exact = of_minutes.micros() - seconds * 1_000_000;
    // From the year 1 to the last second of 9999: what is beyond is not printed.
    let is_printable = seconds == 0 || (-62_135_596_800_000_000..253_402_300_799_000_000).contains(&exact);
    is_printable.then_some(Timestamp::from_micros(exact))
}

/// `Wed, 31 Dec 2025 13:05:00 +0000`, `December 31, 2025 1:05 PM` or `31-Dec-2025`, with the date as ISO 8601 has it.
fn with_month_as_number(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let mut words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    if let Some(first) = words.first()
        && first.split('-').count() == 3
    {
        words = first.split('-').chain(words.into_iter().skip(1)).collect();
    }
    let month = |word: &str| {
        let word = word.trim_end_matches('.').to_lowercase();
        let place = MONTHS.iter().position(|month| word.len() >= 3 && month.starts_with(&word))?;
        Some(place + 1)
    };
    // The day of the week says nothing more.
    if words.len() > 3 && words[0].chars().all(char::is_alphabetic) && month(words[0]).is_none() {
        words.remove(0);
    }
    let [one, two, year, rest @ ..] = words.as_slice() else { return None };
    let (day, month) = month(two).map(|month| (one, month)).or_else(|| Some((two, month(one)?)))?;
    let day: u8 = day.parse().ok()?;
    let rest: Vec<&str> = rest.iter().copied().filter(|word| *word != "at").collect();
    (year.len() == 4).then(|| format!("{year}-{month:02}-{day:02} {}", rest.join(" ")).trim_end().to_owned())
}

/// A count of milliseconds since 1970, as a number or as text, in the form that [`parse`] reads; anything else as it
/// is.
pub(super) fn of_milliseconds(given: &Raw) -> Raw {
    let milliseconds = match given {
        Raw::Integer(number) => Some(*number),
        Raw::Text(text) => text.parse().ok(),
        _ => None,
    };
    // Until the year 9999.
    let in_range = milliseconds.filter(|number| (0..253_402_300_800_000).contains(number));
    in_range
        .map_or_else(|| given.clone(), |number| Raw::Text(Timestamp::from_micros(number * 1000).to_string()))
}

/// The time before an offset such as `+00`, `-0330`, `+05:30` or `Z`, and the offset.
fn split_offset(text: &str) -> (&str, &str) {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return (local, "Z");
    }
    // A date has hyphens, too; no time is shorter than `2024-01-01 00:00`.
    let sign = text.rfind(['+', '-']).filter(|at| *at >= 11);
    let Some((local, offset)) = sign.and_then(|at| text.split_at_checked(at)) else { return (text, "") };
    let shape: String = offset.chars().skip(1).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if ["00", "0000", "00:00", "00:00:00"].contains(&shape.as_str()) { (local, offset) } else { (text, "") }
}

/// `YYYY-MM-DD` of a date in one of the known orders.
fn iso_date(date: &str, order: Option<DateOrder>) -> Option<String> {
    let (separator, order) = match date.chars().find(|c| !c.is_ascii_digit())? {
        '.' => ('.', Some(DateOrder::DayFirst)),
        '/' if date.find('/') == Some(4) => return Some(date.replace('/', "-")),
        '/' => ('/', order),
        '-' if date.find('-') <= Some(2) => ('-', order),
        _ => return Some(date.to_owned()),
    };
    let mut parts = date.split(separator);
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    let order = order.or_else(|| evident_order(first, second))?;
    let number = |text: &str| {
        let fits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u8>().ok().filter(|_| fits)
    };
    let (day, month) = match order {
        DateOrder::DayFirst => (number(first)?, number(second)?),
        DateOrder::MonthFirst => (number(second)?, number(first)?),
    };
    (year.len() == 4 && parts.next().is_none()).then(|| format!("{year}-{month:02}-{day:02}"))
}

/// `HH:MM[:SS[.ffffff]]` with at most six fraction digits, and an hour of two.
fn iso_time(time: &str) -> Option<String> {
    let (whole, fraction) = time.split_once('.').map_or((time, None), |(whole, rest)| (whole, Some(rest)));
    let whole = if whole.find(':') == Some(1) { format!("0{whole}") } else { whole.to_owned() };
    match fraction {
        None => Some(whole),
        Some(digits) if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => None,
        Some(digits) => Some(format!("{whole}.{}", &digits[..digits.len().min(6)])),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, order: Option<DateOrder>) -> Option<String> {
        parse(text, order).ok().map(|time| time.map_or_else(|| "none".into(), |time| time.to_string()))
    }

    #[test]
    fn times_are_read_as_databases_and_spreadsheets_write_them() {
        for (text, time) in [
            ("2022-07-16 06:53:43.913919+00", "2022-07-16T06:53:43.913919Z"),
            ("2018-08-11 08:26:49+00", "2018-08-11T08:26:49.000000Z"),
            ("1936-05-01 12:19:32+00:19:32", "1936-05-01T12:00:00.000000Z"),
            ("1900-01-01 00:00:00.5-00:01:15", "1900-01-01T00:01:15.500000Z"),
            ("0001-01-01 00:53:28+00:53:28", "0001-01-01T00:00:00.000000Z"),
            ("2024-02-29 14:30:00+0230", "2024-02-29T12:00:00.000000Z"),
            ("2024-02-29T14:30+02:30", "2024-02-29T12:00:00.000000Z"),
            ("2015-03-08 06:30:17.5+1345", "2015-03-07T16:45:17.500000Z"),
            ("2024-02-29 12:00:00 UTC", "2024-02-29T12:00:00.000000Z"),
            ("2024-02-29T12:00:00.123456789Z", "2024-02-29T12:00:00.123456Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000000Z"),
            ("2024/02/29 12:00", "2024-02-29T12:00:00.000000Z"),
            ("01.03.2024 09:00", "2024-03-01T09:00:00.000000Z"),
            ("1.3.2024 9:00", "2024-03-01T09:00:00.000000Z"),
            ("1/13/2022 4:10:30 PM", "2022-01-13T16:10:30.000000Z"),
            ("12/31/2022 12:05:00 AM", "2022-12-31T00:05:00.000000Z"),
            ("31/12/2022 12:05", "2022-12-31T12:05:00.000000Z"),
            ("12/31/2025 1:05 PM", "2025-12-31T13:05:00.000000Z"),
            ("12/31/2025, 1:05:09\u{202f}pm", "2025-12-31T13:05:09.000000Z"),
            ("31.12.2025, 13:05:09", "2025-12-31T13:05:09.000000Z"),
            ("31.12.2025 13:05 Uhr", "2025-12-31T13:05:00.000000Z"),
            ("2025-12-31T13:05:00", "2025-12-31T13:05:00.000000Z"),
            ("2025-12-31T13:05:00.000+0000", "2025-12-31T13:05:00.000000Z"),
            ("2025-12-31 13:05:00 GMT", "2025-12-31T13:05:00.000000Z"),
            ("Wed, 31 Dec 2025 13:05:00 +0000", "2025-12-31T13:05:00.000000Z"),
            ("31-Dec-2025", "2025-12-31T00:00:00.000000Z"),
            ("December 31, 2025 1:05 PM", "2025-12-31T13:05:00.000000Z"),
            ("Wednesday, 31 December 2025, 1:05 PM", "2025-12-31T13:05:00.000000Z"),
            ("46022", "2025-12-31T00:00:00.000000Z"),
            ("46022.5451388889", "2025-12-31T13:05:00.000000Z"),
            ("1767186300", "2025-12-31T13:05:00.000000Z"),
            ("1767186300.25", "2025-12-31T13:05:00.250000Z"),
            ("1767186300250", "2025-12-31T13:05:00.250000Z"),
            ("20251231", "2025-12-31T00:00:00.000000Z"),
            ("20251231130500", "2025-12-31T13:05:00.000000Z"),
            ("20251231130500.0Z", "2025-12-31T13:05:00.000000Z"),
            ("20251231130500Z", "2025-12-31T13:05:00.000000Z"),
            ("132514707000000000", "2020-12-03T12:05:00.000000Z"),
            ("0", "none"),
            ("9223372036854775807", "none"),
            ("0000-00-00 00:00:00", "none"),
        ] {
            assert_eq!(read(text, None).as_deref(), Some(time), "{text}");
        }
        assert_eq!(read("03/04/2024", None), None, "March or April?");
        assert_eq!(read("3/4/2024 1:05 PM", None), None, "others than Americans write AM and PM, too");
        assert!(needs_order("03/04/2024") && needs_order("3-4-2024 10:00") && !needs_order("2024-04-03"));
        let hyphens = read("31-12-2025 13:05", Some(DateOrder::DayFirst));
        assert_eq!(hyphens.as_deref(), Some("2025-12-31T13:05:00.000000Z"));
        let day = |order| read("03/04/2024", Some(order)).unwrap();
        assert!(day(DateOrder::DayFirst).starts_with("2024-04-03"));
        assert!(day(DateOrder::MonthFirst).starts_with("2024-03-04"));
    }

    #[test]
    fn one_date_shows_the_order_of_all() {
        let order = |dates: &[&str]| {
            let mut evidence = Evidence::default();
            for date in dates {
                evidence.see(date);
            }
            evidence.order()
        };
        assert_eq!(order(&["3/4/2024 1:05 PM", "12/31/2025, 1:05 PM"]), Some(DateOrder::MonthFirst));
        assert_eq!(order(&["31-12-2025 13:05", "03-04-2024", ""]), Some(DateOrder::DayFirst));
        assert_eq!(order(&["3/4/2024", "2024-12-31", "31.12.2024", "1767186300"]), None);
        assert_eq!(order(&["12/31/2025", "31/12/2025"]), None, "they contradict each other");
        assert_eq!(order(&["13/32/2025", "31/31/2025"]), None);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "2024-02-30",
            "31.02.2024",
            "1.1.24",
            "2024-01-01 10:00:00.",
            "2024-01-01+00",
            "13/13/2024",
            "7",
            "12345678",
            "19999",
            "-1767186300",
            "99999999999999999999",
            "31 Foo 2025",
            "31 Dec 25",
        ] {
            assert_eq!(read(text, Some(DateOrder::DayFirst)), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}|[0-9TZ:+. /-]{0,30}") {
            let _ = parse(&text, Some(DateOrder::MonthFirst));
        }
    }
}
