//! A user as the resource that clients see: written from the user, read from what a client sent.

use serde_json::{Map, Value, json};

use super::error::{Kind, Refusal};
use crate::model::field_errors::Message;
use crate::model::raw::Raw;
use crate::model::user::{InputMode, UserInput, UserPatch};
use crate::operations::provisioning::Provisioned;
use crate::operations::provisioning::external_ids::ExternalId;

/// The schema of users.
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The extension that is accepted and not stored.
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The type that the one address of a user has.
pub(super) const EMAIL_TYPE: &str = "work";

/// Most names of attributes that an answer may be asked for, or to leave out.
const MOST_NAMES: usize = 100;

/// Most addresses that a client may send, of which one is stored.
pub(super) const MOST_EMAILS: usize = 100;

/// Attributes of the standard's users, in lower case. Those that no user here has are accepted, and not stored.
const KNOWN: [&str; 26] = [
    "schemas",
    "id",
    "externalid",
    "meta",
    "username",
    "name",
    "displayname",
    "nickname",
    "profileurl",
    "title",
    "usertype",
    "preferredlanguage",
    "locale",
    "timezone",
    "active",
    "password",
    "emails",
    "phonenumbers",
    "ims",
    "photos",
    "addresses",
    "groups",
    "entitlements",
    "roles",
    "x509certificates",
    "manager",
];

/// Whether the standard's users have an attribute of this name, in any letter case.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name.to_ascii_lowercase().as_str())
}

/// The tag of a resource: the version of the user. Weak, because other clients have another name for the same user.
pub(super) fn version(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// The whole resource. `base` is what its address begins with.
pub(super) fn write(Provisioned { user, external_id }: &Provisioned, base: &str) -> Map<String, Value> {
    let mut resource = Map::new();
    let mut put = |name: &str, value: Value| resource.insert(name.to_owned(), value);
    put("schemas", json!([USER]));
    put("id", json!(user.id.to_string()));
    if let Some(external_id) = external_id {
        put("externalId", json!(external_id));
    }
    put("userName", json!(user.username.as_str()));
    let parts = [("givenName", &user.first_name), ("familyName", &user.last_name)];
    let name: Map<String, Value> = parts
        .into_iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(name, part)| (name.to_owned(), json!(part)))
        .collect();
    if !name.is_empty() {
        put("name", name.into());
    }
    put("displayName", json!(user.display_name()));
    if !user.email.is_empty() {
        put("emails", json!([{ "value": user.email, "type": EMAIL_TYPE, "primary": true }]));
    }
    put("active", json!(user.is_active));
    put(
        "meta",
        json!({
            "resourceType": "User",
            "created": user.date_joined,
            "lastModified": user.modified_at.unwrap_or(user.date_joined),
            "location": format!("{base}/Users/{}", user.id),
            "version": version(user.version),
        }),
    );
    resource
}

/// What a client asks for about a user, attribute by attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    username: Raw,
    password: Raw,
    first_name: Raw,
    last_name: Raw,
    email: Raw,
    active: Raw,
    external_id: Raw,
}

impl Asked {
    /// Reads a whole resource: texts that are not there are empty; `active` and the password stay as they are.
    ///
    /// # Errors
    /// What is no resource. What single attributes may be is for the rules of users.
    pub(super) fn read(resource: &Map<String, Value>) -> Result<Self, Refusal> {
        let name = match get(resource, "name")? {
            None => &Map::new(),
            Some(Value::Object(name)) => name,
            Some(_) => return Err(Refusal::new(Kind::InvalidValue, "name: must be an object")),
        };
        let text = |value: Option<&Value>| value.map_or_else(|| Raw::from(""), raw);
        let kept = |value: Option<&Value>| value.map_or(Raw::Missing, raw);
        Ok(Self {
            username: kept(get(resource, "userName")?),
            password: kept(get(resource, "password")?),
            first_name: text(get(name, "givenName")?),
            last_name: text(get(name, "familyName")?),
            email: text(email(get(resource, "emails")?)?),
            active: kept(get(resource, "active")?),
            external_id: text(get(resource, "externalId")?),
        })
    }

    /// Without what was the same before.
    pub(super) fn since(self, before: &Self) -> Self {
        let changed = |after: Raw, before: &Raw| if after == *before { Raw::Missing } else { after };
        Self {
            username: changed(self.username, &before.username),
            password: changed(self.password, &before.password),
            first_name: changed(self.first_name, &before.first_name),
            last_name: changed(self.last_name, &before.last_name),
            email: changed(self.email, &before.email),
            active: changed(self.active, &before.active),
            external_id: changed(self.external_id, &before.external_id),
        }
    }

    /// For the rules of users; with `is_whole` the user name has to be there.
    pub(super) fn into_input(self, is_whole: bool) -> (UserInput, Option<ExternalId>) {
        let patch = UserPatch {
            username: self.username.clone(),
            password: self.password,
            first_name: self.first_name,
            last_name: self.last_name,
            email: self.email,
            is_active: self.active,
            ..UserPatch::default()
        };
        let mut input = patch.into_input(InputMode::Part);
        if is_whole && self.username == Raw::Missing {
            input.errors.add("username", Message::Required);
        }
        let external_id = self.external_id.text("external_id", &mut input.errors, ExternalId::parse);
        (input, external_id)
    }
}

