//! What one file holds for the users of another: passwords, and the parameters of hashes.

use std::collections::HashMap;

use super::elements::Elements;
use super::firebase::HashConfig;
use super::source::Source;
use super::{auth0, json, unix};

/// The most passwords that are held for users of another file.
const MOST: usize = 500_000;

/// What was in the files that hold no users.
#[derive(Debug, Default)]
pub struct Joined {
    /// Hashes by the keys of Auth0's users, or by the names of Unix's.
    passwords: HashMap<String, String>,
    pub(super) firebase: Option<HashConfig>,
}

impl Joined {
    /// The hash of a user of another file.
    pub(super) fn password(&self, key: &str) -> Option<String> {
        self.passwords.get(key).cloned()
    }

    fn extend(&mut self, passwords: impl Iterator<Item = (String, String)>) -> Result<(), String> {
        for (key, hash) in passwords {
            if self.passwords.len() == MOST {
                return Err(format!("it has more than {MOST} passwords: divide it, and the users with it"));
            }
            self.passwords.insert(key, hash);
        }
        Ok(())
    }
}

/// What a file without users holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Auth0Passwords,
    Shadow,
    FirebaseConfig,
}

fn kind(source: &Source) -> Result<Option<Kind>, String> {
    let head = source.head().map_err(|error| error.to_string())?;
    if String::from_utf8_lossy(&head).contains("base64_signer_key") {
        return Ok(Some(Kind::FirebaseConfig));
    }
    if head.trim_ascii_start().first() != Some(&b'{') {
        return Ok((unix::kind(&head) == Some(unix::Kind::Shadow)).then_some(Kind::Shadow));
    }
    let stream = source.stream().map_err(|error| error.to_string())?;
    let first = Elements::new(stream).next().and_then(|found| json::parse(found).ok());
    Ok(first.filter(auth0::is_password).map(|_| Kind::Auth0Passwords))
}

/// Divides files into those with users and what the others hold for them.
///
/// # Errors
/// The name of a file that cannot be read, and why.
pub fn join(sources: Vec<(String, Source)>) -> Result<(Vec<(String, Source)>, Joined), String> {
    let mut joined = Joined::default();
    let mut users = Vec::new();
    let mut last_joined = None;
    for (name, source) in sources {
        let explain = |reason: String| format!("nothing was imported from {name}: {reason}");
        let Some(kind) = kind(&source).map_err(explain)? else {
            users.push((name, source));
            continue;
        };
        let stream = source.stream().map_err(|error| explain(error.to_string()))?;
        match kind {
            Kind::Auth0Passwords => {
                let found = Elements::new(stream).filter_map(|found| json::parse(found).ok());
                joined.extend(found.filter_map(|element| auth0::password(&element))).map_err(explain)?;
            }
            Kind::Shadow => joined.extend(unix::shadow(stream)).map_err(explain)?,
            Kind::FirebaseConfig => {
                let head = source.head().map_err(|error| explain(error.to_string()))?;
                let config = HashConfig::parse(&String::from_utf8_lossy(&head));
                joined.firebase =
                    Some(config.ok_or_else(|| explain("parameters of the hashes are missing in it".into()))?);
            }
        }
        // A user whose password is in the part that is missing would be invited without a word.
        if let Some(reason) = source.break_off() {
            return Err(explain(reason));
        }
        last_joined = Some(name);
    }
    match last_joined {
        Some(name) if users.is_empty() => {
            Err(format!("{name} holds passwords or their parameters only: give the file with the users, too"))
        }
        _ => Ok((users, joined)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;

    fn joined(contents: &[&str]) -> Result<(usize, Joined), String> {
        let sources =
            contents.iter().map(|content| ("file".to_owned(), source(content.as_bytes()))).collect();
        join(sources).map(|(users, joined)| (users.len(), joined))
    }

    #[test]
    fn files_without_users_are_told_by_their_content() {
        let auth0 = r#"{"_id":{"$oid":"7f"},"passwordHash":"$2b$10$x"}"#;
        let firebase = "hash_config {\n base64_signer_key: eA==,\n base64_salt_separator: Bw==,\n rounds: 8,\n mem_cost: 14,\n}";
        let shadow = "ada:$6$x:1:0:9:7:::\nbob:*:1:0:9:7:::\n";
        let (users, joined) = joined(&[auth0, "username\nada\n", firebase, shadow]).unwrap();
        assert_eq!(users, 1);
        assert_eq!(
            (joined.password("7f"), joined.password("ada")),
            (Some("$2b$10$x".into()), Some("$6$x:1:0:9:7:::".into()))
        );
        assert!(joined.firebase.is_some());
    }

    #[test]
    fn what_is_missing_is_said() {
        let refusal = joined(&["ada:$6$x:1:0:9:7:::\n"]).unwrap_err();
        assert!(refusal.contains("give the file with the users, too"), "{refusal}");
        assert!(joined(&["hash_config { base64_signer_key: x }", "username\n"]).is_err());
    }
}
