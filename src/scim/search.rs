//! What a filter and an order mean to the database.

use std::collections::HashMap;

use super::error::{Kind, Refusal};
use super::filter::{Attribute, Filter, Literal, Operator};
use super::resource::{EMAIL_TYPE, ENTERPRISE, USER};
use crate::model::clock::Timestamp;
use crate::model::filter::{
    Body, Expression, Field, FlagField, Folding, IntegerField, Operator as Sign, Order, Resource, Test,
    TextField, Users,
};
use crate::model::text;
use crate::model::user::UserId;

type Result<T> = std::result::Result<T, Refusal>;

/// The users that the caller calls by the names that a filter asks for.
pub(super) type Called = HashMap<String, UserId>;

/// An attribute that can be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Searched {
    Text(TextField),
    /// An attribute that has this text wherever it has a value: there is none without an address.
    EmailType,
    EmailPrimary,
    Active,
    Created,
    LastModified,
    Id,
    ExternalId,
    ResourceType,
    Schemas,
}

fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(Refusal::new(Kind::InvalidFilter, reason))
}

/// The names of external ids that a filter asks for.
pub(super) fn external_ids(filter: &Filter) -> Vec<&str> {
    match filter {
        // None has a null character, and PostgreSQL takes none.
        Filter::Compare(attribute, _, Literal::Text(value))
            if attribute.is("externalId") && !value.contains('\0') =>
        {
            vec![value.as_str()]
        }
        Filter::Compare(..) | Filter::Present(_) => Vec::new(),
        Filter::Any(_, inner) | Filter::Not(inner) => external_ids(inner),
        Filter::And(parts) | Filter::Or(parts) => parts.iter().flat_map(external_ids).collect(),
    }
}

/// A filter as the database is asked. An attribute that cannot be filtered by is refused: an answer without any user
/// would be wrong.
///
/// # Errors
/// What cannot be asked for.
pub(super) fn expression(filter: &Filter, called: &Called) -> Result<Expression> {
    Translation { called, within: None }.expression(filter)
}

struct Translation<'a> {
    called: &'a Called,
    /// The attribute whose values are looked at: `emails[...]`.
    within: Option<&'a Attribute>,
}

impl Translation<'_> {
    fn expression(&self, filter: &Filter) -> Result<Expression> {
        match filter {
            Filter::And(parts) => Ok(group(Body::All(self.all(parts)?))),
            Filter::Or(parts) => Ok(group(Body::Any(self.all(parts)?))),
            Filter::Not(inner) => Ok(not(self.expression(inner)?)),
            Filter::Any(attribute, inner) => {
                if self.within.is_some() || searched(None, attribute)? != Searched::Text(TextField::Email) {
                    return refuse(format!("{attribute} has no values to choose from"));
                }
                let inner = Translation { called: self.called, within: Some(attribute) }.expression(inner)?;
                Ok(group(Body::All(vec![present(TextField::Email), inner])))
            }
            Filter::Present(attribute) => match searched(self.within, attribute)? {
                Searched::Text(TextField::UsernameKey | TextField::Name) => Ok(constant(true)),
                Searched::Text(field) => Ok(present(field)),
                Searched::EmailType | Searched::EmailPrimary => Ok(present(TextField::Email)),
                Searched::ExternalId => refuse("externalId can only be compared with eq and ne"),
                _ => Ok(constant(true)),
            },
            Filter::Compare(attribute, operator, value) => {
                let test = match searched(self.within, attribute)? {
                    Searched::Text(field) => text_test(attribute, field, *operator, value),
                    Searched::Active => flag_test(attribute, *operator, value),
                    Searched::Created => {
                        let (sign, at) = instant(attribute, *operator, value)?;
                        Ok(leaf(Test::Integer(IntegerField::DateJoined, sign, at)))
                    }
                    Searched::LastModified => last_modified_test(attribute, *operator, value),
                    Searched::Id => id_test(attribute, *operator, value),
                    Searched::ExternalId => self.external_id_test(attribute, *operator, value),
                    Searched::EmailType | Searched::EmailPrimary
                        if *value == Literal::Null && is_equality(*operator) =>
                    {
                        Ok(not(present(TextField::Email)))
                    }
                    Searched::EmailType => fixed_test(attribute, *operator, value, EMAIL_TYPE).map(of_email),
                    Searched::EmailPrimary => truth_test(attribute, *operator, value).map(of_email),
                    Searched::ResourceType => fixed_test(attribute, *operator, value, "User"),
                    Searched::Schemas => fixed_test(attribute, *operator, value, USER),
                }?;
                Ok(if *operator == Operator::NotEqual { not(test) } else { test })
            }
        }
    }

    fn all(&self, parts: &[Filter]) -> Result<Vec<Expression>> {
        parts.iter().map(|part| self.expression(part)).collect()
    }

    /// Which user that is, is known by now.
    fn external_id_test(
        &self,
        attribute: &Attribute,
        operator: Operator,
        value: &Literal,
    ) -> Result<Expression> {
        let Literal::Text(value) = value else { return unreadable(attribute, "a text") };
        if !is_equality(operator) {
            return refuse("externalId can only be compared with eq and ne");
        }
        let id = self.called.get(value);
        Ok(id.map_or_else(|| constant(false), |id| leaf(Test::Integer(IntegerField::Id, Sign::Equal, id.0))))
    }
}

