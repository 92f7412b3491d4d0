"""From measurements to tables."""

import json
import subprocess
from statistics import median

MIB = 2**20
BEGIN, END = "<!-- results: written by bench/run -->", "<!-- end of the results -->"
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


class Outcome:
    """The measurements of a run, over its rounds."""

    def __init__(self, outcome):
        self.about, self.facts = outcome["about"], outcome["facts"]
        self.sizes = self.about["plan"]["sizes"]
        self.small, self.large, self.peer = min(self.sizes), max(self.sizes), self.about["plan"]["peer"]
        self.rounds = {}
        for result in outcome["results"]:
            key = (result["database"], result["size"], result["server"], result["operation"])
            self.rounds.setdefault(key, []).append(result)

    def of(self, database, size, server, operation, what):
        """The median over the rounds; of the slowest answer, the slowest."""
        values = [result[what] for result in self.rounds.get((database, size, server, operation), [])]
        if not values:
            return None
        return max(values) if what == "max" else median(values)

    def fact(self, database, name):
        return self.facts.get(database, {}).get(name)


def ratio(left, right):
    return left / right if left and right else None


def show(value, unit=""):
    if value is None:
        return "–"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}{unit}"


def targets(outcome):
    """What was aimed at: words, then a function of the database for what came out, its unit, and whether at
    most or at least so much was wanted."""
    large, peer, small = outcome.large, outcome.peer, outcome.small

    def rates(operation, against, size=None, server="ceiling"):
        return lambda db: ratio(
            outcome.of(db, size or large, "usher", operation, "rate"),
            outcome.of(db, size or large, server, against, "rate"),
        )

    def time(operation, what, size):
        return lambda db: ratio(outcome.of(db, size, "usher", operation, what), 1000)

    def slower(operation):
        return lambda db: ratio(
            outcome.of(db, large, "usher", operation, "p50"), outcome.of(db, small, "usher", operation, "p50")
        )

    def fact(name, scale=1.0):
        return lambda db: ratio(outcome.fact(db, name), scale)

    def alone(operation):
        return rates(operation, operation, peer, "loop")

    def against_peer(operation):
        return rates(operation, operation, peer, "peer")

    def least_against_peer(database):
        """Of the operation that gains least."""
        names = {key[3] for key in outcome.rounds if key[0] == database and key[2] == "peer"}
        found = [against_peer(name)(database) for name in names]
        return min((value for value in found if value is not None), default=None)

    most, least = "at most", "at least"
    yield f"`GET /v1/users/{{pk}}` by bearer: throughput, against a bare route with one query, {large:,} users", rates("get by bearer", "bare query"), "", least, 0.9
    yield f"the same against the peer, {peer:,} users", against_peer("get by bearer"), "×", least, 25
    yield f"list of all {peer:,} users, against the peer", against_peer("list, all"), "×", least, 30
    for operation, times in (("change", 2), ("create", 1.5), ("sign in", 1.5)):
        yield f"{operation}, against the peer", against_peer(operation), "×", least, times
    yield "the operation that is the least ahead of the peer", least_against_peer, "×", least, 1
    yield f"memory for streaming all {large:,}", fact("bytes while streaming all", MIB), " MiB", most, 32
    for which in ("first", "middle", "last"):
        yield f"page of 50, {which}: {large:,} against {small:,} users, p50", slower(f"page, {which}"), "×", most, 1.5
    for operation in ("list, common part", "list, rare part", "console: search, common part", "console: search, rare part", "console: search, first name"):
        yield f"{operation}, {large:,} users, p95", time(operation, "p95", large), " ms", most, 50
        yield f"{operation}, {large:,} users, slowest", time(operation, "max", large), " ms", most, 250
    yield f"list, compound, {large:,} users, p95", time("list, compound", "p95", large), " ms", most, 25
    yield f"console: overview, {large:,} users, p50", time("console: overview", "p50", large), " ms", most, 20
    yield f"console: list, {peer:,} users, p50", time("console: list", "p50", peer), " ms", most, 5
    yield f"console: list, {large:,} users, p50", time("console: list", "p50", large), " ms", most, 10
    yield "sign-ins, against argon2id alone", alone("sign in"), "", least, 0.9
    yield "reading while sign-ins are saturated, p99", fact("p99 of reading while sign-ins are saturated", 1000), " ms", most, 50
    yield "sign-ins refused (503) while saturated", fact("sign-ins refused while saturated"), "", least, 1
    yield "import, against the inserts alone", lambda db: ratio(outcome.fact(db, "imported users per second"), outcome.fact(db, "raw inserts per second")), "", least, 0.8
    yield "PATCH, against its statements alone", alone("change"), "", least, 0.8
    yield f"start to first answer, {large:,} users", fact("seconds to start", 0.001), " ms", most, 200
    yield f"resident memory, idle, {large:,} users", fact("idle bytes", MIB), " MiB", most, 30
    yield f"resident memory, under load, {large:,} users", fact(f"peak bytes at {large}", MIB), " MiB", most, 120
    yield f"making {large:,} users", fact("seconds to generate"), " s", most, 120


