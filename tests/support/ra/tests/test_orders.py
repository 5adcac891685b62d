"""test_orders.py -- RFC 8555 7.1.6, 7.4 and TR 33.776 6.9: orders, pre-authorised and challenged, and everything that ends them."""
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .client import Client, RaCase, enc, make_csr, new_key, nf_types_der

NF = "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
HOUR = 3600


class Preauthorised(RaCase):
    def test_ready_at_creation_with_valid_authorizations(self):
        client = self.client()
        self.allow("amf.example", NF)
        order = client.order("dns:amf.example", f"NfInstanceId:{NF}").json
        self.assertEqual(order["status"], "ready")
        self.assertEqual([client.post(url).json["status"] for url in order["authorizations"]], ["valid", "valid"])

    def test_ready_at_creation_without_authorizations_in_three_ways(self):
        client = self.client()
        self.allow("amf.example")
        for show, check in (("null", lambda order: order["authorizations"] is None), ("empty", lambda o: o["authorizations"] == []),
                            ("missing", lambda order: "authorizations" not in order)):
            self.settings(preauthorised_show=show)
            order = client.order("dns:amf.example").json
            self.assertTrue(order["status"] == "ready" and check(order), order)

    def test_the_interval_is_counted_from_the_last_issuance_and_then_a_challenge_is_asked(self):
        client = self.client()
        self.enrol(client, "dns:amf.example")
        self.manage("clock", {"advance": 335 * HOUR})
        self.assertEqual(client.order("dns:amf.example").json["status"], "ready")
        self.manage("clock", {"advance": 2 * HOUR})
        order = client.order("dns:amf.example").json
        self.assertEqual(order["status"], "pending")
        self.assertEqual(client.post(order["authorizations"][0]).json["status"], "pending")

    def test_who_was_never_issued_anything_is_challenged(self):
        client = self.client()
        self.manage("preauthorised", [{"identifier": "amf.example", "hours": 336}])
        self.assertEqual(client.order("dns:amf.example").json["status"], "pending")

    def test_valid_beside_pending(self):
        client = self.client()
        self.allow("amf.example")
        order = client.order("dns:amf.example", "dns:new.example").json
        self.assertEqual([client.post(url).json["status"] for url in order["authorizations"]], ["valid", "pending"])

    def test_new_authz(self):
        client = self.client()
        self.settings(new_authz="refused")
        url = Client(self.ready).directory["newAuthz"]
        wish = {"identifier": {"type": "dns", "value": "amf.example"}}
        self.assertRefused(client.post(url, wish), 403, "unauthorized")
        self.settings(new_authz="on")
        made = client.post(url, wish)
        self.assertEqual((made.status, made.json["status"]), (201, "pending"))
        self.assertRefused(client.post(url, {"identifier": {"type": "dns", "value": "*.amf.example"}}), 400, "malformed")
        self.manage("authorizations", {"url": made.headers["Location"], "become": "valid"})
        self.assertEqual(client.post(made.headers["Location"]).json["status"], "valid")

    def test_new_authz_is_absent_unless_set(self):
        self.assertNotIn("newAuthz", self.client().directory)