/// What an attribute is here, by its name in any letter case.
fn searched(within: Option<&Attribute>, attribute: &Attribute) -> Result<Searched> {
    let is_of_users = |schema: &str| schema.eq_ignore_ascii_case(USER);
    if attribute.schema.as_deref().is_none_or(is_of_users) {
        let path = match (within, &attribute.sub) {
            (Some(_), Some(_)) => String::new(),
            (Some(whole), None) => format!("{}.{}", whole.name, attribute.name),
            (None, Some(sub)) => format!("{}.{sub}", attribute.name),
            (None, None) => attribute.name.clone(),
        };
        match path.to_ascii_lowercase().as_str() {
            "username" => return Ok(Searched::Text(TextField::UsernameKey)),
            "name.givenname" => return Ok(Searched::Text(TextField::FirstName)),
            "name.familyname" => return Ok(Searched::Text(TextField::LastName)),
            "displayname" => return Ok(Searched::Text(TextField::Name)),
            "emails" | "emails.value" => return Ok(Searched::Text(TextField::Email)),
            "emails.type" => return Ok(Searched::EmailType),
            "emails.primary" => return Ok(Searched::EmailPrimary),
            "active" => return Ok(Searched::Active),
            "meta.created" => return Ok(Searched::Created),
            "meta.lastmodified" => return Ok(Searched::LastModified),
            "meta.resourcetype" => return Ok(Searched::ResourceType),
            "schemas" => return Ok(Searched::Schemas),
            "id" => return Ok(Searched::Id),
            "externalid" => return Ok(Searched::ExternalId),
            _ => {}
        }
    }
    let is_stored = attribute.schema.as_deref().is_none_or(|schema| !schema.eq_ignore_ascii_case(ENTERPRISE));
    let reason = if is_stored { "cannot be filtered by" } else { "is not stored, and cannot be filtered by" };
    refuse(format!("{attribute} {reason}"))
}

const fn is_equality(operator: Operator) -> bool {
    matches!(operator, Operator::Equal | Operator::NotEqual)
}

fn unreadable<T>(attribute: &Attribute, needed: &str) -> Result<T> {
    refuse(format!("{attribute} can only be compared with {needed}"))
}

const fn group(body: Body) -> Expression {
    Expression { invert: false, body }
}

const fn leaf(test: Test) -> Expression {
    Expression::of(test)
}

const fn constant(verdict: bool) -> Expression {
    leaf(Test::Constant(verdict))
}

