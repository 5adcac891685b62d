"""profile.py -- tests/bench/profile: what one renewal costs, by the command and by the daemon: calls, fsyncs, token calls, CPU by owner."""
import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys

from . import folded
from .clients import HwacmeHsm, HwacmeTpm
from .running import Daemon, cpu_ms_by_name, processes_below
from .server import Pebble
from .targets import REQUESTS_MINIMUM, WORKERS, text
from .trace import STRACE, Attached, Spy, Trace, requests

RENEWAL_MAX_S = 60
REQUESTS_MOST = REQUESTS_MINIMUM + 1  # a worker's first needs a nonce; the directory is kept
PERF = ["perf", "record", "-q", "-e", "task-clock", "-F", "4000", "--call-graph", "dwarf,24576"]


def line(what, value):
    print(f"{what:64}{value:10.1f}" if isinstance(value, float) else f"{what:64}{value:>10}", flush=True)


def most(counter, renewals, count=14):
    return ", ".join(f"{name} {value / renewals:.1f}".removesuffix(".0") for name, value in counter.most_common(count))


class Profile:
    """Of one token: the works, the figures of each, by renewal."""

    def __init__(self, options, pebble, kind, work):
        self.options, self.pebble, self.lab = options, pebble, pathlib.Path(os.environ["LAB"])
        self.client = kind(self.lab, self.lab / f"profile-{kind.token}-{work}")
        self.trace, self.log = self.lab / "trace", self.lab / "daemon.log"
        self.spy = Spy(os.environ["LAB_MODULE"], self.lab / "spy.log") if kind.token == "hsm" else None

    def configure(self, names, module=None):
        kept = os.environ["LAB_MODULE"]
        os.environ["LAB_MODULE"] = module or kept
        self.client.configure(names)
        os.environ["LAB_MODULE"] = kept

    def renew(self, *before, force=True, env=None):
        argv = [*before, str(self.client.program), "-c", str(self.client.config), "renew", *(["--force"] if force else [])]
        done = subprocess.run(argv, env=dict(os.environ, **self.client.env(), **(env or {})), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(argv)}: {done.stderr[-800:]}")

    def calls(self, trace, renewals):
        """Prints and returns what a trace says of each renewal."""
        # a step is persisted by a transaction, by staging a set of files, by switching to it; a TPM's key is stored and erased as a file
        steps = trace.transactions / renewals + (2 if self.spy else 4)
        result = {"processes": trace.processes / renewals, "threads": trace.threads / renewals, "connections": trace.connections / renewals,
                  "system_calls": sum(trace.calls.values()) / renewals, "transactions": trace.transactions / renewals,
                  "fsyncs": sum(trace.fsyncs.values()) / renewals, "persisted_steps": steps,
                  "fsyncs_by_file": {name: value / renewals for name, value in trace.fsyncs.items()}}
        line("processes made", result["processes"])
        line("threads made", result["threads"])
        line("system calls", result["system_calls"])
        for name, value in trace.by_process.most_common():
            line(f"  of {name}", value / renewals)
        print("  most: " + most(trace.calls, renewals))
        line("transactions of the database", result["transactions"])
        line("fsync and fdatasync", result["fsyncs"])
        for name, value in trace.fsyncs.most_common():
            line(f"  of {name}", value / renewals)
        line("  a step that is persisted", result["fsyncs"] / steps)
        return result

    def spied(self, renewals):
        calls = self.spy.look()
        line("PKCS#11 calls", sum(calls.values()) / renewals)
        print("  most: " + most(calls, renewals, 20))
        return {name: value / renewals for name, value in calls.items()}

    def stacks(self, file):
        """perf's samples as text; without --no-inline a run of addr2line for each frame would take minutes."""
        words = ["perf", "script", "--no-inline", "-i", str(file), "-F", "comm,tid,period,ip,sym,dso"]
        text = subprocess.run(words, capture_output=True, text=True, errors="replace", check=True).stdout
        file.unlink()
        return text.splitlines(keepends=True)

    def command(self):
        """`hwacme renew --force` of one certificate, no daemon."""
        print(f"\n== one forced renewal by `hwacme renew`, {self.client.name.split(', ')[1]}")
        self.configure(["amf.bench.example"])
        self.renew(force=False)
        start = self.pebble.log.stat().st_size
        self.renew(*STRACE, "-o", str(self.trace))
        seen = requests(self.pebble.log, start)
        line("requests", sum(seen.values()))
        print("  most: " + most(seen, 1))
        result = {"requests": dict(seen), **self.calls(Trace(self.trace), 1)}
        line("connections", result["connections"])
        if self.spy:
            self.configure(["amf.bench.example"], self.spy.module)
            self.renew(env=self.spy.env)
            result["pkcs11"] = self.spied(1)
            self.configure(["amf.bench.example"])
        lines = []
        for _ in range(self.options.runs):
            self.renew(*PERF, "-o", str(self.lab / "perf"))
            lines += self.stacks(self.lab / "perf")
        if lines:
            folded.show(lines, self.options.runs)
        return result

    def daemon(self):
        """All certificates at once, by a daemon that has run for a while: what it did to begin with is no part of it."""
        count = self.options.certificates
        print(f"\n== one of {count} forced renewals by `hwacme run`, {self.client.name.split(', ')[1]}")
        names = [f"d{i}.bench.example" for i in range(count)]
        self.configure(names)
        daemon = Daemon(self.client, self.log)
        try:
            daemon.wait_lines(": live is generation", count, RENEWAL_MAX_S * count)
            daemon.settle()
            result = self.daemon_rounds(daemon, count)
        finally:
            daemon.stop()
        if self.spy:
            result["pkcs11"] = self.daemon_spied(names)
        return result

    def daemon_rounds(self, daemon, count):
        """Untraced for the CPU, then traced for the calls, then sampled for what the CPU is spent on."""
        pids = processes_below(daemon.process.pid)
        before, seen, start = cpu_ms_by_name(daemon.process.pid), self.pebble.seen(), self.pebble.log.stat().st_size
        self.renew()
        daemon.settle()
        after, end = cpu_ms_by_name(daemon.process.pid), self.pebble.seen()
        cpu = {name: (after[name] - before[name]) / count for name in after}
        by_endpoint = requests(self.pebble.log, start)
        line("requests", (end["requests"] - seen["requests"]) / count)
        print("  most: " + most(by_endpoint, count))
        line("connections, of all renewals together", end["connections"] - seen["connections"])
        line("CPU, ms, not traced", sum(cpu.values()))
        for name, value in sorted(cpu.items(), key=lambda pair: -pair[1]):
            line(f"  of {name}", value)
        with Attached(pids, self.trace):
            self.renew()
            daemon.settle()
        result = self.calls(Trace(self.trace), count)
        result |= {"certificates": count, "cpu_ms": cpu, "requests": {name: value / count for name, value in by_endpoint.items()},
                   "connections_of_all": end["connections"] - seen["connections"]}
        if self.options.runs:
            # the pids are sampled for as long as the command after them runs; what is cleared after the answer belongs to it
            self.renew(*PERF, "-o", str(self.lab / "perf"), "-p", ",".join(map(str, pids)), "--", "sh", "-c", '"$@"; sleep 1', "sh")
            folded.show(self.stacks(self.lab / "perf"), count)
        return result

    def daemon_spied(self, names):
        self.configure(names, self.spy.module)
        os.environ.update(self.spy.env)
        daemon = Daemon(self.client, self.log)
        try:
            daemon.settle()
            self.spy.look()
            self.renew()
            daemon.settle()
            return self.spied(len(names))
        finally:
            daemon.stop()
            for name in self.spy.env:
                del os.environ[name]


