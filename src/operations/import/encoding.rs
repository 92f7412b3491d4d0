//! Which encoding a file is in that does not say it.

use std::io::Read;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    Encoding, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_10, ISO_8859_13, ISO_8859_14, ISO_8859_15,
    ISO_8859_16, WINDOWS_1250, WINDOWS_1252, WINDOWS_1254, WINDOWS_1257, WINDOWS_1258,
};

use super::source::{HEAD, read_up_to};

/// Encodings of Latin letters, which share most of them with Windows-1252: where a name or two decide, that one is as
/// likely, and the most usual.
const LATIN: [&Encoding; 12] = [
    WINDOWS_1250,
    WINDOWS_1254,
    WINDOWS_1257,
    WINDOWS_1258,
    ISO_8859_2,
    ISO_8859_3,
    ISO_8859_4,
    ISO_8859_10,
    ISO_8859_13,
    ISO_8859_14,
    ISO_8859_15,
    ISO_8859_16,
];

/// How many letters have to differ from those of Windows-1252.
const LEAST_LETTERS: usize = 3;

/// Guesses the encoding of a content that is not in UTF-8.
pub(super) fn guess(mut content: impl Read) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut seen = [false; 256];
    let mut chunk = vec![0; HEAD];
    while let Ok(length @ 1..) = read_up_to(&mut content, &mut chunk) {
        detector.feed(&chunk[..length], false);
        chunk[..length].iter().for_each(|byte| seen[usize::from(*byte)] = true);
    }
    detector.feed(&[], true);
    let guessed = detector.guess(None, Utf8Detection::Deny);
    let differs = |byte: &u8| {
        let letter = [*byte];
        seen[usize::from(*byte)] && guessed.decode(&letter).0 != WINDOWS_1252.decode(&letter).0
    };
    let is_sure = !LATIN.contains(&guessed) || (128..=255).filter(differs).count() >= LEAST_LETTERS;
    if is_sure { guessed } else { WINDOWS_1252 }
}

/// Whether a content has more that is not UTF-8 than characters that are more than ASCII in UTF-8. A file that has
/// more of these is a damaged one in UTF-8.
pub(super) fn is_not_utf8(start: &[u8], mut rest: impl Read) -> bool {
    let mut pending = start.to_vec();
    let mut chunk = vec![0; HEAD];
    let (mut invalid, mut valid_characters) = (0, 0);
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
            // What begins a character of several bytes.
            valid_characters += valid.iter().filter(|byte| **byte >= 0xc0).count();
            match after {
                Some((after, Some(length))) => {
                    invalid += 1;
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
            Ok(0) | Err(_) => return invalid + usize::from(!cut_off.is_empty()) > valid_characters,
            Ok(length) => pending = [&cut_off, &chunk[..length]].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_tell_the_encoding() {
        for (label, names) in [
            ("windows-1252", "J\u{fc}rgen;Wei\u{df}\nRen\u{e9};C\u{f4}t\u{e9}\n"),
            ("windows-1252", "\u{de}\u{f3}rd\u{ed}s;Quintanilhas\nSzalayn\u{e9}\n"),
            ("windows-1250", "\u{141}ukasz;Wi\u{15b}niewski\nPawe\u{142};Zaj\u{105}c\n"),
            (
                "windows-1250",
                "Ji\u{159}\u{ed};Dvo\u{159}\u{e1}k\nTom\u{e1}\u{161};R\u{16f}\u{17e}i\u{10d}ka\n",
            ),
            (
                "windows-1254",
                "\u{130}brahim;\u{c7}a\u{11f}r\u{131}\n\u{15e}\u{fc}kr\u{fc};\u{d6}zt\u{fc}rk\n",
            ),
            ("windows-1251", "\u{418}\u{432}\u{430}\u{43d};\u{41f}\u{435}\u{442}\u{440}\u{43e}\u{432}\n"),
            ("KOI8-U", "\u{418}\u{432}\u{430}\u{43d};\u{41f}\u{435}\u{442}\u{440}\u{43e}\u{432}\n"),
            (
                "windows-1253",
                "\u{395}\u{3bb}\u{3ad}\u{3bd}\u{3b7};\u{393}\u{3b5}\u{3c9}\u{3c1}\u{3b3}\u{3af}\u{3bf}\u{3c5}\n",
            ),
            ("Shift_JIS", "\u{592a}\u{90ce};\u{5c71}\u{7530}\n\u{82b1}\u{5b50};\u{4f50}\u{85e4}\n"),
            ("GBK", "\u{5c0f}\u{9f99};\u{674e}\n\u{4f1f};\u{738b}\n"),
        ] {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            let text = format!("username;first_name;last_name\n{names}");
            let (content, _, has_gaps) = encoding.encode(&text);
            assert!(!has_gaps && is_not_utf8(&[], &*content), "{label}");
            let guessed = guess(&*content);
            assert_eq!(guessed.decode(&content).0, text, "{label}: {}", guessed.name());
        }
        // One name that may be in either is taken for the more usual one.
        let (content, ..) = WINDOWS_1250.encode("first_name;last_name\nAnton\u{ed}n;Dvo\u{159}\u{e1}k\n");
        assert_eq!(guess(&*content), WINDOWS_1252);
    }
}
