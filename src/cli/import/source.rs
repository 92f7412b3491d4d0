//! Gets the bytes of a file of users: from disk or standard input, unpacked if they are gzip.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::cli::Failure;

/// The most that is read, after unpacking: millions of users. A small file that unpacks to more than
/// the memory holds must not take the machine down.
const LIMIT: u64 = 1024 * 1024 * 1024;

/// The whole content; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let content = if path.as_os_str() == "-" {
        unpack(std::io::stdin().lock(), LIMIT)
    } else {
        File::open(path).map_err(|error| error.to_string()).and_then(|file| unpack(file, LIMIT))
    };
    content.map_err(|reason| format!("{} cannot be read: {reason}", path.display()).into())
}

fn unpack(mut source: impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut start = Vec::new();
    source.by_ref().take(2).read_to_end(&mut start).map_err(|error| error.to_string())?;
    let packed = start == [0x1f, 0x8b];
    let whole = Cursor::new(start).chain(source);
    if packed { collect(MultiGzDecoder::new(whole), limit) } else { collect(whole, limit) }
}

fn collect(source: impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    // One byte more, to distinguish a file of exactly the limit from a longer one.
    source.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() as u64 > limit {
        return Err(format!("it is larger than {limit} bytes"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn pack(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_told_by_its_first_bytes() {
        for content in [&b""[..], b"a", b"\x1f", b"\x1fab", b"[{}]"] {
            assert_eq!(unpack(content, 100).unwrap(), content);
            assert_eq!(unpack(pack(content).as_slice(), 100).unwrap(), content);
        }
        let two = [pack(b"one "), pack(b"two")].concat();
        assert_eq!(unpack(two.as_slice(), 100).unwrap(), b"one two");
    }

    #[test]
    fn the_limit_counts_unpacked_bytes() {
        let bomb = pack(&vec![b' '; 100_000]);
        assert!(bomb.len() < 1000);
        assert!(unpack(bomb.as_slice(), 99_999).unwrap_err().contains("larger than 99999 bytes"));
        assert_eq!(unpack(bomb.as_slice(), 100_000).unwrap().len(), 100_000);
    }

    #[test]
    fn a_damaged_archive_is_an_error() {
        let whole = pack(&[b'x'; 5000]);
        assert!(unpack(&whole[..whole.len() - 3], 10_000).is_err());
        assert!(unpack(&b"\x1f\x8bnot gzip"[..], 10_000).is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        let reason = read(Path::new("/nowhere/users.json")).unwrap_err().to_string();
        assert!(reason.starts_with("/nowhere/users.json cannot be read: No such file"), "{reason}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(unpack([&b"\x1f\x8b\x08"[..], &content].concat().as_slice(), 1000));
        }
    }
}
