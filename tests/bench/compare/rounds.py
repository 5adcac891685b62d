"""rounds.py -- runs each client in turn, so that a busy minute of the machine is everybody's, and keeps what each run cost."""
import json
import os
import pathlib
import re
import statistics
import subprocess
import time
import urllib.request

from .clients import Command
from .running import Daemon, cpu_ms, memory_kib

RUN_MAX_S, ISSUE_MAX_S = 600, 60
SILENT_MAX_S, TRIES = 45, 3  # Pebble 2.4 has been seen to lock up for good, its handlers waiting for each other's locks


class Failed(Exception):
    """A client did not do its work: its figures would be of something else."""


class ServerSilent(Failed):
    """Pebble has locked up: nothing is known of the client."""


class Bench:
    """The lab and what has been measured in it: rows by (work, client, nonce rejection)."""

    def __init__(self, lab, pebble, options):
        self.lab, self.pebble, self.options = pathlib.Path(lab), pebble, options
        self.measure = pathlib.Path(os.environ["BUILD"]) / "tests/measure"
        self.rows = {}
        self.homes = 0

    def client(self, kind):
        """In a home of its own, which goes with the lab: ext4 without a journal passes over each inode freed in the last minutes when it makes a file,
        and the next client would pay for what was erased of this one."""
        self.homes += 1
        return kind(self.lab, self.lab / f"home-{self.homes}")

    def run(self, command: Command):
        """Measures one command: what measure.c says of it, and what the server saw meanwhile."""
        result = self.lab / "result.json"
        argv = [str(self.measure), "-t", str(RUN_MAX_S), *(["-u", command.until, "-n", str(command.count)] if command.until else []),
                str(result), *command.argv]
        before = self.pebble.seen()
        with open(self.lab / "client.log", "wb") as log:
            measure = subprocess.Popen(argv, env=dict(os.environ, **command.env), stdout=log, stderr=log)
            is_silent = self.wait(measure)
        status = measure.returncode
        if is_silent:
            raise ServerSilent(f"Pebble has seen no request for {SILENT_MAX_S} s")
        after = self.pebble.seen()
        if status != 0:
            raise Failed(f"status {status}: {(self.lab / 'client.log').read_text(errors='replace')[-800:]}")
        return {**json.loads(result.read_text()), **{key: after[key] - before[key] for key in after}}

    def wait(self, measure):
        """True: the server said nothing for so long that the run was ended."""
        size, heard, is_silent = -1, time.monotonic(), False
        while True:
            try:
                measure.wait(timeout=1)
                return is_silent
            except subprocess.TimeoutExpired:
                now, before = self.pebble.log.stat().st_size, size
            size = now
            if now != before:
                heard = time.monotonic()
            elif not is_silent and time.monotonic() > heard + SILENT_MAX_S:
                is_silent = True
                measure.terminate()

    def keep(self, work, kind, nonce_reject, count, cost):
        row = self.rows.setdefault((work, kind.name, nonce_reject), {"work": work, "client": kind.name, "nonce_reject": nonce_reject,
                                                                     "certificates": count, "runs": [], "failed": 0})
        if cost:
            row["runs"].append(cost)
        elif not kind.cannot_renew or work != "forced renewal":
            row["failed"] += 1
        return row

    def measured(self, work, kind, nonce_reject, count, perform):
        """One run of one client; a failure is counted, told, and not the end. One of the server is neither: it is started anew."""
        for tries_left in reversed(range(TRIES)):
            try:
                self.tried(work, kind, nonce_reject, count, perform, is_last=not tries_left)
                return
            except ServerSilent as why:
                print(f"  {work:16} {kind.name:26} once more: {why}", flush=True)
                self.pebble.stop()
                self.pebble.start(nonce_reject)

    def tried(self, work, kind, nonce_reject, count, perform, is_last):
        client = self.client(kind)
        try:
            for each_work, cost in perform(client):
                self.keep(each_work, kind, nonce_reject, count, cost)
                print(f"  {each_work:16} {kind.name:26} {cost['wall_ms']:9.0f} ms  CPU {cost['cpu_ms']:8.1f} ms", flush=True)
        except (Failed, subprocess.CalledProcessError) as why:
            if isinstance(why, ServerSilent) and not is_last:
                raise
            self.keep(work, kind, nonce_reject, count, None)
            print(f"  {work:16} {kind.name:26} FAILED: {why}", flush=True)

    def single(self, kinds, nonce_reject):
        """One first issue, and forced renewals of it."""
        for number in range(self.options.runs):
            for kind in kinds:
                def perform(client, name=f"single-{number}.bench.example"):
                    yield from (self.beside if client.is_beside else self.alone)(client, name)
                self.measured("forced renewal" if kind.is_beside else "first issue", kind, nonce_reject, 1, perform)
                if kind.cannot_renew:
                    self.keep("forced renewal", kind, nonce_reject, 1, None)["cannot"] = kind.cannot_renew

    def alone(self, client, name):
        yield "first issue", self.run(client.first_command(name))
        before = issued(client, [name])
        for _ in range(0 if client.cannot_renew else self.options.renewals):
            yield "forced renewal", self.run(client.renew_command(name))
            if issued(client, [name]) == before:
                raise Failed("the certificate is the old one")

    def beside(self, client, name):
        """The daemon's share of CPU and memory is counted with that of the command; what it did before is not."""
        client.configure([name])
        log = self.lab / "daemon.log"
        daemon = Daemon(client, log)
        try:
            daemon.wait_lines(": live is generation", 1, ISSUE_MAX_S)
            for _ in range(self.options.renewals):
                daemon.settle()
                before, old = cpu_ms(daemon.process.pid), issued(client, [name])
                cost = self.run(client.renew_command(name))
                if issued(client, [name]) == old:
                    raise Failed("the certificate is the old one")
                daemon.settle()
                cost["cpu_ms_command"], cost["pss_kib_command"] = cost["cpu_ms"], cost["pss_kib"]
                cost["cpu_ms"] += cpu_ms(daemon.process.pid) - before
                for key in ("pss", "rss"):
                    cost[f"{key}_kib"] += memory_kib(daemon.process.pid, key.title())
                yield "forced renewal", cost
        finally:
            daemon.stop()

    def fleet(self, kinds, nonce_reject, count):
        """So many distinct names, none issued before. Who does fewer does not do them again for a greater fleet."""
        work = f"fleet of {count}"
        for kind in kinds:
            some = self.fleet_names(kind, count)
            same = [row for (other, name, reject), row in self.rows.items()
                    if other.startswith("fleet") and (name, reject, row["certificates"]) == (kind.name, nonce_reject, some)]
            if some < count and same:
                self.rows[work, kind.name, nonce_reject] = {**same[0], "work": work, "is_again": True}
        for number in range(self.options.fleet_runs):
            for kind in kinds:
                some = self.fleet_names(kind, count)
                if number < len(self.rows.get((work, kind.name, nonce_reject), {"runs": []})["runs"]):
                    continue

                def perform(client, number=number, some=some):
                    names = [f"f{count}r{number}n{i}.bench.example" for i in range(some)]
                    homes = client.fleet_prepare(names, self.options.jobs)
                    yield work, self.run(client.fleet_command(names, homes))
                    issued(client, names)
                self.measured(work, kind, nonce_reject, some, perform)

    def fleet_names(self, kind, count):
        if kind.name.startswith("hwacme run"):
            return count
        return min(count, kind.names_max or count, self.options.slow_names if kind.is_slow else self.options.peer_names)

    def token_operations(self, kind, count=10):
        """Per certificate, by the daemon's own metrics; not measured otherwise."""
        client = self.client(kind)
        client.configure([f"t{i}.bench.example" for i in range(count)], metrics="127.0.0.1:9642")
        with open(self.lab / "client.log", "w+b") as log:
            daemon = subprocess.Popen([str(client.program), "-c", str(client.config), "run"], env=dict(os.environ, **client.env()),
                                      stdout=log, stderr=log)
            try:
                deadline = time.monotonic() + 120
                while (self.lab / "client.log").read_text().count(": live is generation") < count and time.monotonic() < deadline:
                    time.sleep(0.1)
                text = urllib.request.urlopen("http://127.0.0.1:9642/metrics", timeout=10).read().decode()
            finally:
                daemon.terminate()
                daemon.wait()
        found = re.findall(r'hwacme_token_operations_total\{[^}]*op="(\w+)"[^}]*\} (\d+)', text)
        each = {}
        for name, value in found:
            each[name] = each.get(name, 0) + int(value) / count
        return each


