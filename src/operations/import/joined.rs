//! What one file holds for the users of another: passwords, and the parameters of hashes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::elements::Elements;
use super::firebase::HashConfig;
use super::source::Source;
use super::{auth0, json, unix};

/// The most passwords that are held for users of another file.
const MOST: usize = 500_000;

/// What a file without users holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Auth0Passwords,
    Shadow,
    FirebaseConfig,
}

impl Kind {
    /// What such a file has.
    const fn name(self) -> &'static str {
        match self {
            Self::Auth0Passwords => "passwords of Auth0's users",
            Self::Shadow => "passwords of Unix's accounts",
            Self::FirebaseConfig => "parameters of Firebase's hashes",
        }
    }
}

/// A file without users.
#[derive(Debug)]
struct Other {
    name: String,
    kind: Kind,
    /// Whether there was a user for whom it has something.
    is_used: AtomicBool,
}

/// What was in the files that hold no users.
#[derive(Debug, Default)]
pub struct Joined {
    files: Vec<Other>,
    /// Hashes by the keys of Auth0's users, each with the place of its file; and by the names of Unix's.
    auth0: HashMap<String, (usize, String)>,
    shadow: HashMap<String, (usize, String)>,
    firebase: Option<(usize, HashConfig)>,
}

impl Joined {
    fn mark(&self, file: usize) {
        if let Some(file) = self.files.get(file) {
            file.is_used.store(true, Ordering::Relaxed);
        }
    }

    fn found(&self, (file, hash): &(usize, String)) -> String {
        self.mark(*file);
        hash.clone()
    }

    /// The hash of a user of Auth0's, by their key.
    pub(super) fn auth0(&self, key: &str) -> Option<String> {
        self.auth0.get(key).map(|found| self.found(found))
    }

    /// What `shadow` says of an account, by its name, if there is such a file.
    pub(super) fn shadow(&self, name: &str) -> unix::Shadow {
        match self.shadow.get(name) {
            Some(found) => unix::Shadow::Line(self.found(found)),
            None if self.files.iter().any(|file| file.kind == Kind::Shadow) => unix::Shadow::Missing,
            None => unix::Shadow::NotGiven,
        }
    }

    /// The parameters of Firebase's hashes.
    pub(super) fn firebase(&self) -> Option<&HashConfig> {
        let (file, config) = self.firebase.as_ref()?;
        self.mark(*file);
        Some(config)
    }

    /// Whether each file belongs to users of the others, once all of these have been read.
    ///
    /// # Errors
    /// The name of one that does not.
    pub fn check(&self) -> Result<(), String> {
        match self.files.iter().find(|file| !file.is_used.load(Ordering::Relaxed)) {
            None => Ok(()),
            Some(Other { name, kind, .. }) => Err(format!(
                "{name} has {}, but for none of the users in the other files: nothing was imported",
                kind.name()
            )),
        }
    }

    fn extend(
        &mut self,
        kind: Kind,
        passwords: impl Iterator<Item = (String, String)>,
    ) -> Result<(), String> {
        let file = self.files.len();
        for (key, hash) in passwords {
            if self.auth0.len() + self.shadow.len() == MOST {
                return Err(format!("it has more than {MOST} passwords: divide it, and the users with it"));
            }
            let known = if kind == Kind::Shadow { &mut self.shadow } else { &mut self.auth0 };
            known.insert(key, (file, hash));
        }
        Ok(())
    }
}

fn kind(source: &Source) -> Result<Option<Kind>, String> {
    let head = source.head().map_err(|error| error.to_string())?;
    if String::from_utf8_lossy(&head).contains("base64_signer_key") {
        return Ok(Some(Kind::FirebaseConfig));
    }
    if head.trim_ascii_start().first() == Some(&b'[') {
        return Ok(None);
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
                joined
                    .extend(kind, found.filter_map(|element| auth0::password(&element)))
                    .map_err(explain)?;
            }
            Kind::Shadow => joined.extend(kind, unix::shadow(stream)).map_err(explain)?,
            Kind::FirebaseConfig => {
                let head = source.head().map_err(|error| explain(error.to_string()))?;
                let config = HashConfig::parse(&String::from_utf8_lossy(&head));
                let config =
                    config.ok_or_else(|| explain("parameters of the hashes are missing in it".into()))?;
                joined.firebase = Some((joined.files.len(), config));
            }
        }
        // A user whose password is in the part that is missing would be invited without a word.
        if let Some(reason) = source.break_off() {
            return Err(explain(reason));
        }
        joined.files.push(Other { name, kind, is_used: AtomicBool::new(false) });
    }
    match joined.files.last() {
        Some(Other { name, .. }) if users.is_empty() => {
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
            (joined.auth0("7f"), joined.shadow("ada")),
            (Some("$2b$10$x".into()), unix::Shadow::Line("$6$x:1:0:9:7:::".into()))
        );
        let refusal = joined.check().unwrap_err();
        assert!(
            refusal.starts_with("file has parameters of Firebase's hashes, but for none of"),
            "{refusal}"
        );
        assert!(
            joined.firebase().is_some()
                && joined.auth0("ada").is_none()
                && joined.shadow("7f") == unix::Shadow::Missing
        );
        assert_eq!(joined.check(), Ok(()));
    }

    #[test]
    fn what_is_missing_is_said() {
        let refusal = joined(&["ada:$6$x:1:0:9:7:::\n"]).unwrap_err();
        assert!(refusal.contains("give the file with the users, too"), "{refusal}");
        assert!(joined(&["hash_config { base64_signer_key: x }", "username\n"]).is_err());
    }
}
