//! The path of a request, read in one way for every purpose, and the methods that the routes have for it.

use rocket::http::Method;
use rocket::request::Request;
use rocket::{Orbit, Rocket};

use crate::http::arrival;
use crate::model::base_path::BasePath;
use crate::model::user::UserId;

/// Where the API is mounted.
pub const API_BASE: &str = "/v1";

/// Where provisioning clients find SCIM 2.0.
pub const SCIM_BASE: &str = "/scim/v2";
/// Below which there is nothing else.
pub const SCIM_ROOT: &str = "/scim";

/// The route of what no other one takes: it has no path of its own.
const ANY: &str = "/<_..>";

/// The order in which `Allow` lists methods. HEAD comes with GET.
const METHODS: [(Method, &str); 5] = [
    (Method::Get, "GET, HEAD"),
    (Method::Post, "POST"),
    (Method::Put, "PUT"),
    (Method::Patch, "PATCH"),
    (Method::Delete, "DELETE"),
];

/// The decoded segments of a path that are not empty. Routes are found by the same, so `//v1/users/7` and
/// `/%761/users/7` are the API's, too.
#[derive(Debug, Clone)]
pub struct RequestPath<'r>(Vec<&'r str>);

impl<'r> RequestPath<'r> {
    /// The path of a request.
    #[must_use]
    pub fn of(request: &'r Request<'_>) -> Self {
        let mut segments: Vec<&str> =
            request.uri().path().segments().filter(|segment| !segment.is_empty()).collect();
        // No fairing has taken the base path off a request that Rocket could not read.
        if let Some(base) = request.rocket().state::<BasePath>()
            && arrival::asked(request).is_none()
        {
            let base: Vec<&str> = base.segments().collect();
            if segments.starts_with(&base) {
                segments.drain(..base.len());
            }
        }
        Self(segments)
    }

    /// A path of these segments.
    #[must_use]
    pub const fn new(segments: Vec<&'r str>) -> Self {
        Self(segments)
    }

    /// Its segments.
    #[must_use]
    pub fn segments(&self) -> &[&'r str] {
        &self.0
    }

    /// Whether it is for programs: the API's or SCIM's.
    #[must_use]
    pub fn is_api(&self) -> bool {
        self.0.first() == Some(&&API_BASE[1..]) || self.is_scim()
    }

    /// Whether it is SCIM's.
    #[must_use]
    pub fn is_scim(&self) -> bool {
        self.0.first() == Some(&&SCIM_ROOT[1..])
    }

    /// Whether it is one of the lists for programs, which are read with POST.
    #[must_use]
    pub fn is_api_list(&self) -> bool {
        self.is_api() && matches!(self.0[..], [_, _, "list"] | ["scim", _, .., ".search"])
    }

    /// The primary key of the user that it is about: the number after `users`.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        match self.0[usize::from(self.is_api())..] {
            ["users", id, ..] if is_number(id) => id.parse().ok().map(UserId),
            _ => None,
        }
    }

    /// The same, if it is about the user only and nothing that the user has.
    #[must_use]
    pub fn user_alone(&self) -> Option<UserId> {
        let length = 2 + usize::from(self.is_api());
        self.user().filter(|_| self.0.len() == length)
    }

    /// Whether a request for it only reads users, a list of them or one.
    #[must_use]
    pub fn reads_users(&self, method: Method) -> bool {
        match self.0[..] {
            ["v1", "users", "list"] => method == Method::Post,
            ["v1", "users", "list", "next"] | ["v1", "users", _] | ["users"] => method == Method::Get,
            ["users", id] => method == Method::Get && is_number(id),
            _ => false,
        }
    }

    /// Whether it is one of a route such as `/users/<id>`. A parameter `<name>` is any text, one that ends in `..`
    /// any rest, and all others are numbers.
    fn fits(&self, route: &str) -> bool {
        let parts: Vec<&str> = route.split('/').filter(|part| !part.is_empty()).collect();
        let is_open = parts.last().is_some_and(|part| part.ends_with("..>"));
        let part_fits = |(part, segment): (&&str, &&str)| match *part {
            "<name>" => !RESERVED.contains(segment),
            part if part.ends_with("..>") => true,
            part if part.starts_with('<') => is_number(segment),
            part => part == *segment,
        };
        (is_open || parts.len() == self.0.len()) && parts.iter().zip(&self.0).all(part_fits)
    }

    /// The path of the page that is nearest: its own, or the first above it that has one.
    #[must_use]
    pub fn nearest_page(&self, rocket: &Rocket<Orbit>) -> String {
        let has_page = |path: &Self| {
            let mut pages = rocket.routes().filter(|route| route.method == Method::Get);
            pages.any(|route| route.uri.path() != ANY && path.fits(route.uri.path()))
        };
        let mut above = self.clone();
        while !above.0.is_empty() && !has_page(&above) {
            above.0.pop();
        }
        format!("/{}", above.0.join("/"))
    }

    /// The value of `Allow`: the methods that the mounted routes have for the path, or `None` if there is nothing.
    /// Below the API every path also has OPTIONS.
    #[must_use]
    pub fn allowed_methods(&self, rocket: &Rocket<Orbit>) -> Option<String> {
        let fits = |path: &str| path != ANY && self.fits(path);
        let has = |method| rocket.routes().any(|route| route.method == method && fits(route.uri.path()));
        let mut methods: Vec<&str> =
            METHODS.iter().filter(|(method, _)| has(*method)).map(|(_, names)| *names).collect();
        if methods.is_empty() {
            return None;
        }
        if self.is_api() {
            methods.push("OPTIONS");
        }
        Some(methods.join(", "))
    }
}

