//! Gets the bytes of a file of users as a stream, as often as it is asked for: from disk or standard input,
//! unpacked if they are gzip, in UTF-8 whatever the file is in.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::read::MultiGzDecoder;

/// How much of a file is looked at to find out what it is.
const HEAD: usize = 64 * 1024;
/// How much of a file is looked at to find out its encoding.
const SNIFFED: u64 = 16 * 1024 * 1024;

/// The content of a file, from its beginning.
pub(super) type Stream = BufReader<Box<dyn Read + Send>>;

/// A file of users that can be read several times.
#[derive(Debug)]
pub struct Source {
    file: File,
    packed: bool,
    encoding: &'static Encoding,
    /// Bytes of a byte order mark, which are left out.
    mark: usize,
}

impl Source {
    /// Opens a file; `-` is standard input. What cannot be read twice is first copied to a file without a name.
    /// Without an encoding by its name it is told from the content: UTF-16 by its byte order mark, else UTF-8, else
    /// Windows-1252.
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
        Self::of(file.map_err(|error| explain(&error))?, encoding).map_err(|error| explain(&error))
    }

    /// A file that is open already.
    pub(super) fn of(file: File, encoding: Option<&str>) -> Result<Self, String> {
        let named = encoding.map(|label| {
            Encoding::for_label(label.as_bytes())
                .ok_or_else(|| format!("the encoding {label:?} is not known"))
        });
        let mut source = Self { file, packed: false, encoding: UTF_8, mark: 0 };
        let mut start = [0; 2];
        let length = read_up_to(&mut source.raw().map_err(|error| error.to_string())?, &mut start);
        source.packed = length.map_err(|error| error.to_string())? == 2 && start == [0x1f, 0x8b];
        let mut sniffed = source.unpacked().map_err(|error| error.to_string())?.take(SNIFFED);
        let mut mark = [0; 3];
        let length = read_up_to(&mut sniffed, &mut mark).map_err(|error| error.to_string())?;
        let marked = Encoding::for_bom(&mark[..length]);
        if let Some((encoding, bytes)) = marked {
            (source.encoding, source.mark) = (encoding, bytes);
        }
        match (named.transpose()?, marked) {
            (Some(named), _) => source.encoding = named,
            (None, None) if mark[..length].contains(&0) => {
                source.encoding = if mark[0] == 0 { UTF_16BE } else { UTF_16LE };
            }
            // JSON is in UTF-8, whatever is wrong with it.
            (None, None) if mark[..length].trim_ascii_start().starts_with(b"{") => {}
            (None, None) if mark[..length].trim_ascii_start().starts_with(b"[") => {}
            (None, None) if is_not_utf8(&mark[..length], sniffed) => source.encoding = WINDOWS_1252,
            (None, _) => {}
        }
        Ok(source)
    }

    /// The name of the encoding, such as `windows-1252`.
    pub(super) fn encoding(&self) -> &'static str {
        self.encoding.name()
    }

    /// The beginning of the content.
    pub(super) fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.stream()?.take(HEAD as u64).read_to_end(&mut head)?;
        Ok(head)
    }

    /// The content as UTF-8. What is not valid UTF-8 in a file that should be stays as it is, for the reader to
    /// report. Only one stream of a source is read at a time.
    pub(super) fn stream(&self) -> io::Result<Stream> {
        let mut content = self.unpacked()?;
        io::copy(&mut content.by_ref().take(self.mark as u64), &mut io::sink())?;
        let decoded: Box<dyn Read + Send> = if self.encoding == UTF_8 {
            content
        } else {
            Box::new(Decoded::new(content, self.encoding.new_decoder_without_bom_handling()))
        };
        Ok(BufReader::with_capacity(HEAD, decoded))
    }

    /// The file as it is.
    pub(super) fn raw(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }

    fn unpacked(&self) -> io::Result<Box<dyn Read + Send>> {
        let file = BufReader::with_capacity(HEAD, self.raw()?);
        Ok(if self.packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
    }
}

/// Copies what can be read only once to a file that nothing else can open, and that goes with this process.
fn keep(mut content: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut content, &mut file)?;
    Ok(file)
}

