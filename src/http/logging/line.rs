//! How an event is written: as JSON for programs, or as text for people. Always one line.

use std::fmt::{self, Write};

use serde_json::{Map, Value};
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
    /// One object, with at least `time`, `level`, `target` and `message`.
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
        let mut members = Members::default();
        event.record(&mut members);
        let level = event.metadata().level().as_str();
        let target = members.target.take().unwrap_or_else(|| event.metadata().target().to_owned());
        self.write(writer, level, &target, members)
    }
}

impl Line {
    fn write(self, writer: impl Write, level: &str, target: &str, mut members: Members) -> fmt::Result {
        if !members.others.contains_key("request_id")
            && let Some(id) = RequestId::current()
        {
            members.others.insert("request_id".to_owned(), id.as_str().into());
        }
        let time = Clock::System.now().to_string();
        match self {
            Self::Text => text(writer, &time, level, members),
            Self::Json => json(writer, time, level, target, members),
        }
    }
}

fn text(mut writer: impl Write, time: &str, level: &str, members: Members) -> fmt::Result {
    write!(writer, "{time} {level} {}", encoded(&members.message))?;
    for (name, value) in members.others {
        if IN_THE_MESSAGE.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::String(text) => write!(writer, " {name}={}", encoded(&text))?,
            value => write!(writer, " {name}={value}")?,
        }
    }
    writeln!(writer)
}

fn json(mut writer: impl Write, time: String, level: &str, target: &str, members: Members) -> fmt::Result {
    let mut line = Map::new();
    line.insert("time".to_owned(), time.into());
    line.insert("level".to_owned(), level.to_lowercase().into());
    line.insert("target".to_owned(), target.into());
    line.insert("message".to_owned(), members.message.into());
    line.extend(members.others);
    // JSON itself escapes only the first of the two ranges of control characters.
    writeln!(writer, "{}", encoded(&Value::Object(line).to_string()))
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

/// What an event says.
#[derive(Debug, Default)]
struct Members {
    message: String,
    /// Where a line of the `log` crate is from; `tracing` itself knows only that it is of that crate.
    target: Option<String>,
    others: Map<String, Value>,
}

impl Members {
    fn add(&mut self, field: &tracing::field::Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("log.target", Value::String(text)) => self.target = Some(text),
            (name, _) if name.starts_with("log.") => {}
            ("duration_ms", Value::Number(number)) => {
                // Microseconds are enough.
                let rounded = number.as_f64().map(|number| (number * 1000.0).round() / 1000.0);
                self.others.insert("duration_ms".to_owned(), rounded.into());
            }
            (name, value) => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl tracing::field::Visit for Members {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\r\nb\u{1b}[31m\u{9b}31m \"quoted\" \u{2028}\u{202e}\\ é";

    fn line(form: Line, message: &str) -> String {
        let mut members = Members { message: message.to_owned(), ..Members::default() };
        members.others.insert("method".to_owned(), "GET".into());
        members.others.insert("user".to_owned(), 7.into());
        members.others.insert("name".to_owned(), HOSTILE.into());
        let mut line = String::new();
        form.write(&mut line, "INFO", "usher::test", members).unwrap();
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
        assert!(parsed["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn text_does_not_say_twice_what_the_message_says() {
        let line = line(Line::Text, "GET /livez 200");
        assert!(line.contains(" INFO GET /livez 200 "), "{line}");
        assert!(line.contains(" user=7") && !line.contains("method="), "{line}");
    }
}
