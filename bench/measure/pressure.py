"""What others notice while one user, or a database that takes no changes, does its worst."""

import http.client
import json
import sqlite3
import subprocess
import threading
import time

from servers import ADMIN, PASSWORD

# Clients of the user who floods, and of the others.
FLOOD, OTHERS = 90, 4
LISTS = 12
# Those who ask for long pages, each of which walks along every user.
PAGES = 30


class Client:
    """One connection that asks again and again."""

    def __init__(self, port, headers=None):
        self.port, self.headers, self.connection = port, headers or {}, None
        # Of every answer its status and the seconds that it took; status 0 for none.
        self.answers = []

    def ask(self, method, path, body=None):
        started = time.monotonic()
        try:
            self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            headers = {"Content-Type": "application/json", **self.headers}
            self.connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            status, content = answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            status, content, self.connection = 0, b"", None
        self.answers.append((status, time.monotonic() - started))
        return status, content

    def sign_in(self, name):
        return self.ask("POST", "/v1/auth/obtain", {"username": name, "password": PASSWORD})


def meanwhile(seconds, *crowds):
    """Has every client of every crowd, each a list of clients and what one of them does, go on for so long."""
    end = time.monotonic() + seconds

    def go_on(client, number, act):
        turn = 0
        while time.monotonic() < end:
            act(client, number, turn)
            turn += 1

    threads = [
        threading.Thread(target=go_on, args=(client, number, act))
        for clients, act in crowds
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def answered(clients, status):
    """The share of answers with that status, and the 99th percentile of their time in milliseconds."""
    answers = [answer for client in clients for answer in client.answers]
    times = sorted(1000 * taken for _, taken in answers)
    share = sum(1 for known, _ in answers if known == status) / max(len(answers), 1)
    return {"share": share, "p99": times[int(0.99 * (len(times) - 1))] if times else None, "answers": len(answers)}


def count(clients, status):
    return sum(1 for client in clients for known, _ in client.answers if known == status)


def clients(usher, number, signed_in=True):
    return [Client(usher.port, usher.headers if signed_in else None) for _ in range(number)]


def sign_ins(usher, names, seconds):
    """One account floods the queue for hashing with its right password."""
    flood, others = clients(usher, FLOOD, False), clients(usher, OTHERS, False)
    meanwhile(
        seconds,
        (flood, lambda client, *_: client.sign_in(ADMIN)),
        (others, lambda client, number, turn: client.sign_in(names[(number + OTHERS * turn) % len(names)])),
    )
    return answered(others, 200) | {"refused": count(flood, 503)}


def lists(usher, names, seconds, flooding, tests, limit):
    """A member of staff asks for lists of so many tests, by so many clients at once."""
    field = lambda n: ["username", "first_name", "last_name", "email"][n % 4]
    test = lambda n: {"type": "contains", "field": field(n), "sub_string": f"{n} no", "case_insensitive": True}
    body = {"expressions": [{"type": "or", "sub_expressions": [test(n) for n in range(tests)]}], "limit": limit}
    flood, readers, others = clients(usher, flooding), clients(usher, OTHERS), clients(usher, OTHERS, False)
    health = clients(usher, 1, False)
    meanwhile(
        seconds,
        (flood, lambda client, *_: client.ask("POST", "/v1/users/list", body)),
        (readers, lambda client, *_: client.ask("GET", "/v1/account")),
        (others, lambda client, number, turn: client.sign_in(names[(number + OTHERS * turn) % len(names)])),
        (health, lambda client, *_: (client.ask("GET", "/readyz"), time.sleep(0.1))),
    )
    return {
        "reading": answered(readers, 200), "signing in": answered(others, 200), "readiness": answered(health, 200),
        "slowest list": max(taken for client in flood for _, taken in client.answers),
    }


def own_changes(usher, name, seconds):
    """An ordinary user changes their own name in a loop."""
    client = Client(usher.port)
    _, content = client.sign_in(name)
    client.headers = {"Authorization": f"Bearer {json.loads(content)['access']}"}
    client.answers.clear()
    change = lambda client, _, turn: client.ask("PATCH", "/v1/account", {"first_name": f"Name {turn}"})
    meanwhile(seconds, ([client], change))
    return {"accepted": count([client], 200), "refused": count([client], 429)}


class NoChanges:
    """No change can be stored: another process has SQLite's lock, PostgreSQL's standby is lost."""

    def __init__(self, url):
        self.url, self.connection = url, None

    def psql(self, *statements):
        options = [option for statement in (*statements, "SELECT pg_reload_conf()") for option in ("-c", statement)]
        subprocess.run(["psql", "-q", self.url, *options], stdout=subprocess.DEVNULL, check=True)

    def __enter__(self):
        if self.url.startswith("sqlite"):
            self.connection = sqlite3.connect(self.url.removeprefix("sqlite://"), isolation_level=None)
            self.connection.execute("BEGIN IMMEDIATE")
        else:
            self.psql("ALTER SYSTEM SET synchronous_standby_names = 'gone'")

    def __exit__(self, *_):
        if self.connection:
            self.connection.execute("ROLLBACK")
            self.connection.close()
        else:
            self.psql("ALTER SYSTEM RESET synchronous_standby_names")


def no_changes(usher, url, ids, seconds):
    """Reading, and changes, while none can be stored."""
    readers, writers, health = clients(usher, OTHERS), clients(usher, 12), clients(usher, 1, False)
    with NoChanges(url):
        meanwhile(
            seconds,
            (readers, lambda client, number, turn: client.ask("GET", f"/v1/users/{ids[(number + turn) % len(ids)]}")),
            (writers, lambda client, number, turn: client.ask("PATCH", f"/v1/users/{ids[number]}", {"last_name": f"N{turn}"})),
            (health, lambda client, *_: client.ask("GET", "/readyz")),
        )
        _, ready = health[0].ask("GET", "/readyz")
    slowest = max(taken for client in writers for _, taken in client.answers)
    degraded = json.loads(ready)["status"] == "degraded"
    begun = time.monotonic()
    while writers[0].ask("PATCH", f"/v1/users/{ids[0]}", {"last_name": f"N{begun}"})[0] != 200:
        if time.monotonic() - begun > 60:
            break
        time.sleep(0.1)
    recovery = time.monotonic() - begun
    return {
        "reading": answered(readers, 200), "readiness": answered(health, 200), "slowest change": slowest,
        "changes refused": count(writers, 503), "degraded": degraded, "recovery": recovery,
    }


def measure(usher, url, names, ids, seconds):
    """All of it, one after the other."""
    return {
        "sign-ins": sign_ins(usher, names, seconds),
        "lists": lists(usher, names, seconds, LISTS, 498, 50),
        "pages": lists(usher, names, seconds, PAGES, 12, 1000),
        "own changes": own_changes(usher, names[0], seconds),
        # Longer than a change may take.
        "no changes": no_changes(usher, url, ids, seconds + 12),
    }
