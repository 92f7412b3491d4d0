//! The operations of PATCH (RFC 7644, 3.5.2) on a resource: pure, and in the forms that Okta and Entra send.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::error::{Kind, Refusal};
use super::filter::{Attribute, Fault, Filter, Literal, Operator, Path, parse_path};
use super::resource::{ENTERPRISE, MOST_EMAILS, USER, get, is_known, is_primary};
use crate::model::user::EMAIL_LENGTH;

/// Most operations of one request.
const MOST: usize = 200;
/// Most members of an object.
const MOST_MEMBERS: usize = 100;

type Result<T> = std::result::Result<T, Refusal>;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Add,
    Replace,
    Remove,
}

fn refuse<T>(kind: Kind, reason: impl Into<String>) -> Result<T> {
    Err(Refusal::new(kind, reason))
}

/// Carries out the operations of a request on a resource.
///
/// # Errors
/// The first operation that cannot be carried out; the resource is then of no use.
pub(super) fn apply(resource: &mut Map<String, Value>, body: &Map<String, Value>) -> Result<()> {
    let Some(Value::Array(operations)) = get(body, "Operations")? else {
        return refuse(Kind::InvalidSyntax, "Operations: must be an array");
    };
    if operations.is_empty() || operations.len() > MOST {
        return refuse(Kind::InvalidSyntax, format!("Operations: must be from 1 to {MOST}"));
    }
    for operation in operations {
        require_sound(operation)?;
        let Value::Object(operation) = operation else {
            return refuse(Kind::InvalidSyntax, "Operations: must be objects");
        };
        carry_out(resource, operation)?;
        if resource.values().filter_map(Value::as_object).any(|parts| parts.len() > MOST_MEMBERS) {
            return refuse(Kind::InvalidValue, format!("value: has more than {MOST_MEMBERS} members"));
        }
    }
    Ok(())
}

/// Members are found one by one and in any letter case: there are few of them, and none is there twice.
fn require_sound(value: &Value) -> Result<()> {
    match value {
        Value::Array(values) => values.iter().try_for_each(require_sound),
        Value::Object(members) if members.len() > MOST_MEMBERS => {
            refuse(Kind::InvalidValue, format!("value: has more than {MOST_MEMBERS} members"))
        }
        Value::Object(members) => {
            let mut names = HashSet::new();
            match members.keys().find(|name| !names.insert(name.to_ascii_lowercase())) {
                Some(name) => refuse(Kind::InvalidSyntax, format!("{name}: is there twice")),
                None => members.values().try_for_each(require_sound),
            }
        }
        _ => Ok(()),
    }
}

/// The parts of addresses are compared for each operation, and copied to each address: they are texts that an address
/// could be, or truth values.
fn require_short(value: &Value) -> Result<()> {
    let is_short = |text: &str| text.chars().nth(EMAIL_LENGTH).is_none();
    let is_part = |part: &Value| match part {
        Value::String(text) => is_short(text),
        part => !part.is_array() && !part.is_object(),
    };
    let is_address = |value: &Value| match value {
        Value::Object(parts) => parts.iter().all(|(name, part)| is_short(name) && is_part(part)),
        value => is_part(value),
    };
    let fits = match value {
        Value::Array(values) => values.len() <= MOST_EMAILS && values.iter().all(is_address),
        one => is_address(one),
    };
    if fits {
        return Ok(());
    }
    refuse(
        Kind::InvalidValue,
        format!("emails: must be at most {MOST_EMAILS}, of texts of at most {EMAIL_LENGTH} characters"),
    )
}

