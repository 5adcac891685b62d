"""test_compare.py -- the harness itself: what it counts in a trace, what it says of a target, and that table and plot can be read."""
import pathlib
import subprocess
import tempfile
import types
import unittest
import unittest.mock
import xml.dom.minidom

from . import limits, plot, rounds, scale, table, targets
from .folded import samples
from .rounds import summary
from .trace import Trace, requests

TRACE = """\
10<hwacme-engine> fcntl(7</x/state/hwacme.db-shm>, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=120, l_len=1}) = 0
10<hwacme-engine> fcntl(7</x/state/hwacme.db-shm>, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=120, l_len=1} <unfinished ...>
11<hwacme-keyd> openat(AT_FDCWD, "/x", O_RDONLY) = 3</x>
10<hwacme-engine> <... fcntl resumed>) = 0
10<hwacme-engine> fcntl(7</x/state/hwacme.db-shm>, F_SETLK, {l_type=F_RDLCK, l_whence=SEEK_SET, l_start=124, l_len=1}) = 0
10<hwacme-engine> fdatasync(6</x/state/hwacme.db-wal>) = 0
10<hwacme-engine> fsync(9</x/state/archive/amf/2>) = 0
11<hwacme-keyd> fsync(5</x/softhsm/1/2.object>) = 0
10<hwacme-engine> clone3({flags=CLONE_VM|CLONE_THREAD, stack=0x7f}, 88) = 12<hwacme-engine>
10<hwacme-engine> vfork( <unfinished ...>
10<hwacme-engine> connect(8<socket:[1]>, {sa_family=AF_INET, sin_port=htons(14000)}, 16) = 0
"""


def run(**values):
    return {"wall_ms": 100.0, "cpu_ms": 20.0, "rss_kib": 4096, "pss_kib": 2048, "status": 0, "requests": 8, "connections": 1, "server_cpu_ms": 5.0,
            "rss_kib_by_name": {"hwacme-engine": 1024, "hwacme-keyd": 1024}, **values}


def row(work, client, nonce_reject=0, certificates=1, runs=(run(),), **more):
    return summary({"work": work, "client": client, "nonce_reject": nonce_reject, "certificates": certificates, "runs": list(runs), "failed": 0, **more})


def met(results, words):
    found = [result[3] for result in results if words in result[0]]
    assert len(found) == 1, f"{len(found)} targets for {words}"
    return found[0]


class SilentServerTest(unittest.TestCase):
    """A server that locked up is no failure of the client: the run is ended, the server started anew, and the client gets another."""

    def bench(self, log):
        pebble = types.SimpleNamespace(log=log, stop=unittest.mock.Mock(), start=unittest.mock.Mock())
        with unittest.mock.patch.dict("os.environ", BUILD="/nowhere"):
            return rounds.Bench(log.parent, pebble, None)

    def test_a_run_is_ended_when_the_server_is_silent(self):
        with tempfile.TemporaryDirectory() as folder, unittest.mock.patch.object(rounds, "SILENT_MAX_S", 0):
            log = pathlib.Path(folder, "log")
            log.write_text("one request\n")
            process = subprocess.Popen(["sleep", "600"])
            self.assertTrue(self.bench(log).wait(process))
            self.assertNotEqual(process.returncode, 0)

    def test_it_is_run_again_and_counts_as_failed_when_nothing_helps(self):
        with tempfile.TemporaryDirectory() as folder:
            bench = self.bench(pathlib.Path(folder, "log"))
            kind = types.SimpleNamespace(name="x", cannot_renew=False)
            bench.client = lambda kind: types.SimpleNamespace(home=pathlib.Path(folder, "home"))
            answers = [rounds.ServerSilent("silent"), rounds.ServerSilent("silent"), [("fleet", run())]]

            def perform(client):
                answer = answers.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                yield from answer
            bench.measured("fleet", kind, 0, 1, perform)
            self.assertEqual(bench.pebble.start.call_count, 2)
            self.assertEqual((len(bench.rows["fleet", "x", 0]["runs"]), bench.rows["fleet", "x", 0]["failed"]), (1, 0))
            answers.extend(rounds.ServerSilent("silent") for _ in range(rounds.TRIES))
            bench.measured("fleet", kind, 0, 1, perform)
            self.assertEqual(bench.rows["fleet", "x", 0]["failed"], 1)


class TraceTest(unittest.TestCase):
    def test_calls_are_counted_by_process_and_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(TRACE)
            file.flush()
            trace = Trace(file.name)
        self.assertEqual((trace.transactions, trace.processes, trace.threads, trace.connections), (2, 1, 1, 1))
        self.assertEqual(trace.fsyncs, {"the database's log": 1, "archive": 1, "SoftHSM's own": 1})
        self.assertEqual(trace.by_process, {"hwacme-engine": 8, "hwacme-keyd": 2})

    def test_requests_are_told_by_endpoint(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "log")
            log.write_text("Pebble 1 POST /authZ/ -> calling handler()\nPebble 2 POST /authZ/ -> calling handler()\nPebble HEAD /nonce-plz -> calling handler()\n")
            self.assertEqual(requests(log), {"POST /authZ": 2, "HEAD /nonce-plz": 1})
            self.assertEqual(requests(log, log.stat().st_size), {})

    def test_samples_of_perf_have_their_stacks(self):
        lines = ["hwacme  12 250000 \n", "\t7f main (/x/hwacme)\n", "\n", "hwacme-keyd 13 250000 \n", "\t7f C_Sign (/x/libsofthsm2.so)\n"]
        self.assertEqual([(comm, period, len(frames)) for comm, period, frames in samples(lines)], [("hwacme", 250000, 1), ("hwacme-keyd", 250000, 1)])


