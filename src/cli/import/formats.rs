//! From the bytes of a file to rows of members as they were written: no judgement of values yet.
//!
//! To add a format: a variant of [`Format`] and a function here that makes rows.

use super::row::Parsed;
use super::{django, json, table};
use crate::cli::Format;

/// Takes a file apart. Without a format it is detected: an array is JSON, and Django's if one of
/// its objects has `model` and `fields`; anything else is CSV.
///
/// # Errors
/// What makes the file as a whole unreadable, and where.
pub(super) fn parse(content: &[u8], format: Option<Format>) -> Result<Parsed, String> {
    if [b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| content.starts_with(*mark)) {
        return Err("the file is in UTF-16; save it as UTF-8".into());
    }
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let first = content.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    match (format, first) {
        (_, None) => Err("the file is empty".into()),
        (Some(Format::Csv), _) => table::rows(content),
        (None, Some(byte)) if byte != b'[' && byte != b'{' => table::rows(content),
        (format, _) => {
            let elements = json::elements(content)?;
            let dumped = match format {
                Some(format) => format == Format::Django,
                None => elements.iter().any(django::is_dumped),
            };
            Ok(if dumped { django::rows(elements) } else { json::rows(elements) })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::raw::Raw;

    fn name_of_first(content: &[u8]) -> Raw {
        parse(content, None).unwrap().rows[0].get("username")
    }

    #[test]
    fn the_content_tells_the_format() {
        let ada = Raw::Text("ada".into());
        assert_eq!(name_of_first(b"username\nada\n"), ada);
        assert_eq!(name_of_first(b"\xef\xbb\xbfusername\nada"), ada);
        assert_eq!(name_of_first(br#" [{"username":"ada"}]"#), ada);
        assert_eq!(name_of_first(b"\xef\xbb\xbf\n[{\"username\":\"ada\"}]"), ada);
        let dump = br#"[{"model":"auth.group","pk":1,"fields":{}},
                        {"model":"auth.user","pk":1,"fields":{"username":"ada"}}]"#;
        assert_eq!(name_of_first(dump), ada);
        assert_eq!(parse(dump, None).unwrap().skipped, 1);
    }

    #[test]
    fn a_file_that_holds_no_rows_is_an_error_or_empty() {
        assert_eq!(parse(b" \n", None).unwrap_err(), "the file is empty");
        assert_eq!(parse(b"\xef\xbb\xbf", None).unwrap_err(), "the file is empty");
        assert!(parse(b"\xff\xfeu\0", None).unwrap_err().contains("UTF-16"));
        assert!(parse(b"[]", None).unwrap().rows.is_empty());
        assert!(parse(b"username\n", None).unwrap().rows.is_empty());
    }

    #[test]
    fn malformed_json_is_located() {
        for (content, place) in [
            (&b"[\n{\"username\": \"ada\",}\n]"[..], "line 2 column 20"),
            (b"[{}", "line 1 column 3"),
            (b"{\"username\": \"ada\"}", "expected an array"),
            (b"[1e400]", "line 1 column"),
            (b"[\"\xff\"]", "line 1 column"),
            (b"[] []", "trailing characters at line 1 column 4"),
        ] {
            let reason = parse(content, None).unwrap_err();
            assert!(reason.contains(place), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            for format in [None, Some(Format::Csv), Some(Format::Json), Some(Format::Django)] {
                drop(parse(&content, format));
            }
        }

        #[test]
        fn no_text_that_looks_right_makes_it_panic(
            content in r#"(username|pk|model|fields|password|id|[\[\]{}",:'=\n\r0-9]|null|true|\\u|-){0,60}"#,
            mangled in any::<prop::sample::Index>(),
        ) {
            let mut bytes = format!("[{{\"model\":\"auth.user\",\"fields\":{{\"username\":{content}}}}}]").into_bytes();
            let place = mangled.index(bytes.len());
            for format in [None, Some(Format::Csv), Some(Format::Json), Some(Format::Django)] {
                drop(parse(content.as_bytes(), format));
                drop(parse(&bytes, format));
            }
            bytes.remove(place);
            drop(parse(&bytes, None));
        }
    }
}
