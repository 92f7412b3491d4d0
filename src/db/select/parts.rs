//! A list cut into parts, one after the other, each of which an index has in its order from its beginning on.
//!
//! No index has users without a value at whichever end a list wants them, or one of two halves sorted by
//! something else: users with a value and users without, with a flag and without, are parts of their own. And
//! what follows a cursor is first the users who are equal in the first term and follow by the other terms, and
//! then those who follow by the first.

use crate::model::cursor::Cursor;
use crate::model::filter::{Body, Expression, Field, FieldValue, Filter, Operator, Order, Resource, Test};

/// One part of a list.
#[derive(Debug, Clone)]
pub(super) struct Part<'a, R: Resource> {
    pub(super) filter: &'a Filter<R>,
    /// What holds for users of this part beside the filter.
    pub(super) tests: Vec<Expression<R>>,
    /// Fields in which all users of this part are equal.
    pub(super) equal: Vec<(Field<R>, &'a FieldValue)>,
    /// Where the part begins in the first term.
    pub(super) begin: Begin<'a>,
    /// The order within the part.
    pub(super) terms: Vec<Term<R>>,
}

/// Which users the first term leaves in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Begin<'a> {
    /// All.
    Start,
    /// Those with a value.
    WithValue,
    /// Those after a value.
    After(&'a FieldValue),
}

/// One term of an order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term<R: Resource> {
    pub(super) order: Order<R>,
    /// Whether users without a value may be among those that are sorted.
    pub(super) has_nulls: bool,
}

/// The parts of a list, from `place` on.
pub(super) fn parts<'a, R: Resource>(filter: &'a Filter<R>, place: Option<&'a Cursor>) -> Vec<Part<'a, R>> {
    let whole = Part::whole(filter);
    match place {
        Some(place) => whole.after(&place.0),
        None => whole.cut(),
    }
}

impl<'a, R: Resource> Part<'a, R> {
    /// The whole list as one part.
    pub(super) fn whole(filter: &'a Filter<R>) -> Self {
        let term = |order: Order<R>| Term { order, has_nulls: order.field.is_nullable() };
        let terms = filter.full_order().into_iter().map(term).collect();
        Self { filter, tests: Vec::new(), equal: Vec::new(), begin: Begin::Start, terms }
    }

    /// From its beginning on.
    fn cut(self) -> Vec<Self> {
        let Some(Term { order, has_nulls }) = self.terms.first().copied() else { return Vec::new() };
        match order.field {
            Field::Flag(flag) => {
                let halves = [!order.ascending, order.ascending];
                halves.into_iter().flat_map(|value| self.with_flag(flag, value).cut()).collect()
            }
            _ if has_nulls && order.nulls_first => {
                [self.without_value().cut(), vec![self.with_value(Begin::WithValue)]].concat()
            }
            _ if has_nulls => [vec![self.with_value(Begin::WithValue)], self.without_value().cut()].concat(),
            _ => vec![self],
        }
    }

    /// What follows the row with these values of the terms.
    fn after(self, place: &'a [FieldValue]) -> Vec<Self> {
        let (Some(Term { order, has_nulls }), Some((value, rest))) =
            (self.terms.first().copied(), place.split_first())
        else {
            return Vec::new();
        };
        let (here, later) = match (order.field, value) {
            (Field::Flag(flag), FieldValue::Flag(value)) => {
                let is_last = *value == order.ascending;
                let later = if is_last { Vec::new() } else { self.with_flag(flag, !value).cut() };
                (self.with_flag(flag, *value), later)
            }
            (_, FieldValue::Null) if order.nulls_first => {
                (self.without_value(), vec![self.with_value(Begin::WithValue)])
            }
            (_, FieldValue::Null) => (self.without_value(), Vec::new()),
            (field, value) => {
                let mut later = vec![self.with_value(Begin::After(value))];
                if has_nulls && !order.nulls_first {
                    later.extend(self.without_value().cut());
                }
                (self.with_equal(field, value), later)
            }
        };
        [here.after(rest), later].concat()
    }

    fn with_flag(&self, flag: R::Flag, value: bool) -> Self {
        let test = Test::Flag(flag, Operator::Equal, value);
        let mut part = self.without_first_term();
        part.tests.push(Expression { invert: false, body: Body::Test(test) });
        part
    }

    fn with_value(&self, begin: Begin<'a>) -> Self {
        let mut part = Self { begin, ..self.clone() };
        if let Some(first) = part.terms.first_mut() {
            first.has_nulls = false;
        }
        part
    }

    fn without_value(&self) -> Self {
        match self.terms.first() {
            Some(term) => self.with_equal(term.order.field, &FieldValue::Null),
            None => self.clone(),
        }
    }

    fn with_equal(&self, field: Field<R>, value: &'a FieldValue) -> Self {
        let mut part = self.without_first_term();
        part.equal.push((field, value));
        part
    }

    /// Without the term in which all users of the part are equal.
    fn without_first_term(&self) -> Self {
        Self { terms: self.terms.iter().skip(1).copied().collect(), ..self.clone() }
    }
}
