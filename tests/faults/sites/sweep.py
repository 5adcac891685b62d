"""sweep.py -- enumerates the sites of an enrolment or a renewal by itself, and breaks it at each of them."""
import argparse
import errno
import itertools
import os
import shutil
import sys
import time

from . import memory
from .bench import Bench, Failure
from .durable import Disk
from .judge import Judge

ERRORS = ("ENOSPC", "EIO", "EROFS")


def is_of_database(site):
    return site.path.startswith("hwacme.db") or (site.call in ("fsync", "fdatasync") and site.path == ".")


class Sweep:
    """Cases of one kind; each says nothing, or what it found wrong."""

    def __init__(self, bench, judge, enrols):
        self.bench, self.judge, self.full = bench, judge, bool(os.environ.get("SWEEP_FULL"))
        (self.name,) = judge.names
        self.command = ("renew",) if enrols else ("renew", "--force")
        self.enrols = enrols
        self.stride = int(os.environ.get("SWEEP_STRIDE", "1"))
        self.cases, self.abandoned, self.failed, self.missed = 0, 0, [], 0

    def enumerate(self, kinds):
        """A run that nothing happens to: its sites, and those to be broken -- each name once, or all of them."""
        bench = self.bench
        bench.put_back()
        disk = Disk(bench.state)
        run = bench.run(self.command, kinds, keeps_data=1)
        if run.status != 0:
            raise Failure(f"nothing was broken, but it ended with {run.status}: {run.said}")
        bench.names.learn_all(run.sites)
        disk.run([site for site in run.sites if site.kind == memory.FILE])
        difference = disk.same_as(bench.state)
        if difference:
            raise Failure(f"the shim has missed a change: {difference}")
        chosen = run.sites if self.full else self.once(run.sites)
        # keyd's are the token's own, and few.
        return run.sites, [site for at, site in enumerate(chosen) if at % self.stride == 0 or site.role == "hwacme-keyd"]

    def once(self, sites):
        """The first of each name; of the database's, which come in bursts for a step each, the first of a burst and one within."""
        chosen, seen = [], set()
        for of_database, burst in itertools.groupby(sites, key=is_of_database):
            burst = list(burst)
            if of_database:
                kinds = {(site.call, site.path): site for site in reversed(burst)}
                new = [site for kind, site in kinds.items() if kind not in seen]
                chosen += [burst[0], min(new, key=lambda site: site.number) if new else burst[len(chosen) * 7 % len(burst)]]
                seen |= {(site.call, site.path) for site in chosen[-2:]}
                continue
            for site in burst:
                if self.bench.names.name(site) not in seen:
                    seen.add(self.bench.names.name(site))
                    chosen.append(site)
        return sorted(set(chosen), key=lambda site: site.number)

    def case(self, what, perform):
        """perform() runs the program; what is true after any case is looked at here."""
        self.cases += 1
        self.bench.put_back()
        orders = self.judge.orders()
        try:
            perform()
            more = self.judge.orders() - orders - 1
            self.abandoned += max(0, more)
            if more > 0:
                print(f"an order was abandoned: {what}", flush=True)
            if more > 1:
                raise Failure(f"{more} orders were abandoned")
        except Failure as failure:
            self.failed.append(f"{what}: {failure}")
            print(f"FAILED {self.failed[-1]}", flush=True)

    def looks_well(self):
        """Before anybody mends anything."""
        state = self.judge.answers(self.name)
        if not self.enrols or state in ("installed", "in service") or os.path.lexists(f"{self.bench.state}/live/{self.name}"):
            self.judge.pair(self.name)

    def killed(self, site, action):
        """Killed with the whole group before the site, or the one process after it."""
        def perform():
            run = self.bench.run(self.command, memory.EVERYTHING, action, site.number)
            self.missed += not run.reached
            self.looks_well()
            self.judge.recovered(self.name)

        kind = "all killed before" if action == memory.STOP_BEFORE else "one killed after"
        self.case(f"{kind} {site.number}, {self.bench.names.name(site)}", perform)

    def error(self, site, name, onwards):
        """The call fails; alone, or it and all that come after it."""
        def perform():
            before = None if self.enrols else self.judge.serial(self.name)
            run = self.bench.run(self.command, memory.FILE, memory.FAIL, site.number, error=getattr(errno, name), onwards=onwards,
                                 halves=onwards and name == "ENOSPC")
            self.missed += not run.reached
            self.told(run, site, name)
            self.looks_well()
            if run.status == 0 and self.judge.serial(self.name) == before:
                raise Failure("it said that it has renewed, and has not")
            self.judge.recovered(self.name)

        self.case(f"{name} {'from' if onwards else 'at'} {site.number}, {self.bench.names.name(site)}", perform)

    def told(self, run, site, name):
        """Who failed said so by its exit status, and where and why in words."""
        if run.status == 0:
            return
        if run.status != 1:
            raise Failure(f"exit {run.status}, not 1: {run.said}")
        broken = [one for one in run.sites if one.result == -getattr(errno, name) or not one.ended]
        files = {os.path.basename(one.path.rstrip(".")) or "state" for one in broken}
        files |= {os.path.basename(os.path.dirname(one.path)) or "state" for one in run.sites if one.result < 0}
        files |= {"hwacme.db"} if any("hwacme.db" in one for one in files) else set()
        if not any(one in run.said for one in files):
            raise Failure(f"it does not say which file: {run.said}")
        reason = os.strerror(getattr(errno, name))
        if reason not in run.said and not ("hwacme.db" in run.said and ("full" in run.said or "I/O" in run.said)):
            raise Failure(f"it does not say \"{reason}\": {run.said}")

    def power(self, site, names_kept):
        """The power goes before the site: what the disk has is what was synced."""
        def perform():
            disk = Disk(self.bench.state)
            run = self.bench.run(self.command, memory.EVERYTHING, memory.STOP_BEFORE, site.number, keeps_data=1)
            self.missed += not run.reached
            disk.run([one for one in run.sites if one.kind == memory.FILE])
            shutil.rmtree(self.bench.state)
            disk.leave(self.bench.state, names_kept)
            self.looks_well()
            self.judge.recovered(self.name)

        kept = "names kept" if names_kept else "names lost"
        self.case(f"power cut ({kept}) before {site.number}, {self.bench.names.name(site)}", perform)


