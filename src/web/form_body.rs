//! The body of a form, read within a limit and a time, and parsed by Rocket.

use std::ops::{Deref, DerefMut};

use rocket::data::{Data, FromData, Limits, Outcome};
use rocket::form::{Form, FromForm};
use rocket::http::{RawStr, Status};
use rocket::request::Request;

use crate::http::body;
use crate::model::error::Error;
use crate::web::form::CURRENT_CODE;
use crate::web::reauthentication::TypedCode;

/// A urlencoded form, no longer than Rocket's limit `form`.
pub(super) struct FormBody<T>(pub(super) T);

impl<T> Deref for FormBody<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for FormBody<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[rocket::async_trait]
impl<'r, T: for<'f> FromForm<'f> + 'static> FromData<'r> for FormBody<T> {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r, Self> {
        if !request.content_type().is_some_and(|kind| kind.is_form()) {
            return Outcome::Forward((data, Status::UnsupportedMediaType));
        }
        let limit = request.limits().get("form").unwrap_or(Limits::FORM);
        let text = match body::read(data, limit.as_u64()).await {
            Ok(bytes) => String::from_utf8(bytes)
                .map_err(|_| Error::Malformed("The form is not encoded in UTF-8.".to_owned())),
            Err(error) => Err(error),
        };
        match text.map(|text| Form::parse_encoded(RawStr::new(&without_code(request, &text)))) {
            Ok(Ok(form)) => Outcome::Success(Self(form)),
            Ok(Err(errors)) => Outcome::Error((errors.status(), ())),
            Err(error) => Outcome::Error((error.stash(request), ())),
        }
    }
}

/// The form without the code of a second factor, which any of them may bring along: it is kept for what asks for it.
fn without_code(request: &Request<'_>, text: &str) -> String {
    let is_code = |field: &&str| field.split('=').next() == Some(CURRENT_CODE);
    if let Some(field) = text.split('&').find(is_code) {
        let code = RawStr::new(field).split_at_byte(b'=').1.url_decode_lossy().into_owned();
        TypedCode::of(request).keep(code);
    }
    text.split('&').filter(|field| !is_code(field)).collect::<Vec<_>>().join("&")
}
