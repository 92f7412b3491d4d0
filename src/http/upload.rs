//! A form with files: each file goes to the disk while it arrives, to one without a name that only this process has.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use multer::bytes::Bytes;
use multer::{Field, Multipart};
use rocket::data::{ByteUnit, Data, FromData, Outcome};
use rocket::request::Request;
use rocket::tokio::fs::File as AsyncFile;
use rocket::tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use rocket::tokio::time::{Instant, timeout_at};

use crate::http::guards;
use crate::model::error::{Error, Result};

/// How long the sender may pause.
const PAUSE: Duration = Duration::from_secs(10);
/// How long all of it may take: a minute for each 10 MiB or so of a slow line.
const WHOLE: Duration = Duration::from_mins(10);
/// So much of what is too long is read all the same, in bytes, so that the sender sees the answer.
const DISCARDED: u64 = 16 * 1024 * 1024;
/// Room for the parts' heads and for fields that are no files, in bytes.
const HEADS: u64 = 64 * 1024;
/// The longest value of a field that is no file, in bytes.
const LONGEST_VALUE: usize = 4096;
/// The most files.
const MOST_FILES: usize = 20;
/// The longest part of a file's name that is kept, in characters.
const LONGEST_NAME: usize = 100;

/// What a form with files sent.
#[derive(Debug, Default)]
pub(crate) struct Uploaded {
    /// The form's token.
    pub(crate) token: String,
    /// Each file by its name, in the order of the form.
    pub(crate) files: Vec<(String, Arc<File>)>,
    /// What is wrong with them.
    pub(crate) problem: Option<String>,
}

#[rocket::async_trait]
impl<'r> FromData<'r> for Uploaded {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r, Self> {
        let limit = match guards::app(request) {
            Ok(app) => app.settings.import_limit,
            Err(error) => return Outcome::Error((error.stash(request), ())),
        };
        let boundary =
            request.headers().get_one("Content-Type").and_then(|kind| multer::parse_boundary(kind).ok());
        // A form without files says nothing, and so has no token either.
        let Some(boundary) = boundary else { return Outcome::Success(Self::default()) };
        let stream = data.open(ByteUnit::from(limit.saturating_add(HEADS).saturating_add(DISCARDED)));
        let mut reader = Reader {
            parts: Multipart::with_reader(Paced { source: stream, rests: false }, boundary),
            end: Instant::now() + WHOLE,
            limit,
            length: 0,
            uploaded: Self::default(),
        };
        match reader.read().await {
            Ok(()) => Outcome::Success(reader.uploaded),
            Err(error) => Outcome::Error((error.stash(request), ())),
        }
    }
}

struct Reader<'r> {
    parts: Multipart<'r>,
    end: Instant,
    limit: u64,
    /// Bytes of all files.
    length: u64,
    uploaded: Uploaded,
}

impl<'r> Reader<'r> {
    fn deadline(&self) -> Instant {
        self.end.min(Instant::now() + PAUSE)
    }

    async fn read(&mut self) -> Result<()> {
        loop {
            let field =
                timeout_at(self.deadline(), self.parts.next_field()).await.map_err(|_| Error::Timeout)?;
            let Some(field) = self.unless_too_long(field)? else { return Ok(()) };
            match field.file_name().map(tidy) {
                Some(name) => self.file(name, field).await?,
                None => self.value(field).await?,
            }
        }
    }

    /// What the parser says, but of a body of which not all was read.
    fn unless_too_long<T>(&self, parsed: multer::Result<T>) -> Result<T> {
        parsed.map_err(|_| {
            if self.length > self.limit {
                Error::TooLarge(self.limit)
            } else {
                Error::Malformed("The upload could not be read to its end.".to_owned())
            }
        })
    }

    async fn value(&mut self, mut field: Field<'r>) -> Result<()> {
        let is_token = field.name() == Some("token");
        let mut value = Vec::new();
        while let Some(piece) = self.piece(&mut field).await? {
            let room = LONGEST_VALUE.saturating_sub(value.len());
            value.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        if is_token {
            self.uploaded.token = String::from_utf8_lossy(&value).into_owned();
        }
        Ok(())
    }

    async fn file(&mut self, name: String, mut field: Field<'r>) -> Result<()> {
        let file = tempfile::tempfile().map_err(Error::internal)?;
        let kept = file.try_clone().map_err(Error::internal)?;
        let mut file = AsyncFile::from_std(file);
        let mut is_empty = true;
        while let Some(piece) = self.piece(&mut field).await? {
            is_empty &= piece.is_empty();
            self.length += piece.len() as u64;
            if self.length <= self.limit {
                file.write_all(&piece).await.map_err(Error::internal)?;
            }
        }
        file.flush().await.map_err(Error::internal)?;
        if self.length > self.limit {
            self.uploaded.files.clear();
            self.uploaded.problem = Some(format!("The files are larger than {} bytes together.", self.limit));
        } else if self.uploaded.files.len() >= MOST_FILES {
            self.uploaded.problem = Some(format!("Choose at most {MOST_FILES} files."));
        } else if !(name.is_empty() && is_empty) {
            self.uploaded.files.push((name, Arc::new(kept)));
        }
        Ok(())
    }

    async fn piece(&self, field: &mut Field<'r>) -> Result<Option<Bytes>> {
        let piece = timeout_at(self.deadline(), field.chunk()).await.map_err(|_| Error::Timeout)?;
        self.unless_too_long(piece)
    }
}

/// Gives one piece at a time. The parser takes all that is there before it hands on anything, which on a quick line is
/// the whole body.
struct Paced<R> {
    source: R,
    rests: bool,
}

impl<R: AsyncRead + Unpin> AsyncRead for Paced<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.rests = !self.rests;
        if !self.rests {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.source).poll_read(context, buffer);
        self.rests = polled.is_ready();
        polled
    }
}

/// The name of a file without its folders, which some browsers send.
fn tidy(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_have_neither_folders_nor_control_characters() {
        for (given, kept) in [
            ("users.csv", "users.csv"),
            ("C:\\x\\u.csv", "u.csv"),
            ("../../etc/passwd", "passwd"),
            ("a\r\nb", "ab"),
        ] {
            assert_eq!(tidy(given), kept);
        }
        assert_eq!(tidy(&"x".repeat(1000)).len(), LONGEST_NAME);
    }
}
