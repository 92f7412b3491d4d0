//! Sources of every kind, whole and damaged.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

/// A file that holds this.
pub(in crate::operations::import) fn file(content: &[u8]) -> Arc<File> {
    Arc::new(keep(content).unwrap())
}

/// A source that holds this.
pub(in crate::operations::import) fn source(content: &[u8]) -> Source {
    Source::of(file(content), None).unwrap()
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
    assert_eq!(damaged.head().unwrap(), content);
    let told = damaged.break_off().unwrap();
    assert!(told.starts_with(&format!("it breaks off after {} bytes", content.len())), "{told}");
    assert!(Source::of(file(&whole[..12]), None).is_err());
}

#[test]
fn a_content_may_be_bounded_whatever_the_archive_says_of_its_length() {
    let packed = source(&pack(&[b'x'; 5000])).up_to(5000);
    assert!(read(&packed).is_ok() && !packed.is_too_large());
    let bounded = source(&pack(&[b'x'; 5000])).up_to(4999);
    assert!(read(&bounded).is_err() && bounded.is_too_large());
}

#[test]
fn several_readers_of_a_file_do_not_disturb_each_other() {
    let source = source(b"one two");
    let mut first = source.stream().unwrap();
    let mut begun = [0; 4];
    first.read_exact(&mut begun).unwrap();
    assert_eq!(read(&source).unwrap(), b"one two");
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"two");
}

#[test]
fn a_missing_file_and_an_unknown_encoding_are_named() {
    let reason = Source::open(Path::new("/nowhere/users.json"), None).unwrap_err();
    assert!(reason.starts_with("/nowhere/users.json cannot be read: No such file"), "{reason}");
    let reason = Source::of(file(b"x"), Some("klingon")).unwrap_err();
    assert!(reason.starts_with("the encoding \"klingon\" is not known: it may be utf-8,"), "{reason}");
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
    for (mark, name) in
        [(&b"\xfe\xff\0Z"[..], "utf-16"), (b"\xff\xfeZ\0", "utf-16be"), (b"\xff\xfeZ\0", "latin1")]
    {
        let marked = Source::of(file(mark), Some(name)).unwrap();
        assert_eq!(read(&marked).unwrap(), b"Z", "{name}");
    }
    let latin = Source::of(file(b"\xb9"), Some("latin2")).unwrap();
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
            if let Ok(source) = Source::of(file(&bytes), None) {
                drop(read(&source));
            }
        }
    }
}