def kill_sweep(sweep, repeats):
    sites, chosen = sweep.enumerate(memory.EVERYTHING)
    for _ in range(repeats):
        for site in chosen:
            sweep.killed(site, memory.STOP_BEFORE)
        for site in chosen:
            if sweep.full or site.kind not in (memory.FILE, memory.TPM):
                sweep.killed(site, memory.STOP_AFTER)
    return sites, chosen


def error_sweep(sweep, repeats):
    sites, chosen = sweep.enumerate(memory.FILE)
    for repeat in range(repeats):
        for index, site in enumerate(chosen):
            for number, name in enumerate(ERRORS):
                # The short one: each site alone with one of them, and every third from there on with another.
                if sweep.full or (index + repeat) % 3 == number:
                    sweep.error(site, name, onwards=0)
                if sweep.full or (index % 3 == 2 and (index // 3 + repeat) % 3 == number):
                    sweep.error(site, name, onwards=1)
    return sites, chosen


def power_sweep(sweep, repeats):
    sites, chosen = sweep.enumerate(memory.EVERYTHING)
    for repeat in range(repeats):
        for index, site in enumerate(chosen):
            for names_kept in (0, 1):
                if sweep.full or (index + repeat) % 2 == names_kept:
                    sweep.power(site, names_kept)
    return sites, chosen


SWEEPS = {"kill": kill_sweep, "errors": error_sweep, "power": power_sweep}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sweep", choices=SWEEPS)
    parser.add_argument("what", choices=("enrol", "renew"))
    for name in ("lab", "program", "shim", "certificate"):
        parser.add_argument(name)
    parser.add_argument("kept", nargs="+")
    wanted = parser.parse_args()
    began = time.monotonic()
    bench = Bench(wanted.lab, wanted.program, wanted.shim, wanted.kept)
    bench.keep()
    sweep = Sweep(bench, Judge(bench, [wanted.certificate]), wanted.what == "enrol")
    sites, chosen = SWEEPS[wanted.sweep](sweep, int(os.environ.get("SWEEP_REPEATS", "1")))
    names = {bench.names.name(site) for site in sites}
    if os.environ.get("SWEEP_TRACE"):
        for site in sites:
            print(f"{site.number:4} {bench.names.name(site)}")
    print(f"{wanted.sweep}, {wanted.what}: {len(sites)} sites of {len(names)} names, {len(chosen)} broken, {sweep.cases} cases,"
          f" {sweep.missed} not reached, {sweep.abandoned} orders abandoned,"
          f" {sweep.judge.answer_lost} challenges unanswered,"
          f" {sweep.judge.tpm_full} times the TPM was full, {len(sweep.failed)} failed,"
          f" {time.monotonic() - began:.0f} s")
    if sweep.cases < 20 or sweep.missed * 10 > sweep.cases:
        print("FAILED: the sweep tests too little")
        return 1
    return 1 if sweep.failed else 0


if __name__ == "__main__":
    sys.exit(main())
