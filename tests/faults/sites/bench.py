"""bench.py -- one state directory, put back before each case, and the program run on it with a wish for one of its sites."""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import time

from .memory import NOTHING, STOP_AFTER, STOP_BEFORE, Memory, Names

PR_SET_CHILD_SUBREAPER = 36
RUN_MAX = 60  # seconds; a run takes less than one
LOOK = 0.001


class Failure(Exception):
    """What a case found wrong."""


class Run:
    """How a run ended: a status, or None where it was killed; what it said; the sites it came to."""

    def __init__(self, status, said, sites, reached):
        self.status, self.said, self.sites, self.reached = status, said, sites, reached


class Bench:
    """What all cases share: the lab, the program, and what is put back before each."""

    def __init__(self, lab, program, shim, kept):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.lab, self.program, self.kept = lab, program, kept
        self.state = f"{lab}/state"
        self.memory = Memory(f"{lab}/sites", self.state)
        self.names = Names(program)
        self.preload = self.sanitizer() + shim
        self.log = open(f"{lab}/hwacme.log", "a+")

    def sanitizer(self):
        """Its library has to come first, where the program has one."""
        libraries = subprocess.run(["ldd", self.program], check=True, capture_output=True, text=True).stdout
        found = re.search(r"(\S*/libasan\S*)", libraries)
        return found.group(1) + ":" if found else ""

    def keep(self):
        """As it is now, each case begins."""
        for name in self.kept:
            shutil.rmtree(f"{self.lab}/kept-{name}", ignore_errors=True)
            shutil.copytree(f"{self.lab}/{name}", f"{self.lab}/kept-{name}", symlinks=True)

    def put_back(self):
        for name in self.kept:
            shutil.rmtree(f"{self.lab}/{name}")
            shutil.copytree(f"{self.lab}/kept-{name}", f"{self.lab}/{name}", symlinks=True)

    def hwacme(self, *arguments):
        """Without the shim. The status, and what it printed."""
        done = subprocess.run([self.program, "-c", f"{self.lab}/hwacme.yaml", *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=self.log, text=True, timeout=RUN_MAX)
        return done.returncode, done.stdout

    def last_words(self):
        with open(f"{self.lab}/hwacme.log") as file:
            return " | ".join(file.read().splitlines()[-3:])

    def run(self, arguments, kinds, action=NOTHING, target=0, config="hwacme.yaml", until=None, **wishes):
        """With it. Where it is to stop the whole group is killed, or (after the site) the process that came there alone; a
        daemon gets SIGTERM when until() says so."""
        self.memory.reset(kinds, action, target, **wishes)
        with open(f"{self.lab}/said", "w+") as said:
            started = subprocess.Popen([self.program, "-c", f"{self.lab}/{config}", *arguments], stdin=subprocess.DEVNULL,
                                       stdout=said, stderr=said, start_new_session=True,
                                       env=dict(os.environ, LD_PRELOAD=self.preload, HWACME_FAULTS=self.memory.path))
            status = self.await_end(started, action, until)
            said.seek(0)
            words = said.read()
        self.log.write(words)
        self.log.flush()
        return Run(status, words, self.memory.sites(), self.memory.reached)

    def kill_reached(self, group, action):
        """Who has reached the site waits there for its end. True: nobody is to be killed any more."""
        if action not in (STOP_BEFORE, STOP_AFTER):
            return True
        if not self.memory.reached:
            return False
        if action == STOP_BEFORE:
            os.killpg(group, signal.SIGKILL)
        else:
            os.kill(self.memory.reached, signal.SIGKILL)
        return True

    def await_end(self, started, action, until):
        deadline = time.monotonic() + RUN_MAX
        is_killed = False
        while started.poll() is None:
            is_killed = is_killed or self.kill_reached(started.pid, action)
            if until and until():
                started.terminate()
                until = None
            if time.monotonic() > deadline:
                os.killpg(started.pid, signal.SIGKILL)
                raise Failure(f"it did not end within {RUN_MAX} s")
            time.sleep(LOOK)
        # The others may have ended between two looks.
        if not is_killed:
            self.kill_reached(started.pid, action)
        self.await_group(started.pid, deadline)
        return None if started.returncode < 0 else started.returncode

    def await_group(self, group, deadline):
        """Until nobody of them is left: who lost a parent is our child."""
        while True:
            try:
                os.killpg(group, 0)
                os.waitpid(-group, os.WNOHANG)
            except (ProcessLookupError, ChildProcessError):
                return
            if time.monotonic() > deadline:
                os.killpg(group, signal.SIGKILL)
                raise Failure("a process of it did not end")
            time.sleep(LOOK)
