//! Where the head of the audit log is kept besides the database.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// From a setting such as `/mnt/worm/usher-heads`, `syslog` or `https://log.example.org/heads`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HeadTarget {
    /// Nowhere.
    #[default]
    Nowhere,
    /// A file to which a line is added.
    File(PathBuf),
    /// The system's log.
    Syslog,
    /// An address to which a line is sent by POST.
    Webhook(String),
}

impl TryFrom<String> for HeadTarget {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.trim() {
            "" => Ok(Self::Nowhere),
            "syslog" => Ok(Self::Syslog),
            text if text.starts_with("https://") || text.starts_with("http://") => {
                Ok(Self::Webhook(text.to_owned()))
            }
            text if text.starts_with('/') => Ok(Self::File(text.into())),
            _ => Err("must be the path of a file from / on, `syslog`, or an address with https://"),
        }
    }
}

impl From<HeadTarget> for String {
    fn from(target: HeadTarget) -> Self {
        match target {
            HeadTarget::Nowhere => Self::new(),
            HeadTarget::Syslog => "syslog".to_owned(),
            HeadTarget::Webhook(address) => address,
            HeadTarget::File(path) => path.to_string_lossy().into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_file_the_system_log_or_an_address() {
        for (text, expected) in [
            ("", HeadTarget::Nowhere),
            (" syslog ", HeadTarget::Syslog),
            ("/mnt/heads", HeadTarget::File("/mnt/heads".into())),
            ("https://log.example.org/x", HeadTarget::Webhook("https://log.example.org/x".into())),
        ] {
            let target = HeadTarget::try_from(text.to_owned()).unwrap();
            assert_eq!(target, expected);
            assert_eq!(String::from(target), text.trim());
        }
        for wrong in ["heads", "ftp://x", "C:\\heads", "Syslog"] {
            assert!(HeadTarget::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
