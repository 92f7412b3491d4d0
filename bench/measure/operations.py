"""What is measured: requests, and how many of them are under way at once."""

import json
import random
from dataclasses import dataclass

from servers import PASSWORD

# Requests under way where throughput counts, and where the time of one counts.
MANY, ONE = 8, 1

COMMON, RARE = "example", "quillfea"


@dataclass
class Operation:
    """An operation against one server."""

    name: str
    lines: list
    connections: int
    headers: dict


def line(method, path, body=None):
    """A line for requests.lua."""
    return f"{method}\t{path}" + ("" if body is None else "\t" + json.dumps(body))


def contains(field, text):
    return {"type": "contains", "field": field, "sub_string": text, "case_insensitive": True}


BY_NAME = [{"field": "last_name"}]
COMPOUND = [
    {"type": "exact", "field": "is_staff", "value": True},
    {
        "type": "or",
        "sub_expressions": [
            contains("first_name", "an"),
            {"type": "compare", "field": "last_login", "operator": "<", "value": "2026-01-01"},
        ],
    },
]


@dataclass
class Sample:
    """Users that requests ask for, and cursors into the list of all by last name."""

    ids: list
    names: list
    middle: str
    last: str
    size: int


def sample(server, size):
    """Takes a sample through the API, walking through the whole list for the cursors."""
    body = {"limit": 1000, "order_by": BY_NAME, "include_inactive": True}
    cursors, names = [], []
    while True:
        _, headers, answer = server.ask("POST", "/v1/users/list", body)
        users = json.loads(answer)
        names += [user["username"] for user in random.Random(1).sample(users, min(5, len(users))) if user["is_active"]]
        if not (cursor := headers.get("X-Next-Cursor")):
            break
        cursors.append(cursor)
        body["after"] = cursor
    # So that the last page has users on it: the place 50 before the end would cost a walk of its own.
    middle = cursors[len(cursors) // 2] if cursors else None
    last = cursors[-1] if cursors else None
    numbers = random.Random(2)
    ids = [numbers.randint(1, size) for _ in range(500)]
    numbers.shuffle(names)
    return Sample(ids, names[:500], middle, last, size)


def listing(**members):
    return line("POST", "/v1/users/list", members)


def of_api(server, taken, bearer, whole_list):
    """The operations that Usher and the peer both have."""
    as_json = {**bearer, "Content-Type": "application/json"}
    page = {"limit": 50, "order_by": BY_NAME, "include_inactive": True}
    middle, last = {"offset": taken.size // 2}, {"offset": max(taken.size - 50, 0)}
    if server.name == "usher":
        middle = {"after": taken.middle} if taken.middle else {}
        last = {"after": taken.last} if taken.last else {}
    exact = [listing(expressions=[{"type": "exact", "field": "username", "value": name}]) for name in taken.names]
    create = {"username": "bench{n}", "password": PASSWORD, "first_name": "A", "last_name": "B", "email": ""}
    found = {"limit": 50, "order_by": BY_NAME, "include_inactive": True}
    operations = [
        Operation("get by bearer", [line("GET", f"/v1/users/{id}") for id in taken.ids], MANY, bearer),
        Operation("get by name", [line("GET", f"/v1/users/{name}") for name in taken.names], MANY, bearer),
        Operation("list, exact name", exact, MANY, as_json),
        Operation("list, common part", [listing(expressions=[contains("email", COMMON)], **found)], ONE, as_json),
        Operation("list, rare part", [listing(expressions=[contains("last_name", RARE)], **found)], ONE, as_json),
        Operation("list, compound", [listing(expressions=COMPOUND, **found)], ONE, as_json),
        Operation("page, first", [listing(**page)], ONE, as_json),
        Operation("page, middle", [listing(**page, **middle)], ONE, as_json),
        Operation("page, last", [listing(**page, **last)], ONE, as_json),
        Operation(
            "change",
            [line("PATCH", f"/v1/users/{id}", {"email": "n{n}@example.org"}) for id in taken.ids],
            MANY,
            as_json,
        ),
        Operation("create", [line("POST", "/v1/users/create", create)], MANY, as_json),
        Operation(
            "sign in",
            [line("POST", "/v1/auth/obtain", {"username": name, "password": PASSWORD}) for name in taken.names],
            MANY,
            {"Content-Type": "application/json"},
        ),
    ]
    if whole_list:
        operations.append(Operation("list, all", [listing(include_inactive=True)], 2, as_json))
    return operations


def of_usher(server, taken, whole_list):
    """Everything of Usher's."""
    bearer = dict(server.headers)
    cookie = {"Cookie": server.sign_in_by_form("/sign-in", "token", "sid-")}
    return [
        *of_api(server, taken, bearer, whole_list),
        Operation("get by cookie", [line("GET", f"/v1/users/{id}") for id in taken.ids], MANY, cookie),
        Operation("console: sign-in", [line("GET", "/sign-in")], ONE, {}),
        Operation("console: overview", [line("GET", "/")], ONE, cookie),
        Operation("console: list", [line("GET", "/users")], ONE, cookie),
        Operation("console: search, common part", [line("GET", f"/users?q={COMMON}")], ONE, cookie),
        Operation("console: search, first name", [line("GET", "/users?q=william")], ONE, cookie),
        Operation("console: search, rare part", [line("GET", f"/users?q={RARE}")], ONE, cookie),
        Operation("console: edit", [line("GET", f"/users/{id}") for id in taken.ids], ONE, cookie),
    ]


def of_peer(server, taken, whole_list):
    """Everything of the peer's; its administration stands where Usher's console does."""
    bearer = dict(server.headers)
    cookie = {"Cookie": server.sign_in_by_form("/admin/login/?next=/admin/", "csrfmiddlewaretoken", "sessionid")}
    users = "/admin/auth/user/"
    return [
        *of_api(server, taken, bearer, whole_list),
        Operation("get by cookie", [line("GET", f"/v1/users/{id}") for id in taken.ids], MANY, cookie),
        Operation("console: sign-in", [line("GET", "/admin/login/")], ONE, {}),
        Operation("console: list", [line("GET", users)], ONE, cookie),
        Operation("console: search, common part", [line("GET", f"{users}?q={COMMON}")], ONE, cookie),
        Operation("console: search, first name", [line("GET", f"{users}?q=william")], ONE, cookie),
        Operation("console: search, rare part", [line("GET", f"{users}?q={RARE}")], ONE, cookie),
        Operation("console: edit", [line("GET", f"{users}{id}/change/") for id in taken.ids], ONE, cookie),
    ]


def of_ceiling(taken):
    """The web server alone, and with one query."""
    return [
        Operation("static answer", [line("GET", "/static")], MANY, {}),
        Operation("bare query", [line("GET", f"/bare/{id}") for id in taken.ids], MANY, {}),
    ]


# What a small installation is measured for: whether the time grows with the users.
OF_SIZE = {
    "get by bearer",
    "list, common part",
    "list, rare part",
    "page, first",
    "page, middle",
    "page, last",
    "console: list",
    "console: search, common part",
    "console: search, first name",
    "console: search, rare part",
    "console: edit",
}
