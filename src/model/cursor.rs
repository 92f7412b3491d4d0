//! Pages of a list: the opaque cursor that continues after a row.
//!
//! A cursor holds the order fields of the last row that was sent, and a fingerprint of the filter
//! it belongs to. It is input like any other: unsigned, bounded, and refused when it does not fit.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::model::filter::{Field, FieldValue, Filter, Order, Resource};

/// The place after one row, in the order of one filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor(pub Vec<FieldValue>);

impl Cursor {
    /// The place after `record`.
    #[must_use]
    pub fn after<R: Resource>(filter: &Filter<R>, record: &R::Record) -> Self {
        Self::after_values(filter, |field| field.of(record))
    }

    /// The place after a record whose fields have these values.
    #[must_use]
    pub fn after_values<R: Resource>(filter: &Filter<R>, value: impl Fn(Field<R>) -> FieldValue) -> Self {
        Self(filter.full_order().iter().map(|order| value(order.field)).collect())
    }

    /// The opaque text for it.
    #[must_use]
    pub fn encode<R: Resource>(&self, filter: &Filter<R>) -> String {
        let json = serde_json::json!([fingerprint(filter), self.0]).to_string();
        URL_SAFE_NO_PAD.encode(json)
    }

    /// Reads a cursor of this filter and order.
    ///
    /// # Errors
    /// `None` if the text is not a cursor, or one of another filter or order.
    #[must_use]
    pub fn decode<R: Resource>(filter: &Filter<R>, cursor: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (print, values): (String, Vec<FieldValue>) = serde_json::from_slice(&json).ok()?;
        let orders = filter.full_order();
        let fits = |(order, value): (&Order<R>, &FieldValue)| match (order.field, value) {
            (Field::Text(_), FieldValue::Text(text)) => !text.contains('\0'),
            (Field::Integer(_), FieldValue::Integer(_)) | (Field::Flag(_), FieldValue::Flag(_)) => true,
            (field, FieldValue::Null) => field.is_nullable(),
            _ => false,
        };
        let valid = print == fingerprint(filter)
            && orders.len() == values.len()
            && orders.iter().zip(&values).all(fits);
        valid.then_some(Self(values))
    }
}

/// Distinguishes filters, so that a cursor of one is not taken for another's.
fn fingerprint<R: Resource>(filter: &Filter<R>) -> String {
    let digest = Sha256::digest(format!("{}: {filter:?}", R::NAME));
    URL_SAFE_NO_PAD.encode(&digest[..12])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::clock::Timestamp;
    use crate::model::user::User;

    fn by_last_login() -> Filter {
        let order = Order { field: Field::named("last_login").unwrap(), ascending: false, nulls_first: true };
        Filter { order_by: vec![order], ..Filter::default() }
    }

    #[test]
    fn a_cursor_is_read_back_by_its_own_filter_only() {
        let filter = by_last_login();
        let place = Cursor::after(&filter, &User::blank(Timestamp::from_micros(5)));
        let cursor = place.encode(&filter);
        assert_eq!(Cursor::decode(&filter, &cursor), Some(place));
        assert_eq!(Cursor::decode(&<Filter>::default(), &cursor), None);
    }

    #[test]
    fn a_cursor_with_a_null_where_none_can_be_is_refused() {
        let filter = <Filter>::default();
        let forged = Cursor(vec![FieldValue::Null]).encode(&filter);
        assert_eq!(Cursor::decode(&filter, &forged), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_cursor_panic(text in "\\PC{0,60}") {
            prop_assert_eq!(Cursor::decode(&by_last_login(), &text), None);
        }
    }
}