fn raw(value: &Value) -> Raw {
    match value {
        Value::Null => Raw::Null,
        Value::Bool(value) => Raw::Bool(*value),
        Value::String(text) => Raw::Text(text.clone()),
        Value::Number(number) => number.as_i64().map_or(Raw::Other, Raw::Integer),
        Value::Array(_) | Value::Object(_) => Raw::Other,
    }
}

/// A member by its name in any letter case. Null is as good as not sent.
///
/// # Errors
/// It is there twice, in different letter cases.
pub(super) fn get<'v>(members: &'v Map<String, Value>, name: &str) -> Result<Option<&'v Value>, Refusal> {
    let mut found =
        members.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Refusal::new(Kind::InvalidSyntax, format!("{name}: is there twice"))),
        (value, None) => Ok(value.filter(|value| !value.is_null())),
    }
}

/// The one address of several: the primary one, else that of work, else the first.
fn email(emails: Option<&Value>) -> Result<Option<&Value>, Refusal> {
    let refuse = |reason: &str| Err(Refusal::new(Kind::InvalidValue, format!("emails: {reason}")));
    let emails: Vec<&Value> = match emails {
        None => Vec::new(),
        Some(Value::Array(emails)) if emails.len() > MOST_EMAILS => return refuse("are too many"),
        Some(Value::Array(emails)) => emails.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        Some(_) => return refuse("must be an array of objects"),
    };
    let mut chosen = None;
    for email in emails {
        let Value::Object(email) = email else { return refuse("must be an array of objects") };
        let rank = if is_primary(email)? {
            2
        } else {
            i32::from(
                get(email, "type")?
                    .and_then(Value::as_str)
                    .is_some_and(|kind| kind.eq_ignore_ascii_case(EMAIL_TYPE)),
            )
        };
        let Some(value) = get(email, "value")? else { continue };
        if chosen.is_none_or(|(best, _)| rank > best) {
            chosen = Some((rank, value));
        }
    }
    Ok(chosen.map(|(_, value)| value))
}

/// Whether an address says that it is the primary one, as a truth value or as a text.
pub(super) fn is_primary(email: &Map<String, Value>) -> Result<bool, Refusal> {
    Ok(match get(email, "primary")? {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    })
}

/// Which attributes an answer has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// Only these, if there are any; in lower case, and without the schema of users.
    attributes: Vec<String>,
    /// All but these, otherwise.
    excluded: Vec<String>,
}

impl Selection {
    /// From lists separated by commas, in the query.
    ///
    /// # Errors
    /// There are more names than a user has attributes many times over.
    pub(super) fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Refusal> {
        let names = |parameter: &str, list: Option<&str>| {
            let names = list.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
            let mut names: Vec<String> = names.take(MOST_NAMES + 1).map(plain).collect();
            if names.len() > MOST_NAMES {
                let reason = format!("{parameter}: must be at most {MOST_NAMES} names");
                return Err(Refusal::new(Kind::InvalidValue, reason));
            }
            names.sort_unstable();
            names.dedup();
            Ok(names)
        };
        Ok(Self {
            attributes: names("attributes", attributes)?,
            excluded: names("excludedAttributes", excluded)?,
        })
    }

    /// The resource with what was asked for. `id` and `schemas` are always there.
    pub(super) fn of(&self, resource: Map<String, Value>) -> Map<String, Value> {
        let names = if self.attributes.is_empty() { &self.excluded } else { &self.attributes };
        if names.is_empty() {
            return resource;
        }
        let is_named = |path: &str| names.iter().any(|name| name.eq_ignore_ascii_case(path));
        let is_wanted = |path: &str| is_named(path) != self.attributes.is_empty();
        resource
            .into_iter()
            .filter_map(|(name, value)| {
                if name == "id" || name == "schemas" {
                    return Some((name, value));
                }
                // A part that is asked for alone, or left out alone.
                let has_part = names.iter().any(|path| {
                    path.split_once('.').is_some_and(|(whole, _)| whole.eq_ignore_ascii_case(&name))
                });
                if has_part && is_wanted(&name) == self.attributes.is_empty() {
                    let value = parts(value, &|part| is_wanted(&format!("{name}.{part}")))?;
                    return Some((name, value));
                }
                is_wanted(&name).then_some((name, value))
            })
            .collect()
    }
}

/// An attribute in lower case, without the URN of the schema of users.
fn plain(name: &str) -> String {
    let is_prefixed = name.get(..USER.len()).is_some_and(|start| start.eq_ignore_ascii_case(USER));
    let rest = name.get(USER.len()..).and_then(|rest| rest.strip_prefix(':'));
    rest.filter(|_| is_prefixed).unwrap_or(name).to_ascii_lowercase()
}

/// The wanted parts of a complex value, or of each of several; `None` if nothing is left.
fn parts(value: Value, is_wanted: &dyn Fn(&str) -> bool) -> Option<Value> {
    match value {
        Value::Array(values) => {
            let values: Vec<Value> = values.into_iter().filter_map(|value| parts(value, is_wanted)).collect();
            (!values.is_empty()).then(|| values.into())
        }
        Value::Object(members) => {
            let members: Map<String, Value> =
                members.into_iter().filter(|(name, _)| is_wanted(name)).collect();
            (!members.is_empty()).then(|| members.into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
