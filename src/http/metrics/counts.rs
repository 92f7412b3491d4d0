//! What is counted of requests.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};
use rocket::http::Method;

use crate::http::arrival;
use crate::model::clock::Timestamp;

/// A part of the program that requests are for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Group {
    Api,
    Auth,
    Console,
    Health,
    Static,
    /// No route.
    None,
}

impl Group {
    const COUNT: usize = Self::None as usize + 1;

    const fn label(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Auth => "auth",
            Self::Console => "console",
            Self::Health => "health",
            Self::Static => "static",
            Self::None => "none",
        }
    }
}

/// Those of Rocket, and all others as one.
const METHODS: usize = UNKNOWN + 1;
const UNKNOWN: usize = Method::Patch as usize + 1;
/// 100 to 599.
const STATUSES: usize = 500;

/// Counts since the start of the process.
pub(crate) struct Metrics {
    pub(super) registry: Registry,
    authenticated: IntCounter,
    requests: IntCounterVec,
    durations: HistogramVec,
    /// Those of the two above that were counted before, by group: to find one by its labels takes a lock.
    found: [Found; Group::COUNT],
}

#[derive(Default)]
struct Found {
    durations: OnceLock<Histogram>,
    /// By method and status.
    requests: [OnceLock<Box<[OnceLock<IntCounter>; STATUSES]>>; METHODS],
}

impl Metrics {
    pub(crate) fn new(started: Timestamp) -> prometheus::Result<Self> {
        let registry = super::registry()?;
        let requests = IntCounterVec::new(
            Opts::new("requests_total", "Requests, by method, group of routes and status."),
            &["method", "group", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new("request_duration_seconds", "How long answers took, by group of routes."),
            &["group"],
        )?;
        let authenticated = IntCounter::new(
            "authenticated_requests_total",
            "Requests with a session or token that was accepted.",
        )?;
        let start = Gauge::new("start_time_seconds", "When the process started, since 1970.")?;
        start.set(super::long(u64::try_from(started.seconds()).unwrap_or(0)));
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(authenticated.clone()))?;
        registry.register(Box::new(start))?;
        Ok(Self { registry, authenticated, requests, durations, found: Default::default() })
    }

    /// Counts an answer; `None` is a method that is not in the standard.
    pub(super) fn count(&self, method: Option<Method>, group: Group, status: u16, took: Duration) {
        let Found { durations, requests } = &self.found[group as usize];
        let duration = durations.get_or_init(|| self.durations.with_label_values(&[group.label()]));
        duration.observe(took.as_secs_f64());
        let place = method.map_or(UNKNOWN, |method| method as usize);
        let by_status = requests[place].get_or_init(|| Box::new([const { OnceLock::new() }; _]));
        if let Some(counter) = by_status.get(usize::from(status).wrapping_sub(100)) {
            let find = || {
                let method = method.map_or(arrival::UNKNOWN_METHOD, |method| method.as_str());
                self.requests.with_label_values(&[method, group.label(), &status.to_string()])
            };
            counter.get_or_init(find).inc();
        }
    }

    /// Counts a request that came with credentials that were accepted.
    pub(super) fn count_authenticated(&self) {
        self.authenticated.inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn a_histogram_counts_each_request_in_every_bucket_that_is_long_enough() {
        let metrics = Metrics::new(Timestamp::from_micros(0)).unwrap();
        for millis in [1, 5, 6, 300, 60_000] {
            metrics.count(Some(Method::Get), Group::Api, 200, Duration::from_millis(millis));
        }
        let page = TextEncoder::new().encode_to_string(&metrics.registry.gather()).unwrap();
        for (end, count) in [("0.005", 2), ("0.01", 3), ("0.25", 3), ("0.5", 4), ("10", 4), ("+Inf", 5)] {
            let line =
                format!("usher_request_duration_seconds_bucket{{group=\"api\",le=\"{end}\"}} {count}\n");
            assert!(page.contains(&line), "{line}{page}");
        }
        assert!(page.contains("usher_request_duration_seconds_sum{group=\"api\"} 60.312\n"), "{page}");
        assert!(
            page.contains("usher_requests_total{group=\"api\",method=\"GET\",status=\"200\"} 5\n"),
            "{page}"
        );
    }
}
