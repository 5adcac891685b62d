"""scale.py -- tests/bench/scale: what hwacme costs with many certificates, against itself with few."""
import argparse
import collections
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

from .clients import HwacmeHsm, HwacmeTpm
from .running import Daemon, activity, cpu_ms, cpu_ms_by_name, memory_kib, rss_kib_by_name
from .server import Pebble
from . import targets

TEMPLATE = "c0.bench.example"


def names_of(count):
    return [f"c{i}.bench.example" for i in range(count)]


class Scale:
    def __init__(self, options, pebble):
        self.options = options
        self.lab = pathlib.Path(os.environ["LAB"])
        self.pebble = pebble
        self.log = self.lab / "daemon.log"
        self.client = HwacmeHsm(self.lab, self.lab / "scale")
        self.database = self.client.home / "state/hwacme.db"

    def hwacme(self, *words):
        """CPU and wall, in milliseconds, of one command."""
        result = self.lab / "result.json"
        measure = str(pathlib.Path(os.environ["BUILD"]) / "tests/measure")
        done = subprocess.run([measure, str(result), str(self.client.program), "-c", str(self.client.config), *words], check=False,
                              env=dict(os.environ, **self.client.env()), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode not in (0, 5):
            raise SystemExit(f"hwacme {' '.join(words)}: {done.stderr[-800:]}")
        return json.loads(result.read_text())

    def fill(self, count, kept=False):
        """The rows of one certificate that was really issued, once for each name: what hwacme itself would have written. `kept`: those of r0 on stay.
        Each of the others has a superseded key, which is kept beside the live one where the policy says so."""
        database = sqlite3.connect(self.database)
        for table, key in (("certificate", "name"), ("issued", "certificate"), ("service", "certificate")):
            columns = [row[1:3] for row in database.execute(f"PRAGMA table_info({table})")]
            short = TEMPLATE.split(".", maxsplit=1)[0]
            copied = [f"'c' || :n" if name == key else f"replace({name}, '{TEMPLATE}', 'c' || :n || '.bench.example')" if kind == "TEXT" else name
                      for name, kind in columns]
            database.execute(f"DELETE FROM {table} WHERE {key} <> '{short}'" + (f" AND {key} NOT GLOB 'r[0-9]*'" if kept else ""))
            database.executemany(f"INSERT INTO {table} SELECT {', '.join(copied)} FROM {table} WHERE {key} = '{short}'",
                                 ({"n": n} for n in range(1, count)))
        database.execute("DELETE FROM retired WHERE label GLOB 'superseded *'")
        if self.client.keep > 1:
            database.execute("INSERT INTO retired (token, label, id, type, made_at, certificate, erase_at, generation, not_after) "
                             "SELECT live_token, 'superseded ' || name, randomblob(length(live_id)), live_type, live_at, name, issued_at, generation, not_after "
                             "FROM certificate WHERE name GLOB 'c[0-9]*'")
        database.commit()
        database.close()

    def begin(self):
        self.client.configure([TEMPLATE])
        self.hwacme("renew")

    def prepare(self, held):
        """`held` certificates that are not due."""
        self.fill(held)
        self.client.configure(names_of(held))

    def sizes(self):
        """Start, status and memory: of one certificate, and of many."""
        rows = []
        for count in (1, *self.options.rows):
            self.prepare(count)
            program = str(pathlib.Path(os.environ["BUILD"]) / "tests/read_rows")
            read = float(subprocess.run([program, str(self.database)], check=True, capture_output=True, text=True).stdout.split()[1])
            daemon = Daemon(self.client, self.log)
            memory = memory_kib(daemon.process.pid)
            daemon.stop()
            status = self.hwacme("status")
            row = {"certificates": count, "read_ms": read, "start_cpu_ms": daemon.start_cpu_ms, "start_wall_ms": daemon.start_ms,
                   "status_cpu_ms": status["cpu_ms"], "memory_kib": memory}
            rows.append(row)
            row["bytes_each"] = each = (memory - rows[0]["memory_kib"]) * 1024 / count
            print(f"{count:>8} certificates: rows read in {read:.1f} ms; start {daemon.start_cpu_ms:.0f} ms of CPU "
                  f"({daemon.start_cpu_ms / read:.1f} times), {daemon.start_ms:.0f} ms; status {status['cpu_ms']:.0f} ms "
                  f"({status['cpu_ms'] / read:.1f} times); tree {memory} KiB" + (f", {each:.0f} bytes a certificate" if count > 1 else ""), flush=True)
        return rows

    def asked(self):
        """The CA was asked of all of them for renewal information just now: copies of one row would otherwise all ask again in the same minute."""
        database = sqlite3.connect(self.database)
        database.execute("UPDATE issued SET check_at = ?", (int(time.time()) + 6 * 3600,))
        database.commit()
        database.close()

    def idle(self):
        self.prepare(self.options.idle_names)
        self.asked()
        daemon = Daemon(self.client, self.log)
        time.sleep(2)  # its first look at each is no part of idling
        before, began = activity(daemon.process.pid), time.monotonic()
        time.sleep(self.options.idle_seconds)
        after, minutes = activity(daemon.process.pid), (time.monotonic() - began) / 60
        daemon.stop()
        row = {"certificates": self.options.idle_names, "seconds": self.options.idle_seconds,
               "wake_ups_a_minute": (after[0] - before[0]) / minutes, "writes": after[1] - before[1]}
        print(f"idle with {row['certificates']}: {row['wake_ups_a_minute']:.1f} wake-ups a minute, {row['writes']} write calls in "
              f"{row['seconds']} s", flush=True)
        return row

    def many(self, prepare, sizes, times):
        """CPU of one forced renewal by a daemon, in turns over the sizes; its start is left out. By process: keyd's is the token's.
        The least of all rounds: what else the machine does adds to it, and takes nothing away."""
        costs = collections.defaultdict(list)
        for _ in range(self.options.rounds):
            for count in sizes:
                renewed = [f"r{i}" for i in range(prepare(count))]
                daemon = Daemon(self.client, self.log)
                daemon.settle()
                before = cpu_ms_by_name(daemon.process.pid)
                for _ in range(times):
                    self.hwacme("renew", "--force", *renewed)
                daemon.settle()
                after = cpu_ms_by_name(daemon.process.pid)
                daemon.stop()
                costs[count].append({name: (after[f"hwacme-{name}"] - before[f"hwacme-{name}"]) / len(renewed) / times for name in ("engine", "keyd")})
        return [{"count": count} | {f"{name}_ms": min(cost[name] for cost in all_costs) for name in ("engine", "keyd")}
                for count, all_costs in costs.items()]

    def really_issued(self, count):
        """So many that are renewed, with keys of their own."""
        names = [f"r{i}.bench.example" for i in range(count)]
        self.client.configure([TEMPLATE, *names])
        self.hwacme("renew")
        return names

    def among_many(self):
        self.client.keep = 2
        renewed = self.really_issued(min(self.options.among))

        def prepare(count):
            others = names_of(count - len(renewed))
            self.fill(len(others), kept=True)
            self.client.configure([*others, *renewed])
            return len(renewed)

        rows = self.many(prepare, self.options.among, self.options.times_among)
        for row in rows:
            print(f"a renewal among {row['count']:>6} certificates: engine {row['engine_ms']:.1f} ms of CPU, keyd {row['keyd_ms']:.1f} ms", flush=True)
        self.fill(1)
        self.client.keep = 1
        return rows

    def among_keys(self):
        """Keys that are nobody's fill the token: SoftHSM looks at all of them whenever one is looked for."""
        renewed = self.really_issued(self.options.renewals_among_keys)
        token = next((self.client.home / "softhsm").iterdir())
        made = set(token.glob("*.object"))
        tool = ["pkcs11-tool", "--module", os.environ["LAB_MODULE"], "--token-label", "nf-appliance", "--login", "--pin", os.environ["LAB_PIN"],
                "--keypairgen", "--key-type", "EC:prime256v1", "--label", "stranger", "--id", "5717"]
        subprocess.run(tool, env=dict(os.environ, **self.client.env()), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        strangers = sorted(set(token.glob("*.object")) - made)

        def prepare(count):
            for path in token.glob("*-5717-*"):
                path.unlink()
            for i in range(count):
                for k, path in enumerate(strangers):
                    # an object is a file, encrypted with the token's key: a copy is one more key
                    name = f"{i:08x}-{k:04x}-5717-8000-{i:012x}"
                    shutil.copyfile(path, token / f"{name}.object")
                    (token / f"{name}.lock").touch()
            self.client.configure([TEMPLATE, *renewed])
            return len(renewed)

        rows = self.many(prepare, self.options.keys, 1)
        for row in rows:
            print(f"a renewal among {row['count']:>6} keys in SoftHSM: engine {row['engine_ms']:.1f} ms of CPU, keyd {row['keyd_ms']:.1f} ms", flush=True)
        for path in token.glob("*-5717-*"):
            path.unlink()
        return rows

    def growth(self, kind):
        """Memory of one daemon over many renewals: Rss of engine and keyd."""
        count = self.options.growth_names
        client, self.client = self.client, kind(self.lab, self.lab / f"growth-{kind.token}")
        self.really_issued(count)
        daemon, points = Daemon(self.client, self.log), []
        names = [f"r{i}" for i in range(count)]
        rounds = max(self.options.growth // count, 10)
        for number in range(1, rounds + 1):
            self.hwacme("renew", "--force", *names)
            if number * 10 // rounds > (number - 1) * 10 // rounds:
                points.append((number * count, rss_kib_by_name(daemon.process.pid)))
        each = cpu_ms(daemon.process.pid) / (rounds * count)
        daemon.stop()
        self.client = client
        print(f"{points[-1][0]} renewals, {kind.name}, {each:.1f} ms of CPU each; KiB of Rss after each tenth: " +
              "; ".join(f"{name} " + ", ".join(str(kib[name]) for _, kib in points) for name in points[0][1]), flush=True)
        return {"points": points, "cpu_ms_each": each}


def spread_of(rows, key):
    """The dearest of these sizes over the cheapest."""
    values = [row[key] for row in rows]
    return max(values) / min(values)


def verdicts(result):
    """(what, the figure, the target, whether it is met), of what was measured."""
    largest = result["sizes"][-1] if result.get("sizes") else {}
    if "bytes_each" in largest:
        yield (f"memory of all processes among {largest['certificates']} certificates: bytes of each", largest["bytes_each"], "under 1024",
               largest["bytes_each"] < 1024)
    if result.get("idle"):
        # a beat wakes the engine, which sends it, and the supervisor, which hears it
        each = result["idle"]["wake_ups_a_minute"] / 2
        yield ("idle: wake-ups a minute, of engine and supervisor each", each, "at most 1", each <= 1.05)
        yield ("idle: write calls", result["idle"]["writes"], "beats alone", result["idle"]["writes"] <= result["idle"]["seconds"] / 60 + 1)
    if result.get("among"):
        for key, whose in (("engine_ms", "the engine's CPU"), ("keyd_ms", "keyd's CPU")):
            value = spread_of(result["among"], key)
            yield (f"a renewal among {result['among'][0]['count']} to {result['among'][-1]['count']} certificates: {whose}, dearest / cheapest", value,
                   "at most 1.10", value <= 1.1)
    if result.get("among_keys"):
        value = spread_of(result["among_keys"], "engine_ms")
        yield (f"a renewal among {result['among_keys'][0]['count']} to {result['among_keys'][-1]['count']} keys: the engine's CPU, dearest / cheapest",
               value, "at most 1.10", value <= 1.1)
    for token, growth in result.get("growth", {}).items():
        (since, first), (until, last) = growth["points"][1], growth["points"][-1]
        for name in first:
            more = last[name] - first[name]
            yield f"memory of {name} after {until} renewals, {token}: MiB more than after {since}", more / 1024, "under 1", more < 1024


def numbers(text):
    return [int(value) for value in text.split(",") if int(value)]


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/scale", description="what hwacme costs with many certificates")
    parser.add_argument("--rows", type=numbers, default="1000,100000", help="certificates in the state (1000,100000)")
    parser.add_argument("--idle-names", type=int, default=100)
    parser.add_argument("--idle-seconds", type=int, default=180, help="how long the idle daemon is watched; 0: not (180)")
    parser.add_argument("--among", type=numbers, default="10,100,1000,10000", help="certificates among which some are renewed (10,100,1000,10000)")
    parser.add_argument("--keys", type=numbers, default="10,100,1000,10000", help="keys in the token among which some are renewed (10,100,1000,10000)")
    parser.add_argument("--times-among", type=int, default=5, help="how often the least of these numbers is renewed for each figure (5)")
    parser.add_argument("--renewals-among-keys", type=int, default=5, help="how many, where the token takes its time (5)")
    parser.add_argument("--rounds", type=int, default=3, help="of each of these sizes (3)")
    parser.add_argument("--growth-names", type=int, default=50, help="certificates that are renewed over and over for that (50)")
    parser.add_argument("--growth", type=int, default=10000, help="renewals over which memory is watched; 0: none (10000)")
    parser.add_argument("--output", default="scale-results.json")
    options = parser.parse_args()
    scale = Scale(options, Pebble(os.environ["LAB"]))
    result = {}
    scale.pebble.start(0)
    try:
        scale.begin()
        result["sizes"] = scale.sizes()
        result["idle"] = scale.idle() if options.idle_seconds else {}
        result["among"] = scale.among_many() if options.among else []
        result["among_keys"] = scale.among_keys() if options.keys else []
        result["growth"] = {kind.name.split(", ")[1]: scale.growth(kind) for kind in (HwacmeHsm, HwacmeTpm)} if options.growth else {}
    finally:
        scale.pebble.stop()
    print(targets.text(list(verdicts(result))))
    pathlib.Path(os.environ.get("BENCH_FROM", "."), options.output).write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
