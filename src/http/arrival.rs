//! The first thing that happens to a request: it is counted, numbered, and looked at before it is routed.

use std::sync::Arc;

use rocket::Data;
use rocket::fairing::{Fairing, Info, Kind};
use rocket::form::Form;
use rocket::http::Method;
use rocket::http::uri::Host;
use rocket::request::Request;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::http::request_id::{Current, RequestId};
use crate::http::traffic::Traffic;
use crate::model::error::Error;

/// How much of a body Rocket looks at before any fairing runs.
const PEEKED: usize = "_method=delete".len();

/// The name for a method that is not in the standard: what a client sends is in no log, and no label.
pub(crate) const UNKNOWN_METHOD: &str = "unknown";

/// Attached before all other fairings but that of the base path.
pub(crate) struct Arrival;

/// What is noted of a request, until it is answered.
struct Arrived {
    /// The method as the client sent it: for HEAD, Rocket changes it to GET on the way.
    asked: Method,
    _counted: Option<TaskTrackerToken>,
    _numbered: Option<Current>,
}

#[rocket::async_trait]
impl Fairing for Arrival {
    fn info(&self) -> Info {
        Info { name: "arrival", kind: Kind::Request }
    }

    async fn on_request(&self, request: &mut Request<'_>, data: &mut Data<'_>) {
        let broke_off = !data.peek_complete() && data.peek(PEEKED).await.len() < PEEKED;
        if is_override(request, data.peek(PEEKED).await) {
            request.set_method(Method::Post);
        }
        let traffic = request.rocket().state::<Arc<Traffic>>();
        let arrived = Arrived {
            asked: request.method(),
            _counted: traffic.map(|traffic| traffic.enter()),
            _numbered: RequestId::of(request).clone().current_in_this_task(),
        };
        request.local_cache(|| Some(arrived));
        if broke_off {
            refuse(request, "The body cannot be read.");
        } else if let Some(reason) = unclear_host(request) {
            refuse(request, reason);
        }
    }
}

/// Makes the catcher of the path answer 400: no route has this method.
fn refuse(request: &mut Request<'_>, reason: &str) {
    Error::Malformed(reason.to_owned()).stash(request);
    request.set_method(Method::Trace);
}

/// The method as the client sent it. `None` for a request that Rocket could not read, such as one with a method that
/// is not in the standard: it goes to a catcher without passing any fairing.
pub(crate) fn asked(request: &Request<'_>) -> Option<Method> {
    request.local_cache(|| None::<Arrived>).as_ref().map(|arrived| arrived.asked)
}

/// Rocket turns a POST with a form whose first field is `_method` into a request of that method. A page of another
/// site could then reach any route with a plain form, so it is turned back.
fn is_override(request: &Request<'_>, start: &[u8]) -> bool {
    let is_form = request.content_type().is_some_and(|kind| kind.is_form());
    is_form && request.method() != Method::Post && method_in(start) == Some(request.method())
}

/// The method that Rocket finds in the beginning of a form: it reads past empty fields, and decodes.
fn method_in(start: &[u8]) -> Option<Method> {
    let first = Form::values(std::str::from_utf8(start).ok()?).next()?;
    if first.name == "_method" { first.value.parse().ok() } else { None }
}

/// One host is asked for, and it can be one (RFC 9112, 3.2). Of two it is not known which one a proxy has looked at.
fn unclear_host(request: &Request<'_>) -> Option<&'static str> {
    let mut hosts = request.headers().get("Host");
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Some("There is more than one Host header."),
        (Some(host), None) if !is_host(host) => Some("The Host header cannot be read."),
        (_, None) => None,
    }
}

/// Whether a host can be called so, with its port. It may be empty.
fn is_host(host: &str) -> bool {
    host.is_empty() || !host.contains('@') && Host::parse(host).is_ok()
}
