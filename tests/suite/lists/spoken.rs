//! Any list request that the contract allows is accepted, means what it says, and means it on both
//! databases. What it says is noted beside the JSON while the JSON is made, without the parser.

use std::cmp::Ordering;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Value, json};
use usher::model::clock::Timestamp;
use usher::model::filter::{Field, FieldValue, ListRequest, Order, Users};
use usher::model::text;
use usher::model::user::{User, UserId};

use super::population::{FIRST_IDS, INSTANTS, population, typed_text};
use super::typed::PAGES;
use super::worlds::property;

const TEXTS: &[&str] = &["username", "first_name", "last_name", "email"];
const INSTANT_FIELDS: &[&str] = &["date_joined", "last_login"];
const FLAGS: &[&str] = &["is_active", "is_staff", "is_superuser"];
const FIELDS: &[&str] = &[
    "pk",
    "id",
    "username",
    "first_name",
    "last_name",
    "email",
    "is_active",
    "is_staff",
    "is_superuser",
    "date_joined",
    "last_login",
];

/// What an expression says about a user.
#[derive(Debug, Clone)]
enum Claim {
    IsNull(&'static str),
    Contains(&'static str, String, bool),
    Text(&'static str, &'static str, String, bool),
    /// Twice the number, so that halves are whole.
    Id(&'static str, i128),
    Instant(&'static str, &'static str, i64),
    Flag(&'static str, &'static str, bool),
    And(Vec<Said>),
    Or(Vec<Said>),
}

/// An expression: as it is sent, and what it means.
#[derive(Debug, Clone)]
struct Said {
    json: Value,
    invert: bool,
    claim: Claim,
}

impl Said {
    fn holds(&self, user: &User) -> bool {
        let value = |name: &str| Field::<Users>::named(name).expect("a field").of(user);
        let case = |text: String, ignored: bool| if ignored { text::fold(&text) } else { text };
        let text = |name: &str, ignored: bool| match value(name) {
            FieldValue::Text(own) => case(own, ignored),
            other => panic!("{name}: {other:?}"),
        };
        let verdict = match &self.claim {
            Claim::IsNull(field) => value(field) == FieldValue::Null,
            Claim::Contains(field, part, ignored) => {
                text(field, *ignored).contains(&case(part.clone(), *ignored))
            }
            Claim::Text(field, sign, given, ignored) => {
                passes(sign, text(field, *ignored).cmp(&case(given.clone(), *ignored)))
            }
            Claim::Id(sign, twice) => passes(sign, (i128::from(user.id.0) * 2).cmp(twice)),
            Claim::Instant(field, sign, micros) => match value(field) {
                FieldValue::Integer(own) => passes(sign, own.cmp(micros)),
                _ => false,
            },
            Claim::Flag(field, sign, given) => match value(field) {
                FieldValue::Flag(own) => passes(sign, own.cmp(given)),
                other => panic!("{field}: {other:?}"),
            },
            Claim::And(parts) => parts.iter().all(|part| part.holds(user)),
            Claim::Or(parts) => parts.iter().any(|part| part.holds(user)),
        };
        verdict != self.invert
    }

    /// Users right at the boundary that it draws.
    fn neighbours(&self) -> Vec<User> {
        let near = |value: i64| [value.saturating_sub(1), value, value.saturating_add(1)];
        let blank = User::blank(Timestamp::from_micros(0));
        match &self.claim {
            Claim::Id(_, twice) => i64::try_from(twice.div_euclid(2)).map_or_else(
                |_| Vec::new(),
                |id| near(id).map(|id| User { id: UserId(id), ..blank.clone() }).to_vec(),
            ),
            Claim::Instant(_, _, micros) => near(*micros)
                .map(Timestamp::from_micros)
                .map(|instant| User { date_joined: instant, last_login: Some(instant), ..blank.clone() })
                .to_vec(),
            _ => Vec::new(),
        }
    }

    /// This expression and all inside it.
    fn all(&self) -> Vec<&Self> {
        let parts = match &self.claim {
            Claim::And(parts) | Claim::Or(parts) => parts.as_slice(),
            _ => &[],
        };
        parts.iter().flat_map(Self::all).chain([self]).collect()
    }
}

fn passes(sign: &str, ordering: Ordering) -> bool {
    match sign {
        "=" => ordering.is_eq(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        ">=" => ordering.is_ge(),
        other => panic!("{other:?} is no operator"),
    }
}

fn sign() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["=", "=", "<", "<=", ">", ">="][..])
}

/// `exact` for `=`, else `compare`.
fn comparison(field: &str, sign: &str, value: impl Into<Value>) -> Value {
    let value = value.into();
    match sign {
        "=" => json!({"type": "exact", "field": field, "value": value}),
        _ => json!({"type": "compare", "field": field, "operator": sign, "value": value}),
    }
}

fn set(json: &mut Value, name: &str, value: Option<bool>) {
    if let Some(value) = value {
        json[name] = Value::Bool(value);
    }
}

/// A test of a text.
fn text_leaf() -> impl Strategy<Value = (Value, Claim)> {
    let case = prop::sample::select(&[None, Some(false), Some(true), Some(true)][..]);
    let contains =
        (prop::sample::select(TEXTS), typed_text(), case.clone()).prop_map(|(field, part, case)| {
            let part = if part.is_empty() { "a".to_owned() } else { part };
            let mut json = json!({"type": "contains", "field": field, "sub_string": part});
            set(&mut json, "case_insensitive", case);
            (json, Claim::Contains(field, part, case == Some(true)))
        });
    let compared =
        (prop::sample::select(TEXTS), sign(), typed_text(), case).prop_map(|(field, sign, text, case)| {
            // Only `exact` can ignore case.
            let case = case.filter(|_| sign == "=");
            let mut json = comparison(field, sign, text.as_str());
            set(&mut json, "case_insensitive", case);
            (json, Claim::Text(field, sign, text, case == Some(true)))
        });
    prop_oneof![contains, compared]
}

/// A test of the primary key: whole numbers as such, with a point and as text, halves, and numbers that
/// no key can have.
fn id_leaf() -> impl Strategy<Value = (Value, Claim)> {
    let near = (prop::sample::select(FIRST_IDS), -3_i64..80, 0..4).prop_map(|(first, more, form)| {
        let id = first + more;
        let value = match form {
            0 => json!(id.to_string()),
            // From 2^53 on, a float is another number.
            #[expect(clippy::cast_precision_loss, reason = "small enough")]
            1 if first == 0 => json!(id as f64),
            #[expect(clippy::cast_precision_loss, reason = "small enough")]
            2 if first == 0 => return (json!(id as f64 + 0.5), i128::from(id) * 2 + 1),
            _ => json!(id),
        };
        (value, i128::from(id) * 2)
    });
    let far = prop::sample::select(
        &[
            ("1e300", i128::MAX),
            ("-1e300", i128::MIN),
            ("18446744073709551615", i128::MAX),
            ("9223372036854775807", 18_446_744_073_709_551_614),
            ("-9223372036854775808", -18_446_744_073_709_551_616),
            ("\"99999999999999999999\"", i128::MAX),
            ("\"-99999999999999999999\"", i128::MIN),
            ("\"007\"", 14),
            ("-0.0", 0),
            ("1e-9", 1),
        ][..],
    )
    .prop_map(|(text, twice)| (serde_json::from_str(text).expect("JSON"), twice));
    let field = prop::sample::select(&["pk", "id"][..]);
    (field, sign(), prop_oneof![4 => near, 1 => far])
        .prop_map(|(field, sign, (value, twice))| (comparison(field, sign, value), Claim::Id(sign, twice)))
}

/// A test of an instant, in every documented form.
fn instant_leaf() -> impl Strategy<Value = (Value, Claim)> {
    let fields = prop::sample::select(INSTANT_FIELDS);
    let minutes = prop_oneof![Just(0), -1439_i64..1440];
    (fields, sign(), prop::sample::select(INSTANTS), minutes, any::<[bool; 3]>()).prop_map(
        |(field, sign, micros, minutes, how)| {
            (comparison(field, sign, timestamp(micros, minutes, how)), Claim::Instant(field, sign, micros))
        },
    )
}

/// An instant as text, at so many minutes east of UTC, unless that leads out of the calendar.
fn timestamp(micros: i64, minutes: i64, [short, space, bare]: [bool; 3]) -> String {
    let calendar = -62_167_219_200_000_000..=253_402_300_799_999_999;
    let local = micros + minutes * 60_000_000;
    let (local, minutes) = if calendar.contains(&local) { (local, minutes) } else { (micros, 0) };
    let mut text = Timestamp::from_micros(local).to_string();
    text.pop();
    if short {
        // As short as the instant allows: no zeros after the point, no seconds, no time.
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        if text.ends_with(":00") && text.len() == 19 {
            text.truncate(16);
        }
        if bare && minutes == 0 && text.ends_with("T00:00") {
            text.truncate(10);
        }
    }
    if space {
        text = text.replace('T', " ");
    }
    match minutes {
        0 if bare => {}
        0 => text.push('Z'),
        _ => {
            let sign = if minutes < 0 { '-' } else { '+' };
            text = format!("{text}{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
        }
    }
    text
}

/// A test of a truth value, in every spelling.
fn flag_leaf() -> impl Strategy<Value = (Value, Claim)> {
    (prop::sample::select(FLAGS), sign(), any::<bool>(), 0..3).prop_map(|(field, sign, flag, form)| {
        let value = match form {
            0 => json!(i32::from(flag)),
            // `compare` takes no truth values.
            1 if sign == "=" => json!(flag),
            _ => json!(if flag { "True" } else { "False" }),
        };
        (comparison(field, sign, value), Claim::Flag(field, sign, flag))
    })
}

fn null_leaf() -> impl Strategy<Value = (Value, Claim)> {
    let kind = prop::sample::select(&["isnull", "is_null"][..]);
    let field = prop_oneof![prop::sample::select(FIELDS), Just("last_login")];
    (kind, field).prop_map(|(kind, field)| (json!({"type": kind, "field": field}), Claim::IsNull(field)))
}

fn said(parts: impl Strategy<Value = (Value, Claim)>) -> impl Strategy<Value = Said> {
    (parts, any::<Option<bool>>()).prop_map(|((mut json, claim), invert)| {
        set(&mut json, "invert", invert);
        Said { json, invert: invert == Some(true), claim }
    })
}

fn leaf() -> BoxedStrategy<Said> {
    said(prop_oneof![4 => text_leaf(), 3 => id_leaf(), 3 => instant_leaf(), 2 => flag_leaf(), 1 => null_leaf()])
        .boxed()
}

fn group(kind: &'static str, parts: BoxedStrategy<Said>) -> BoxedStrategy<Said> {
    let parts = prop::collection::vec(parts, 2..5).prop_map(move |parts| {
        let json: Vec<&Value> = parts.iter().map(|part| &part.json).collect();
        let json = json!({"type": kind, "sub_expressions": json});
        (json, if kind == "and" { Claim::And(parts) } else { Claim::Or(parts) })
    });
    said(parts).boxed()
}

fn expression() -> impl Strategy<Value = Said> {
    let and = group("and", leaf());
    let or = group("or", prop_oneof![2 => leaf(), 1 => and.clone()].boxed());
    prop_oneof![3 => leaf(), 1 => and, 2 => or]
}

type Term = (&'static str, Option<bool>, Option<bool>);

/// An order as it is sent, repeated fields included.
fn terms() -> impl Strategy<Value = Vec<Term>> {
    let field =
        prop_oneof![2 => prop::sample::select(FIELDS), 1 => Just("last_login"), 1 => Just("is_staff")];
    prop::collection::vec((field, any::<Option<bool>>(), any::<Option<bool>>()), 0..5)
}

/// The order that is meant: each field once, and a null is the greatest value unless said otherwise.
fn orders(terms: &[Term]) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    for (name, ascending, nulls_first) in terms {
        let field = Field::named(name).expect("a field");
        let ascending = ascending.unwrap_or(true);
        if orders.iter().all(|order| order.field != field) {
            orders.push(Order { field, ascending, nulls_first: nulls_first.unwrap_or(!ascending) });
        }
    }
    orders
}

#[derive(Debug, Clone)]
struct Request {
    expressions: Vec<Said>,
    terms: Vec<Term>,
    include_inactive: Option<bool>,
    limit: i64,
}

impl Request {
    fn json(&self) -> Map<String, Value> {
        let order_by = self.terms.iter().map(|(field, ascending, nulls_first)| {
            let mut json = json!({"field": field});
            set(&mut json, "ascending", *ascending);
            set(&mut json, "nulls_first", *nulls_first);
            json
        });
        let expressions = self.expressions.iter().map(|said| said.json.clone());
        let mut json = json!({
            "expressions": expressions.collect::<Vec<_>>(),
            "order_by": order_by.collect::<Vec<_>>(),
            "limit": self.limit,
        });
        set(&mut json, "include_inactive", self.include_inactive);
        match json {
            Value::Object(members) => members,
            other => panic!("{other} is not an object"),
        }
    }
}

fn request() -> impl Strategy<Value = Request> {
    let expressions = prop::collection::vec(expression(), 0..3);
    (expressions, terms(), any::<Option<bool>>(), prop::sample::select(PAGES)).prop_map(
        |(expressions, terms, include_inactive, limit)| Request {
            expressions,
            terms,
            include_inactive,
            limit,
        },
    )
}

#[test]
fn every_request_of_the_contract_is_accepted_and_means_what_it_says_on_both_databases() {
    property(&(population(), request()), |worlds, (users, request)| {
        let parsed = <ListRequest>::parse(request.json()).map_err(TestCaseError::fail)?;
        prop_assert_eq!(parsed.limit, Some(request.limit));
        prop_assert_eq!(&parsed.filter.order_by, &orders(&request.terms));
        // One by one, so that none hides behind another.
        for said in request.expressions.iter().flat_map(Said::all) {
            let alone = Request { expressions: vec![said.clone()], terms: Vec::new(), ..request.clone() };
            let parsed = <ListRequest>::parse(alone.json()).map_err(TestCaseError::fail)?;
            for user in users.iter().chain(&said.neighbours()) {
                let meant = (request.include_inactive == Some(true) || user.is_active) && said.holds(user);
                prop_assert_eq!(parsed.filter.matches(user), meant, "{} for {:?}", &said.json, user);
            }
        }
        worlds.agree(&users, &parsed.filter, request.limit)
    });
}
