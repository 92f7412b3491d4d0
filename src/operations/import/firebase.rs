//! Users that `firebase auth:export` writes, and the project's hash parameters as its console shows them.

use super::json::Element;
use super::row::{Item, Place, Row};
use super::times::of_milliseconds;
use crate::model::raw::Raw;

/// The parameters of a project's hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HashConfig {
    signer: String,
    separator: String,
    rounds: u32,
    memory: u32,
}

impl HashConfig {
    /// Reads what stands between the braces of `hash_config`; `None` if something is missing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let line = text.lines().map(str::trim).find(|line| line.starts_with(name))?;
            let value = line[name.len()..].trim_start().trim_start_matches([':', '=']);
            Some(value.trim().trim_end_matches([',', ';']).trim_matches('"').to_owned())
        };
        Some(Self {
            signer: value("base64_signer_key")?,
            separator: value("base64_salt_separator")?,
            rounds: value("rounds")?.parse().ok()?,
            memory: value("mem_cost")?.parse().ok()?,
        })
    }

    fn spell(&self, salt: &str, hash: &str) -> String {
        let Self { signer, separator, rounds, memory } = self;
        // The alphabet for URLs, which some exports have, is that of base64 but for two characters.
        let standard = |text: &str| text.replace('-', "+").replace('_', "/");
        format!("$firebase$ln={memory},r={rounds}${}${separator}${signer}${}", standard(salt), standard(hash))
    }
}

/// Whether an element is a user of Firebase's.
pub(super) fn is_user(element: &Element) -> bool {
    element.get("localId").is_some()
}

/// A user. Those without an address, who sign in by telephone, are called by their key.
pub(super) fn record(place: Place, element: &Element, config: Option<&HashConfig>) -> Item {
    let mut row = Row::new(place);
    row.add_known("email", element.raw("email"));
    row.add_known("full_name", element.raw("displayName"));
    row.add_known("is_blocked", element.raw("disabled"));
    row.add_known("date_joined", of_milliseconds(&element.raw("createdAt")));
    let last = [element.raw("lastSignedInAt"), element.raw("lastLoginAt")];
    if let Some(last) = last.iter().find(|last| **last != Raw::Missing) {
        row.add_known("last_login", of_milliseconds(last));
    }
    if matches!(row.get("email"), Raw::Missing) {
        row.add_known("username", element.raw("localId"));
    }
    if let (Some(hash), Some(salt)) = (element.text("passwordHash"), element.text("salt")) {
        // Without the parameters it is no hash that can be checked.
        let spelled = config.map_or_else(|| "firebase".to_owned(), |config| config.spell(salt, hash));
        row.add("password", spelled.as_str().into());
    }
    Item::Row(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_the_project_are_part_of_the_hash() {
        let config = "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: c2lnbmVy==,\n  \
                      base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}\n";
        let config = HashConfig::parse(config).unwrap();
        assert!(HashConfig::parse("hash_config {\n  rounds: 8,\n}").is_none());
        let user = r#"{"localId":"x","email":"a@b.co","passwordHash":"a-_=","salt":"c2FsdA==","createdAt":"1402568439350"}"#;
        let user: Element = serde_json::from_str(user).unwrap();
        let row = |config| match record(Place::default(), &user, config) {
            Item::Row(row) => row,
            Item::Skipped(kind) => panic!("{kind}"),
        };
        assert_eq!(
            row(Some(&config)).get("password"),
            "$firebase$ln=14,r=8$c2FsdA==$Bw==$c2lnbmVy==$a+/=".into()
        );
        assert_eq!(row(None).get("password"), "firebase".into());
        assert_eq!(row(None).get("date_joined"), "2014-06-12T10:20:39.350000Z".into());
    }
}