class Orders(RaCase):
    def test_identifiers(self):
        client = self.client()
        for name in ("dns:AMF.example", "dns:*.example.org", "ip:192.0.2.7", "ip:2001:db8::7", f"NfInstanceId:{NF}"):
            order = client.order(name)
            self.assertEqual(order.status, 201, order.body)
            kind, value = name.split(":", 1)
            self.assertEqual(order.json["identifiers"], [{"type": kind, "value": value.lower()}])
        self.assertEqual(self.remarks(), ["the identifier AMF.example is not in lower case"])
        for name in ("dns:a..example", "dns:-a.example", "dns:a.*.example", "dns:192.0.2.7", "ip:192.0.2.007", "ip:2001:db8:0::7",
                     "NfInstanceId:4ace9d34-2c69-1f99-92d5-a73a3fe8e23b", "NfInstanceId:x", "dns:"):
            self.assertRefused(client.order(name), 400, "malformed")
        for identifiers in ([], {}, None, [5], [{"type": "dns"}]):
            self.assertRefused(client.post(client.directory["newOrder"], {"identifiers": identifiers}), 400, "malformed")
        self.assertRefused(client.order("dns:a.example", "dns:a.example"), 400, "malformed")

    def test_refused_identifiers_are_told_in_subproblems(self):
        client = self.client()
        self.settings(rejected=["bad.example"])
        refused = client.order("dns:bad.example", "dns:good.example")
        self.assertRefused(refused, 403, "rejectedIdentifier")
        self.assertEqual([one["identifier"]["value"] for one in refused.json["subproblems"]], ["bad.example"])
        self.assertRefused(client.order("email:a@b.example"), 400, "unsupportedIdentifier")
        self.assertClean()

    def test_a_wildcard_has_an_authorization_for_its_base(self):
        client = self.client()
        authz = client.post(client.order("dns:*.example.org").json["authorizations"][0]).json
        self.assertEqual((authz["identifier"]["value"], authz["wildcard"]), ("example.org", True))
        self.assertEqual([one["type"] for one in authz["challenges"]], ["dns-01"])

    def test_processing_and_retry_after(self):
        client = self.client()
        self.allow("a.example")
        for form, check in (("seconds", str.isdigit), ("date", lambda text: text.endswith("GMT"))):
            self.settings(processing_polls=2, retry_after=30, retry_after_form=form)
            order = client.order("dns:a.example")
            answer = client.finalize(order.json, make_csr("dns:a.example"))
            self.assertEqual(answer.json["status"], "processing")
            self.assertTrue(check(answer.headers["Retry-After"]))
            self.assertEqual(client.post(order.headers["Location"]).json["status"], "processing")
            self.assertEqual(client.post(order.headers["Location"]).json["status"], "valid")
        self.assertEqual(len(self.remarks()), 4)  # came back at once, twice for each
        self.settings(processing_polls=0)
        order = client.order("dns:a.example").json
        self.assertEqual(client.finalize(order, make_csr("dns:a.example")).json["status"], "valid")

    def test_issuance_can_fail_after_processing(self):
        client = self.client()
        self.allow("a.example")
        self.settings(issue_problem={"type": "caa", "detail": "forbidden"})
        order = client.order("dns:a.example")
        client.finalize(order.json, make_csr("dns:a.example"))
        ended = client.post(order.headers["Location"]).json
        self.assertEqual((ended["status"], ended["error"]["type"]), ("invalid", "urn:ietf:params:acme:error:caa"))
        self.assertEqual(self.manage("certificates"), [])

    def test_finalize_before_ready(self):
        client = self.client()
        order = client.order("dns:a.example").json
        self.assertRefused(client.finalize(order, make_csr("dns:a.example")), 403, "orderNotReady")
        self.assertEqual(len(self.violations()), 1)
        self.allow("a.example")
        order = client.order("dns:a.example").json  # was told ready; then the RA changes its mind
        self.manage("orders", {"status": "ready", "fail": {"type": "x"}})
        self.assertRefused(client.finalize(order, make_csr("dns:a.example")), 403, "orderNotReady")
        self.assertEqual(len(self.violations()), 1)

    def test_expiry_moves_ends_and_drops(self):
        client = self.client()
        self.settings(expires_moves=600)
        order = client.order("dns:a.example")
        first, second = (client.post(order.headers["Location"]).json["expires"] for _ in range(2))
        self.assertLess(first, second)
        authz = order.json["authorizations"][0]
        self.assertLess(client.post(authz).json["expires"], client.post(authz).json["expires"])
        self.settings(expires_moves=0)
        self.manage("orders", {"url": order.headers["Location"], "expires_in": -1})
        self.assertEqual(client.post(order.headers["Location"]).json["status"], "invalid")
        self.manage("clock", {"advance": 2 * HOUR})
        self.assertRefused(client.post(order.headers["Location"]), 404, "malformed")
        other = client.order("dns:b.example").headers["Location"]
        self.manage("orders", {"url": other, "drop": True})
        self.assertRefused(client.post(other), 404, "malformed")
        self.assertClean()

    def test_dates_only_where_allowed(self):
        client = self.client()
        dates = {"notBefore": "2026-01-01T00:00:00Z", "notAfter": "2026-02-01T00:00:00+01:00"}
        self.assertRefused(client.order("dns:a.example", **dates), 400, "malformed")
        self.settings(dates_allowed=True)
        leaf, order = self.enrol(client, "dns:a.example", **dates)
        self.assertEqual((leaf.not_valid_before.month, leaf.not_valid_after.day, order["notBefore"]), (1, 31, dates["notBefore"]))

    def test_profiles(self):
        client = self.client()
        self.assertRefused(client.order("dns:a.example", profile="nf"), 400, "invalidProfile")
        self.settings(profiles={"nf": {"description": "for NFs", "validity": 7200}, "web": "for servers"})
        self.assertEqual(Client(self.ready).directory["meta"]["profiles"], {"nf": "for NFs", "web": "for servers"})
        leaf, order = self.enrol(client, "dns:a.example", profile="nf")
        self.assertEqual(order["profile"], "nf")
        self.assertLess((leaf.not_valid_after - leaf.not_valid_before).total_seconds(), 3 * HOUR + 60)


