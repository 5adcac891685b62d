"""commands.py -- rollover, revoke and deactivate are killed at each of their sites: LAB PROGRAM SHIM CERTIFICATE KEPT..."""
import os
import sys
import time

from . import memory
from .bench import Bench, Failure
from .judge import Judge
from .mends import Mends
from .sweep import Sweep


class CommandSweep(Sweep):
    """One command after another, on a state that each case leaves for the next."""

    def chosen(self, arguments, mend):
        run = self.bench.run(arguments, memory.EVERYTHING)
        if run.status != 0:
            raise Failure(f"nothing was broken, but {arguments} ended with {run.status}: {run.said}")
        self.bench.names.learn_all(run.sites)
        mend(True)
        chosen = run.sites if self.full else self.once(run.sites)
        return run.sites, [site for at, site in enumerate(chosen) if at % self.stride == 0]

    def sweep(self, arguments, mend):
        sites, chosen = self.chosen(arguments, mend)
        for site in chosen:
            what = f"{' '.join(arguments)}: all killed before {site.number}, {self.bench.names.name(site)}"
            self.cases += 1
            try:
                run = self.bench.run(arguments, memory.EVERYTHING, memory.STOP_BEFORE, site.number)
                self.missed += not run.reached
                self.looks_well()
                mend(run.status == 0)
            except Failure as failure:
                self.failed.append(what)
                print(f"FAILED {what}: {failure}", flush=True)
        print(f"{' '.join(arguments)}: {len(sites)} sites, {len(chosen)} broken", flush=True)


def main():
    lab, program, shim, certificate, *kept = sys.argv[1:]
    began = time.monotonic()
    bench = Bench(lab, program, shim, kept)
    bench.keep()
    judge = Judge(bench, [certificate])
    sweep = CommandSweep(bench, judge, enrols=False)
    for arguments, mend in Mends(bench, judge, certificate).commands.items():
        sweep.sweep(arguments, mend)
    print(f"kill, commands: {sweep.cases} cases, {sweep.missed} not reached, {len(sweep.failed)} failed,"
          f" {time.monotonic() - began:.0f} s")
    if sweep.cases < 20 or sweep.missed * 10 > sweep.cases:
        print("FAILED: the sweep tests too little")
        return 1
    return 1 if sweep.failed else 0


if __name__ == "__main__":
    sys.exit(main())
