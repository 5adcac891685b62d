"""test_certificates.py -- what is issued, alternate chains, revocation, renewal information (RFC 8555 7.4.2, 7.6; RFC 9773)."""
import datetime
import time

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from .client import RaCase, enc, jwk, make_csr, new_key

DER = serialization.Encoding.DER
BEGIN = b"-----BEGIN CERTIFICATE-----"


def chain_of(pem):
    return [x509.load_pem_x509_certificate(BEGIN + part) for part in pem.split(BEGIN)[1:]]


def is_signed(cert, issuer):
    issuer.public_key().verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(cert.signature_hash_algorithm))


def cert_id(leaf):
    key_id = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    number = leaf.serial_number
    return enc(key_id) + "." + enc(number.to_bytes(number.bit_length() // 8 + 1, "big"))


class Certificates(RaCase):
    def setUp(self):
        super().setUp()
        self.acme = self.client()

    def root(self, number):
        with open(f"{self.home}/roots{f'-{number}' if number else ''}.pem", "rb") as file:
            return x509.load_pem_x509_certificate(file.read())

    def test_the_chain_ends_at_the_root_in_the_file(self):
        leaf, order = self.enrol(self.acme, "dns:a.example", "ip:192.0.2.7")
        answer = self.acme.post(order["certificate"])
        self.assertEqual(answer.headers["Content-Type"], "application/pem-certificate-chain")
        first, middle = chain_of(answer.body)
        self.assertEqual(first, leaf)
        is_signed(first, middle)
        is_signed(middle, self.root(0))
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(set(usages), {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})
        self.assertTrue(leaf.extensions.get_extension_for_class(x509.KeyUsage).critical)
        self.assertClean()

    def test_alternate_chains_end_at_other_roots(self):
        self.settings(alternate_chains=2)
        _, order = self.enrol(self.acme, "dns:a.example")
        links = [link for link in self.acme.post(order["certificate"]).headers.get_all("Link") if 'rel="alternate"' in link]
        self.assertEqual(len(links), 2)
        for number, link in enumerate(links, 1):
            is_signed(chain_of(self.acme.post(link[1:link.index(">")]).body)[1], self.root(number))
        self.assertRefused(self.acme.post(order["certificate"] + "/3"), 404, "malformed")

    def test_validity_and_backdating(self):
        self.settings(validity=160 * 3600, backdate=60)
        leaf, _ = self.enrol(self.acme, "dns:a.example")
        self.assertLess(abs((leaf.not_valid_after - leaf.not_valid_before).total_seconds() - 160 * 3600 - 60), 2)
        self.manage("clock", {"advance": 1000 * 3600})
        self.settings(certificate_clock="ra")
        leaf, _ = self.enrol(self.acme, "dns:a.example")
        self.assertGreater(leaf.not_valid_before.replace(tzinfo=datetime.timezone.utc).timestamp(), time.time() + 900 * 3600)

    def test_defects(self):
        sound, _ = self.enrol(self.acme, "dns:a.example", "dns:b.example")
        for defect, check in {
                "other-key": lambda pem, leaf: leaf.public_key() != self.key.public_key(),
                "missing-name": lambda pem, leaf: b"b.example" not in leaf.public_bytes(DER),
                "expired": lambda pem, leaf: leaf.not_valid_after < datetime.datetime.utcnow(),
                "ca": lambda pem, leaf: leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca,
                "reordered": lambda pem, leaf: leaf.subject != sound.subject,
                "no-intermediate": lambda pem, leaf: pem.count(BEGIN) == 1,
                "private-key": lambda pem, leaf: b"PRIVATE" in pem}.items():
            self.settings(certificate_defect=defect)
            self.key = new_key()
            names = ("dns:a.example", "dns:b.example")
            leaf, order = self.enrol(self.acme, *names, csr=make_csr(*names, key=self.key))
            self.assertTrue(check(self.acme.post(order["certificate"]).body, leaf), defect)

    def revoke(self, leaf, signer=None, key=None, **payload):
        body = {"certificate": enc(leaf.public_bytes(DER)), **payload}
        more = {"kid": None, "jwk": jwk(key), "key": key} if key else {}
        return (signer or self.acme).post(self.acme.directory["revokeCert"], body, **more)

    def test_revocation_by_the_account(self):
        leaf, _ = self.enrol(self.acme, "dns:a.example")
        for reason in (7, 8, 10, -1, "1", True):
            self.assertRefused(self.revoke(leaf, reason=reason), 400, "badRevocationReason")
        self.assertRefused(self.revoke(leaf, self.client(), reason=4), 403, "unauthorized")
        self.assertEqual((done := self.revoke(leaf, reason=4)).status, 200)
        self.assertEqual(done.body, b"")
        self.assertRefused(self.revoke(leaf), 400, "alreadyRevoked")
        self.assertEqual(self.manage("certificates")[0]["revoked"], 4)

    def test_revocation_by_the_certificates_key_and_what_becomes_of_it(self):
        key = new_key()
        leaf, _ = self.enrol(self.acme, "dns:a.example", csr=make_csr("dns:a.example", key=key))
        self.assertRefused(self.revoke(leaf, key=new_key()), 403, "unauthorized")
        self.assertEqual(self.revoke(leaf, key=key, reason=1).status, 200)
        order = self.acme.order("dns:a.example").json
        self.assertRefused(self.acme.finalize(order, make_csr("dns:a.example", key=key)), 400, "badCSR")

    def test_revocation_by_an_account_that_is_authorized_for_all_names(self):
        leaf, _ = self.enrol(self.acme, "dns:a.example")
        other = self.client()
        authz = other.order("dns:a.example").json["authorizations"][0]
        self.manage("authorizations", {"url": authz, "become": "valid"})
        self.assertEqual(self.revoke(leaf, other).status, 200)

    def test_revocation_of_what_is_not_ours(self):
        self.assertRefused(self.revoke(self.root(0)), 404, "malformed")
        answer = self.acme.post(self.acme.directory["revokeCert"], {"certificate": "MII="})
        self.assertRefused(answer, 400, "malformed")

    def info(self, leaf_or_id, **headers):
        identity = leaf_or_id if isinstance(leaf_or_id, str) else cert_id(leaf_or_id)
        return self.acme.send("GET", f"{self.acme.directory['renewalInfo']}/{identity}", **headers)

    def test_renewal_information(self):
        leaf, _ = self.enrol(self.acme, "dns:a.example")
        answer = self.info(leaf)
        window = answer.json["suggestedWindow"]
        self.assertLess(window["start"], window["end"])
        self.assertEqual(answer.headers["Retry-After"], "21600")
        self.manage("renewal-info", {"certificate": cert_id(leaf), "start": -60, "end": 60, "retry_after": {"date": 3},
                                     "explanationURL": "https://why.example/"})
        answer = self.info(leaf)
        self.assertEqual(answer.json["explanationURL"], "https://why.example/")
        self.assertTrue(answer.headers["Retry-After"].endswith("GMT"))
        self.manage("renewal-info", {"start": "never", "end": "x", "retry_after": None})
        self.manage("renewal-info", {"certificate": cert_id(leaf), "raw": "[]"})
        self.assertEqual(self.info(leaf).body, b"[]")
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.info("AAAA.BBBB").status, 404)
        self.assertEqual(self.info(cert_id(leaf) + "=").status, 404)
        self.assertEqual(len(self.violations()), 1)

    def test_renewal_information_is_not_asked_for_after_expiry_or_replacement(self):
        old, _ = self.enrol(self.acme, "dns:a.example")
        self.enrol(self.acme, "dns:a.example", replaces=cert_id(old))
        self.info(old)
        self.assertIn("replaced", self.violations()[0])
        self.settings(validity=-1)
        expired, _ = self.enrol(self.acme, "dns:a.example")
        self.info(expired)
        self.assertIn("expired", self.violations()[1])

    def test_replaces(self):
        old, _ = self.enrol(self.acme, "dns:a.example")
        self.allow("b.example")
        self.assertRefused(self.acme.order("dns:b.example", replaces=cert_id(old)), 400, "malformed")
        self.assertRefused(self.acme.order("dns:a.example", replaces="AAAA.AAAA"), 400, "malformed")
        self.assertRefused(self.client().order("dns:a.example", replaces=cert_id(old)), 403, "unauthorized")
        first = self.acme.order("dns:a.example", replaces=cert_id(old))
        self.assertEqual(first.json["replaces"], cert_id(old))
        self.assertRefused(self.acme.order("dns:a.example", replaces=cert_id(old)), 409, "alreadyReplaced")
        self.manage("orders", {"url": first.headers["Location"], "fail": {"type": "x"}})
        self.assertEqual(self.acme.order("dns:a.example", replaces=cert_id(old)).status, 201)

    def test_replaces_without_renewal_information_is_remarked(self):
        self.settings(renewal_info=False)
        self.assertNotIn("renewalInfo", self.acme.send("GET", self.ready["directory"]).json)
        self.acme.order("dns:a.example", replaces="AAAA.AAAA")
        self.assertEqual(len(self.remarks()), 1)
