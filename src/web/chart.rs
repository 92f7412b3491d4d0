//! The picture of sign-ins: bars, what they say together, and a table for screen readers.

use super::text::thousands;
use super::view::{Bars, SignInChart, SignInTime, Time};
use crate::model::time_zone::Zone;
use crate::operations::overview::{self, Period, Year};

/// A number that was counted up to a bound.
pub(super) fn up_to(count: i64, most: i64) -> String {
    if count > most { format!("{}+", thousands(most)) } else { thousands(count) }
}

/// The picture of these times, one after the other.
pub(super) fn sign_ins(times: &[Period]) -> SignInChart {
    SignInChart {
        summary: summary(times),
        bars: bars(times),
        rows: times.iter().map(SignInTime::from).collect(),
    }
}

/// The same of a user's last year, with a note where it had more than were looked at.
pub(super) fn year(year: &Year) -> SignInChart {
    let mut chart = sign_ins(&year.weeks);
    if year.is_cut {
        chart.summary += " These are the latest only.";
    }
    chart
}

/// How many signed in and failed to, all times together.
fn summary(times: &[Period]) -> String {
    let sum = |count: fn(&Period) -> i64| {
        let all = thousands(times.iter().map(count).sum());
        if times.iter().any(|time| count(time) >= overview::MOST) { format!("{all}+") } else { all }
    };
    format!("{} signed in, {} failed.", sum(|day| day.good), sum(|day| day.bad))
}

/// The picture: a bar for each time, what failed on top of what succeeded, the highest one as high as the picture.
fn bars(times: &[Period]) -> Bars {
    let most = times.iter().map(|time| time.good + time.bad).max().unwrap_or(0).max(1);
    let height = |count: i64| if count == 0 { 0 } else { (count * Bars::HEIGHT / most).max(1) };
    let bar = |x: i64, foot: i64, height: i64| match height {
        0 => String::new(),
        _ => format!("M{x} {foot}v-{height}h8v{height}z"),
    };
    let places = || times.iter().zip((1..).step_by(10));
    let good = places().map(|(day, x)| bar(x, Bars::HEIGHT, height(day.good))).collect();
    let bad = places().map(|(day, x)| bar(x, Bars::HEIGHT - height(day.good), height(day.bad))).collect();
    Bars { good, bad, width: i64::try_from(times.len()).unwrap_or(0) * 10 }
}

impl From<&Period> for SignInTime {
    fn from(day: &Period) -> Self {
        let (good, bad) = (up_to(day.good, overview::MOST - 1), up_to(day.bad, overview::MOST - 1));
        Self { begin: Time::from(day.begin).day_in(&Zone::UTC), good, bad }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;

    fn day(good: i64, bad: i64) -> Period {
        Period { begin: Timestamp::from_micros(0), good, bad }
    }

    #[test]
    fn bars_stand_on_each_other_and_the_least_number_is_seen() {
        let bars = bars(&[day(100, 20), day(0, 0), day(1, 1)]);
        assert_eq!(bars.good, "M1 60v-50h8v50zM21 60v-1h8v1z");
        assert_eq!(bars.bad, "M1 10v-10h8v10zM21 59v-1h8v1z");
        assert_eq!(super::bars(&[day(0, 0)]).good, "");
    }

    #[test]
    fn what_was_counted_to_its_bound_is_told_as_more() {
        assert_eq!(
            [up_to(9_999, 10_000), up_to(10_000, 10_000), up_to(10_001, 10_000)],
            ["9,999", "10,000", "10,000+"]
        );
        assert_eq!(summary(&[day(overview::MOST, 3), day(5, 0)]), "10,005+ signed in, 3 failed.");
    }
}
