//! The rows of SCIM, which is there with the setting only, and for tokens only: a cookie is answered 401.

use serde_json::{Value, json};

use super::Method::{Delete, Get, Patch, Post, Put};
use super::Target::{Missing, Other, Own, Superuser, Unaimed};
use super::{Row, nothing, row};

fn resource() -> Value {
    json!({"userName": "renamed"})
}

fn operations() -> Value {
    json!({"Operations": [{"op": "replace", "path": "name.givenName", "value": "Changed"}]})
}

pub(crate) const SCIM_ROWS: &[Row] = &[
    row(Get, "/scim/v2/ServiceProviderConfig", Unaimed, None, [401, 401, 403, 200, 200]),
    row(Get, "/scim/v2/ResourceTypes", Unaimed, None, [401, 401, 403, 200, 200]),
    row(Get, "/scim/v2/ResourceTypes/{name}", Missing, None, [401, 401, 403, 404, 404]),
    row(Get, "/scim/v2/Schemas", Unaimed, None, [401, 401, 403, 200, 200]),
    row(Get, "/scim/v2/Schemas/{name}", Missing, None, [401, 401, 403, 404, 404]),
    row(Get, "/scim/v2/Groups", Unaimed, None, [401, 401, 403, 200, 200]),
    row(Post, "/scim/v2/Groups", Unaimed, Some(nothing), [401, 401, 403, 501, 501]),
    row(Post, "/scim/v2/Bulk", Unaimed, Some(nothing), [401, 401, 403, 501, 501]),
    row(Get, "/scim/v2/Me", Unaimed, None, [401, 401, 403, 501, 501]),
    row(Get, "/scim/v2/Users", Unaimed, None, [401, 401, 403, 200, 200]),
    row(Post, "/scim/v2/.search", Unaimed, Some(nothing), [401, 401, 403, 200, 200]),
    row(Post, "/scim/v2/Users/.search", Unaimed, Some(nothing), [401, 401, 403, 200, 200]),
    row(Post, "/scim/v2/Users", Unaimed, Some(resource), [401, 401, 403, 201, 201]),
    row(Get, "/scim/v2/Users/{id}", Own, None, [401, 401, 403, 200, 200]),
    row(Get, "/scim/v2/Users/{id}", Other, None, [401, 401, 403, 200, 200]),
    row(Get, "/scim/v2/Users/{id}", Superuser, None, [401, 401, 403, 200, 200]),
    row(Get, "/scim/v2/Users/{id}", Missing, None, [401, 401, 403, 404, 404]),
    row(Put, "/scim/v2/Users/{id}", Own, Some(resource), [401, 401, 403, 200, 200]),
    row(Put, "/scim/v2/Users/{id}", Other, Some(resource), [401, 401, 403, 200, 200]),
    row(Put, "/scim/v2/Users/{id}", Superuser, Some(resource), [401, 401, 403, 403, 200]),
    row(Put, "/scim/v2/Users/{id}", Missing, Some(resource), [401, 401, 403, 404, 404]),
    row(Patch, "/scim/v2/Users/{id}", Own, Some(operations), [401, 401, 403, 200, 200]),
    row(Patch, "/scim/v2/Users/{id}", Other, Some(operations), [401, 401, 403, 200, 200]),
    row(Patch, "/scim/v2/Users/{id}", Superuser, Some(operations), [401, 401, 403, 403, 200]),
    row(Patch, "/scim/v2/Users/{id}", Missing, Some(operations), [401, 401, 403, 404, 404]),
    row(Delete, "/scim/v2/Users/{id}", Own, None, [401, 401, 403, 409, 409]),
    row(Delete, "/scim/v2/Users/{id}", Other, None, [401, 401, 403, 204, 204]),
    row(Delete, "/scim/v2/Users/{id}", Superuser, None, [401, 401, 403, 403, 204]),
    row(Delete, "/scim/v2/Users/{id}", Missing, None, [401, 401, 403, 404, 404]),
];