fn carry_out(resource: &mut Map<String, Value>, operation: &Map<String, Value>) -> Result<()> {
    let deed = match get(operation, "op")?.and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
        Some("add") => Deed::Add,
        Some("replace") => Deed::Replace,
        Some("remove") => Deed::Remove,
        _ => return refuse(Kind::InvalidSyntax, "op: must be add, replace or remove"),
    };
    let value = operation.iter().find(|(name, _)| name.eq_ignore_ascii_case("value")).map(|(_, value)| value);
    match (get(operation, "path")?, deed, value) {
        (Some(Value::String(path)), Deed::Remove, _) => {
            let path = read(path)?;
            require_writable(&path)?;
            change(resource, &path, Deed::Remove, &Value::Null)
        }
        (Some(Value::String(path)), _, Some(value)) => {
            let path = read(path)?;
            require_writable(&path)?;
            change(resource, &path, deed, value)
        }
        (Some(Value::String(_)), _, None) => refuse(Kind::InvalidValue, "value: is required"),
        (Some(_), ..) => refuse(Kind::InvalidPath, "path: must be a text"),
        (None, Deed::Remove, _) => refuse(Kind::NoTarget, "path: is required to remove something"),
        (None, _, Some(Value::Object(members))) => change_all(resource, deed, members),
        (None, ..) => refuse(Kind::InvalidValue, "value: must be an object where there is no path"),
    }
}

/// Without a path, each member of the value is changed. Entra writes paths there, too. What a client has to send back
/// and may not change, such as the `id` that Okta sends, is left alone.
fn change_all(resource: &mut Map<String, Value>, deed: Deed, members: &Map<String, Value>) -> Result<()> {
    for (name, value) in members {
        if let Value::Object(members) = value
            && name.eq_ignore_ascii_case(USER)
        {
            change_all(resource, deed, members)?;
            continue;
        }
        let Ok(path) = parse_path(name) else { continue };
        let is_extension = path.attribute.schema.is_some() && !is_core(&path.attribute);
        if is_read_only(&path.attribute) || is_extension || !is_known(&path.attribute.name) {
            continue;
        }
        change(resource, &path, deed, value)?;
    }
    Ok(())
}

fn read(path: &str) -> Result<Path> {
    let urn = |known: &str| path.eq_ignore_ascii_case(known);
    if urn(ENTERPRISE) {
        let attribute = Attribute { schema: Some(ENTERPRISE.to_owned()), name: String::new(), sub: None };
        return Ok(Path { attribute, filter: None });
    }
    parse_path(path).map_err(|Fault(reason)| Refusal::new(Kind::InvalidPath, format!("path: {reason}")))
}

fn is_core(attribute: &Attribute) -> bool {
    attribute.schema.as_ref().is_none_or(|schema| schema.eq_ignore_ascii_case(USER))
}

fn is_read_only(attribute: &Attribute) -> bool {
    ["id", "meta", "schemas"].iter().any(|name| attribute.is(name))
}

fn require_writable(path: &Path) -> Result<()> {
    let attribute = &path.attribute;
    if !is_core(attribute) {
        let is_enterprise =
            attribute.schema.as_ref().is_some_and(|schema| schema.eq_ignore_ascii_case(ENTERPRISE));
        if is_enterprise {
            return Ok(());
        }
        return refuse(Kind::InvalidPath, format!("path: there is no attribute {attribute}"));
    }
    if !is_known(&attribute.name) {
        return refuse(Kind::InvalidPath, format!("path: there is no attribute {attribute}"));
    }
    if is_read_only(attribute) {
        return refuse(Kind::Mutability, format!("path: {attribute} cannot be changed"));
    }
    Ok(())
}

/// Changes one attribute. What is not stored is left out where the resource is read.
fn change(resource: &mut Map<String, Value>, path: &Path, deed: Deed, value: &Value) -> Result<()> {
    if !is_core(&path.attribute) {
        return Ok(());
    }
    let name = member(resource, &path.attribute.name);
    if path.attribute.is("emails") {
        return change_emails(resource, &name, path, deed, value);
    }
    if path.filter.is_some() {
        // Of what has several values only addresses are stored.
        let is_stored = ["userName", "name", "displayName", "active", "password", "externalId"]
            .iter()
            .any(|stored| path.attribute.is(stored));
        return if is_stored {
            refuse(Kind::InvalidPath, format!("path: {} has one value", path.attribute.name))
        } else {
            Ok(())
        };
    }
    let is_any = |names: &[&str]| names.iter().any(|name| path.attribute.is(name));
    if deed == Deed::Remove && is_any(&["userName", "active", "password"]) {
        return refuse(Kind::Mutability, format!("path: {} cannot be removed", path.attribute));
    }
    if value.is_null() && is_any(&["userName", "active"]) {
        return refuse(Kind::InvalidValue, format!("{}: must not be null", path.attribute.name));
    }
    match &path.attribute.sub {
        Some(sub) => {
            let parts = resource.entry(name).or_insert_with(|| Map::new().into());
            if !parts.is_object() {
                *parts = Map::new().into();
            }
            if let Value::Object(parts) = parts {
                put(parts, sub, deed, value);
            }
        }
        None => merge(resource, &name, deed, value),
    }
    Ok(())
}

