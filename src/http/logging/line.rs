//! How an event is written: as JSON for programs, or as text for people. Always one line.

use std::fmt::{self, Write};

use serde_json::{Map, Value};
use tracing_serde::fields::AsMap;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::http::request_id::RequestId;
use crate::model::clock::Clock;

/// The form of all lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// `2026-03-01T09:00:00.123456Z INFO GET /livez 200 duration_ms=0.1 ...`
    Text,
    /// One object, with at least `time`, `level`, `target` and `message`. tracing-subscriber's own JSON has
    /// other names, a `log.file` in lines that came by the `log` crate, and lets C1 controls through.
    Json,
}

/// Members that the message of a request's line says already.
const IN_THE_MESSAGE: [&str; 3] = ["method", "path", "status"];

impl<S, N> FormatEvent<S, N> for Line
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let Ok(Value::Object(members)) = serde_json::to_value(event.field_map()) else {
            return Err(fmt::Error);
        };
        let metadata = event.metadata();
        self.write(writer, metadata.level().as_str(), metadata.target(), members)
    }
}

impl Line {
    fn write(
        self,
        mut writer: impl Write,
        level: &str,
        target: &str,
        mut members: Map<String, Value>,
    ) -> fmt::Result {
        let time = Clock::System.now().to_string();
        let message = members.remove("message").unwrap_or_default();
        // `tracing` knows of a line of the `log` crate only that it is of that crate.
        let target = members.remove("log.target").unwrap_or_else(|| target.into());
        members.retain(|name, _| !name.starts_with("log."));
        if !members.contains_key("request_id")
            && let Some(id) = RequestId::current()
        {
            members.insert("request_id".to_owned(), id.as_str().into());
        }
        if self == Self::Json {
            let level = level.to_lowercase().into();
            for (name, value) in
                [("time", time.into()), ("level", level), ("target", target), ("message", message)]
            {
                members.insert(name.to_owned(), value);
            }
            // JSON itself escapes only the first of the two ranges of control characters.
            return writeln!(writer, "{}", encoded(&Value::Object(members).to_string()));
        }
        write!(writer, "{time} {level} {}", encoded(message.as_str().unwrap_or_default()))?;
        for (name, value) in members.iter().filter(|(name, _)| !IN_THE_MESSAGE.contains(&name.as_str())) {
            let value = value.as_str().map_or_else(|| value.to_string(), encoded);
            write!(writer, " {name}={value}")?;
        }
        writeln!(writer)
    }
}

/// The text without characters that could end the line or steer a terminal, such as CR, LF and ESC: they
/// become `\u000a`, which JSON reads back.
fn encoded(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut encoded, c| {
        // U+2028 and U+2029 end a line for some readers; the others turn the text around.
        if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            encoded.extend(format!("\\u{:04x}", u32::from(c)).chars());
        } else {
            encoded.push(c);
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOSTILE: &str = "a\r\nb\u{1b}[31m\u{9b}31m \"quoted\" \u{2028}\u{202e}\\ é";

    fn line(form: Line, message: &str) -> String {
        let members = json!({
            "message": message,
            "method": "GET",
            "user": 7,
            "name": HOSTILE,
            "log.target": "usher::test",
            "log.file": "test.rs",
        });
        let Value::Object(members) = members else { unreachable!() };
        let mut line = String::new();
        form.write(&mut line, "INFO", "log", members).unwrap();
        line
    }

    #[test]
    fn lg_3_a_line_stays_one_line_whatever_is_in_it() {
        for form in [Line::Text, Line::Json] {
            let line = line(form, HOSTILE);
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line:?}");
            let inner = line.trim_end_matches('\n');
            assert!(!inner.contains(|c: char| c.is_control() || "\u{2028}\u{202e}".contains(c)), "{inner:?}");
        }
    }

    #[test]
    fn lg_3_json_lines_parse_back_to_what_was_said() {
        let parsed: Value = serde_json::from_str(&line(Line::Json, HOSTILE)).unwrap();
        assert_eq!(parsed["message"], HOSTILE);
        assert_eq!(parsed["name"], HOSTILE);
        assert_eq!((&parsed["level"], &parsed["target"]), (&"info".into(), &"usher::test".into()));
        assert_eq!(parsed["user"], 7);
        assert_eq!(parsed.get("log.file"), None, "where a line stands in the source is not for operators");
        assert!(parsed["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn text_does_not_say_twice_what_the_message_says() {
        let line = line(Line::Text, "GET /livez 200");
        assert!(line.contains(" INFO GET /livez 200 "), "{line}");
        assert!(line.contains(" user=7") && !line.contains("method="), "{line}");
    }
}
