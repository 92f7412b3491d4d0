//! Forms that go with a list: besides what is theirs they carry the parameters of its query.

use std::ops::Deref;

use rocket::form::{self, DataField, FromForm, Options, ValueField};

/// What a form has of its own, and the query of the list that it was sent for. Both read the same fields, so that no form
/// has to name the parameters of a list.
#[derive(Debug)]
pub(super) struct WithQuery<T, Q> {
    own: T,
    pub(super) query: Q,
}

impl<T, Q> Deref for WithQuery<T, Q> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.own
    }
}

#[rocket::async_trait]
impl<'r, T: FromForm<'r>, Q: FromForm<'r>> FromForm<'r> for WithQuery<T, Q> {
    type Context = (T::Context, Q::Context);

    fn init(options: Options) -> Self::Context {
        (T::init(options), Q::init(options))
    }

    fn push_value(context: &mut Self::Context, field: ValueField<'r>) {
        T::push_value(&mut context.0, field.clone());
        Q::push_value(&mut context.1, field);
    }

    // No list is asked for by a file.
    async fn push_data(context: &mut Self::Context, field: DataField<'r, '_>) {
        T::push_data(&mut context.0, field).await;
    }

    fn push_error(context: &mut Self::Context, error: form::Error<'r>) {
        T::push_error(&mut context.0, error);
    }

    fn finalize(context: Self::Context) -> form::Result<'r, Self> {
        Ok(Self { own: T::finalize(context.0)?, query: Q::finalize(context.1)? })
    }
}
