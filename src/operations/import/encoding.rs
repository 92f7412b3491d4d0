//! Which encoding a file is in that does not say it, and those that can be said.

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

/// Names that programs have for encodings beside those of browsers, which are known.
const ALIASES: [(&str, &str); 13] = [
    ("ansi", "windows-1252"),
    ("latin9", "iso-8859-15"),
    ("macroman", "macintosh"),
    ("utf8bom", "utf-8"),
    ("utf8sig", "utf-8"),
    ("cp65001", "utf-8"),
    ("ucs2", "utf-16le"),
    ("cp1200", "utf-16le"),
    ("cp1201", "utf-16be"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
];
/// What can be said, for people.
const KNOWN: &str = "it may be utf-8, utf-16le, utf-16be, windows-1250 to windows-1258, windows-874, iso-8859-1 to \
                     iso-8859-16, macintosh, ibm866, koi8-r, koi8-u, shift_jis, euc-jp, iso-2022-jp, euc-kr, gbk, \
                     gb18030 or big5. Save a file in another one, such as cp850 and cp437 of DOS, as \"CSV UTF-8\", or \
                     convert it first: iconv -f CP850 -t UTF-8 users.csv";

/// The encoding of a name, as browsers and other programs have it.
///
/// # Errors
/// That it is not known, and those that are.
pub(super) fn named(name: &str) -> Result<&'static Encoding, String> {
    let lower = name.trim().to_lowercase();
    let short: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    let alias = ALIASES.into_iter().find(|(alias, _)| *alias == short).map(|(_, label)| label);
    let hyphened = lower.replace(['_', ' '], "-");
    let windows = ["cp", "win", "windows"].iter().find_map(|prefix| short.strip_prefix(prefix));
    let spellings = [
        format!("x-{hyphened}"),
        format!("windows-{}", windows.unwrap_or_default()),
        hyphened,
        short,
        alias.unwrap_or_default().to_owned(),
        lower,
    ];
    // Those that browsers refuse to read are known to them, too.
    let known = |spelling: &String| Encoding::for_label_no_replacement(spelling.as_bytes());
    spellings
        .iter()
        .rev()
        .find_map(known)
        .ok_or_else(|| format!("the encoding {name:?} is not known: {KNOWN}"))
}

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

    #[test]
    fn encodings_have_the_names_of_browsers_and_of_other_programs() {
        for (name, encoding) in [
            ("utf8", "UTF-8"),
            ("UTF_8", "UTF-8"),
            ("utf-8-sig", "UTF-8"),
            ("utf-16le", "UTF-16LE"),
            ("UTF-16BE", "UTF-16BE"),
            ("latin1", "windows-1252"),
            ("Latin-1", "windows-1252"),
            ("latin-9", "ISO-8859-15"),
            ("iso-8859-1", "windows-1252"),
            ("ISO_8859_15", "ISO-8859-15"),
            ("iso8859-2", "ISO-8859-2"),
            ("cp1252", "windows-1252"),
            ("CP-1250", "windows-1250"),
            ("win1251", "windows-1251"),
            (" Windows 1252 ", "windows-1252"),
            ("ansi", "windows-1252"),
            ("mac", "macintosh"),
            ("mac-roman", "macintosh"),
            ("MacRoman", "macintosh"),
            ("mac_roman", "macintosh"),
            ("x-mac-cyrillic", "x-mac-cyrillic"),
            ("mac-cyrillic", "x-mac-cyrillic"),
            ("cp866", "IBM866"),
            ("shift-jis", "Shift_JIS"),
            ("Shift_JIS", "Shift_JIS"),
            ("sjis", "Shift_JIS"),
            ("cp932", "Shift_JIS"),
            ("gbk", "GBK"),
            ("gb2312", "GBK"),
            ("cp936", "GBK"),
            ("cp949", "EUC-KR"),
            ("big5", "Big5"),
            ("koi8-r", "KOI8-R"),
        ] {
            assert_eq!(named(name).map(Encoding::name), Ok(encoding), "{name}");
        }
        for name in [
            "cp850",
            "cp437",
            "IBM850",
            "klingon",
            "",
            "-",
            "windows-",
            "iso-2022-kr",
            "hz-gb-2312",
            "utf-32",
        ] {
            let reason = named(name).unwrap_err();
            assert!(
                reason.starts_with(&format!("the encoding {name:?} is not known: it may be utf-8,")),
                "{reason}"
            );
            assert!(reason.contains("windows-1250") && reason.contains("iconv -f CP850"), "{reason}");
        }
    }

    #[test]
    fn each_encoding_that_is_told_to_be_known_is() {
        let told = KNOWN.strip_prefix("it may be ").unwrap().split(". ").next().unwrap();
        for name in told.split([',', ' ']).filter(|name| !["", "to", "or"].contains(name)) {
            assert!(named(name).is_ok(), "{name}");
        }
    }
}