/// The name under which a member is there, whatever its letter case; as it was written, if it is not.
fn member(members: &Map<String, Value>, name: &str) -> String {
    members.keys().find(|known| known.eq_ignore_ascii_case(name)).map_or(name, String::as_str).to_owned()
}

fn put(members: &mut Map<String, Value>, name: &str, deed: Deed, value: &Value) {
    let name = member(members, name);
    match deed {
        Deed::Remove => drop(members.remove(&name)),
        Deed::Add | Deed::Replace => drop(members.insert(name, value.clone())),
    }
}

/// Of a complex value the parts that were sent are set, the others stay.
fn merge(members: &mut Map<String, Value>, name: &str, deed: Deed, value: &Value) {
    match (members.get_mut(name), value) {
        (Some(Value::Object(parts)), Value::Object(sent)) if deed != Deed::Remove => {
            for (part, value) in sent {
                put(parts, part, deed, value);
            }
        }
        _ => put(members, name, deed, value),
    }
}

fn change_emails(
    resource: &mut Map<String, Value>,
    name: &str,
    path: &Path,
    deed: Deed,
    value: &Value,
) -> Result<()> {
    require_short(value)?;
    let mut emails = match resource.remove(name) {
        Some(Value::Array(emails)) => emails,
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    };
    let before = emails.len();
    match (&path.filter, &path.attribute.sub) {
        (None, None) => match (deed, value) {
            (Deed::Remove, _) => emails.clear(),
            (Deed::Replace, value) => emails = several(value),
            (Deed::Add, value) => {
                for value in several(value) {
                    if !emails.contains(&value) {
                        emails.push(value);
                    }
                }
            }
        },
        (filter, sub) => {
            let mut found = false;
            let mut error = None;
            emails.retain_mut(|email| {
                let is_meant = filter.as_ref().map_or(Ok(true), |filter| matches(filter, email));
                match is_meant {
                    Ok(true) => {
                        found = true;
                        set(email, sub.as_deref(), deed, value)
                    }
                    Ok(false) => true,
                    Err(refusal) => {
                        error = Some(refusal);
                        true
                    }
                }
            });
            if let Some(refusal) = error {
                return Err(refusal);
            }
            if !found && deed != Deed::Remove {
                let mut email = filter.as_ref().map_or_else(|| Ok(Map::new()), described)?.into();
                set(&mut email, sub.as_deref(), deed, value);
                emails.push(email);
            }
        }
    }
    if emails.len() > MOST_EMAILS {
        return refuse(Kind::InvalidValue, "emails: are too many");
    }
    if deed == Deed::Add {
        leave_one_primary(&mut emails, before)?;
    }
    resource.insert(name.to_owned(), emails.into());
    Ok(())
}

/// One value or several, as an array.
fn several(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.clone(),
        one => vec![one.clone()],
    }
}

/// Changes one address; whether it stays.
fn set(email: &mut Value, sub: Option<&str>, deed: Deed, value: &Value) -> bool {
    let Value::Object(parts) = email else { return deed != Deed::Remove };
    match (sub, value) {
        (Some(sub), value) => put(parts, sub, deed, value),
        (None, _) if deed == Deed::Remove => return false,
        (None, Value::Object(sent)) => {
            for (part, value) in sent {
                put(parts, part, deed, value);
            }
        }
        // `emails[type eq "work"]` with the bare address.
        (None, value) => put(parts, "value", deed, value),
    }
    true
}

