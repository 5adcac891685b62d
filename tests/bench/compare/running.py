"""running.py -- hwacme's daemon while it runs: its processes, what they cost so far, and what it says."""
import collections
import contextlib
import os
import pathlib
import socket
import subprocess
import time

START_MAX_S = 1200


def processes_below(pid):
    """All processes below this one, and itself."""
    found = [pid]
    with contextlib.suppress(OSError):
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += processes_below(int(child))
    return found


def field(path, name):
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def memory_kib(pid, kind="Pss"):
    """Of the tree. Pss: a page that two processes share counts once; Rss: in each."""
    total = 0
    for each in processes_below(pid):
        with contextlib.suppress(OSError):
            total += field(f"/proc/{each}/smaps_rollup", f"{kind}:")
    return total


def rss_kib_by_name(pid):
    """Of engine and keyd alone: the two that renew."""
    total = collections.Counter()
    for each in processes_below(pid):
        with contextlib.suppress(OSError):
            name = pathlib.Path(f"/proc/{each}/comm").read_text().strip()
            if name in ("hwacme-engine", "hwacme-keyd"):
                total[name] += field(f"/proc/{each}/smaps_rollup", "Rss:")
    return total


def cpu_ms_by_name(pid):
    """By the scheduler, to the nanosecond; threads that have ended are in the ticks of `stat` alone."""
    total = collections.Counter()
    for each in processes_below(pid):
        with contextlib.suppress(OSError):
            name, stat = pathlib.Path(f"/proc/{each}/stat").read_text().split("(", 1)[1].rsplit(")", 1)
            ticks = sum(int(value) for value in stat.split()[11:13])
            tasks = pathlib.Path(f"/proc/{each}/task").iterdir()
            exact = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6
            total[name] += max(ticks * 1000 / os.sysconf("SC_CLK_TCK"), exact)
    return total


def cpu_ms(pid):
    return sum(cpu_ms_by_name(pid).values())


def activity(pid):
    """Wake-ups of all threads, and writes, since they began."""
    wakes = writes = 0
    for each in processes_below(pid):
        for task in pathlib.Path(f"/proc/{each}/task").iterdir():
            wakes += field(task / "status", "voluntary_ctxt_switches")
        writes += field(f"/proc/{each}/io", "syscw")
    return wakes, writes


class Daemon:
    """`hwacme run` until it says that it is ready, as it says it to systemd."""

    def __init__(self, client, log):
        self.path = client.home / "notify"
        self.path.unlink(missing_ok=True)
        self.log = log
        log.write_bytes(b"")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open(log, "ab") as out:
            notify.bind(str(self.path))
            notify.settimeout(START_MAX_S)
            began = time.monotonic()
            self.process = subprocess.Popen([str(client.program), "-c", str(client.config), "run"], stdout=out, stderr=out,
                                            env=dict(os.environ, NOTIFY_SOCKET=str(self.path), **client.env()))
            try:
                while b"READY=1" not in notify.recv(4096):
                    pass
            except TimeoutError:
                self.stop()
                raise SystemExit(f"hwacme run is not ready after {START_MAX_S} s: {log.read_text()[-500:]}") from None
            self.start_ms = (time.monotonic() - began) * 1000
            self.start_cpu_ms = cpu_ms(self.process.pid)

    def wait_lines(self, text, count, seconds):
        deadline = time.monotonic() + seconds
        while self.log.read_text(errors="replace").count(text) < count:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"hwacme run: {count} times \"{text}\" did not come: {self.log.read_text()[-500:]}")
            time.sleep(0.02)

    def settle(self, quiet_s=1, max_s=30):
        """Until it has done nothing for a while: old keys are erased after the answer."""
        deadline, before = time.monotonic() + max_s, 0
        while time.monotonic() < deadline:
            now = cpu_ms(self.process.pid)
            if now - before < 1:
                return
            before = now
            time.sleep(quiet_s)

    def stop(self):
        self.process.terminate()
        self.process.wait()
