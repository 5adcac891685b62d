"""trace.py -- what strace, pkcs11-spy and the server's log say of a piece of work, counted."""
import collections
import pathlib
import re
import subprocess
import time

CALL = re.compile(r"^\d+<(?P<comm>[^>]*)> +(?P<name>\w+)\((?P<rest>.*)")
# Whose file it is that was synced; the first that fits counts.
FILES = [("the database's log", r"hwacme\.db-wal"), ("the database", r"hwacme\.db"), ("archive", r"/state/archive"), ("live", r"/state/live"),
         ("keys", r"/state/keys"), ("SoftHSM's own", r"/softhsm/")]
# Offset 120 of the shared-memory file is SQLite's lock of who writes (sqlite.org/walformat.html, 2.3.4): once a transaction. A call
# that another thread's cut into two lines has no result on its first; that it fails is not to be expected of the only writer.
WRITE_LOCK = re.compile(r"hwacme\.db-shm.*F_WRLCK.*l_start=120,.*(= 0|<unfinished \.\.\.>)$")
STRACE = ["strace", "-f", "-Y", "-y"]


class Trace:
    """One trace by STRACE: calls by process, fsyncs by file, transactions, processes made."""

    def __init__(self, path):
        self.calls, self.by_process, self.fsyncs = collections.Counter(), collections.Counter(), collections.Counter()
        self.transactions = self.processes = self.threads = self.connections = 0
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                match = CALL.match(line)
                if match:
                    self.count(match["comm"], match["name"], match["rest"])

    def count(self, comm, name, rest):
        self.calls[name] += 1
        self.by_process[comm] += 1
        if name in ("fsync", "fdatasync"):
            self.fsyncs[next((what for what, pattern in FILES if re.search(pattern, rest)), "other files")] += 1
        elif name in ("clone", "clone3", "fork", "vfork"):
            self.threads += "CLONE_THREAD" in rest
            self.processes += "CLONE_THREAD" not in rest
        elif name == "connect":
            self.connections += "AF_INET" in rest
        elif name == "fcntl":
            self.transactions += bool(WRITE_LOCK.search(rest))


class Attached:
    """strace of processes that run already; with it: `with Attached(pids, path): work()`."""

    def __init__(self, pids, path):
        self.pids, self.path, self.log = pids, path, pathlib.Path(f"{path}.log")

    def __enter__(self):
        words = [word for pid in self.pids for word in ("-p", str(pid))]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*STRACE, "-o", str(self.path), *words], stderr=log)
        deadline = time.monotonic() + 20
        while self.log.read_text().count(" attached") < len(self.pids):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"strace: {self.log.read_text()[-500:]}")
            time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Spy:
    """pkcs11-spy in front of the module, and how often each function was called since the last look."""

    def __init__(self, module, log):
        files = subprocess.run(["dpkg", "-L", "opensc-pkcs11"], check=True, capture_output=True, text=True).stdout.split()
        self.module = next(file for file in files if file.endswith("/pkcs11-spy.so"))
        self.log = pathlib.Path(log)
        self.env = {"PKCS11SPY": module, "PKCS11SPY_OUTPUT": str(log)}
        self.seen = 0

    def look(self):
        text = self.log.read_text(errors="replace")[self.seen:] if self.log.exists() else ""
        self.seen += len(text)
        return collections.Counter(re.findall(r"^\d+: (C_\w+)", text, re.MULTILINE))


def requests(log, start=0):
    """Of Pebble's log from this offset on: requests by endpoint."""
    text = log.read_bytes()[start:].decode(errors="replace")
    return collections.Counter(f"{method} {path}" for method, path in re.findall(r"(\w+) (/[\w-]*)\S* -> calling handler", text))
