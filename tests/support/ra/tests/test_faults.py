"""test_faults.py -- each fault of the script does what it says, and nothing else; counters, clock, reset, down."""
import http.client
import json
import socket
import ssl
import time
import urllib.error

from .client import Client, RaCase


class Faults(RaCase):
    def setUp(self):
        super().setUp()
        self.acme = self.client()

    def fault(self, endpoint="newOrder", **members):
        self.manage("faults", {"endpoint": endpoint, **members})

    def orders(self):
        return len(self.manage("orders"))

    def test_a_refusal_has_no_effect_and_is_over_after_once(self):
        self.fault(status=503, type="serverInternal", detail="later", headers={"Retry-After": "30"}, subproblems=[{"type": "x"}])
        refused = self.acme.order("dns:a.example")
        self.assertRefused(refused, 503, "serverInternal")
        self.assertEqual((refused.headers["Retry-After"], refused.json["subproblems"]), ("30", [{"type": "x"}]))
        self.assertTrue(refused.headers["Replay-Nonce"])
        self.assertEqual(self.orders(), 0)
        self.assertEqual(self.acme.order("dns:a.example").status, 201)
        self.assertIn("before the end of Retry-After", self.remarks()[0])
        self.fault(type="badSignatureAlgorithm", members={"algorithms": ["RS256"]})
        refused = self.acme.order("dns:a.example")
        self.assertRefused(refused, 400, "badSignatureAlgorithm")
        self.assertEqual(refused.json["algorithms"], ["RS256"])

    def test_after_the_effect(self):
        self.fault(status=500, after=True)
        self.assertEqual((self.acme.order("dns:a.example").status, self.orders()), (500, 1))

    def test_the_nth_so_many_times_and_by_chance(self):
        self.fault(nth=[2, 4], status=500)
        self.assertEqual([self.acme.order("dns:a.example").status for _ in range(5)], [201, 500, 201, 500, 201])
        self.manage("faults", {"clear": True})
        self.fault(times=2, status=500)
        self.assertEqual([self.acme.order("dns:a.example").status for _ in range(3)], [500, 500, 201])
        self.fault(percent=50, status=500)
        hits = sum(self.acme.order("dns:a.example").status == 500 for _ in range(60))
        self.assertTrue(10 < hits < 50, hits)
        report = self.manage("faults")
        self.assertEqual((report[0]["hits"], report[1]["hits"]), (2, hits))

    def test_a_lost_answer_took_effect(self):
        for number, how in enumerate(("lost", "reset"), 1):
            self.fault(**{how: True})
            with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError, ssl.SSLError)):
                self.acme.order("dns:a.example")
            self.assertEqual(self.orders(), number)
            self.acme.nonce = None

    def test_cut(self):
        self.fault(cut=10)
        with self.assertRaises((http.client.IncompleteRead, ConnectionResetError, ssl.SSLError)):
            self.acme.order("dns:a.example")
        self.fault(cut_header=5)
        with self.assertRaises((http.client.BadStatusLine, http.client.HTTPException, ConnectionError, ssl.SSLError)):
            self.acme.order("dns:a.example")

    def test_bodies(self):
        self.fault(garbage=True)
        self.assertIn(b"maintenance", self.acme.order("dns:a.example").body)
        self.fault(oversize=300000)
        big = self.acme.order("dns:a.example")
        self.assertEqual((len(big.body), big.json["status"]), (300000, "pending"))
        self.fault(body='{"status":"valid","status":"x"}')
        self.assertEqual(self.acme.order("dns:a.example").body, b'{"status":"valid","status":"x"}')
        self.fault(patch={"finalize": "https://evil.example/", "expires": None})
        patched = self.acme.order("dns:a.example").json
        self.assertEqual((patched["finalize"], "expires" in patched), ("https://evil.example/", False))
        self.fault(replace=[["a.example", "b.example"]])
        self.assertEqual(self.acme.order("dns:a.example").json["identifiers"][0]["value"], "b.example")
        self.fault(content_type="text/html")
        self.assertEqual(self.acme.order("dns:a.example").headers["Content-Type"], "text/html")

    def test_headers(self):
        self.fault(headers={"Location": None, "X-More": "1"}, header_bytes=50000)
        answer = self.acme.order("dns:a.example")
        self.assertEqual((answer.status, answer.headers["Location"], answer.headers["X-More"]), (201, None, "1"))
        self.assertGreater(sum(map(len, answer.headers.values())), 45000)

    def test_nonces(self):
        self.fault(nonce="omit")
        self.assertIsNone(self.acme.order("dns:a.example").headers["Replay-Nonce"])
        self.fault(nonce="junk")
        self.assertIn('"', self.acme.order("dns:a.example").headers["Replay-Nonce"])
        self.acme.nonce = None
        for kind in ("wrong", "repeat"):
            self.fault(nonce=kind)
            self.acme.order("dns:a.example")
            self.assertRefused(self.acme.order("dns:a.example"), 400, "badNonce")
        self.assertClean()

    def test_slow_answers(self):
        self.fault(delay=0.3)
        began = time.time()
        self.acme.order("dns:a.example")
        self.assertGreater(time.time() - began, 0.3)
        self.fault(endpoint="newNonce", status=200, detail="x" * 10, drip=0.02)
        began = time.time()
        self.assertEqual(self.acme.send("GET", self.acme.directory["newNonce"]).body, b"x" * 10)
        self.assertGreater(time.time() - began, 0.2)

    def test_an_endless_answer(self):
        self.fault(endpoint="directory", endless=True)
        host, _, path = self.ready["directory"].partition("://")[2].partition("/")
        connection = http.client.HTTPSConnection(host, context=self.acme.tls, timeout=10)
        connection.request("GET", "/" + path)
        self.assertEqual(len(connection.getresponse().read(3 << 20)), 3 << 20)
        connection.close()

    def test_a_misspelt_fault_is_refused(self):
        for value in ({"endpoint": "newOrder", "statos": 500}, {"status": 500}):
            with self.assertRaises(urllib.error.HTTPError):
                self.manage("faults", value)

    def test_every_endpoint_is_counted_by_name(self):
        self.allow("a.example")
        self.enrol(self.acme, "dns:a.example")
        counts = self.manage("requests")["counts"]
        self.assertEqual({name: counts[name] for name in ("newAccount", "newOrder", "finalize", "order", "certificate")},
                         {"newAccount": 1, "newOrder": 1, "finalize": 1, "order": 1, "certificate": 1})
        sequence = self.manage("requests")["sequence"]
        self.assertEqual([one["n"] for one in sequence], list(range(1, len(sequence) + 1)))
        self.assertEqual(sequence[-1]["endpoint"], "certificate")
        self.manage("reset", {})
        self.assertEqual(self.manage("requests"), {"total": 0, "counts": {}, "sequence": []})
        with open(self.ready["access_log"], encoding="utf-8") as log:
            self.assertIn('POST /new-order 201 newOrder - "tiny/1 python"', log.read())

    def test_down_and_up(self):
        self.manage("down", {"down": True})
        with self.assertRaises(OSError):
            Client(self.ready)
        self.manage("down", {"down": False})
        self.assertEqual(Client(self.ready).register().status, 201)

    def test_connections_are_kept(self):
        host = self.ready["directory"].partition("://")[2].partition("/")[0]
        connection = http.client.HTTPSConnection(host, context=self.acme.tls, timeout=10)
        for _ in range(3):
            connection.request("GET", "/dir", headers={"User-Agent": "x"})
            self.assertEqual(json.loads(connection.getresponse().read())["newNonce"][:8], "https://")
            first = connection.sock
        self.assertIs(connection.sock, first)
        connection.close()

    def test_a_client_that_says_nothing_holds_up_nobody(self):
        host, _, port = self.ready["directory"].partition("://")[2].partition("/")[0].partition(":")
        with socket.create_connection((host, int(port))):
            self.assertEqual(self.acme.order("dns:a.example").status, 201)