/// An address that was added as the primary one makes those that were there no longer so.
fn leave_one_primary(emails: &mut [Value], before: usize) -> Result<()> {
    let (old, new) = emails.split_at_mut(before.min(emails.len()));
    let mut is_added = false;
    for email in new.iter().filter_map(Value::as_object) {
        is_added |= is_primary(email)?;
    }
    if is_added {
        for email in old.iter_mut().filter_map(Value::as_object_mut) {
            put(email, "primary", Deed::Replace, &false.into());
        }
    }
    Ok(())
}

/// The value that a filter such as `type eq "work"` describes: Entra sets what is not there yet.
fn described(filter: &Filter) -> Result<Map<String, Value>> {
    let mut value = Map::new();
    let parts = match filter {
        Filter::And(parts) => parts.as_slice(),
        one => std::slice::from_ref(one),
    };
    for part in parts {
        let Filter::Compare(attribute, Operator::Equal, literal) = part else {
            return refuse(Kind::NoTarget, "path: there is no such value");
        };
        value.insert(attribute.name.clone(), json(literal));
    }
    Ok(value)
}

fn json(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Flag(value) => (*value).into(),
        Literal::Number(value) => value.clone().into(),
        Literal::Text(value) => value.as_str().into(),
    }
}

/// Whether a value that was sent passes a filter. Texts are compared without regard to case.
fn matches(filter: &Filter, value: &Value) -> Result<bool> {
    let own = |attribute: &Attribute| match value {
        Value::Object(parts) if attribute.sub.is_none() && attribute.schema.is_none() => {
            get(parts, &attribute.name)
        }
        Value::Object(_) => refuse(Kind::InvalidPath, format!("path: there is no attribute {attribute}")),
        _ => Ok(None),
    };
    Ok(match filter {
        Filter::Present(attribute) => own(attribute)?.is_some_and(|value| value.as_str() != Some("")),
        Filter::Compare(attribute, operator, literal) => compare(own(attribute)?, *operator, literal)?,
        Filter::Not(inner) => !matches(inner, value)?,
        Filter::And(parts) => all_match(parts, value)?,
        Filter::Or(parts) => any_matches(parts, value)?,
        Filter::Any(..) => return refuse(Kind::InvalidPath, "path: a filter cannot stand in a filter"),
    })
}

fn all_match(parts: &[Filter], value: &Value) -> Result<bool> {
    for part in parts {
        if !matches(part, value)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any_matches(parts: &[Filter], value: &Value) -> Result<bool> {
    for part in parts {
        if matches(part, value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn compare(own: Option<&Value>, operator: Operator, literal: &Literal) -> Result<bool> {
    let is_equal = match (own, literal) {
        (None, Literal::Null) => true,
        // Left out, it is false.
        (None, Literal::Flag(value)) => !value,
        (Some(Value::Bool(own)), Literal::Flag(value)) => own == value,
        (Some(Value::Bool(own)), Literal::Text(value)) | (Some(Value::String(value)), Literal::Flag(own)) => {
            value.eq_ignore_ascii_case(if *own { "true" } else { "false" })
        }
        (Some(Value::String(own)), Literal::Text(value)) => {
            let (own, value) = (own.to_lowercase(), value.to_lowercase());
            match operator {
                Operator::Contains => return Ok(own.contains(&value)),
                Operator::StartsWith => return Ok(own.starts_with(&value)),
                Operator::EndsWith => return Ok(own.ends_with(&value)),
                _ => own == value,
            }
        }
        (Some(Value::Number(own)), Literal::Number(value)) => own == value,
        _ => false,
    };
    match operator {
        Operator::Equal => Ok(is_equal),
        Operator::NotEqual => Ok(!is_equal),
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => Ok(false),
        _ => refuse(Kind::InvalidPath, format!("path: {} cannot be used here", operator.name())),
    }
}

#[cfg(test)]
mod tests;