def issued(client, names):
    """The contents of the certificates of these names; one that lacks is a failure."""
    files = [client.certificate(name) for name in names]
    if None in files:
        raise Failed(f"{files.count(None)} of {len(names)} certificates were not issued")
    return [file.read_text() for file in files]


def spread(values):
    """Median, least and greatest."""
    return statistics.median(values), min(values), max(values)


def summary(row):
    """What the table shows of a row."""
    count, runs = row["certificates"], row["runs"]
    result = {key: row[key] for key in ("work", "client", "nonce_reject", "certificates", "failed", "cannot", "is_again") if key in row} | {"runs": len(runs)}
    if not runs:
        return result
    values = {"wall_ms": [run["wall_ms"] for run in runs], "cpu_ms_each": [run["cpu_ms"] / count for run in runs],
              "certificates_per_second": [count * 1000 / run["wall_ms"] for run in runs],
              "pss_mib": [run["pss_kib"] / 1024 for run in runs], "rss_mib": [run["rss_kib"] / 1024 for run in runs],
              "requests_each": [run["requests"] / count for run in runs],
              "connections_each": [run["connections"] / count for run in runs], "connections": [run["connections"] for run in runs],
              "server_cpu_ms_each": [run["server_cpu_ms"] / count for run in runs]}
    result["requests_mean"] = statistics.mean(values["requests_each"])
    for key in ("cpu_ms_command", "pss_kib_command"):
        if key in runs[0]:
            values[key] = [run[key] for run in runs]
    values["engine_and_keyd_rss_mib"] = [sum(run["rss_kib_by_name"].get(f"hwacme-{name}", 0) for name in ("engine", "keyd")) / 1024 for run in runs]
    for key, all_values in values.items():
        median, least, greatest = spread(all_values)
        result[key] = round(median, 3)
        result[key + "_spread"] = [round(least, 3), round(greatest, 3)]
    return result