class TargetsTest(unittest.TestCase):
    def test_a_third_of_the_peer_is_met_and_half_is_not(self):
        for cpu, expected in ((6.0, True), (10.0, False)):
            rows = [row("forced renewal", "hwacme, SoftHSM", runs=[run(cpu_ms=cpu)]), row("forced renewal", "lego")]
            self.assertEqual(met(targets.verdicts(rows, [], []), "CPU"), expected)

    def test_a_fleet_is_held_against_the_best_of_each_figure(self):
        fast, lean = [run(wall_ms=1000.0, cpu_ms=900.0)], [run(wall_ms=9000.0, cpu_ms=70.0)]
        ours = [run(wall_ms=90.0, cpu_ms=60.0, requests=75, connections=8)]
        rows = [row("fleet of 10", client, certificates=10, runs=runs)
                for client, runs in (("hwacme run, SoftHSM", ours), ("mod_md", fast), ("caddy", lean))]
        results = targets.verdicts(rows, [], [10])
        self.assertTrue(met(results, "rate / best peer's, mod_md"))
        self.assertTrue(met(results, "CPU / leanest peer's, caddy"))
        self.assertTrue(met(results, "connections in all"))
        self.assertTrue(met(results, "requests a certificate"))

    def test_twice_the_requests_is_met_and_a_failure_never(self):
        plain = row("fleet of 1000", "hwacme run, SoftHSM", certificates=1000, runs=[run(requests=7000)])
        for requests_made, failed, expected in ((14000, 0, True), (15000, 0, False), (13000, 1, False)):
            twin = row("fleet of 1000", "hwacme run, SoftHSM", 50, 1000, [run(requests=requests_made)]) | {"failed": failed}
            self.assertEqual(met(targets.verdicts([plain, twin], [], []), "nonces refused"), expected)

    def test_growth_of_a_process_is_met_below_a_mebibyte(self):
        points = [(100, {"hwacme-engine": 9000}), (200, {"hwacme-engine": 9500}), (1000, {"hwacme-engine": 10400})]
        self.assertTrue(met(list(scale.verdicts({"growth": {"swtpm": {"points": points}}})), "hwacme-engine"))
        points[-1][1]["hwacme-engine"] = 10600
        self.assertFalse(met(list(scale.verdicts({"growth": {"swtpm": {"points": points}}})), "hwacme-engine"))


class PictureTest(unittest.TestCase):
    ROWS = [row("forced renewal", "hwacme, SoftHSM", cannot=""), row("forced renewal", "lego", runs=[run(wall_ms=9.0), run()]),
            row("forced renewal", "caddy", runs=[], cannot="no command renews now")]
    LIMITS = [{"limit": "Pebble, by 1 connection", "per_second": 300.0, "cpu_ms_each": 1.0, "requests_each": 6.5}]

    def test_a_client_that_cannot_is_in_the_table_with_the_reason(self):
        self.assertIn("cannot: no command renews now", table.table(self.ROWS, self.LIMITS))

    def test_the_plot_is_xml_and_has_those_that_were_measured(self):
        svg = plot.svg(self.ROWS, self.LIMITS, {"at": "now", "cores": 2, "load": [0.0], "kernel": "6"})
        xml.dom.minidom.parseString(svg)
        self.assertIn("lego", svg)
        self.assertNotIn("caddy", svg)


class SharedTest(unittest.TestCase):
    def test_what_all_need_of_the_processors_bounds_the_rate_before_any_of_them(self):
        rows = [{"limit": "Pebble, by 1 connection", "machine_ms_each": 9.0}, {"limit": "Pebble, by 4 connections", "machine_ms_each": 6.0},
                {"limit": "swtpm, its backend alone, 4 callers: key, signature, erased", "machine_ms_each": 4.0},
                {"limit": "swtpm, its backend alone, 4 callers: signatures", "machine_ms_each": 0.5},
                {"limit": "swtpm, through keyd, 4 callers: key, signature, erased", "machine_ms_each": 3.0},
                {"limit": "swtpm, through keyd, 4 callers: signatures", "machine_ms_each": 90.0}]
        with unittest.mock.patch("os.cpu_count", return_value=2):
            (shared,) = limits.shared_limits(rows, ["swtpm"])
        self.assertEqual(shared["limit"], "all on these 2 processors: Pebble, a minimal client, swtpm")
        self.assertAlmostEqual(shared["per_second"], 2000 / (6.0 + 3.0 + 7 * 0.5))


if __name__ == "__main__":
    unittest.main()
