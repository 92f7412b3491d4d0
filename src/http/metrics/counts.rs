//! What is counted of requests.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::clock::Timestamp;

/// Upper ends of the histogram's buckets, in seconds: Prometheus' usual ones.
const BUCKETS: [(f64, &str); 11] = [
    (0.005, "0.005"),
    (0.01, "0.01"),
    (0.025, "0.025"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (0.25, "0.25"),
    (0.5, "0.5"),
    (1.0, "1"),
    (2.5, "2.5"),
    (5.0, "5"),
    (10.0, "10"),
];

/// Counts since the start of the process.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(super) started: Timestamp,
    authenticated: AtomicU64,
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    /// By method, group of routes and status.
    counts: BTreeMap<(&'static str, &'static str, u16), u64>,
    /// By group of routes.
    durations: BTreeMap<&'static str, Histogram>,
}

#[derive(Debug, Default)]
struct Histogram {
    /// How many took no longer than each bucket's end, and longer than the one before.
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
}

impl Metrics {
    pub(crate) fn new(started: Timestamp) -> Self {
        Self { started, authenticated: AtomicU64::new(0), requests: Mutex::default() }
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an answer.
    pub(super) fn count(&self, method: &'static str, group: &'static str, status: u16, took: Duration) {
        let mut requests = self.requests();
        *requests.counts.entry((method, group, status)).or_default() += 1;
        let histogram = requests.durations.entry(group).or_default();
        let seconds = took.as_secs_f64();
        histogram.count += 1;
        histogram.seconds += seconds;
        if let Some(bucket) = BUCKETS.iter().position(|(end, _)| seconds <= *end) {
            histogram.buckets[bucket] += 1;
        }
    }

    /// Counts a request that came with credentials that were accepted.
    pub(super) fn count_authenticated(&self) {
        self.authenticated.fetch_add(1, Ordering::Relaxed);
    }

    /// All of it, in Prometheus' text format.
    pub(super) fn write(&self, page: &mut impl Write) -> std::fmt::Result {
        let requests = self.requests();
        writeln!(page, "# HELP usher_requests_total Requests, by method, group of routes and status.")?;
        writeln!(page, "# TYPE usher_requests_total counter")?;
        for ((method, group, status), count) in &requests.counts {
            writeln!(
                page,
                "usher_requests_total{{method=\"{method}\",group=\"{group}\",status=\"{status}\"}} {count}"
            )?;
        }
        let name = "usher_request_duration_seconds";
        writeln!(page, "# HELP {name} How long answers took, by group of routes.")?;
        writeln!(page, "# TYPE {name} histogram")?;
        for (group, histogram) in &requests.durations {
            let mut sum = 0;
            for ((_, end), count) in BUCKETS.iter().zip(histogram.buckets) {
                sum += count;
                writeln!(page, "{name}_bucket{{group=\"{group}\",le=\"{end}\"}} {sum}")?;
            }
            let Histogram { count, seconds, .. } = histogram;
            writeln!(page, "{name}_bucket{{group=\"{group}\",le=\"+Inf\"}} {count}")?;
            writeln!(page, "{name}_sum{{group=\"{group}\"}} {seconds}")?;
            writeln!(page, "{name}_count{{group=\"{group}\"}} {count}")?;
        }
        let name = "usher_authenticated_requests_total";
        writeln!(page, "# HELP {name} Requests with a session or token that was accepted.")?;
        writeln!(page, "# TYPE {name} counter")?;
        writeln!(page, "{name} {}", self.authenticated.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_request_in_every_bucket_that_is_long_enough() {
        let metrics = Metrics::new(Timestamp::from_micros(0));
        for millis in [1, 5, 6, 300, 60_000] {
            metrics.count("GET", "api", 200, Duration::from_millis(millis));
        }
        let mut page = String::new();
        metrics.write(&mut page).unwrap();
        for (end, count) in [("0.005", 2), ("0.01", 3), ("0.25", 3), ("0.5", 4), ("10", 4), ("+Inf", 5)] {
            let line =
                format!("usher_request_duration_seconds_bucket{{group=\"api\",le=\"{end}\"}} {count}\n");
            assert!(page.contains(&line), "{line}{page}");
        }
        assert!(page.contains("usher_request_duration_seconds_sum{group=\"api\"} 60.312\n"), "{page}");
        assert!(
            page.contains("usher_requests_total{method=\"GET\",group=\"api\",status=\"200\"} 5\n"),
            "{page}"
        );
    }
}
