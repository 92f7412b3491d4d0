//! The path below which an installation stands: taken off every request, put before every link that leaves in a header.
//!
//! In between, all paths are those of an installation that has its origin to itself. What leaves in a page gets the base
//! path from the templates, see `web/view/base_path`; what leaves in a message or in SCIM begins with `App::base`.

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Header;
use rocket::request::Request;
use rocket::response::Response;
use rocket::{Build, Data, Rocket};

use crate::model::base_path::BasePath;

/// Attached before all other fairings. A request whose path does not begin with the base path is served, too: that of a
/// proxy that has taken it off, or of a check by a program on the same machine.
struct Below(BasePath);

/// Has a server stand below a path.
pub(crate) fn attach(rocket: Rocket<Build>, base: BasePath) -> Rocket<Build> {
    if base.is_empty() { rocket } else { rocket.manage(base.clone()).attach(Below(base)) }
}

#[rocket::async_trait]
impl Fairing for Below {
    fn info(&self) -> Info {
        Info { name: "base path", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        let stripped = self.0.strip(request.uri().path().as_str()).map(str::to_owned);
        if let Some(uri) = stripped.and_then(|path| request.uri().map_path(|_| path)) {
            request.set_uri(uri);
        }
    }

    async fn on_response<'r>(&self, _: &'r Request<'_>, response: &mut Response<'r>) {
        if let Some(path) = response.headers().get_one("Location").map(|path| self.0.link_to(path)) {
            response.set_header(Header::new("Location", path));
        }
        // As in `</v1/users/list/next?after=...>; rel="next"`.
        let link = response.headers().get_one("Link").and_then(|link| link.strip_prefix('<'));
        if let Some(link) = link.map(|link| self.0.link_to(link)) {
            response.set_header(Header::new("Link", format!("<{link}")));
        }
    }
}
