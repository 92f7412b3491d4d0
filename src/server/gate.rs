//! The open port: accepts connections, and keeps slow and greedy clients from hurting the others.
//!
//! Rocket's own server has no deadline and no limit, and tells nobody how many requests it is working on. So the
//! connections are served here by hyper, and whole requests are handed to Rocket by its local client: what
//! the tests use, too. A request takes nothing from anybody else (no database connection, no turn at
//! hashing) before its body is there.

mod body;
mod crowd;
mod exchange;
mod paced;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rocket::local::asynchronous::Client;
use rocket::tokio;
use rocket::tokio::net::{TcpListener, TcpStream};
use rocket::tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use rocket::tokio::time::{sleep, timeout};

use self::crowd::{Crowd, Place};
use self::paced::{Paced, Phase, Room};
use crate::config::Settings;
use crate::http::metrics::{self, Metrics};
use crate::operations::App;
use crate::operations::background::BackgroundTasks;

pub(crate) use self::exchange::AskedMethod;

/// Bodies beyond the first few kilobytes share so much memory, in bytes, and never less than four of the
/// longest. One client has at most a quarter of it.
const BODIES: usize = 64 * 1024 * 1024;
/// Forms may be as long as Rocket allows by default, in bytes, however short JSON has to be.
const LONGEST_FORM: usize = 32 * 1024;
/// Longest head of a request, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;
/// How long to wait when no connection can be accepted, as when there is no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// How long clients may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// From a connection to its first byte, and from the first byte of a request to the end of its head.
    head: Duration,
    /// Between two requests.
    idle: Duration,
    /// Instead of both, for a connection that has asked nothing, while few more can be accepted.
    scarce: Duration,
    /// Between two pieces of a body.
    pause: Duration,
    /// For a whole body.
    body: Duration,
    /// Without taking anything of an answer, and for taking less of it than is due.
    stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            scarce: Duration::from_secs(1),
            pause: Duration::from_secs(10),
            body: Duration::from_secs(30),
            stall: Duration::from_secs(30),
        }
    }
}

/// What is going on at the gate. Rocket manages it, so that `/readyz` and the metrics can see it.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    stopping: AtomicBool,
    in_flight: AtomicUsize,
    connections: AtomicUsize,
    turned_away: AtomicUsize,
}

impl Traffic {
    /// Whether the server was told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Requests that are being read or answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Open connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that were closed because their address had too many.
    pub(crate) fn turned_away(&self) -> usize {
        self.turned_away.load(Ordering::Relaxed)
    }
}

/// One more, for as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The server behind the port. There is one in a process, for as long as that lives.
pub(crate) struct Gate {
    client: Client,
    /// Managed by Rocket, too.
    traffic: Arc<Traffic>,
    patience: Patience,
    /// Connections at once.
    room: Room,
    crowd: Arc<Crowd>,
    /// Longest body that any route takes, in bytes.
    longest_body: usize,
    /// Kilobytes of bodies that may still be kept.
    bodies: Arc<Semaphore>,
}

impl Gate {
    /// A gate in front of a server; `connections` is how many may be open at once.
    pub(crate) fn new(client: Client, settings: &Settings, connections: usize) -> Self {
        let longest_body = usize::try_from(settings.json_limit).unwrap_or(usize::MAX).max(LONGEST_FORM);
        let traffic = client.rocket().state::<Arc<Traffic>>().cloned().unwrap_or_default();
        let bodies = BODIES.max(longest_body.saturating_mul(4)) / 1024;
        let crowd = Crowd::new(settings.connections_per_address, bodies / 4, &settings.trusted_proxies);
        Self {
            client,
            traffic,
            patience: Patience::default(),
            room: Room { slots: Arc::new(Semaphore::new(connections)), most: connections },
            crowd: Arc::new(crowd),
            longest_body,
            bodies: Arc::new(Semaphore::new(bodies)),
        }
    }

