//! A connection with deadlines.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rocket::futures::task::AtomicWaker;
use rocket::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use rocket::tokio::net::TcpStream;
use rocket::tokio::time::{Instant, Sleep, sleep};

use super::Patience;

/// How long an idle connection is kept once the server has been told to stop: a request that is on its way
/// still arrives.
const LAST_CALL: Duration = Duration::from_millis(250);

/// What a connection is waiting for, and how often that has changed: each change begins a new time.
#[derive(Debug, Default)]
pub(super) struct Phase {
    /// The phase, plus [`PHASES`] times the changes.
    now: AtomicU32,
    /// The connection, which reads on while we are busy, and is to look at its deadline when we no longer are.
    reader: AtomicWaker,
}

/// For the first byte of the first request.
const NEW: u32 = 0;
/// For the rest of a head.
const HEAD: u32 = 1;
/// For us: a request is being read or answered.
const BUSY: u32 = 2;
/// For the next request.
const IDLE: u32 = 3;
/// For a first request that may be on its way, but not for long.
const LAST: u32 = 4;
/// There is room for so many phases; what is above counts the changes.
const PHASES: u32 = 8;

impl Phase {
    fn get(&self) -> u32 {
        self.change() % PHASES
    }

    fn change(&self) -> u32 {
        self.now.load(Ordering::SeqCst)
    }

    /// Only the task of the connection and what it waits for change it, never two at once.
    fn set(&self, phase: u32) {
        let changes = (self.change() / PHASES + 1) % (u32::MAX / PHASES);
        self.now.store(changes * PHASES + phase, Ordering::SeqCst);
    }

    /// A head is there.
    pub(super) fn begin(&self) {
        self.set(BUSY);
    }

    /// The answer is on its way.
    pub(super) fn end(&self) {
        self.set(IDLE);
        self.reader.wake();
    }

    /// The server stops: whoever has not begun to ask has little time left.
    pub(super) fn hurry(&self) {
        if self.get() == NEW {
            self.set(LAST);
        }
    }
}

/// A stream whose reads fail when the head of a request or the next request does not come in time, and whose
/// writes fail when the client takes nothing. How long a body may take is the business of its reader.
pub(super) struct Paced {
    stream: TcpStream,
    phase: Arc<Phase>,
    patience: Patience,
    /// The phase, and its change, that `reading` is for.
    timed: u32,
    reading: Pin<Box<Sleep>>,
    /// Whether `writing` runs.
    is_stalled: bool,
    writing: Pin<Box<Sleep>>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, phase: Arc<Phase>, patience: Patience) -> Self {
        let reading = Box::pin(sleep(patience.head));
        let writing = Box::pin(sleep(patience.stall));
        Self { stream, phase, patience, timed: NEW, reading, is_stalled: false, writing }
    }

    /// Fails when the client has taken too long to send what is waited for.
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Before the phase is looked at: it may change at any moment.
        self.phase.reader.register(cx.waker());
        let change = self.phase.change();
        let phase = change % PHASES;
        if change != self.timed {
            self.timed = change;
            let limit = match phase {
                NEW | HEAD => self.patience.head,
                LAST => LAST_CALL,
                _ => self.patience.idle,
            };
            self.reading.as_mut().reset(Instant::now() + limit);
        }
        if phase == BUSY {
            return Poll::Pending;
        }
        ready!(self.reading.as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// Turns a write that waits for too long into a failure.
    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.is_stalled = false;
            return result;
        }
        if !self.is_stalled {
            self.is_stalled = true;
            self.writing.as_mut().reset(Instant::now() + self.patience.stall);
        }
        ready!(self.writing.as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if result.is_ready() {
            // A head has one time, however many pieces it comes in.
            if ![BUSY, HEAD].contains(&self.phase.get()) {
                self.phase.set(HEAD);
            }
            return result;
        }
        self.poll_reading(cx)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
