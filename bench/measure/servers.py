"""Servers that are measured: starting them, asking them, and what they cost."""

import json
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

PASSWORD = "correct horse battery"
ADMIN = "bench.admin"
TICKS = os.sysconf("SC_CLK_TCK")


def usher_environment(url, port=0):
    """Usher as it is by default, but with tokens that last as long as the measurement, and without a log."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("USHER_", "ROCKET_"))}
    return {
        **inherited,
        "DATABASE_URL": url,
        "ROCKET_PORT": str(port),
        "USHER_LOG_LEVEL": "warn",
        "USHER_ACCESS_TOKEN_SECONDS": "36000",
        "USHER_REFRESH_TOKEN_SECONDS": "36000",
        "USHER_SESSION_SECONDS": "36000",
        "USHER_SESSION_IDLE_SECONDS": "36000",
    }


class Server:
    """A server process, its children included."""

    def __init__(self, name, port, command, environment=None, directory=None):
        self.name, self.port = name, port
        self.headers = {}
        self.peak = 0
        started = time.monotonic()
        self.process = subprocess.Popen(
            command, env=environment, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.complaints = []
        threading.Thread(target=self._listen, daemon=True).start()
        self._wait_for_answer()
        self.seconds_to_first_answer = time.monotonic() - started

    def _listen(self):
        for line in self.process.stderr:
            self.complaints = [*self.complaints[-20:], line.decode(errors="replace")]

    def _wait_for_answer(self):
        for _ in range(6000):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {''.join(self.complaints)}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/livez", timeout=10).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.005)
        raise RuntimeError(f"{self.name} does not answer")

    def processes(self):
        """The process and its children, of which only gunicorn has some."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def cpu_seconds(self):
        """Processor time so far, in user and kernel mode."""
        ticks = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def rest(self):
        """Waits until what a load has left under way is done: it would take the time of the next one."""
        for _ in range(100):
            before = self.cpu_seconds()
            time.sleep(0.1)
            if self.cpu_seconds() - before < 0.02:
                return

    def resident_bytes(self):
        """Memory in use now; what processes share is counted for each."""
        total = 0
        for pid in self.processes():
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            total += int(found[1]) * 1024 if found else 0
        return total

    def ask(self, method, path, body=None, headers=None):
        """One request; the status, the headers and the body of the answer."""
        data = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {**self.headers, **kind, **(headers or {})}, method=method
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.headers, answer.read()

    def sign_in(self):
        """Signs in as the administrator over the API; requests carry the token from now on."""
        _, _, body = self.ask("POST", "/v1/auth/obtain", {"username": ADMIN, "password": PASSWORD})
        self.headers = {"Authorization": f"Bearer {json.loads(body)['access']}"}

    def sign_in_by_form(self, path, token_field, cookie):
        """Signs in on the page at `path`; the session cookie, whose name begins with `cookie`."""
        jar = CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        base = f"http://127.0.0.1:{self.port}"
        page = opener.open(base + path).read().decode()
        token = re.search(rf'name="{token_field}" value="([^"]+)"', page)[1]
        cookies = "; ".join(f"{kept.name}={kept.value}" for kept in jar)
        form = urllib.parse.urlencode({token_field: token, "username": ADMIN, "password": PASSWORD})
        request = urllib.request.Request(
            base + path, form.encode(), {"Cookie": cookies, "Origin": base, "Referer": base + path}
        )
        plain = urllib.request.build_opener(NoRedirect)
        try:
            answer = plain.open(request)
        except urllib.error.HTTPError as redirect:
            answer = redirect
        for header in answer.headers.get_all("Set-Cookie", []):
            if header.startswith(cookie):
                return header.split(";")[0]
        raise RuntimeError(f"{self.name} did not sign in: {answer.status}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The answer itself, not where it leads."""

    def redirect_request(self, *_):
        return None


class PeakMemory:
    """Watches the memory of a server while something happens to it."""

    def __init__(self, server):
        self.server, self.peak, self.over = server, server.resident_bytes(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.over.wait(0.02):
            self.peak = max(self.peak, self.server.resident_bytes())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