fn read_up_to(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
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

/// Whether a content has bytes that are not UTF-8, and none that are more than ASCII in UTF-8. A file that has
/// both is a damaged one in UTF-8.
fn is_not_utf8(start: &[u8], mut rest: impl Read) -> bool {
    let mut pending = start.to_vec();
    let mut chunk = vec![0; HEAD];
    let mut has_invalid = false;
    loop {
        let mut unread = pending.as_slice();
        loop {
            let (valid, after) = match std::str::from_utf8(unread) {
                Ok(_) => (unread, None),
                Err(error) => {
                    let (valid, after) = unread.split_at(error.valid_up_to());
                    (valid, Some((after, error.error_len())))
                }
            };
            if !valid.is_ascii() {
                return false;
            }
            match after {
                Some((after, Some(length))) => {
                    has_invalid = true;
                    unread = &after[length..];
                }
                // A character that the chunk cuts off.
                Some((after, None)) => {
                    unread = after;
                    break;
                }
                None => {
                    unread = &[];
                    break;
                }
            }
        }
        let cut_off = unread.to_vec();
        match read_up_to(&mut rest, &mut chunk) {
            Ok(0) | Err(_) => return has_invalid || !cut_off.is_empty(),
            Ok(length) => pending = [&cut_off, &chunk[..length]].concat(),
        }
    }
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
pub(super) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    /// A source that holds this.
    pub(in crate::operations::import) fn source(content: &[u8]) -> Source {
        Source::of(keep(content).unwrap(), None).unwrap()
    }

    fn read(source: &Source) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        source.stream()?.read_to_end(&mut content)?;
        Ok(content)
    }

    fn pack(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_told_by_its_first_bytes_and_every_source_can_be_read_again() {
        for content in [&b""[..], b"a", b"\x1f", b"\x1fab", b"[{}]"] {
            for packed in [content.to_vec(), pack(content)] {
                let source = source(&packed);
                assert_eq!(read(&source).unwrap(), content);
                assert_eq!(source.head().unwrap(), content);
                assert_eq!(read(&source).unwrap(), content);
            }
        }
        assert_eq!(read(&source(&[pack(b"one "), pack(b"two")].concat())).unwrap(), b"one two");
    }

    #[test]
    fn a_damaged_archive_is_an_error_after_what_could_be_read() {
        let whole = pack(&[b'x'; 5000]);
        let damaged = source(&whole[..whole.len() - 3]);
        let mut content = Vec::new();
        assert!(damaged.stream().unwrap().read_to_end(&mut content).is_err());
    }

    #[test]
    fn a_missing_file_and_an_unknown_encoding_are_named() {
        let reason = Source::open(Path::new("/nowhere/users.json"), None).unwrap_err();
        assert!(reason.starts_with("/nowhere/users.json cannot be read: No such file"), "{reason}");
        let reason = Source::of(keep(&b"x"[..]).unwrap(), Some("klingon")).unwrap_err();
        assert_eq!(reason, "the encoding \"klingon\" is not known");
    }

    #[test]
    fn the_encoding_is_told_from_the_content() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        for (content, encoding, text) in [
            (b"Zo\xc3\xab".to_vec(), "UTF-8", "Zoë"),
            (b"\xef\xbb\xbfZo\xc3\xab".to_vec(), "UTF-8", "Zoë"),
            (b"Zo\xeb \x80".to_vec(), "windows-1252", "Zoë €"),
            (utf16("\u{feff}Zoë\n"), "UTF-16LE", "Zoë\n"),
            (utf16("user,"), "UTF-16LE", "user,"),
            (b"\xfe\xff\0Z\0o\0\xeb".to_vec(), "UTF-16BE", "Zoë"),
        ] {
            let source = source(&content);
            assert_eq!(source.encoding(), encoding, "{text}");
            assert_eq!(read(&source).unwrap(), text.as_bytes());
        }
        let latin = Source::of(keep(&b"\xb9"[..]).unwrap(), Some("latin2")).unwrap();
        assert_eq!(read(&latin).unwrap(), "š".as_bytes());
    }

    #[test]
    fn a_damaged_byte_in_a_file_in_utf_8_does_not_make_it_another_encoding() {
        let long = "x".repeat(70_000);
        for content in [
            b"Zo\xc3\xab \xff".to_vec(),
            b" [\"\xff\"]".to_vec(),
            [b"\xff\n", long.as_bytes(), "ë".as_bytes()].concat(),
            [&long.as_bytes()[..65_535 - 3], "ë".as_bytes(), b"\xff"].concat(),
        ] {
            assert_eq!(source(&content).encoding(), "UTF-8");
        }
        assert_eq!(source(&[long.as_bytes(), b"\xeb"].concat()).encoding(), "windows-1252");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            for start in [&b""[..], b"\x1f\x8b\x08", b"\xff\xfe", b"\xfe\xff"] {
                let bytes = [start, &content].concat();
                if let Ok(source) = Source::of(keep(bytes.as_slice()).unwrap(), None) {
                    drop(read(&source));
                }
            }
        }
    }
}