class SigningRequests(RaCase):
    def setUp(self):
        super().setUp()
        self.acme = self.client()
        self.allow("a.example", "b.example", NF)

    def test_what_is_not_exactly_the_order_is_refused_and_the_order_stays_ready(self):
        order = self.acme.order("dns:a.example", "dns:b.example", f"NfInstanceId:{NF}")
        good = ["dns:a.example", "dns:b.example", f"uri:urn:uuid:{NF}"]
        usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other.example")])
        password = x509.NameAttribute(NameOID.SERIAL_NUMBER, "7")
        cases = [
            make_csr(*good[:2]), make_csr(*good[1:]), make_csr(*good, "dns:c.example"), make_csr(*good, "ip:192.0.2.1"),
            make_csr(*good[:2], f"uri:urn:uuid:5{NF[1:]}"), make_csr(*good[:2], f"uri:urn:uuid:{NF.upper()}"),
            make_csr(*good, "uri:https://a.example/"), make_csr(*good, "email:a@b.example"), make_csr(*good, subject=name),
            make_csr(*good, "dns:a.example"), make_csr(*good, key=self.acme.key), make_csr(*good, sha=hashes.SHA1),
            make_csr(*good, subject=x509.Name([password])),
            make_csr(*good, nf_types=nf_types_der("SMF", "AMF")), make_csr(*good, nf_types=nf_types_der("AMF", "AMF")),
            make_csr(*good, nf_types=nf_types_der()), make_csr(*good, nf_types=nf_types_der("A" * 33)),
            make_csr(*good, nf_types=nf_types_der("A B")), make_csr(*good, nf_types=b"\x30\x03\x0c\x01A"),
            make_csr(*good, extensions=[(x509.BasicConstraints(True, None), True)]), make_csr(*good, extensions=[(usage, True)]),
            make_csr(*good, extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)]),
            make_csr(*good, extensions=[(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)]),
            make_csr(*good)[:-1] + b"\0", make_csr(*good) + b"\0", b"", b"\x30\x00",
        ]
        for number, csr in enumerate(cases):
            answer = self.acme.finalize(order.json, csr)
            self.assertRefused(answer, 400, "badCSR")
            self.assertEqual(len(self.violations()), number + 1)
        self.assertRefused(self.acme.post(order.json["finalize"], {"csr": enc(make_csr(*good)) + "="}), 400, "malformed")
        self.assertRefused(self.acme.post(order.json["finalize"], {}), 400, "malformed")
        self.assertEqual(self.acme.post(order.headers["Location"]).json["status"], "ready")
        self.assertEqual(self.acme.finalize(order.json, make_csr(*good)).status, 200)

    def test_key_types(self):
        self.settings(certificate_keys=["ec-p256", "ed25519"])
        order = self.acme.order("dns:a.example").json
        self.assertRefused(self.acme.finalize(order, make_csr("dns:a.example", key=new_key("rsa"))), 400, "badCSR")
        self.assertClean()
        self.assertEqual(self.acme.finalize(order, make_csr("dns:a.example", key=new_key("ed"))).status, 200)

    def test_uri_names_without_an_identifier_where_the_ra_knows_its_nfs(self):
        self.settings(uri_names="any")
        leaf, _ = self.enrol(self.acme, "dns:a.example", csr=make_csr("dns:a.example", f"uri:urn:uuid:{NF}"))
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.UniformResourceIdentifier), [f"urn:uuid:{NF}"])

    def test_a_name_may_come_as_common_name(self):
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "o"),
                             x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
        leaf, _ = self.enrol(self.acme, "dns:a.example", csr=make_csr(subject=subject))
        self.assertEqual(leaf.subject, subject)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["a.example"])

    def test_time_of_the_test_is_not_lost_in_the_clock(self):
        """Certificates have the real time, also when the RA's clock is two weeks ahead."""
        self.manage("clock", {"advance": 300 * HOUR})
        leaf, _ = self.enrol(self.acme, "dns:a.example")
        self.assertLess(abs(leaf.not_valid_before.timestamp() - time.time()), 26 * HOUR)
