//! Gets the bytes of a file of users as a stream, as often as it is asked for: from disk or standard input,
//! unpacked if they are gzip, in UTF-8 whatever the file is in.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;

use super::encoding;

/// How much of a file is looked at to find out what it is.
pub(super) const HEAD: usize = 64 * 1024;
/// How much of a file is looked at to find out its encoding.
const SNIFFED: u64 = 16 * 1024 * 1024;

/// The content of a file, from its beginning.
pub(super) type Stream = BufReader<Box<dyn Read + Send>>;

/// A file of users that can be read several times.
#[derive(Debug)]
pub struct Source {
    file: Arc<File>,
    packed: bool,
    encoding: &'static Encoding,
    /// Whether nothing but its letters tell the encoding.
    is_guessed: bool,
    /// Bytes of a byte order mark, which are left out.
    mark: usize,
    /// The most bytes that are read once the file is unpacked.
    most: u64,
    /// What ended the reading of it before its end.
    fault: Arc<OnceLock<Fault>>,
}

/// What ends the reading of a file before its end.
#[derive(Debug)]
enum Fault {
    /// It has more bytes than are read.
    TooLarge,
    /// The disk or the archive fails after so many bytes, unpacked, for this reason.
    Broken(u64, String),
}

impl Source {
    /// Opens a file; `-` is standard input. What cannot be read twice is first copied to a file without a name.
    /// Without an encoding by its name it is told from the content: UTF-16 by its byte order mark, else UTF-8, else what
    /// its letters look like.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn open(path: &Path, encoding: Option<&str>) -> Result<Self, String> {
        let explain = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", path.display());
        let file = if path.as_os_str() == "-" {
            keep(io::stdin().lock())
        } else {
            File::open(path).and_then(|file| {
                if file.metadata()?.is_dir() {
                    Err(io::ErrorKind::IsADirectory.into())
                } else if file.metadata()?.is_file() {
                    Ok(file)
                } else {
                    keep(file)
                }
            })
        };
        let file = Arc::new(file.map_err(|error| explain(&error))?);
        Self::of(file, encoding).map_err(|error| explain(&error))
    }

    /// A file that is open already. It is read by place, so that several can read it at once.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn of(file: Arc<File>, encoding: Option<&str>) -> Result<Self, String> {
        let named = encoding.map(encoding::named);
        let (most, fault) = (u64::MAX, Arc::default());
        let (encoding, is_guessed) = (UTF_8, false);
        let mut source = Self { file, packed: false, encoding, is_guessed, mark: 0, most, fault };
        let mut start = [0; 2];
        let length = read_up_to(&mut source.raw(), &mut start);
        source.packed = length.map_err(|error| error.to_string())? == 2 && start == [0x1f, 0x8b];
        let mut sniffed = source.unpacked().take(SNIFFED);
        let mut mark = [0; 3];
        let length = read_up_to(&mut sniffed, &mut mark).map_err(|error| error.to_string())?;
        let marked = Encoding::for_bom(&mark[..length]);
        if let Some((encoding, bytes)) = marked {
            (source.encoding, source.mark) = (encoding, bytes);
        }
        match (named.transpose()?, marked) {
            // No text in another one begins with these marks.
            (Some(_), Some((mark, _))) if [UTF_16LE, UTF_16BE].contains(&mark) => {}
            (Some(named), _) => source.encoding = named,
            (None, None) if mark[..length].contains(&0) => {
                source.encoding = if mark[0] == 0 { UTF_16BE } else { UTF_16LE };
            }
            // JSON is in UTF-8, whatever is wrong with it.
            (None, None) if mark[..length].trim_ascii_start().starts_with(b"{") => {}
            (None, None) if mark[..length].trim_ascii_start().starts_with(b"[") => {}
            (None, None) if encoding::is_not_utf8(&mark[..length], sniffed) => {
                source.encoding = encoding::guess(source.unpacked().take(SNIFFED));
                source.is_guessed = true;
            }
            (None, _) => {}
        }
        Ok(source)
    }

    /// The same, of which at most so many bytes are read once it is unpacked.
    #[must_use]
    pub fn up_to(self, most: u64) -> Self {
        Self { most, ..self }
    }

    /// Whether a reader came upon more bytes than may be read.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self.fault.get(), Some(Fault::TooLarge))
    }

    /// Where and why a reader could not go on.
    pub(super) fn break_off(&self) -> Option<String> {
        self.fault.get().map(|fault| match fault {
            Fault::TooLarge => "it is too large once it is unpacked".to_owned(),
            Fault::Broken(after, reason) => {
                format!("it breaks off after {after} bytes of its content: {reason}")
            }
        })
    }

    /// The name of the encoding, such as `windows-1252`.
    pub(super) fn encoding(&self) -> &'static str {
        self.encoding.name()
    }

    /// Whether the encoding is a guess.
    pub(super) const fn is_guessed(&self) -> bool {
        self.is_guessed
    }

    /// The beginning of the content; of a damaged archive what can be read of it.
    pub(super) fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        match self.stream()?.take(HEAD as u64).read_to_end(&mut head) {
            Err(error) if head.is_empty() => Err(error),
            // The reader comes upon the error again, and says where.
            _ => Ok(head),
        }
    }

    /// The content as UTF-8. What is not valid UTF-8 in a file that should be stays as it is, for the reader to
    /// report.
    pub(super) fn stream(&self) -> io::Result<Stream> {
        let mut content = self.unpacked();
        io::copy(&mut content.by_ref().take(self.mark as u64), &mut io::sink())?;
        let decoded: Box<dyn Read + Send> = if self.encoding == UTF_8 {
            content
        } else {
            Box::new(Decoded::new(content, self.encoding.new_decoder_without_bom_handling()))
        };
        Ok(BufReader::with_capacity(HEAD, decoded))
    }

    /// The file as it is.
    pub(super) fn raw(&self) -> impl Read + Send + use<> {
        At { file: Arc::clone(&self.file), place: 0 }
    }

    fn unpacked(&self) -> Box<dyn Read + Send> {
        let file = BufReader::with_capacity(HEAD, self.raw());
        let (most, fault) = (self.most, Arc::clone(&self.fault));
        if self.packed {
            Box::new(Watched { content: MultiGzDecoder::new(file), read: 0, most, fault })
        } else {
            Box::new(Watched { content: file, read: 0, most, fault })
        }
    }
}

