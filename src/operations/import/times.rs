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

/// What is no time in any form that is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Reads a time; `None` is what MySQL writes for none. Beyond what [`Timestamp::parse`] reads: offsets of
/// hours only or without a colon, as PostgreSQL writes them, `UTC`, any number of fraction digits, and
/// `31.12.2024 14:30`; with an order also dates with slashes. Without an offset the time is UTC.
pub(super) fn parse(text: &str, order: Option<DateOrder>) -> Result<Option<Timestamp>, Unreadable> {
    let text = text.trim();
    if text.starts_with("0000-00-00") {
        return Ok(None);
    }
    time(text, order).map(Some).ok_or(Unreadable)
}

fn time(text: &str, order: Option<DateOrder>) -> Option<Timestamp> {
    let text = text.strip_suffix("UTC").map_or(text, str::trim_end);
    // Only Americans write so, and they write the month first.
    let noon =
        text.strip_suffix("AM").map(|text| (text, 0)).or(text.strip_suffix("PM").map(|text| (text, 12)));
    let (text, order) = noon.map_or((text, order), |(text, _)| (text, order.or(Some(DateOrder::MonthFirst))));
    let (local, offset) = split_offset(text.trim_end());
    let local = local.trim_end();
    let (date, time) = local.split_once([' ', 'T']).map_or((local, None), |(date, time)| (date, Some(time)));
    let date = iso_date(date, order)?;
    let Some(time) = time else {
        return Timestamp::parse(&date).filter(|_| offset.is_empty());
    };
    let mut time = iso_time(time)?;
    if let Some((_, noon)) = noon {
        let hour: u8 = time.get(..2)?.parse().ok().filter(|hour| (1..=12).contains(hour))?;
        time = format!("{:02}{}", hour % 12 + noon, &time[2..]);
    }
    let offset = match offset.len() {
        3 => format!("{offset}:00"),
        5 => format!("{}:{}", &offset[..3], &offset[3..]),
        _ => offset.to_owned(),
    };
    Timestamp::parse(&format!("{date}T{time}{offset}"))
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
    if ["00", "0000", "00:00"].contains(&shape.as_str()) { (local, offset) } else { (text, "") }
}

/// `YYYY-MM-DD` of a date in one of the known orders.
fn iso_date(date: &str, order: Option<DateOrder>) -> Option<String> {
    let (separator, order) = match date.chars().find(|c| !c.is_ascii_digit())? {
        '.' => ('.', DateOrder::DayFirst),
        '/' if date.find('/') == Some(4) => return Some(date.replace('/', "-")),
        '/' => ('/', order?),
        _ => return Some(date.to_owned()),
    };
    let mut parts = date.split(separator);
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
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
            ("12/1/2022 12:05:00 AM", "2022-12-01T00:05:00.000000Z"),
            ("0000-00-00 00:00:00", "none"),
        ] {
            assert_eq!(read(text, None).as_deref(), Some(time), "{text}");
        }
        assert_eq!(read("03/04/2024", None), None, "March or April?");
        let day = |order| read("03/04/2024", Some(order)).unwrap();
        assert!(day(DateOrder::DayFirst).starts_with("2024-04-03"));
        assert!(day(DateOrder::MonthFirst).starts_with("2024-03-04"));
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