def verdicts(results):
    """(what, the figure, the target, whether it is met) of the daemon's renewals."""
    for token, works in results.items():
        one = works.get("daemon")
        if not one:
            continue
        yield f"{token}: processes made a renewal", one["processes"], "none", one["processes"] == 0
        ours = one["fsyncs"] - one["fsyncs_by_file"].get("SoftHSM's own", 0)
        yield f"{token}: fsyncs a persisted step", ours / one["persisted_steps"], "at most 1", ours <= one["persisted_steps"]
        made = sum(one["requests"].values())
        yield f"{token}: requests a renewal, nonces included", made, f"at most {REQUESTS_MOST}", made <= REQUESTS_MOST
        yield f"{token}: connections of {one['certificates']} renewals", one["connections_of_all"], f"at most {WORKERS}, one a worker", \
            one["connections_of_all"] <= WORKERS


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/profile", description="what one renewal costs, by the command and by the daemon")
    parser.add_argument("runs", type=int, nargs="?", default=5, help="renewals by the command whose CPU is sampled; 0: none are, nor the daemon's (5)")
    parser.add_argument("--certificates", type=int, default=20, help="that the daemon renews (20)")
    parser.add_argument("--only", choices=("command", "daemon"), help="one of the two")
    parser.add_argument("--token", choices=("hsm", "tpm"), help="one of the two")
    parser.add_argument("--output", default="profile-results.json")
    options = parser.parse_args()
    pebble, results = Pebble(os.environ["LAB"]), collections.defaultdict(dict)
    pebble.start(0)
    try:
        for kind in (HwacmeHsm, HwacmeTpm):
            for work in ("command", "daemon"):
                if options.token in (None, kind.token) and options.only in (None, work):
                    profile = Profile(options, pebble, kind, work)
                    results[kind.token][work] = getattr(profile, work)()
    finally:
        pebble.stop()
    print(text(list(verdicts(results))))
    pathlib.Path(os.environ.get("BENCH_FROM", "."), options.output).write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
