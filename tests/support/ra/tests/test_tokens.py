"""test_tokens.py -- tkauth-01 and the Token Authority (RFC 9447, 9448, TS 33.310 Annex J): from the request to the certificate."""
import base64
import json

from cryptography import x509

from .client import Client, RaCase, make_csr, nf_types_der, thumbprint

NF = "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"


class Tokens(RaCase):
    def setUp(self):
        super().setUp()
        self.acme = self.client()

    def fingerprint(self, client=None):
        return "SHA256 " + ":".join(f"{byte:02X}" for byte in thumbprint((client or self.acme).key))

    def ask(self, bare=False, headers=None, **changes):
        atc = {"tktype": "NfInstanceId", "tkvalue": NF, "fingerprint": self.fingerprint(), **changes}
        body = json.dumps(atc if bare else {"atc": atc})
        return self.acme.send("POST", self.ready["token"], body, **{"Content_Type": "application/json", **(headers or {})})

    def outcome(self, token, client=None):
        client = client or self.acme
        order = client.order(f"NfInstanceId:{NF}")
        url = order.json["authorizations"][0]
        challenge, = client.post(url).json["challenges"]
        self.assertEqual((challenge["type"], challenge["tkauth-type"]), ("tkauth-01", "atc"))
        self.assertEqual(challenge["token-authority"], self.ready["token"])
        self.assertEqual(client.post(challenge["url"], {"tkauth": token}).status, 200)
        return client.wait(url, "valid", "invalid")["status"], order

    def test_an_nf_gets_its_certificate(self):
        for header in ("x5c", "x5u"):
            self.settings(token_header=header)
            status, order = self.outcome(self.ask().json["token"])
            self.assertEqual(status, "valid")
            csr = make_csr(f"uri:urn:uuid:{NF}", nf_types=nf_types_der("AMF", "SMF"))
            self.assertEqual(self.acme.finalize(order.json, csr).status, 200)
            done = self.acme.wait(order.headers["Location"], "valid")
            leaf = x509.load_pem_x509_certificate(self.acme.post(done["certificate"]).body)
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            self.assertTrue(names.critical)  # the subject is empty
            self.assertEqual(list(names.value), [x509.UniformResourceIdentifier(f"urn:uuid:{NF}")])
            kept = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.34"))
            self.assertEqual((kept.value.value, kept.critical), (nf_types_der("AMF", "SMF"), False))
        self.assertClean()

    def test_a_token_is_reused_until_it_expires_unless_set_otherwise(self):
        token = self.ask().json["token"]
        self.assertEqual([self.outcome(token)[0] for _ in range(2)], ["valid", "valid"])
        self.manage("clock", {"advance": 3601})
        self.assertEqual(self.outcome(token)[0], "invalid")
        self.settings(tkauth_once=True)
        token = self.ask().json["token"]
        self.assertEqual([self.outcome(token)[0] for _ in range(2)], ["valid", "invalid"])

    def test_a_token_is_of_no_use_to_another_account(self):
        self.assertEqual(self.outcome(self.ask().json["token"], self.client())[0], "invalid")

    def test_tokens_with_a_defect_are_refused(self):
        for defect in ("expired", "no-exp", "no-jti", "other-value", "other-type", "other-fingerprint", "ca", "none",
                       "bad-signature", "foreign", "not-a-jwt"):
            self.settings(token_defect=defect)
            self.assertEqual(self.outcome(self.ask().json["token"])[0], "invalid", defect)
        self.settings(token_defect="no-token")
        self.assertEqual(self.ask().json, {})

    def test_changed_tokens_are_refused(self):
        head, body, signature = self.ask().json["token"].split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        claims["exp"] += 1
        other = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        for token in (f"{head}.{other}.{signature}", f"{head}.{body}.{signature}=", f"{head}.{body}", "..", ""):
            self.assertEqual(self.outcome(token)[0], "invalid", token)

    def test_the_answer_to_the_challenge_has_the_token(self):
        url = self.acme.order(f"NfInstanceId:{NF}").json["authorizations"][0]
        challenge, = self.acme.post(url).json["challenges"]
        for answer in ({}, {"tkauth": 5}):
            self.assertRefused(self.acme.post(challenge["url"], answer), 400, "malformed")

    def test_requests_to_the_token_authority(self):
        self.assertEqual(self.ask(bare=True).status, 200)
        self.assertEqual(self.ask(fingerprint="SHA256 00").status, 400)
        self.assertEqual(self.ask(ca=True).status, 403)
        self.assertEqual(self.ask(headers={"Content_Type": "text/plain"}).status, 415)
        self.assertEqual(self.acme.send("GET", self.ready["token"]).status, 405)
        self.assertEqual(self.acme.send("POST", self.ready["token"] + "x", "{}").status, 404)
        self.settings(token_request="atc")
        self.assertEqual(self.ask(bare=True).status, 400)
        self.settings(token_request="bare")
        self.assertEqual((self.ask(bare=True).status, self.ask().status), (200, 400))
        self.settings(token_request="either", token_instances=["someone-else"])
        self.assertEqual(self.ask().status, 403)
        self.settings(token_instances=[NF], token_bearer="secret")
        self.assertEqual(self.ask().status, 401)
        self.assertEqual(self.ask(headers={"Authorization": "Bearer secret"}).status, 200)
        self.assertEqual(self.manage("requests")["counts"]["token"], 12)

    def test_faults_at_the_token_authority(self):
        self.manage("faults", [{"endpoint": "token", "status": 503, "headers": {"Retry-After": "9"}}, {"endpoint": "token",
                                                                                                    "nth": 2, "garbage": True}])
        first, second = self.ask(), self.ask()
        self.assertEqual((first.status, first.headers["Retry-After"]), (503, "9"))
        self.assertTrue(second.body.startswith(b"<html>"))
        self.assertEqual(self.ask().status, 200)

    def test_a_hint_may_lead_elsewhere(self):
        self.settings(tkauth_hint="https://evil.example/")
        challenge, = self.acme.post(self.acme.order(f"NfInstanceId:{NF}").json["authorizations"][0]).json["challenges"]
        self.assertEqual(challenge["token-authority"], "https://evil.example/")
        self.settings(tkauth_hint="")
        challenge, = self.acme.post(self.acme.order(f"NfInstanceId:{NF}").json["authorizations"][0]).json["challenges"]
        self.assertNotIn("token-authority", challenge)
        self.assertIsInstance(Client(self.ready).directory, dict)