/// Segments after `/users/` that are never a name: they are routes of other methods.
const RESERVED: [&str; 2] = ["list", "create"];

/// Whether a segment can only be a primary key.
#[must_use]
pub fn is_number(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RequestPath<'_> {
        RequestPath::new(text.split('/').filter(|segment| !segment.is_empty()).collect())
    }

    #[test]
    fn a_path_names_its_user_by_number_only() {
        for (text, user, alone) in [
            ("/v1/users/7", Some(7), true),
            ("/users/7", Some(7), true),
            ("/v1/users/7/sessions/3", Some(7), false),
            ("/users/7/password", Some(7), false),
            ("/v1/users/ada", None, false),
            ("/v1/users", None, false),
            ("/v1/audit/7", None, false),
            ("/account/users/7", None, false),
            ("/v1/users/99999999999999999999", None, false),
        ] {
            assert_eq!(path(text).user(), user.map(UserId), "{text}");
            assert_eq!(path(text).user_alone(), user.filter(|_| alone).map(UserId), "{text}");
        }
    }

    #[test]
    fn what_only_reads_users_is_told_by_method_and_path() {
        for (method, text, reads) in [
            (Method::Post, "/v1/users/list", true),
            (Method::Get, "/v1/users/list/next", true),
            (Method::Get, "/v1/users/7", true),
            (Method::Get, "/v1/users/ada", true),
            (Method::Get, "/users", true),
            (Method::Get, "/users/7", true),
            (Method::Post, "/users/7", false),
            (Method::Patch, "/v1/users/7", false),
            (Method::Post, "/v1/users/create", false),
            (Method::Get, "/users/new", false),
            (Method::Get, "/users/7/password", false),
            (Method::Get, "/v1/users/7/sessions", false),
            (Method::Get, "/v1/account", false),
            (Method::Post, "/v1/audit/list", false),
            (Method::Get, "/scim/v2/Users", false),
        ] {
            assert_eq!(path(text).reads_users(method), reads, "{method} {text}");
        }
    }

    #[test]
    fn a_parameter_is_a_number_unless_it_is_a_name() {
        assert!(path("/v1/users/7").fits("/v1/users/<id>") && !path("/v1/users/ada").fits("/v1/users/<id>"));
        assert!(
            path("/v1/users/ada").fits("/v1/users/<name>") && path("/v1/users/7").fits("/v1/users/<name>")
        );
        assert!(!path("/v1/users/list").fits("/v1/users/<name>"));
        assert!(!path("/v1/users").fits("/v1/users/<id>") && !path("/v1/users/7/x").fits("/v1/users/<id>"));
        assert!(path("/static/a/b").fits("/static/<file..>"));
    }

    #[test]
    fn lists_of_the_api_are_told_from_pages() {
        assert!(path("/v1/users/list").is_api_list() && path("/v1/audit/list").is_api_list());
        assert!(path("/scim/v2/Users/.search").is_api_list() && path("/scim/v2/.search").is_api_list());
        assert!(!path("/scim/v2/Users").is_api_list() && !path("/v1/users/.search").is_api_list());
        assert!(!path("/users/list").is_api_list() && !path("/v1/users/list/7").is_api_list());
    }
}
