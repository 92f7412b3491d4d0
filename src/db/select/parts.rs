//! A list cut into parts, one after the other, each of which an index has in its order.
//!
//! No index has users without a value at whichever end a list wants them, or one of two halves sorted by
//! something else. A part has users with a value or users without, and those with a flag or those without.

use crate::filter::{Body, Expression, Field, FieldValue, Filter, Operator, Order, Test};
use crate::page::Place;

/// One part of a list.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub(super) filter: &'a Filter,
    /// What holds for users of this part beside the filter.
    pub(super) tests: Vec<Expression>,
    /// Whether the part is of users without a value in the nullable field, or of those with one.
    pub(super) without_value: Option<bool>,
    /// The order within the part.
    pub(super) terms: Vec<Term>,
    /// The values of the terms in the row after which the part begins.
    pub(super) place: Option<&'a [FieldValue]>,
}

/// One term of an order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    pub(super) order: Order,
    /// Whether users without a value may be among those that are sorted.
    pub(super) has_nulls: bool,
}

/// The parts of a list, from the one that `place` is in.
pub(super) fn parts<'a>(filter: &'a Filter, place: Option<&'a Place>) -> Vec<Part<'a>> {
    cut(Part::whole(filter, place))
}

impl<'a> Part<'a> {
    /// The whole list as one part.
    pub(super) fn whole(filter: &'a Filter, place: Option<&'a Place>) -> Self {
        let term = |order: Order| Term { order, has_nulls: order.field.is_nullable() };
        Self {
            filter,
            tests: Vec::new(),
            without_value: None,
            terms: filter.full_order().into_iter().map(term).collect(),
            place: place.map(|place| place.0.as_slice()),
        }
    }

    /// The part whose users all have the same value in the first term.
    fn of_one_value(&self, place: Option<&'a [FieldValue]>) -> Self {
        Self {
            terms: self.terms[1..].to_vec(),
            place: place.and_then(|place| place.get(1..)),
            ..self.clone()
        }
    }
}

fn cut(part: Part<'_>) -> Vec<Part<'_>> {
    match part.terms.first().copied() {
        Some(Term { order: Order { field: Field::Flag(_), .. }, .. }) => by_flag(&part),
        Some(Term { has_nulls: true, .. }) => by_value(&part),
        _ => vec![part],
    }
}

fn by_flag<'a>(part: &Part<'a>) -> Vec<Part<'a>> {
    let Some(Term { order: Order { field: Field::Flag(field), ascending, .. }, .. }) = part.terms.first()
    else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    for value in [!ascending, *ascending] {
        let here = part.place.and_then(<[FieldValue]>::first) == Some(&FieldValue::Flag(value));
        let mut half = part.of_one_value(if here { part.place } else { None });
        let test = Test::Flag(*field, Operator::Equal, value);
        half.tests.push(Expression { invert: false, body: Body::Test(test) });
        if here {
            // What came before lies before the place.
            parts.clear();
        }
        parts.extend(cut(half));
    }
    parts
}

fn by_value<'a>(part: &Part<'a>) -> Vec<Part<'a>> {
    let Some((first, rest)) = part.terms.split_first() else { return Vec::new() };
    let begins = part.place.and_then(<[FieldValue]>::first);
    let begins_without = begins == Some(&FieldValue::Null);
    let without = Part {
        without_value: Some(true),
        ..part.of_one_value(if begins_without { part.place } else { None })
    };
    let with = Part {
        without_value: Some(false),
        terms: [&[Term { has_nulls: false, ..*first }], rest].concat(),
        place: if begins_without { None } else { part.place },
        ..part.clone()
    };
    match (first.order.nulls_first, begins_without) {
        (true, _) if begins.is_some() && !begins_without => vec![with],
        (true, _) => cut(without).into_iter().chain([with]).collect(),
        (false, true) => cut(without),
        (false, false) => [with].into_iter().chain(cut(without)).collect(),
    }
}