/// A file that is read from a place of its own.
struct At {
    file: Arc<File>,
    place: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.place)?;
        self.place += length as u64;
        Ok(length)
    }
}

/// A content of which only so much is read, and which notes what ends it.
struct Watched<R> {
    content: R,
    read: u64,
    most: u64,
    fault: Arc<OnceLock<Fault>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.content.read(buffer) {
            Ok(length) => {
                self.read += length as u64;
                if self.read > self.most {
                    self.fault.get_or_init(|| Fault::TooLarge);
                    return Err(io::Error::other("it is too large once it is unpacked"));
                }
                Ok(length)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.fault.get_or_init(|| Fault::Broken(self.read, error.to_string()));
                }
                Err(error)
            }
        }
    }
}

/// Copies what can be read only once to a file that nothing else can open, and that goes with this process.
fn keep(mut content: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut content, &mut file)?;
    Ok(file)
}

pub(super) fn read_up_to(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Another encoding, read as UTF-8. What is not valid in it becomes the replacement character.
struct Decoded<R> {
    source: R,
    decoder: Decoder,
    unread: Vec<u8>,
    text: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    fn new(source: R, decoder: Decoder) -> Self {
        Self { source, decoder, unread: Vec::new(), text: Vec::new(), given: 0, ended: false }
    }

    fn decode_more(&mut self) -> io::Result<()> {
        let kept = self.unread.len();
        self.unread.resize(kept + 16 * 1024, 0);
        let length = self.source.read(&mut self.unread[kept..])?;
        self.unread.truncate(kept + length);
        self.ended = length == 0;
        self.text.resize(64 * 1024, 0);
        self.given = 0;
        let (result, read, written, _) =
            self.decoder.decode_to_utf8(&self.unread, &mut self.text, self.ended);
        self.text.truncate(written);
        self.unread.drain(..read);
        // The room is more than four times what is read.
        debug_assert!(result == CoderResult::InputEmpty);
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.ended {
                return Ok(0);
            }
            self.decode_more()?;
        }
        let length = buffer.len().min(self.text.len() - self.given);
        buffer[..length].copy_from_slice(&self.text[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }
}

#[cfg(test)]
pub(super) mod tests;
