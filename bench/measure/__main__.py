"""Measures Usher, the peer and the ceilings; `bench/run` starts it."""

import argparse
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import operations
import pressure
import report
from servers import ADMIN, PASSWORD, PeakMemory, Server, usher_environment

ROOT = Path(__file__).resolve().parents[2]
USHER = ROOT / "target/dist/usher"
CEILING = ROOT / "target/dist/examples/ceiling"
GENERATE = ROOT / "target/dist/examples/generate"
SEED = 1
# Seconds of the same load before the first measurement of an operation.
WARM_UP = 1

FULL = {"sizes": [1_000, 10_000, 1_000_000], "peer": 10_000, "rounds": 3, "seconds": 2, "import": 20_000}
QUICK = {"sizes": [1_000, 20_000], "peer": 1_000, "rounds": 1, "seconds": 1, "import": 2_000}

numbers = itertools.count(1)


def say(text):
    print(text, flush=True)


def run(command, url, **more):
    """Runs a program to its end; its output and the seconds that it took."""
    started = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command],
        env=usher_environment(url), stdout=subprocess.PIPE, text=True, check=True, **more,
    )
    return done.stdout, time.monotonic() - started


class Bench:
    """One run of the benchmark."""

    def __init__(self, plan, postgres, python, scratch):
        self.plan, self.postgres, self.python, self.scratch = plan, postgres, python, scratch
        self.results, self.facts = [], {}
        self.port = 21000 + os.getpid() % 5000

    def next_port(self):
        self.port += 1
        return self.port

    def url(self, database, name):
        """A fresh database of that kind."""
        if database == "sqlite":
            return f"sqlite://{self.scratch}/{name}.db"
        subprocess.run(
            ["psql", "-q", f"{self.postgres}/postgres", "-c", f"CREATE DATABASE {name}"], check=True
        )
        return f"{self.postgres}/{name}"

    def note(self, database, fact, value):
        self.facts.setdefault(database, {})[fact] = value

    # Servers

    def usher(self, url):
        port = self.next_port()
        return Server("usher", port, [USHER, "serve"], usher_environment(url, port))

    def ceiling(self, url):
        port = self.next_port()
        return Server("ceiling", port, [CEILING, "serve", str(port), url])

    def peer(self, url, users):
        """The peer with the same users."""
        folder = ROOT / "bench/peer_django"
        environment = {
            **os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "peer.settings",
            "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1",
        }
        load = [self.python, "-W", "ignore", folder / "load.py"]
        with open(users) as file:
            subprocess.run(load, env=environment, stdin=file, check=True)
        port = self.next_port()
        gunicorn = [self.python, "-m", "gunicorn", "--no-control-socket", "--workers", "2", "--bind", f"127.0.0.1:{port}", "peer.wsgi"]
        return Server("peer", port, gunicorn, environment, folder)

    # Load

    def wrk(self, server, operation, seconds, connections=None, warm=False):
        """One measurement; `warm` if there was one of the same before."""
        file = self.scratch / f"requests-{next(numbers)}"
        file.write_text("\n".join(operation.lines) + "\n")
        options = ["-t1", f"-c{connections or operation.connections}", "--timeout", "30s"]
        for name, value in operation.headers.items():
            options += ["-H", f"{name}: {value}"]
        options += ["-s", str(ROOT / "bench/requests.lua"), f"http://127.0.0.1:{server.port}", "--", str(file)]
        load = lambda length: ["wrk", f"-d{length}s", *options, str(int(time.time() * 1000) % 10**9 * 1000)]
        # What has left memory since the last time is read from the disk once; that is not what is measured.
        if not warm:
            subprocess.run(load(WARM_UP), stdout=subprocess.DEVNULL, check=True)
            server.rest()
        command = load(seconds)
        before = server.cpu_seconds()
        with PeakMemory(server) as memory:
            output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        result = json.loads(output.strip().splitlines()[-1])
        seconds = result.pop("microseconds") / 1e6
        result |= {
            "rate": (result["requests"] - result["refused"]) / seconds,
            "cpu_seconds": server.cpu_seconds() - before,
            "seconds": seconds,
            "peak_bytes": memory.peak,
        }
        server.peak = max(server.peak, memory.peak)
        server.rest()
        file.unlink()
        return result

    def measure(self, database, url, size, pairs, loops):
        """All operations of all servers in turn, round by round, each with the loop that has its name."""
        for round_number in range(self.plan["rounds"]):
            names = dict.fromkeys(operation.name for _, operation in pairs)
            for name in names:
                for server, operation in pairs:
                    if operation.name != name:
                        continue
                    result = self.wrk(server, operation, self.plan["seconds"], warm=round_number > 0)
                    result |= {
                        "database": database, "size": size, "server": server.name, "operation": name,
                        "connections": operation.connections, "round": round_number,
                    }
                    self.results.append(result)
                    say(
                        f"{database:9}{size:>9,}  {server.name:8}{name:30}{result['rate']:>10,.1f}/s"
                        f"  p50 {result['p50'] / 1000:8.2f} ms  p99 {result['p99'] / 1000:8.2f} ms"
                        + (f"  REFUSED {result['refused']}" if result["refused"] else "")
                    )
                if name in loops:
                    rate = float(run([CEILING, *loops[name]], url)[0])
                    self.results.append({
                        "database": database, "size": size, "server": "loop", "operation": name, "rate": rate,
                        "round": round_number,
                    })
                    say(f"{database:9}{size:>9,}  {'loop':8}{name:30}{rate:>10,.1f}/s")

    # What is measured

    def populate(self, database, size):
        """A database with so many users and an administrator; its URL and the seconds that it took."""
        url = self.url(database, f"users_{size}")
        _, seconds = run(
            [GENERATE, size, "--seed", SEED, "--password-stdin"], url, input=PASSWORD + "\n"
        )
        run([USHER, "createsuperuser", "--username", ADMIN, "--password-stdin"], url, input=PASSWORD + "\n")
        if database == "postgres":
            subprocess.run(["psql", "-q", url, "-c", "VACUUM ANALYZE"], check=True)
        say(f"{database:9}{size:>9,}  made in {seconds:.1f} s")
        return url, seconds

    def of_size(self, database, size):
        url, seconds = self.populate(database, size)
        largest, compared = size == max(self.plan["sizes"]), size == self.plan["peer"]
        usher = self.usher(url)
        servers = [usher]
        try:
            usher.rest()
            idle = usher.resident_bytes()
            usher.sign_in()
            taken = operations.sample(usher, size)
            mine = operations.of_usher(usher, taken, whole_list=compared)
            if not largest and not compared:
                mine = [operation for operation in mine if operation.name in operations.OF_SIZE]
            pairs = [(usher, operation) for operation in mine]
            if compared:
                users = self.scratch / "users.json"
                users.write_text(run([USHER, "export"], url)[0])
                peer = self.peer(self.url(database, "peer"), users)
                servers.append(peer)
                peer.sign_in()
                pairs += [(peer, operation) for operation in operations.of_peer(peer, taken, whole_list=True)]
            if largest or compared:
                ceiling = self.ceiling(url)
                servers.append(ceiling)
                pairs = [(ceiling, operation) for operation in operations.of_ceiling(taken)] + pairs
            self.measure(database, url, size, pairs, self.loops(url) if compared else {})
            self.note(database, f"peak bytes at {size}", usher.peak)
            if compared:
                self.note(database, "peer peak bytes", peer.peak)
                under = pressure.measure(usher, url, taken.names, taken.ids, self.plan["seconds"] + 3)
                self.note(database, "under pressure", under)
                say(f"{database:9}{size:>9,}  under pressure {json.dumps(under)}")
            if largest:
                self.note(database, "idle bytes", idle)
                self.of_largest(database, url, usher, mine, seconds)
        finally:
            for server in servers:
                server.stop()
        if compared:
            self.imports(database, url)
        if database == "sqlite":
            Path(url.removeprefix("sqlite://")).unlink()
        else:
            subprocess.run(["psql", "-q", f"{self.postgres}/postgres", "-c", f"DROP DATABASE users_{size}"], check=True)

    def of_largest(self, database, url, usher, mine, seconds):
        """What only many users show."""
        self.note(database, "seconds to generate", seconds)
        before = usher.resident_bytes()
        with PeakMemory(usher) as memory:
            started = time.monotonic()
            _, _, body = usher.ask("POST", "/v1/users/list", {"include_inactive": True})
            self.note(database, "seconds to stream all", time.monotonic() - started)
        self.note(database, "bytes of all", len(body))
        self.note(database, "bytes while streaming all", memory.peak - before)
        get = next(operation for operation in mine if operation.name == "get by bearer")
        sign_in = next(operation for operation in mine if operation.name == "sign in")
        self.saturate(database, usher, get, sign_in)
        # On a file, a second server would be refused.
        usher.stop()
        starts = []
        for _ in range(3):
            again = self.usher(url)
            starts.append(again.seconds_to_first_answer)
            again.stop()
        self.note(database, "seconds to start", sorted(starts)[1])

    def saturate(self, database, usher, get, sign_in):
        """Reads while more sign in than can be hashed."""
        file = self.scratch / "saturate"
        file.write_text("\n".join(sign_in.lines) + "\n")
        flood = subprocess.Popen(
            ["wrk", "-t1", "-c200", f"-d{self.plan['seconds'] + 3}s", "-H", "Content-Type: application/json",
             "-s", str(ROOT / "bench/requests.lua"), f"http://127.0.0.1:{usher.port}", "--", str(file), "0"],
            stdout=subprocess.PIPE, text=True,
        )
        time.sleep(1.5)
        reading = self.wrk(usher, get, self.plan["seconds"], connections=2)
        flooding = json.loads(flood.communicate()[0].strip().splitlines()[-1])
        self.note(database, "p99 of reading while sign-ins are saturated", reading["p99"])
        self.note(database, "sign-ins refused while saturated", flooding["refused"])

    def loops(self, url):
        """What the database and the hash alone do of an operation."""
        seconds = self.plan["seconds"]
        threads = min(os.cpu_count() or 1, 4)
        return {
            "get by bearer": ["query", url, seconds],
            "change": ["change", url, seconds],
            "sign in": ["argon", seconds, threads],
        }

    def imports(self, database, url):
        """An import beside the inserts that it consists of."""
        raw, imported = [], []
        for attempt in range(self.plan["rounds"]):
            raw.append(float(run([CEILING, "insert", url, self.plan["import"]], url)[0]))
            rows = [
                {"username": f"imported.{attempt}.{index}", "first_name": "Ada", "last_name": "Lovelace",
                 "email": f"imported.{attempt}.{index}@example.org"}
                for index in range(self.plan["import"])
            ]
            file = self.scratch / "import.json"
            file.write_text(json.dumps(rows))
            imported.append(len(rows) / run([USHER, "import", file], url)[1])
        self.note(database, "raw inserts per second", sorted(raw)[len(raw) // 2])
        self.note(database, "imported users per second", sorted(imported)[len(imported) // 2])


def machine():
    """What the numbers were measured on."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])
    version = lambda *command: subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return {
        "processor": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "rust": version("rustc", "--version"),
        "postgres": version("postgres", "--version") if shutil.which("postgres") else "",
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def main():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--scratch", required=True, type=Path)
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL
    about = machine() | {"time": datetime.now(timezone.utc).isoformat(timespec="minutes"), "plan": plan}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        bench = Bench(plan, arguments.postgres, arguments.python, Path(scratch))
        for size in plan["sizes"]:
            for database in ("sqlite", "postgres"):
                bench.of_size(database, size)
    outcome = {"about": about, "facts": bench.facts, "results": bench.results}
    report.write(ROOT, outcome, arguments.quick)


main()
