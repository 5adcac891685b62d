"""clients_compared.py -- reads the options, runs everything in turn, prints the table, writes JSON and the plot."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import signal
import sys

from . import clients, daemons, limits, plot, profile, scale, table, targets
from .rounds import Bench, summary
from .server import Pebble

SINGLE = [clients.HwacmeHsm, clients.HwacmeTpm, clients.HwacmeBesideHsm, clients.HwacmeBesideTpm, clients.Lego, clients.HsmLego, clients.TpmLego,
          clients.Uacme, clients.Certbot, clients.Dehydrated, daemons.ModMd, daemons.Caddy]
FLEET = [clients.HwacmeRunHsm, clients.HwacmeRunTpm, clients.HwacmeHsm, clients.HwacmeTpm, clients.Lego, clients.HsmLego, clients.TpmLego,
         clients.Uacme, clients.Certbot, clients.Dehydrated, daemons.ModMd, daemons.Caddy]


def options_read():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="hwacme beside other ACME clients, on the same work, in one run")
    parser.add_argument("--runs", type=int, default=5, help="of each client: one first issue and its renewals (5)")
    parser.add_argument("--renewals", type=int, default=1, help="forced renewals after each first issue (1)")
    parser.add_argument("--names", default="100,1000", help="sizes of the fleets; 0: none (100,1000)")
    parser.add_argument("--fleet-runs", type=int, default=5, help="of each client and fleet (5)")
    parser.add_argument("--peer-names", type=int, default=100, help="at most so many of a fleet but for `hwacme run`: their rate does not grow (100)")
    parser.add_argument("--slow-names", type=int, default=16, help="the same for those that take seconds each (16)")
    parser.add_argument("--jobs", type=int, default=4, help="of a client at once in a fleet, where it is no daemon (4)")
    parser.add_argument("--clients", default="", help="only those whose name has one of these words, by commas")
    parser.add_argument("--nonce-reject", type=int, default=0, metavar="PERCENT", help="also the twin of each row of hwacme with so much; 0: none (0)")
    parser.add_argument("--limit-seconds", type=int, default=2, help="for each limit of a token (2)")
    parser.add_argument("--no-depth", dest="depth", action="store_false", help="without the calls of a renewal, and its cost among 10,000 certificates")
    parser.add_argument("--output", default="bench-results", help="folder for bench.json, bench.txt and bench.svg (./bench-results)")
    return parser.parse_args()


def chosen(kinds, words):
    return [kind for kind in kinds if not words or any(word in kind.name for word in words.split(","))]


def measure_all(bench, options, sizes):
    """Everything without refused nonces; then hwacme with them."""
    for nonce_reject in dict.fromkeys((0, options.nonce_reject)):
        single, fleet = chosen(SINGLE, options.clients), chosen(FLEET, options.clients)
        if nonce_reject:
            single, fleet = ([kind for kind in kinds if kind.name.startswith("hwacme")] for kinds in (single, fleet))
        print(f"== {nonce_reject} % of good nonces are refused", flush=True)
        bench.pebble.start(nonce_reject)
        bench.single(single, nonce_reject)
        for size in sizes:
            bench.fleet(fleet, nonce_reject, size)
        bench.pebble.stop()


def limits_all(bench, options):
    print("== limits", flush=True)
    bench.pebble.start(0)
    rows = [limits.server_limit(bench.lab, connections, 300, f"limit{connections}") for connections in (1, 4, 8)]
    bench.pebble.stop()
    rows += limits.token_limits(bench, [clients.HwacmeHsm, clients.HwacmeTpm], options.limit_seconds, options.jobs)
    rows += limits.shared_limits(rows, ("SoftHSM", "swtpm"))
    return rows + limits.processor_limits()


def token_operations_all(bench, rows):
    bench.pebble.start(0)
    for kind in (clients.HwacmeRunHsm, clients.HwacmeRunTpm):
        token = kind.name.split(", ")[1]
        ours = [row for row in rows if row["client"].startswith("hwacme") and row["client"].endswith(token)]
        operations = bench.token_operations(kind) if ours else {}
        for row in ours:
            row["token_operations"] = round(sum(operations.values()), 1)
            row["token_operations_by_kind"] = operations
    bench.pebble.stop()


def depth(bench, options):
    """What the other two programs measure, shortly: calls of the daemon's renewals, and their cost among few and many certificates."""
    bench.pebble.start(0)
    calls = {}
    for kind in chosen((clients.HwacmeHsm, clients.HwacmeTpm), options.clients):
        calls[kind.token] = {"daemon": profile.Profile(argparse.Namespace(runs=0, certificates=20), bench.pebble, kind, "depth").daemon()}
    print("\n== a renewal among few and many certificates", flush=True)
    sizes = scale.Scale(argparse.Namespace(among=[10, 100, 1000, 10000], times_among=5, rounds=2), bench.pebble)
    sizes.begin()
    among = {"among": sizes.among_many()}
    bench.pebble.stop()
    return {"calls": calls, **among}, [*profile.verdicts(calls), *scale.verdicts(among)]


def main():
    options = options_read()
    sizes = [int(size) for size in options.names.split(",") if int(size)]
    output = pathlib.Path(os.environ.get("BENCH_FROM", "."), options.output)
    output.mkdir(parents=True, exist_ok=True)
    # Also where it was started in the background, and has these ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    pebble = Pebble(os.environ["LAB"])
    bench = Bench(os.environ["LAB"], pebble, options)
    bounds, rows, deep, more, is_cut = [], [], {}, [], False
    try:
        measure_all(bench, options, sizes)
        rows = [summary(row) for row in bench.rows.values()]
        token_operations_all(bench, rows)
        # Last: they make and erase thousands of SoftHSM's files, and ext4 passes over each file erased in the last minutes whenever it makes one.
        bounds = limits_all(bench, options)
        if options.depth:
            deep, more = depth(bench, options)
    except KeyboardInterrupt:
        # Half an hour's figures are not thrown away by a Ctrl-C.
        is_cut, rows = True, [summary(row) for row in bench.rows.values()]
    finally:
        pebble.stop()
    results = targets.verdicts(rows, bounds, sizes) + more
    machine = {"cores": os.cpu_count(), "load": os.getloadavg(), "kernel": platform.release(),
               "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}
    text = ("CUT OFF before the end\n" if is_cut else "") + table.table(rows, bounds) + "\n" + targets.text(results)
    (output / "bench.txt").write_text(text + "\n")
    (output / "bench.json").write_text(json.dumps({"machine": machine, "cut_off": is_cut, "options": vars(options), "rows": rows, "limits": bounds, "depth": deep, "targets": [
        {"what": what, "value": value, "target": target, "met": met} for what, value, target, met in results]}, indent=1) + "\n")
    (output / "bench.svg").write_text(plot.svg(rows, bounds, machine))
    print(text)
    print(f"\nwritten: {output}/bench.json, bench.txt, bench.svg")
    return int(any(row["failed"] for row in rows if row["client"].startswith("hwacme")))


if __name__ == "__main__":
    sys.exit(main())
