//! A line to PostgreSQL that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Everything passes.
    Open = 0,
    /// Connections stay, and nothing passes: a paused server, or a network that drops packets.
    Frozen = 1,
    /// Connections end, and new ones are closed at once: a server that is stopped.
    Cut = 2,
}

/// Stands before a server, on a port of its own.
pub(super) struct Proxy {
    /// The server's URL by way of the line.
    pub(super) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    line: AtomicU8,
    /// Where it leads to.
    server: Mutex<String>,
    streams: Mutex<Vec<TcpStream>>,
}

impl State {
    fn is(&self, line: Line) -> bool {
        self.line.load(Ordering::SeqCst) == line as u8
    }

    /// Passes on what comes, in one direction.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            while self.is(Line::Frozen) {
                std::thread::sleep(Duration::from_millis(20));
            }
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
    }
}

impl Proxy {
    /// Before the server of a URL such as `postgres://user@host:5432/database`. Its threads end with the tests.
    pub(super) fn before(url: &str) -> Self {
        let (start, server, database) = parts(url);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State { server: Mutex::new(server.to_owned()), ..State::default() });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.is(Line::Cut) {
                    continue;
                }
                let server = shared.server.lock().expect("no panic").clone();
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                let both = [(&client, &upstream), (&upstream, &client)];
                for (from, to) in both.map(|(from, to)| (from.try_clone(), to.try_clone())) {
                    let (Ok(from), Ok(to)) = (from, to) else { continue };
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || shared.pass(from, to));
                }
                shared.streams.lock().expect("no panic").extend([client, upstream]);
            }
        });
        Self { url: format!("{start}@{address}/{database}"), state }
    }

    /// Leads to another server from now on; connections to the one of before end.
    pub(super) fn lead_to(&self, url: &str) {
        parts(url).1.clone_into(&mut self.state.server.lock().expect("no panic"));
        self.set(Line::Cut);
        self.set(Line::Open);
    }

    /// Changes how the line is.
    pub(super) fn set(&self, line: Line) {
        self.state.line.store(line as u8, Ordering::SeqCst);
        if line == Line::Cut {
            for stream in self.state.streams.lock().expect("no panic").drain(..) {
                drop(stream.shutdown(Shutdown::Both));
            }
        }
    }
}

/// What comes before a server's address in a URL, the address, and the database.
fn parts(url: &str) -> (&str, &str, &str) {
    let (start, rest) = url.split_once('@').expect("a URL with a user");
    let (server, database) = rest.split_once('/').expect("a URL with a database");
    (start, server, database)
}