def target_table(outcome):
    lines = ["| what | target | SQLite | PostgreSQL |", "|---|---|---|---|"]
    for words, measured, unit, direction, limit in targets(outcome):
        cells = []
        for database in DATABASES:
            value = measured(database)
            met = value is not None and (value <= limit if direction == "at most" else value >= limit)
            cells.append(show(value, unit) if met or value is None else f"**{show(value, unit)}**")
        lines.append(f"| {words} | {direction} {limit:,}{unit} | {cells[0]} | {cells[1]} |")
    return lines


def operation_table(outcome, database):
    """Every operation: throughput, then p50 and p99 in milliseconds."""
    columns = [("usher", size) for size in outcome.sizes] + [("peer", outcome.peer)]
    head = [f"{'Usher' if server == 'usher' else 'peer'}, {size:,}" for server, size in columns]
    lines = ["| operation | " + " | ".join(head) + " |", "|---" * (len(columns) + 1) + "|"]
    names = dict.fromkeys(key[3] for key in outcome.rounds if key[0] == database and key[2] in ("usher", "peer"))
    for name in names:
        cells = []
        for server, size in columns:
            get = lambda what: outcome.of(database, size, server, name, what)
            if get("rate") is None:
                cells.append("")
                continue
            cells.append(f"{show(get('rate'))}/s · {show(get('p50') / 1000)} · {show(get('p99') / 1000)}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def ceiling_table(outcome):
    lines = ["| ceiling | SQLite | PostgreSQL |", "|---|---|---|"]
    for name in ("static answer", "bare query"):
        cells = [show(outcome.of(db, outcome.large, "ceiling", name, "rate"), "/s") for db in DATABASES]
        lines.append(f"| {name}, {outcome.large:,} users | {cells[0]} | {cells[1]} |")
    for name, words in (("get by bearer", "raw query"), ("change", "raw change"), ("sign in", "raw hash")):
        cells = [show(outcome.of(db, outcome.peer, "loop", name, "rate"), "/s") for db in DATABASES]
        lines.append(f"| {words}, {outcome.peer:,} users | {cells[0]} | {cells[1]} |")
    for fact in (
        "raw inserts per second", "imported users per second", "seconds to stream all",
        "sign-ins refused while saturated",
    ):
        cells = [show(outcome.fact(db, fact)) for db in DATABASES]
        lines.append(f"| {fact} | {cells[0]} | {cells[1]} |")
    return lines


def pressure_table(outcome):
    """What others notice while one user or the database does its worst."""
    def value(database, *path):
        found = outcome.fact(database, "under pressure")
        for name in path:
            found = (found or {}).get(name)
        return found

    def share(*path):
        def shown(database):
            found = value(database, *path, "share")
            return show(None if found is None else 100 * found, " %")

        return shown

    p99 = lambda *path: lambda db: show(value(db, *path, "p99"), " ms")
    seconds = lambda *path: lambda db: show(value(db, *path), " s")
    number = lambda *path: lambda db: show(value(db, *path))

    def of_lists(name, words):
        return [
            (f"{words}: others who read, answered", share(name, "reading"), "100 %"),
            ("the same, p99", p99(name, "reading"), ""),
            ("others who sign in, answered", share(name, "signing in"), "100 %"),
            ("`/readyz`, answered 200", share(name, "readiness"), "100 %"),
            ("the slowest of those lists", seconds(name, "slowest list"), "at most 10 s"),
        ]

    rows = [
        ("90 clients sign in to one account: others who sign in, answered", share("sign-ins"), "100 %"),
        ("the same, p99", p99("sign-ins"), ""),
        *of_lists("lists", "12 clients ask for lists of 498 tests"),
        *of_lists("pages", "30 clients ask for pages of 1,000 with 12 tests"),
        ("a user changes their own name without end: changes made", number("own changes", "accepted"), "at most 62"),
        ("changes refused (429)", number("own changes", "refused"), "at least 1"),
        ("no change can be stored: others who read, answered", share("no changes", "reading"), "100 %"),
        ("the same, p99", p99("no changes", "reading"), "at most 1,000 ms"),
        ("`/readyz`, answered 200", share("no changes", "readiness"), "100 %"),
        ("the slowest change, answered 503", seconds("no changes", "slowest change"), "at most 10 s"),
        ("`/readyz` says so", lambda db: {True: "yes", False: "no"}.get(value(db, "no changes", "degraded"), "–"), "yes"),
        ("until changes are stored again", seconds("no changes", "recovery"), "at most 10 s"),
    ]
    lines = ["| what | wanted | SQLite | PostgreSQL |", "|---|---|---|---|"]
    return lines + [f"| {words} | {wanted} | {cell('sqlite')} | {cell('postgres')} |" for words, cell, wanted in rows]


def cost_table(outcome):
    """Processor time for a thousand answers, in seconds, and the greatest memory."""
    lines = ["| processor seconds per 1,000 answers | Usher, SQLite | peer, SQLite | Usher, PostgreSQL | peer, PostgreSQL |", "|---" * 5 + "|"]
    names = dict.fromkeys(key[3] for key in outcome.rounds if key[2] == "peer")
    for name in names:
        cells = []
        for database in DATABASES:
            for server in ("usher", "peer"):
                cpu, done = (outcome.of(database, outcome.peer, server, name, what) for what in ("cpu_seconds", "requests"))
                cells.append(show(ratio(cpu and cpu * 1000, done)))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    peaks = []
    for database in DATABASES:
        for fact in (f"peak bytes at {outcome.peer}", "peer peak bytes"):
            peaks.append(show(ratio(outcome.fact(database, fact), MIB), " MiB"))
    lines.append("| resident memory at its greatest | " + " | ".join(peaks) + " |")
    return lines


def text(outcome):
    about = outcome.about
    lines = [
        f"Measured {about['time'][:10]} on {about['cores']} cores of {about['processor']}, {about['memory_gib']} GiB, "
        f"{about['system']}, {about['postgres']}, {about['rust']}, Python {about['python']}; "
        f"{about['plan']['rounds']} rounds of {about['plan']['seconds']} s. Load average before: {about['load_before']:.2f}.",
        "",
        "### Targets",
        "",
        "What is bold was missed.",
        "",
        *target_table(outcome),
        "",
        "### Ceilings",
        "",
        *ceiling_table(outcome),
    ]
    for database, name in DATABASES.items():
        lines += ["", f"### Operations on {name}", "", "Answers per second · p50 in ms · p99 in ms.", ""]
        lines += operation_table(outcome, database)
    lines += ["", f"### Under pressure, {outcome.peer:,} users", "", *pressure_table(outcome)]
    lines += ["", f"### Cost, {outcome.peer:,} users", "", "The database server's own is not in it.", "", *cost_table(outcome)]
    return "\n".join(lines)


def write(root, raw, quick):
    """The file with everything, and the tables: into the document, or of a quick run onto the terminal."""
    commit = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    raw["about"]["commit"] = subprocess.run(commit, stdout=subprocess.PIPE, text=True).stdout.strip()
    tables = text(Outcome(raw))
    print("\n" + tables)
    if quick:
        (root / "target/bench/quick.json").write_text(json.dumps(raw, indent=1) + "\n")
        return
    (root / "bench/results.json").write_text(json.dumps(raw) + "\n")
    document = root / "docs/benchmarks.md"
    before, _, rest = document.read_text().partition(BEGIN)
    document.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.partition(END)[2]}")
