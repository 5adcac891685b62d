"""daemon.py -- the daemon is broken at each of its sites: a supervisor starts another engine, which goes on; or the power goes."""
import argparse
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

from . import memory
from .bench import LOOK, Bench, Failure
from .durable import Disk
from .judge import Judge
from .sweep import Sweep

SETTLED_MAX = 30  # seconds; the supervisor's pause is one
STOP_MAX = 5  # after SIGTERM, wherever it is
IN_SERVICE = 5  # enum certificate_state
# What it was started for is done: the certificate has the name that was added to the configuration, and is in service.
DONE = "SELECT count(*) FROM certificate WHERE next_token = '' AND attempts = 0 AND state = ? AND names LIKE '%added%'"


class Daemon:
    """One `hwacme run` under the shim, in a session of its own."""

    def __init__(self, bench, kinds, action=memory.NOTHING, target=0, **wishes):
        self.bench, self.words = bench, ""
        bench.memory.reset(kinds, action, target, **wishes)
        with open(f"{bench.lab}/said", "w"):
            pass
        with open(f"{bench.lab}/said", "a") as said:
            self.process = subprocess.Popen([bench.program, "-c", f"{bench.lab}/hwacme.yaml", "run"], stdin=subprocess.DEVNULL,
                                            stdout=said, stderr=said, start_new_session=True,
                                            env=dict(os.environ, LD_PRELOAD=bench.preload, HWACME_FAULTS=bench.memory.path))

    def row(self, query, *values):
        """Of its database, which is only read; None while there is none."""
        try:
            store = sqlite3.connect(f"file:{self.bench.state}/hwacme.db?mode=ro", uri=True, timeout=1)
        except sqlite3.Error:
            return None
        try:
            return store.execute(query, values).fetchone()[0]
        except (sqlite3.Error, TypeError):
            return None
        finally:
            store.close()

    def is_done(self):
        """And all that was superseded is gone."""
        return (self.row(DONE, IN_SERVICE) == 1 and self.row("SELECT count(*) FROM retired") == 0
                and self.row("SELECT count(*) FROM service WHERE prune_at > 0 AND prune_at <= ?", int(time.time())) == 0)

    def engine(self):
        """The supervisor's child that is called so; 0: there is none now."""
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
                children = file.read().split()
            for pid in children:
                with open(f"/proc/{pid}/stat") as file:
                    name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
                if name == "hwacme-engine" and rest.split()[0] != "Z":
                    return int(pid)
        except OSError:
            pass
        return 0

    def await_done(self, kills):
        """Kills who comes to the site.  True: all is done and an engine is there; False: a renewal failed, which is tried again
        in its time, or all of them ended."""
        deadline, killed = time.monotonic() + SETTLED_MAX, 0
        while time.monotonic() < deadline:
            if kills and not killed and self.bench.memory.reached:
                killed = self.bench.memory.reached
                os.kill(killed, signal.SIGKILL)
            if self.process.poll() is not None:
                return False
            engine = self.engine()
            if engine and engine != killed:
                if self.is_done():
                    return True
                if self.row("SELECT attempts FROM certificate") or self.row("SELECT attempts FROM service"):
                    return False
            time.sleep(10 * LOOK)
        self.stop()
        raise Failure(f"nothing came of it in {SETTLED_MAX} s: {self.words[-900:]}")

    def stop(self):
        """SIGTERM ends all of it, whatever it has been through; its status."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.terminate()
        while self.process.poll() is None:
            if time.monotonic() - began > STOP_MAX:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                self.said()
                raise Failure(f"it did not end within {STOP_MAX} s of SIGTERM: {self.words[-900:]}")
            time.sleep(LOOK)
        self.bench.await_group(self.process.pid, began + 2 * STOP_MAX)
        self.said()
        return self.process.returncode

    def kill(self):
        """All of it, when one has come to the site; False: none did."""
        deadline = time.monotonic() + SETTLED_MAX
        while not self.bench.memory.reached and not self.is_done() and self.process.poll() is None:
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK)
        reached = bool(self.bench.memory.reached)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.bench.await_group(self.process.pid, time.monotonic() + STOP_MAX)
        self.said()
        return reached

    def said(self):
        with open(f"{self.bench.lab}/said") as file:
            self.words = file.read()
        self.bench.log.write(self.words)
        self.bench.log.flush()


class DaemonSweep(Sweep):
    """The same state, sites and judge; what runs is the daemon."""

    def __init__(self, bench, judge, enrols):
        super().__init__(bench, judge, enrols)
        self.again, self.ended, self.waited = 0, 0, 0

    def enumerate(self, kinds):
        bench = self.bench
        bench.put_back()
        disk = Disk(bench.state)
        daemon = Daemon(bench, kinds, keeps_data=1)
        done = daemon.await_done(kills=False)
        # What comes while it ends is not broken: that it ends is looked at in every case.
        count = bench.memory.count
        if daemon.stop() != 0 or not done:
            raise Failure(f"nothing was broken, but it did not do its work and end: {daemon.words}")
        sites = bench.memory.sites()
        bench.names.learn_all(sites)
        disk.run([site for site in sites if site.kind == memory.FILE])
        difference = disk.same_as(bench.state)
        if difference:
            raise Failure(f"the shim has missed a change: {difference}")
        chosen = sites[:count] if self.full else self.once(sites[:count])
        return sites[:count], [site for at, site in enumerate(chosen) if at % self.stride == 0]

    def judged(self, done):
        """Where the daemon has done all of it, nothing is left to `renew`."""
        self.looks_well()
        self.waited += not done
        if done:
            self.judge.clean(self.name)
        else:
            self.judge.recovered(self.name)

    def one_killed(self, site):
        def perform():
            daemon = Daemon(self.bench, memory.EVERYTHING, memory.STOP_BEFORE, site.number)
            done = daemon.await_done(kills=True)
            was_there = daemon.process.poll() is None
            status = daemon.stop()
            self.missed += not self.bench.memory.reached
            self.again += "another is started" in daemon.words
            self.ended += not was_there
            if was_there and status != 0:
                raise Failure(f"after SIGTERM it ended with {status}: {daemon.words[-600:]}")
            self.judged(done)

        self.case(f"one killed before {site.number}, {self.bench.names.name(site)}", perform)

    def power(self, site, names_kept):
        """All of it ends at the site, and the daemon begins anew with what the disk has."""
        def perform():
            disk = Disk(self.bench.state)
            self.missed += not Daemon(self.bench, memory.EVERYTHING, memory.STOP_BEFORE, site.number, keeps_data=1).kill()
            disk.run([one for one in self.bench.memory.sites() if one.kind == memory.FILE])
            shutil.rmtree(self.bench.state)
            disk.leave(self.bench.state, names_kept)
            self.looks_well()
            daemon = Daemon(self.bench, 0)
            done = daemon.await_done(kills=False)
            if daemon.stop() != 0:
                raise Failure(f"after the power came back: {daemon.words[-600:]}")
            self.judged(done)

        kept = "names kept" if names_kept else "names lost"
        self.case(f"power cut ({kept}) before {site.number}, {self.bench.names.name(site)}", perform)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sweep", choices=("kill", "power"))
    parser.add_argument("what", choices=("enrol", "renew"))
    for name in ("lab", "program", "shim", "certificate"):
        parser.add_argument(name)
    parser.add_argument("kept", nargs="+")
    wanted = parser.parse_args()
    began = time.monotonic()
    bench = Bench(wanted.lab, wanted.program, wanted.shim, wanted.kept)
    bench.keep()
    sweep = DaemonSweep(bench, Judge(bench, [wanted.certificate]), wanted.what == "enrol")
    sites, chosen = sweep.enumerate(memory.EVERYTHING)
    for repeat in range(int(os.environ.get("SWEEP_REPEATS", "1"))):
        for index, site in enumerate(chosen):
            if wanted.sweep == "kill":
                sweep.one_killed(site)
            elif sweep.full:
                sweep.power(site, 0)
                sweep.power(site, 1)
            else:
                sweep.power(site, (index + repeat) % 2)
    names = {bench.names.name(site) for site in sites}
    if os.environ.get("SWEEP_TRACE"):
        for site in sites:
            print(f"{site.number:4} {bench.names.name(site)}")
    print(f"{wanted.sweep}, run ({wanted.what}): {len(sites)} sites of {len(names)} names, {len(chosen)} broken,"
          f" {sweep.cases} cases, {sweep.missed} not reached, {sweep.again} times another engine was started,"
          f" {sweep.ended} times all ended,"
          f" {sweep.waited} renewals left to their back-off or the next run, {sweep.abandoned} orders abandoned,"
          f" {sweep.judge.answer_lost} challenges unanswered, {len(sweep.failed)} failed, {time.monotonic() - began:.0f} s")
    if sweep.cases < 10 or sweep.missed * 10 > sweep.cases or (wanted.sweep == "kill" and not sweep.again):
        print("FAILED: the sweep tests too little")
        return 1
    return 1 if sweep.failed else 0


if __name__ == "__main__":
    sys.exit(main())