    /// All numbers of this moment, as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        let rocket = self.client.rocket();
        match (rocket.state::<App>(), rocket.state::<Arc<Metrics>>()) {
            (Some(app), Some(metrics)) => metrics::page(app, &self.traffic, metrics).unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// Serves until `stop`, and on for `drain`; then accepts nothing more, and returns when everything that was
    /// accepted is answered, and what that began is done, or after `grace`.
    pub(crate) async fn serve(
        &'static self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        drain: Duration,
        grace: Duration,
    ) {
        let (alive, mut all_done) = mpsc::channel::<Infallible>(1);
        let (tell, told) = watch::channel(());
        let stop = async {
            stop.await;
            self.traffic.stopping.store(true, Ordering::Relaxed);
            self.client.rocket().shutdown().notify();
            sleep(drain).await;
        };
        let open = |(stream, address, slot): Accepted| {
            let Some(place) = self.crowd.enter(address) else {
                self.traffic.turned_away.fetch_add(1, Ordering::Relaxed);
                return;
            };
            let connection = self.connection(
                stream,
                Visit { _slot: slot, place: Arc::new(place), alive: alive.clone() },
                told.clone(),
            );
            tokio::spawn(connection);
        };
        tokio::select! {
            () = stop => {}
            () = async { loop { open(self.accept(&listener).await); } } => {}
        }
        // Clients in the kernel's queue think that they are connected.
        while let Ok(accepted) = timeout(Duration::ZERO, self.accept(&listener)).await {
            open(accepted);
        }
        drop(listener);
        drop(tell);
        drop(alive);
        let unfinished = self.client.rocket().state::<App>().map(|app| &app.background);
        let all_done = async {
            all_done.recv().await;
            if let Some(unfinished) = unfinished {
                unfinished.done().await;
            }
        };
        if timeout(grace, all_done).await.is_err() {
            let messages = unfinished.map_or(0, BackgroundTasks::count);
            log::warn!("{} requests and {messages} messages were cut off", self.traffic.in_flight());
        }
    }

    /// The next connection. While there are too many, newcomers wait in the kernel's queue.
    async fn accept(&self, listener: &TcpListener) -> Accepted {
        loop {
            // The semaphore is never closed.
            let Ok(slot) = Arc::clone(&self.room.slots).acquire_owned().await else { continue };
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer.ip().to_canonical(), slot),
                Err(error) => {
                    log::warn!("a connection could not be accepted: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves one connection to its end.
    async fn connection(&'static self, stream: TcpStream, visit: Visit, mut told: watch::Receiver<()>) {
        let _counted = Counted::new(&self.traffic.connections);
        let Ok(peer) = stream.peer_addr() else { return };
        // Answers leave in few, large pieces: nothing is gained by waiting for more.
        drop(stream.set_nodelay(true));
        let phase = Arc::new(Phase::default());
        let (alive, place) = (visit.alive.clone(), Arc::clone(&visit.place));
        let service = hyper::service::service_fn(|request| {
            self.exchange(request, peer, Arc::clone(&place), Arc::clone(&phase), alive.clone())
        });
        let paced = Paced::new(stream, Arc::clone(&phase), self.patience, self.room.clone());
        let connection = hyper::server::conn::http1::Builder::new()
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(TokioIo::new(paced), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            // Errors are the client's: it left, was too slow, or does not speak HTTP.
            ended = connection.as_mut() => Some(ended),
            _ = told.changed() => None,
        };
        if ended.is_none() {
            phase.hurry();
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}

/// A connection, the client's address, and its slot.
type Accepted = (TcpStream, IpAddr, OwnedSemaphorePermit);

/// What a connection holds for as long as it is open.
struct Visit {
    _slot: OwnedSemaphorePermit,
    place: Arc<Place>,
    /// The last one of these to go ends the wait for what is being answered.
    alive: mpsc::Sender<Infallible>,
}

/// How many connections may be open at once: as many as are asked for, but fewer if the operating system gives
/// this process too few descriptors. Some are kept for the database and for files.
pub(crate) fn connections(asked: usize, database: usize) -> usize {
    let kept = 32 + database;
    let Some(descriptors) = most_descriptors() else { return asked };
    let possible = descriptors.saturating_sub(kept).max(1);
    if possible < asked {
        log::warn!(
            "only {possible} connections at once: the process may open {descriptors} files; raise `ulimit -n`"
        );
    }
    asked.min(possible)
}

/// How many files this process may have open, if the operating system says.
fn most_descriptors() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
