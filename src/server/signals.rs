//! Stopping on SIGTERM or SIGINT, and what the server waits for then. SIGHUP stops nothing.
//!
//! Rocket's own signals are off: it would stop at once, without `/readyz` answering 503 before, and would then wait for
//! all of `shutdown.grace` even when everything is answered.

use std::sync::Arc;
use std::time::Duration;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::tokio::signal::unix::{Signal, SignalKind, signal};
use rocket::tokio::time::{Instant, sleep, timeout};
use rocket::{Orbit, Rocket, Shutdown};

use crate::http::traffic::Traffic;

/// For connections to end after their last answer. Rocket then waits for no others than those that are not read.
const SETTLING: Duration = Duration::from_millis(100);

/// The signals that stop this process, and SIGHUP, which would by itself.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl StopSignals {
    /// From here on they do not end the process by themselves.
    pub(crate) fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one, answers `/readyz` with 503 for `drain`, then shuts down; returns when that began.
    pub(crate) async fn shut_down(
        mut self,
        traffic: Arc<Traffic>,
        drain: Duration,
        shutdown: Shutdown,
    ) -> Instant {
        loop {
            rocket::tokio::select! {
                _ = self.terminate.recv() => break log::info!("told to stop by SIGTERM"),
                _ = self.interrupt.recv() => break log::info!("told to stop by SIGINT"),
                _ = self.hangup.recv() => {
                    log::warn!("SIGHUP changes nothing: the configuration is read at the start only");
                }
            }
        }
        traffic.stop();
        sleep(drain).await;
        shutdown.notify();
        Instant::now()
    }
}

/// Keeps a server that shuts down until every request that it accepted is answered, for `shutdown.grace` at most.
pub(crate) struct Answering;

#[rocket::async_trait]
impl Fairing for Answering {
    fn info(&self) -> Info {
        Info { name: "answering", kind: Kind::Shutdown }
    }

    async fn on_shutdown(&self, rocket: &Rocket<Orbit>) {
        let Some(traffic) = rocket.state::<Arc<Traffic>>() else { return };
        let grace = Duration::from_secs(rocket.config().shutdown.grace.into());
        match timeout(grace, traffic.settled()).await {
            Ok(()) => sleep(SETTLING).await,
            Err(_) => log::warn!("{} requests were cut off", traffic.in_flight()),
        }
    }
}