fn not(expression: Expression) -> Expression {
    Expression { invert: !expression.invert, ..expression }
}

fn present(field: TextField) -> Expression {
    not(leaf(Test::Text(field, Sign::Equal, String::new(), Folding::Exact)))
}

/// What holds for the address of a user, who must have one for it.
fn of_email(inner: Expression) -> Expression {
    group(Body::All(vec![present(TextField::Email), inner]))
}

/// The sign of an order; of equality that of `eq`, which `ne` turns round.
const fn sign(operator: Operator) -> Option<Sign> {
    Some(match operator {
        Operator::Equal | Operator::NotEqual => Sign::Equal,
        Operator::Greater => Sign::Greater,
        Operator::GreaterOrEqual => Sign::GreaterOrEqual,
        Operator::Less => Sign::Less,
        Operator::LessOrEqual => Sign::LessOrEqual,
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => return None,
    })
}

/// User names compare by their canonical form, other texts without regard to letter case (`caseExact` is false).
fn text_test(
    attribute: &Attribute,
    field: TextField,
    operator: Operator,
    value: &Literal,
) -> Result<Expression> {
    let value = match value {
        Literal::Text(value) => value,
        Literal::Null if is_equality(operator) => return Ok(not(present(field))),
        _ => return unreadable(attribute, "a text"),
    };
    if value.contains('\0') {
        return refuse(format!("{attribute} has no null characters"));
    }
    let (value, folding) = match field {
        TextField::UsernameKey if is_equality(operator) => (text::canonical(value), Folding::Exact),
        TextField::UsernameKey => (text::fold_compatible(value), Folding::Exact),
        TextField::Name => (text::collation_key(value), Folding::Exact),
        field => (text::fold(&Users::sought(field, value.clone())), Folding::Folded),
    };
    let is_name = field == TextField::Name;
    let test = match (operator, sign(operator)) {
        (_, Some(sign)) => leaf(Test::Text(field, sign, value, folding)),
        _ if is_name => {
            return refuse(format!("{attribute} cannot be compared with {}", operator.name()));
        }
        _ if value.is_empty() => constant(true),
        (Operator::EndsWith, _) => leaf(Test::EndsWith(field, value, folding)),
        (Operator::StartsWith, _) => starts_with(field, value, folding),
        _ => leaf(Test::Contains(field, value, folding)),
    };
    // An empty text is no value, of which nothing but that holds.
    let may_be_empty = matches!(field, TextField::FirstName | TextField::LastName | TextField::Email);
    Ok(if may_be_empty && !is_equality(operator) {
        group(Body::All(vec![present(field), test]))
    } else {
        test
    })
}

/// From the text on, and before the next one that does not begin with it. That it is contained is what the index of the
/// search knows.
fn starts_with(field: TextField, value: String, folding: Folding) -> Expression {
    let mut parts = vec![leaf(Test::Contains(field, value.clone(), folding))];
    if let Some(after) = after_all(&value) {
        parts.push(leaf(Test::Text(field, Sign::Less, after, folding)));
    }
    parts.push(leaf(Test::Text(field, Sign::GreaterOrEqual, value, folding)));
    group(Body::All(parts))
}

