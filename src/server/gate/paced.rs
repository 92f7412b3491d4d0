//! A connection with deadlines.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rocket::futures::task::AtomicWaker;
use rocket::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use rocket::tokio::sync::Semaphore;
use rocket::tokio::time::{Instant, Sleep, sleep};

use super::Patience;

/// How long an idle connection is kept once the server has been told to stop: a request that is on its way
/// still arrives.
const LAST_CALL: Duration = Duration::from_millis(250);

/// So many bytes of an answer have to be taken each second, but for the first half minute.
const SLOWEST: u64 = 1024;

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

/// How many more connections there may be.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pub(super) slots: Arc<Semaphore>,
    pub(super) most: usize,
}

impl Room {
    /// Whether so little is left that whoever asks nothing is to leave.
    fn is_scarce(&self) -> bool {
        self.slots.available_permits() < self.most / 4
    }
}

/// A stream whose reads fail when the head of a request or the next request does not come in time, and whose
/// writes fail when the client takes nothing, or too little. How long a body may take is the business of its
/// reader.
pub(super) struct Paced<S> {
    stream: S,
    phase: Arc<Phase>,
    patience: Patience,
    room: Room,
    /// The phase, and its change, that `ends` is for.
    timed: u32,
    /// When what is waited for has to be there.
    ends: Instant,
    /// Until then, or until it is looked whether room has become scarce.
    reading: Pin<Box<Sleep>>,
    /// For how long the client may still not take anything.
    credit: Duration,
    /// Since when it has not; then `writing` runs.
    stalled: Option<Instant>,
    writing: Pin<Box<Sleep>>,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, phase: Arc<Phase>, patience: Patience, room: Room) -> Self {
        Self {
            stream,
            phase,
            patience,
            room,
            // No change has this number, so that the first look begins the first time.
            timed: u32::MAX,
            ends: Instant::now(),
            reading: Box::pin(sleep(patience.head)),
            credit: patience.stall,
            stalled: None,
            writing: Box::pin(sleep(patience.stall)),
        }
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
            self.ends = Instant::now() + limit;
            self.wait(phase);
        }
        if phase == BUSY {
            return Poll::Pending;
        }
        loop {
            ready!(self.reading.as_mut().poll(cx));
            // Whoever still takes an answer is not idle.
            let may_stay = !is_idle(phase) || self.stalled.is_some() || !self.room.is_scarce();
            if Instant::now() >= self.ends || !may_stay {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            self.wait(phase);
        }
    }

    /// Waits for the end of the time; of one who asks nothing only until it is to be looked for room.
    fn wait(&mut self, phase: u32) {
        let next =
            if is_idle(phase) { self.ends.min(Instant::now() + self.patience.scarce) } else { self.ends };
        self.reading.as_mut().reset(next);
    }

    /// Turns a write that waits for too long into a failure. Time in which the client takes nothing is taken from
    /// its credit, and what it takes then adds to that, as if it took so many bytes each second.
    fn watch(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(taken) = &result {
            if let Some(since) = self.stalled.take() {
                self.credit = self.credit.saturating_sub(since.elapsed());
            }
            if self.credit < self.patience.stall {
                let bytes = u64::try_from(*taken.as_ref().unwrap_or(&0)).unwrap_or(u64::MAX);
                let earned = Duration::from_millis(bytes.saturating_mul(1000) / SLOWEST);
                self.credit = self.credit.saturating_add(earned).min(self.patience.stall);
            }
            return result;
        }
        if self.stalled.is_none() {
            let now = Instant::now();
            self.stalled = Some(now);
            self.writing.as_mut().reset(now + self.credit);
        }
        ready!(self.writing.as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

/// Whether nothing has been asked.
const fn is_idle(phase: u32) -> bool {
    matches!(phase, NEW | IDLE)
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
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

#[cfg(test)]
mod tests {
    use rocket::tokio;
    use rocket::tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[rocket::async_test]
    async fn rl_7_whoever_still_takes_an_answer_is_not_idle_when_room_is_scarce() {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let patience = Patience { scarce: Duration::from_millis(50), ..Patience::default() };
        let room = Room { slots: Arc::new(Semaphore::new(0)), most: 8 };
        let paced = Paced::new(ours, Arc::new(Phase::default()), patience, room);
        let (mut reading, mut writing) = tokio::io::split(paced);
        let answer = tokio::spawn(async move { writing.write_all(b"answer").await });
        let next = tokio::spawn(async move { reading.read_u8().await });
        sleep(patience.scarce * 6).await;
        assert!(!next.is_finished(), "the answer has not been taken");
        theirs.read_exact(&mut [0; 6]).await.unwrap();
        answer.await.unwrap().unwrap();
        assert_eq!(next.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut, "now it is idle");
    }
}
