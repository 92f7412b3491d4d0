//! Bodies: a request's is read whole before anything is done for it, an answer's is passed on as it comes.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming};
use rocket::local::asynchronous::LocalResponse;
use rocket::tokio::io::{AsyncRead, ReadBuf};
use rocket::tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use rocket::tokio::time::{Instant, timeout_at};

use super::Gate;
use super::crowd::Place;
use super::exchange::Busy;
use crate::http::request_id::RequestId;
use crate::model::error::Error;

/// Every request may have a body of this size, in bytes, however many others there are: a sign-in fits.
const FREE: usize = 8 * 1024;
/// So much of a body that is too long is read all the same, in bytes: many clients see the answer only after they
/// have sent everything.
const SWALLOWED: usize = 16 * 1024 * 1024;

/// A body, or the beginning of one that is too long for every route.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    /// The memory that it takes, held until its request is answered.
    room: Vec<OwnedSemaphorePermit>,
}

/// Why there is no body.
#[derive(Debug)]
pub(super) enum Failed {
    /// The client is to be told.
    Refused(Error),
    /// The client has gone.
    Gone,
}

impl Gate {
    /// Reads a body. Of one that is too long, one byte more than allowed is kept, so that its route refuses it.
    pub(super) async fn receive(
        &self,
        mut body: Incoming,
        expects: bool,
        place: &Place,
    ) -> Result<Received, Failed> {
        let mut received = Received::default();
        if body.is_end_stream() {
            return Ok(received);
        }
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > self.longest_body && (expects || announced > SWALLOWED) {
            return Err(Failed::Refused(Error::TooLarge(self.longest_body as u64)));
        }
        let end = Instant::now() + self.patience.body;
        let mut length: usize = 0;
        while length <= SWALLOWED.max(self.longest_body) {
            let deadline = end.min(Instant::now() + self.patience.pause);
            let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            let frame = match timeout_at(deadline, next).await {
                Err(_) => return Err(Failed::Refused(Error::Timeout)),
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(failed(&error)),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers are of no use to anybody.
            let Ok(data) = frame.into_data() else { continue };
            length = length.saturating_add(data.len());
            let wanted = data.len().min((self.longest_body + 1).saturating_sub(received.bytes.len()));
            self.make_room(&mut received, wanted, place)?;
            received.bytes.extend_from_slice(&data[..wanted]);
        }
        Ok(received)
    }

    /// Takes `more` bytes from what the client may have, and from the memory that all bodies share.
    pub(super) fn make_room(
        &self,
        received: &mut Received,
        more: usize,
        place: &Place,
    ) -> Result<(), Failed> {
        let kilobytes = |length: usize| length.saturating_sub(FREE).div_ceil(1024);
        let now = received.bytes.len();
        let needed = u32::try_from(kilobytes(now + more) - kilobytes(now)).unwrap_or(u32::MAX);
        if needed == 0 {
            return Ok(());
        }
        for share in place.bodies().into_iter().chain([&self.bodies]) {
            match Semaphore::try_acquire_many_owned(Arc::clone(share), needed) {
                Ok(room) => received.room.push(room),
                Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                    return Err(Failed::Refused(Error::Unavailable));
                }
            }
        }
        Ok(())
    }
}

/// What to do about a body that broke off.
fn failed(error: &hyper::Error) -> Failed {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        // Its pieces do not say how long they are.
        Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) => {
            Failed::Refused(Error::Malformed("The body cannot be read.".to_owned()))
        }
        _ => Failed::Gone,
    }
}

/// The body of an answer.
pub(super) struct Answer {
    pub(super) response: LocalResponse<'static>,
    pub(super) id: RequestId,
    /// Until the last byte is handed over.
    pub(super) _busy: Busy,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = self.response.body();
        let chunk = body.max_chunk_size();
        let length = body.preset_size().map_or(chunk, |size| size.clamp(1, chunk));
        let mut bytes = vec![0; length];
        let mut buffer = ReadBuf::new(&mut bytes);
        let Self { response, id, .. } = &mut *self;
        // What is logged while a list is read bears the number of its request.
        ready!(id.sync_scope(|| Pin::new(response).poll_read(cx, &mut buffer)))?;
        let filled = buffer.filled().len();
        bytes.truncate(filled);
        Poll::Ready((filled > 0).then(|| Ok(Frame::data(bytes.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.response.body().preset_size() == Some(0)
    }
}