/// The least text, by code points, that is greater than all that begin with this one; `None` if there is no such.
fn after_all(text: &str) -> Option<String> {
    let mut characters: Vec<char> = text.chars().collect();
    while let Some(last) = characters.pop() {
        // Between the two ends of the surrogates there is no character.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// A truth value, in the spellings that clients send.
fn truth(attribute: &Attribute, operator: Operator, value: &Literal) -> Result<bool> {
    if !is_equality(operator) {
        return refuse(format!("{attribute} can only be compared with eq and ne"));
    }
    match value {
        Literal::Flag(value) => Ok(*value),
        Literal::Text(value) if value.eq_ignore_ascii_case("true") => Ok(true),
        Literal::Text(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => unreadable(attribute, "true or false"),
    }
}

fn flag_test(attribute: &Attribute, operator: Operator, value: &Literal) -> Result<Expression> {
    Ok(leaf(Test::Flag(FlagField::IsActive, Sign::Equal, truth(attribute, operator, value)?)))
}

/// Of an attribute that is always true.
fn truth_test(attribute: &Attribute, operator: Operator, value: &Literal) -> Result<Expression> {
    Ok(constant(truth(attribute, operator, value)?))
}

/// Of an attribute that has the same text for every user.
fn fixed_test(attribute: &Attribute, operator: Operator, value: &Literal, fixed: &str) -> Result<Expression> {
    if !is_equality(operator) {
        return refuse(format!("{attribute} can only be compared with eq and ne"));
    }
    match value {
        Literal::Text(value) => Ok(constant(value.eq_ignore_ascii_case(fixed))),
        Literal::Null => Ok(constant(false)),
        _ => unreadable(attribute, "a text"),
    }
}

fn instant(attribute: &Attribute, operator: Operator, value: &Literal) -> Result<(Sign, i64)> {
    let (Some(sign), Literal::Text(value)) = (sign(operator), value) else {
        return unreadable(attribute, "a time, in its order");
    };
    match Timestamp::parse(value) {
        Some(at) => Ok((sign, at.micros())),
        None => unreadable(attribute, "a time such as \"2026-03-01T09:00:00Z\""),
    }
}

/// What was never edited is as it was created.
fn last_modified_test(attribute: &Attribute, operator: Operator, value: &Literal) -> Result<Expression> {
    let (sign, at) = instant(attribute, operator, value)?;
    let edited = leaf(Test::Integer(IntegerField::ModifiedAt, sign, at));
    let created = leaf(Test::Integer(IntegerField::DateJoined, sign, at));
    let never = leaf(Test::IsNull(IntegerField::ModifiedAt));
    Ok(group(Body::Any(vec![edited, group(Body::All(vec![never, created]))])))
}

fn id_test(attribute: &Attribute, operator: Operator, value: &Literal) -> Result<Expression> {
    let Literal::Text(value) = value else { return unreadable(attribute, "a text") };
    if !is_equality(operator) {
        return refuse(format!("{attribute} can only be compared with eq and ne"));
    }
    Ok(id(value)
        .map_or_else(|| constant(false), |UserId(id)| leaf(Test::Integer(IntegerField::Id, Sign::Equal, id))))
}

/// The user of an id: the primary key in its one form.
pub(super) fn id(text: &str) -> Option<UserId> {
    text.parse::<i64>().ok().filter(|id| *id > 0 && id.to_string() == text).map(UserId)
}

/// The order of a list.
///
/// # Errors
/// What cannot be sorted by.
pub(super) fn order(sort_by: Option<&str>, sort_order: Option<&str>) -> Result<Vec<Order>> {
    let ascending = match sort_order {
        None => true,
        Some(order) if order.eq_ignore_ascii_case("ascending") => true,
        Some(order) if order.eq_ignore_ascii_case("descending") => false,
        Some(_) => {
            return Err(Refusal::new(Kind::InvalidValue, "sortOrder: must be ascending or descending"));
        }
    };
    let Some(sort_by) = sort_by else { return Ok(Vec::new()) };
    let refusal =
        || Refusal::new(Kind::InvalidPath, format!("sortBy: users cannot be sorted by {sort_by:?}"));
    let path = super::filter::parse_path(sort_by).map_err(|_| refusal())?;
    let field = match searched(None, &path.attribute).map_err(|_| refusal())? {
        Searched::Text(field) if path.filter.is_none() => Field::Text(field),
        Searched::Id if path.filter.is_none() => Field::Integer(IntegerField::Id),
        Searched::Created if path.filter.is_none() => Field::Integer(IntegerField::DateJoined),
        _ => return Err(refusal()),
    };
    Ok(vec![Order { field, ascending, nulls_first: false }])
}

#[cfg(test)]
mod tests;
