//! One request and its answer: from hyper to Rocket, and back.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST, TRANSFER_ENCODING};
use hyper::http::Version;
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use rocket::http::uri::Origin;
use rocket::http::{Cookie, Header, Method};
use rocket::local::asynchronous::LocalResponse;
use rocket::tokio;
use rocket::tokio::sync::mpsc;

use super::body::{Answer, Failed, Received};
use super::crowd::Place;
use super::paced::Phase;
use super::{Counted, Gate};
use crate::http::request_id::RequestId;
use crate::model::error::Error;
use crate::{api, web};

/// The method as the client sent it; `None` for a request that did not come through the gate.
#[derive(Debug)]
pub(crate) struct AskedMethod(pub(crate) Option<String>);

/// For as long as a request is being read or answered.
pub(super) struct Busy {
    phase: Arc<Phase>,
    _counted: Counted<'static>,
    /// What is taken for it is its client's until then.
    _place: Arc<Place>,
    /// Who waits for the last answer waits for this one.
    _alive: mpsc::Sender<Infallible>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.phase.end();
    }
}

impl Gate {
    /// Answers a request. An error means that there is nobody to answer.
    pub(super) async fn exchange(
        &'static self,
        request: hyper::Request<Incoming>,
        peer: SocketAddr,
        place: Arc<Place>,
        phase: Arc<Phase>,
        alive: mpsc::Sender<Infallible>,
    ) -> io::Result<hyper::Response<Answer>> {
        phase.begin();
        let counted = Counted::new(&self.traffic.in_flight);
        let busy = Busy { phase, _counted: counted, _place: Arc::clone(&place), _alive: alive };
        let (head, body) = request.into_parts();
        let received = match self.receive(body, head.headers.contains_key(EXPECT), &place).await {
            Ok(received) => Ok(received),
            Err(Failed::Refused(error)) => Err(error),
            Err(Failed::Gone) => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let id = RequestId::random();
        // A task of its own: what is begun is finished, also when the client goes away meanwhile.
        let work = tokio::spawn(id.clone().scope(async move {
            let response = self.dispatch(&head, peer, received).await;
            (response, busy)
        }));
        let (response, busy) = work.await.map_err(io::Error::other)?;
        answer(Answer { response, id, _busy: busy })
    }

    /// Has Rocket answer. What is refused here already goes by a method that no route has to the catcher of its
    /// path, which renders the error like any other.
    async fn dispatch(
        &'static self,
        head: &Parts,
        peer: SocketAddr,
        received: Result<Received, Error>,
    ) -> LocalResponse<'static> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let (origin, received) = match Origin::parse_owned(path.to_owned()) {
            Ok(origin) => (origin, received),
            Err(_) => (Origin::ROOT, Err(Error::Malformed("The address cannot be read.".to_owned()))),
        };
        let known = head.method.as_str().parse().ok();
        // Rocket takes any letter case; in HTTP `get` is another method than `GET`.
        let known = known.filter(|known: &Method| known.as_str() == head.method.as_str());
        let received = match known {
            Some(_) => host_is_clear(head).and(received),
            None => Err(self.unknown_method(head.method.as_str(), &origin)),
        };
        let method = known.filter(|_| received.is_ok()).unwrap_or(Method::Trace);
        let mut request = self.client.req(method, origin).remote(peer);
        for (name, value) in &head.headers {
            // Rocket's headers are text. One that is none is still there: a token that cannot be read is a bad
            // one, and a cookie of somebody else's does not hide ours.
            let value = String::from_utf8_lossy(value.as_bytes());
            request.add_header(Header::new(name.as_str().to_owned(), value.clone().into_owned()));
            if name == COOKIE {
                let cookies = value.split(';').filter_map(|pair| Cookie::parse_encoded(pair.trim()).ok());
                request = request.cookies(cookies.map(Cookie::into_owned).collect::<Vec<_>>());
            }
        }
        request.inner().local_cache(|| AskedMethod(Some(head.method.as_str().to_owned())));
        match received {
            Ok(received) => {
                let Received { bytes, .. } = &received;
                // The memory is accounted for until the answer is known.
                request.body(bytes).dispatch().await
            }
            Err(error) => {
                error.stash(request.inner());
                request.dispatch().await
            }
        }
    }

    /// Any method may be asked for, but none that is not in the standard is allowed anywhere.
    fn unknown_method(&self, method: &str, origin: &Origin<'_>) -> Error {
        let segments: Vec<&str> = origin.path().segments().filter(|segment| !segment.is_empty()).collect();
        let allow = match segments.split_first() {
            Some((&"v1", rest)) => api::allowed_methods(rest),
            _ => web::allowed_methods(self.client.rocket(), &segments),
        };
        match allow {
            Some(allow) => Error::MethodNotAllowed { method: method.to_owned(), allow },
            None => Error::NoSuchPath,
        }
    }
}

/// One host is asked for, and it can be one (RFC 9112, 3.2). Of two nobody can say which one a proxy has looked at.
fn host_is_clear(head: &Parts) -> Result<(), Error> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let reason = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => "There is more than one Host header.",
        (None, None) if head.version == Version::HTTP_11 => "There is no Host header.",
        (Some(host), None) if !is_host(host.as_bytes()) => "The Host header cannot be read.",
        (_, None) => return Ok(()),
    };
    Err(Error::Malformed(reason.to_owned()))
}

/// Whether a host can be called so, with its port. It may be empty.
fn is_host(host: &[u8]) -> bool {
    host.is_empty() || !host.contains(&b'@') && Authority::try_from(host).is_ok()
}

/// The answer as hyper sends it.
fn answer(body: Answer) -> io::Result<hyper::Response<Answer>> {
    let response = &body.response;
    let mut answer = hyper::Response::builder().status(response.status().code);
    for header in response.headers().iter() {
        answer = answer.header(header.name.as_str(), header.value.as_bytes());
    }
    let chunked = response.headers().contains(TRANSFER_ENCODING.as_str());
    if let (false, Some(size)) = (chunked, response.body().preset_size()) {
        answer = answer.header(CONTENT_LENGTH, size);
    }
    answer.body(body).map_err(io::Error::other)
}
