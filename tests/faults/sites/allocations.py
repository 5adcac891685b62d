"""allocations.py -- our own allocations fail, one after another, in each command: LAB PROGRAM CERTIFICATE,... KEPT..."""
import errno
import os
import re
import socket
import subprocess
import sys
import time

from . import memory
from .bench import Bench, Failure
from .judge import Judge
from .mends import Mends

# What the sweep itself puts between.
BETWEEN = re.compile(r"__wrap_|fault_|frames_note|fails$")
# What also allocates for its caller: in our own code it would be missed.
UNSEEN = {"reallocarray", "strndup", "asprintf", "vasprintf", "aligned_alloc", "posix_memalign", "open_memstream", "getline",
          "getdelim"}
REPORTS = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:")


def wrapped_calls(program):
    """Where in the program memory is asked for: what stands behind each call."""
    said = subprocess.run(["objdump", "-d", "--no-show-raw-insn", program], check=True, capture_output=True, text=True).stdout
    lines = said.splitlines()
    found = set()
    for line, after in zip(lines, lines[1:]):
        if re.search(r"\b(call|jmp)\s.*<__wrap_(malloc|calloc|realloc|strdup)>", line) and ":" in after:
            found.add(int(after.split(":")[0], 16))
    return found


class Allocations:
    """One command after another, on a state that is put back before each case."""

    def __init__(self, bench, judge, full):
        self.bench, self.judge, self.full = bench, judge, full
        self.calls, self.reached, self.tried = wrapped_calls(bench.program), set(), set()
        self.cases, self.went_on, self.failed = 0, 0, []
        self.stride = 1 if full else int(os.environ.get("SWEEP_STRIDE", "1"))

    def frames(self, site):
        return [frame for frame in site.frames if not BETWEEN.match(self.bench.names.known[frame][0])]

    def command(self, *arguments, certificate=None, mend=None, **ways):
        """Each way to an allocation once; all ways of the same two functions are one unless the sweep is full."""
        self.bench.put_back()
        run = self.bench.run(arguments, memory.ALLOCATION, **ways)
        if run.status is None or (run.status not in (0, 5) and "audit" not in arguments and "config" not in ways):
            raise Failure(f"{arguments}: nothing was broken, but it ended with {run.status}: {run.said}")
        if mend:
            mend(True)
        self.bench.names.learn_all(run.sites)
        chosen = {}
        for site in run.sites:
            frames = self.frames(site)
            self.reached |= set(frames[:1])
            chosen.setdefault(tuple(frames[:8 if self.full else 4 if mend else 2]), site)
        new = {way: site for way, site in chosen.items() if self.full or way not in self.tried}
        self.tried |= set(new)
        if mend:
            # What follows each takes its time, and most of the ways are those of all commands.
            new = dict(list(new.items())[::self.stride])
        print(f"{' '.join(arguments)}: {len(run.sites)} allocations, {len(chosen)} ways to them, {len(new)} of them broken here",
              flush=True)
        for site in new.values():
            self.case(arguments, site, run.status, certificate, mend, ways)

    def case(self, arguments, site, usual, certificate, mend, ways):
        self.cases += 1
        self.bench.put_back()
        run = None
        try:
            run = self.bench.run(arguments, memory.ALLOCATION, memory.FAIL, site.number, error=errno.ENOMEM, **ways)
            self.judge_run(arguments, run, usual)
            if certificate:
                self.judge.pair(certificate)
                self.judge.recovered(certificate)
            if mend:
                mend(run.status == usual)
        except Failure as failure:
            # Numbers may shift by one or two: what was broken is what is told.
            broken = run.sites[site.number - 1] if run and len(run.sites) >= site.number else site
            self.bench.names.learn_all([broken])
            way = " < ".join(self.bench.names.known[frame][0] for frame in self.frames(broken)[:5])
            self.failed.append(way)
            print(f"FAILED {' '.join(arguments)}, {site.call} {site.number} by {way}: {failure}", flush=True)

    def judge_run(self, arguments, run, usual):
        if REPORTS.search(run.said):
            raise Failure(f"a sanitizer's report: {run.said}")
        if run.status is None or "was ended by signal" in run.said:
            raise Failure(f"a process was ended by a signal: {run.said}")
        if run.status == usual:
            self.went_on += 1
        elif "out of memory" not in run.said:
            raise Failure(f"exit {run.status}, and not \"out of memory\": {run.said}")
        elif run.status == 2 or (arguments[0] == "renew" and run.status != 1):
            raise Failure(f"exit {run.status}, although it is nobody's failure but the machine's: {run.said}")

    def places(self, frames):
        self.bench.names.learn(frames)
        return sorted({self.bench.names.known[frame][1] for frame in frames})


class Ear:
    """What a service manager hears (sd_notify(3))."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.setblocking(False)
        os.environ["NOTIFY_SOCKET"] = path

    def hears_ready(self):
        try:
            return b"READY=1" in self.socket.recv(4096)
        except BlockingIOError:
            return False


def sweep_all(allocations, names, changed):
    for name in names:
        allocations.command("renew", "--force", name, certificate=name)
    for words in ("status", "status --json", "plan --days 90", "check", "token list", "token keys", "token audit --try",
                  "token gc --yes", "account show", "account register", f"authorize {names[0]}"):
        allocations.command(*words.split())
    allocations.command("run", until=Ear(f"{allocations.bench.lab}/notify").hears_ready)
    for arguments, mend in Mends(allocations.bench, allocations.judge, changed).commands.items():
        allocations.command(*arguments, mend=mend)
    # Without `state`, and with init-args that SoftHSM does not want.
    allocations.command("token", "list", config="other.yaml")


def main():
    lab, program, names, *kept = sys.argv[1:]
    began = time.monotonic()
    bench = Bench(lab, program, "", kept)
    bench.keep()
    symbols = subprocess.run(["nm", "-D", "-u", "--format=just-symbols", program], check=True, capture_output=True, text=True)
    unseen = {symbol.split("@")[0] for symbol in symbols.stdout.split()} & UNSEEN
    if unseen:
        print(f"FAILED: {sorted(unseen)}: tests/support/fault_allocations.c does not know it")
        return 1
    allocations = Allocations(bench, Judge(bench, sorted(names.split(","))), bool(os.environ.get("SWEEP_FULL")))
    sweep_all(allocations, names.split(","), names.split(",")[2])
    missing = allocations.places(allocations.calls - allocations.reached)
    reached = len(allocations.calls & allocations.reached)
    print(f"allocations: {len(allocations.calls)} calls in the program, {reached} of them reached,"
          f" {allocations.cases} cases, {allocations.went_on} went on, {len(allocations.failed)} failed,"
          f" {time.monotonic() - began:.0f} s")
    print("not reached: " + ", ".join(missing))
    return 1 if allocations.failed or allocations.cases < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
