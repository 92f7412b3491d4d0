//! Any filter that can be built means the same to both databases as to plain Rust.

use proptest::prelude::*;
use usher::model::filter::{
    Body, Expression, Field, Filter, FlagField, Folding, IntegerField, Operator, Order, Test, TextField,
};
use usher::model::text;

use super::population::{FIRST_IDS, INSTANTS, population, typed_text};
use super::worlds::property;

const TEXTS: &[TextField] = &[
    TextField::Username,
    TextField::FirstName,
    TextField::LastName,
    TextField::Email,
    TextField::Name,
    TextField::Searchable,
    TextField::UsernameKey,
];
const INTEGERS: &[IntegerField] = &[IntegerField::Id, IntegerField::DateJoined, IntegerField::LastLogin];
const FLAGS: &[FlagField] = &[FlagField::IsActive, FlagField::IsStaff, FlagField::IsSuperuser];
const OPERATORS: &[Operator] =
    &[Operator::Equal, Operator::Less, Operator::LessOrEqual, Operator::Greater, Operator::GreaterOrEqual];

/// Page sizes: where every row ends a page, few rows, and all of them.
pub(super) const PAGES: &[i64] = &[1, 2, 3, 5, 7, 13, 60, 1000];

fn operator() -> impl Strategy<Value = Operator> {
    prop::sample::select(OPERATORS)
}

fn folding() -> impl Strategy<Value = Folding> {
    prop::sample::select(&[Folding::Exact, Folding::Folded][..])
}

/// A text to search for, in the form that the test demands.
fn given(text: String, folding: Folding) -> String {
    if folding == Folding::Folded { text::fold(&text) } else { text }
}

fn integer(field: IntegerField) -> BoxedStrategy<i64> {
    let ends = prop::sample::select(&[i64::MIN, -1, 0, i64::MAX][..]);
    match field {
        IntegerField::Id => {
            let near = (prop::sample::select(FIRST_IDS), 0_i64..130).prop_map(|(first, more)| first + more);
            prop_oneof![9 => near, 1 => ends].boxed()
        }
        IntegerField::DateJoined
        | IntegerField::LastLogin
        | IntegerField::ValidFrom
        | IntegerField::ValidUntil
        | IntegerField::ModifiedAt => prop_oneof![9 => prop::sample::select(INSTANTS), 1 => ends].boxed(),
    }
}

fn test() -> impl Strategy<Value = Test> {
    let integer = prop::sample::select(INTEGERS)
        .prop_flat_map(|field| (Just(field), operator(), integer(field)))
        .prop_map(|(field, operator, value)| Test::Integer(field, operator, value));
    let text = (prop::sample::select(TEXTS), operator(), typed_text(), folding()).prop_map(
        |(field, operator, value, folding)| Test::Text(field, operator, given(value, folding), folding),
    );
    let contains = (prop::sample::select(TEXTS), typed_text(), folding())
        .prop_map(|(field, part, folding)| Test::Contains(field, given(part, folding), folding));
    let ends = (prop::sample::select(TEXTS), typed_text(), folding())
        .prop_map(|(field, end, folding)| Test::EndsWith(field, given(end, folding), folding));
    prop_oneof![
        1 => any::<bool>().prop_map(Test::Constant),
        2 => prop::sample::select(INTEGERS).prop_map(Test::IsNull),
        5 => text,
        4 => contains,
        3 => ends,
        5 => integer,
        3 => (prop::sample::select(FLAGS), operator(), any::<bool>())
            .prop_map(|(field, operator, value)| Test::Flag(field, operator, value)),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    let leaf = (any::<bool>(), test())
        .prop_map(|(invert, test)| Expression { invert, body: Body::Test(test) })
        .boxed();
    leaf.prop_recursive(3, 24, 4, |inner| {
        (any::<bool>(), any::<bool>(), prop::collection::vec(inner, 1..5)).prop_map(|(invert, all, parts)| {
            Expression { invert, body: if all { Body::All(parts) } else { Body::Any(parts) } }
        })
    })
}

fn order() -> impl Strategy<Value = Order> {
    let field = prop_oneof![
        4 => prop::sample::select(TEXTS).prop_map(Field::Text),
        // The one field with nulls is the one that is hard to page by.
        2 => Just(Field::Integer(IntegerField::LastLogin)),
        2 => prop::sample::select(INTEGERS).prop_map(Field::Integer),
        4 => prop::sample::select(FLAGS).prop_map(Field::Flag),
    ];
    (field, any::<bool>(), any::<bool>()).prop_map(|(field, ascending, nulls_first)| Order {
        field,
        ascending,
        nulls_first,
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let expressions = prop_oneof![
        2 => Just(Vec::new()),
        5 => prop::collection::vec(expression(), 1..2),
        3 => prop::collection::vec(expression(), 2..4),
    ];
    (expressions, prop::collection::vec(order(), 0..5), any::<bool>()).prop_map(
        |(expressions, mut order_by, include_inactive)| {
            let drawn = std::mem::take(&mut order_by);
            for order in drawn {
                if order_by.iter().all(|other: &Order| other.field != order.field) {
                    order_by.push(order);
                }
            }
            Filter { expressions, order_by, include_inactive }
        },
    )
}

#[test]
fn every_filter_and_order_means_the_same_on_both_databases_and_in_plain_rust() {
    let cases = (population(), filter(), prop::sample::select(PAGES));
    property(&cases, |worlds, (users, filter, page)| worlds.agree(&users, &filter, page));
}
