"""test_jws.py -- RFC 8555 6.1 to 6.5: what is signed correctly is accepted, every other thing is refused and noted."""
import json

from . import client as tiny
from .client import Client, RaCase, enc, flattened, jwk, new_key


class Jws(RaCase):
    def test_each_algorithm_is_accepted(self):
        for kind, algorithms in {"ec": ["ES256"], "ec384": ["ES384"], "ec521": ["ES512"], "ed": ["EdDSA"],
                                 "rsa": ["RS256", "RS384", "RS512", "PS256"]}.items():
            client = self.client(kind)
            for algorithm in algorithms:
                self.assertEqual(client.post(client.kid, alg=algorithm).status, 200, algorithm)
                self.assertEqual(self.manage("accounts")[-1]["algorithm"], algorithm)
        self.assertClean()

    def test_directory_and_nonce_without_signature_and_with(self):
        client = self.client()
        self.assertEqual(client.send("HEAD", client.directory["newNonce"]).status, 200)
        got = client.send("GET", client.directory["newNonce"])
        self.assertEqual((got.status, got.headers["Cache-Control"]), (204, "no-store"))
        self.assertEqual(client.post(client.ready["directory"]).json, client.directory)
        self.assertClean()

    def refuse(self, status, problem, client, url, /, payload="", key=None, headers=None, **changes):
        before = len(self.violations())
        response = client.post(url, payload, key, headers, **changes)
        self.assertRefused(response, status, problem)
        self.assertEqual(len(self.violations()), before + 1, (problem, changes))
        return response

    def test_header_of_the_jws(self):
        client = self.client()
        url, other = client.kid, new_key()
        self.refuse(403, "unauthorized", client, url, url=client.directory["newOrder"])
        self.refuse(403, "unauthorized", client, url, url=url.replace("localhost", "LOCALHOST"))
        self.refuse(403, "unauthorized", client, url, url="")
        self.refuse(400, "malformed", client, url, jwk=jwk(client.key))  # both
        both = self.refuse(400, "malformed", client, client.directory["revokeCert"], {}, jwk=jwk(client.key))
        self.assertIn("both", both.json["detail"])
        self.refuse(400, "malformed", client, url, kid=None)  # neither
        self.refuse(400, "malformed", client, url, kid=None, jwk=jwk(client.key))
        self.refuse(400, "malformed", client, client.directory["newAccount"], {})
        self.refuse(400, "malformed", client, url, crit=["b64"], b64=False)
        self.refuse(400, "malformed", client, url, key=other)  # not the account's
        self.refuse(400, "malformed", client, url, nonce="with=padding")
        self.refuse(400, "badNonce", client, url, nonce=None)
        self.refuse(400, "badNonce", client, url, nonce=enc(b"never issued"))
        no_account = client.post(url, kid=url + "x")
        self.assertRefused(no_account, 400, "accountDoesNotExist")

    def test_a_nonce_is_good_once(self):
        client = self.client()
        nonce = client.take_nonce()
        self.assertEqual(client.post(client.kid, nonce=nonce).status, 200)
        refused = client.post(client.kid, nonce=nonce)
        self.assertRefused(refused, 400, "badNonce")
        self.assertTrue(refused.headers["Replay-Nonce"])
        self.assertIn("badNonce: this nonce was used before", self.violations())

    def test_a_nonce_of_a_refused_request_is_spent(self):
        client = self.client()
        nonce = client.take_nonce()
        client.post(client.kid, nonce=nonce, url="https://elsewhere/")
        self.assertRefused(client.post(client.kid, nonce=nonce), 400, "badNonce")

    def test_algorithms(self):
        client = self.client()
        body = flattened(client.key, client.header(client.kid), "")
        header = {**client.header(client.kid), "alg": "HS256"}
        for algorithm in ("HS256", "none", "ES256K", None):
            header = {**client.header(client.kid), "alg": algorithm}
            response = client.send("POST", client.kid, json.dumps({**body, "protected": enc(header)}))
            self.assertRefused(response, 400, "badSignatureAlgorithm")
            self.assertIn("ES256", response.json["algorithms"])
        header = {**client.header(client.kid), "alg": "ES384"}
        self.assertRefused(client.send("POST", client.kid, json.dumps({**body, "protected": enc(header)})), 400, "badPublicKey")
        self.settings(algorithms=["ES384"])
        self.assertEqual(self.refuse(400, "badSignatureAlgorithm", client, client.kid).json["algorithms"], ["ES384"])

    def test_signatures_have_exact_lengths(self):
        client = self.client()
        for change in (lambda raw: b"\0" + raw, lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda raw: b"",
                       lambda raw: raw[:32] + b"\0" + raw[32:], lambda raw: b"\0" + raw[:32] + b"\0" + raw[32:],
                       lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])):
            jws = flattened(client.key, client.header(client.kid), "")
            raw = tiny.base64.urlsafe_b64decode(jws["signature"] + "==")
            response = client.send("POST", client.kid, json.dumps({**jws, "signature": enc(change(raw))}))
            self.assertRefused(response, 400, "malformed")
        self.assertEqual(len(self.violations()), 7)

    def test_a_pss_salt_has_the_length_of_the_hash(self):
        client = self.client("rsa")
        header = client.header(client.kid, alg="PS256")
        protected, sha = enc(header), tiny.hashes.SHA256()
        salted = tiny.padding.PSS(tiny.padding.MGF1(sha), 20)
        signature = enc(client.key.sign(f"{protected}.".encode(), salted, sha))
        body = {"protected": protected, "payload": "", "signature": signature}
        self.assertRefused(client.send("POST", client.kid, json.dumps(body)), 400, "malformed")

    def test_form_of_the_jws(self):
        client = self.client()

        def change(how):
            return how(flattened(client.key, client.header(client.kid), ""))
        bodies = [change(lambda jws: {**jws, "header": {}}), change(lambda jws: {**jws, "signatures": []}),
                  change(lambda jws: {**jws, "extra": 1}), change(lambda jws: {**jws, "signature": jws["signature"] + "="}),
                  change(lambda jws: {key: jws[key] for key in ("protected", "signature")}), [], {"payload": ""}]
        texts = [json.dumps(body) for body in bodies] + ["", "{", change(
            lambda jws: json.dumps(jws)[:-1] + ', "payload": ""}'), change(lambda jws: ".".join(jws.values()))]
        for text in texts:
            self.assertRefused(client.send("POST", client.kid, text), 400, "malformed")
        self.assertEqual(len(self.violations()), len(texts))

    def test_content_type(self):
        client = self.client()
        for value in ("application/json", "application/jose+json; charset=utf-8", "application/jose", ""):
            self.refuse(415, "malformed", client, client.kid, headers={"Content-Type": value})

    def test_get_is_refused_where_post_as_get_is_meant(self):
        client = self.client()
        response = client.send("GET", client.kid)
        self.assertRefused(response, 405, "malformed")
        self.assertEqual(response.headers["Allow"], "POST")
        self.assertRefused(client.send("GET", client.ready["directory"].replace("/dir", "/nothing")), 404, "malformed")
        self.assertEqual(len(self.violations()), 2)

    def test_post_as_get_is_an_empty_payload_not_an_empty_object(self):
        client = self.client()
        self.allow("a.example")
        order = client.order("dns:a.example").headers["Location"]
        self.refuse(400, "malformed", client, order, {})

    def test_courtesy(self):
        client = self.client()
        client.send("GET", client.ready["directory"], User_Agent="")
        client.send("GET", client.directory["newNonce"], Accept_Language=None, Replay_Nonce="x")
        self.assertEqual(self.violations(), ["no User-Agent"])
        self.assertEqual(self.remarks(), ["no Accept-Language", "Replay-Nonce in a request"])

    def test_bad_keys(self):
        client = Client(self.ready)
        key = jwk(client.key)
        wider = enc(b"\0" + tiny.base64.urlsafe_b64decode(key["x"] + "="))
        for change in ({"x": enc(bytes(32))}, {"d": "AA"}, {"crv": "P-384"}, {"x": wider}):
            self.refuse(400, "badPublicKey", client, client.directory["newAccount"], {}, jwk={**key, **change})

    def test_percentage_of_bad_nonces_is_the_clients_fate_not_its_fault(self):
        client = self.client()
        self.settings(bad_nonce_percent=100)
        self.assertRefused(client.post(client.kid), 400, "badNonce")
        self.settings(bad_nonce_percent=50)
        refused = sum(client.post(client.kid).status == 400 for _ in range(60))
        self.assertTrue(10 < refused < 50, refused)
        self.assertClean()
