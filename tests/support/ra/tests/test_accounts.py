"""test_accounts.py -- RFC 8555 7.3: accounts, terms, external account binding, rollover, deactivation."""
import json

from .client import Client, RaCase, binding, enc, flattened, jwk, make_csr, new_key

TERMS = "https://ra.example/terms/1"


class Accounts(RaCase):
    def test_a_new_account_and_the_same_again(self):
        client = Client(self.ready)
        first = client.register(contact=["mailto:noc@example.org"], onlyReturnExisting=False, unknown=1)
        self.assertEqual((first.status, first.json["status"], first.json["contact"]), (201, "valid", ["mailto:noc@example.org"]))
        self.assertNotIn("onlyReturnExisting", first.json)
        url, client.kid = client.kid, None
        again = client.register(onlyReturnExisting=True)
        self.assertEqual((again.status, again.headers["Location"]), (200, url))
        self.assertIn(f'<{self.ready["directory"]}>;rel="index"', again.headers.get_all("Link"))
        self.assertClean()

    def test_only_return_existing_makes_none(self):
        self.assertRefused(Client(self.ready).register(onlyReturnExisting=True), 400, "accountDoesNotExist")
        self.assertEqual(self.manage("accounts"), [])

    def test_contacts(self):
        for contact, problem in ((["tel:+331234"], "unsupportedContact"), (["mailto:a@b.example?subject=x"], "invalidContact"),
                                 (["mailto:a@b.example,c@d.example"], "invalidContact"), ("mailto:a@b.example", "malformed")):
            self.assertRefused(Client(self.ready).register(contact=contact), 400, problem)
        client = self.client()
        self.assertEqual(client.post(client.kid, {"contact": ["mailto:x@y.example"]}).json["contact"], ["mailto:x@y.example"])

    def test_terms_have_to_be_agreed_to_and_again_when_they_change(self):
        self.settings(terms=TERMS)
        client = Client(self.ready)
        self.assertEqual(client.directory["meta"]["termsOfService"], TERMS)
        refused = client.register()
        self.assertRefused(refused, 403, "userActionRequired")
        self.assertEqual(client.register(termsOfServiceAgreed=True).status, 201)
        self.settings(terms=TERMS + "0")
        refused = client.order("dns:a.example")
        self.assertRefused(refused, 403, "userActionRequired")
        self.assertIn(f'<{TERMS}0>;rel="terms-of-service"', refused.headers.get_all("Link"))
        self.assertEqual(refused.json["instance"], TERMS + "0")
        self.assertEqual(client.post(client.kid, {"termsOfServiceAgreed": True}).status, 200)
        self.assertEqual(client.order("dns:a.example").status, 201)
        self.assertClean()

    def test_external_account_binding(self):
        self.settings(external_account_required=True, external_accounts={"nf-17": enc(b"k" * 32)})
        for algorithm in ("HS256", "HS384", "HS512"):
            client = Client(self.ready)
            self.assertTrue(client.directory["meta"]["externalAccountRequired"])
            bound = binding(b"k" * 32, "nf-17", client.directory["newAccount"], jwk(client.key), algorithm)
            answer = client.register(externalAccountBinding=bound)
            self.assertEqual((answer.status, answer.json["externalAccountBinding"]), (201, bound))
        self.assertClean()

    def test_bindings_that_are_refused(self):
        self.settings(external_account_required=True, external_accounts={"nf-17": enc(b"k" * 32)})
        client = Client(self.ready)
        url, key = client.directory["newAccount"], jwk(client.key)
        self.assertRefused(client.register(), 403, "externalAccountRequired")
        self.assertRefused(client.register(externalAccountBinding=binding(b"k" * 32, "other", url, key)), 403, "unauthorized")
        for bound in (binding(b"x" * 32, "nf-17", url, key), binding(b"k" * 32, "nf-17", url + "/", key),
                      binding(b"k" * 32, "nf-17", url, jwk(new_key())), binding(b"k" * 32, "nf-17", url, key, nonce="AAAA"),
                      binding(b"k" * 32, "nf-17", url, key, "HS224"[:2] + "1"), {"payload": ""}, "text"):
            client.kid = None
            refused = client.register(externalAccountBinding=bound)
            self.assertIn(refused.status, (400, 403), bound)
        self.assertEqual(len(self.violations()), 7)
        self.assertEqual(self.manage("accounts"), [])

    def roll(self, client, new, url=None, account=None, old=None, signer=None, **inner):
        target = client.directory["keyChange"]
        header = {"alg": "ES256", "jwk": jwk(new), "url": url or target, **inner}
        change = {"account": account or client.kid, "oldKey": old or jwk(client.key)}
        return client.post(target, flattened(signer or new, header, change))

    def roll_raw(self, client, new, **changes):
        answer = self.roll(client, new, **changes)
        if answer.status == 200:
            client.key = new
        return answer

    def test_rollover_keeps_account_and_orders(self):
        client, new = self.client(), new_key()
        order = client.order("dns:a.example").headers["Location"]
        self.assertEqual(self.roll_raw(client, new).status, 200)
        self.assertEqual(client.post(order).json["status"], "pending")
        self.assertEqual(self.manage("accounts")[0]["jwk"], jwk(new))
        self.assertClean()

    def test_rollover_to_a_used_key_is_a_conflict_that_names_the_account(self):
        first, second = self.client(), self.client()
        answer = self.roll(second, first.key)
        self.assertEqual((answer.status, answer.headers["Location"]), (409, first.kid))
        again = self.roll(first, first.key)  # as after a lost answer
        self.assertEqual((again.status, again.headers["Location"]), (409, first.kid))
        self.assertClean()

    def test_rollovers_that_are_refused(self):
        client, new = self.client(), new_key()
        for changes in ({"url": client.kid}, {"account": client.kid + "x"}, {"old": jwk(new)}, {"signer": client.key},
                        {"nonce": "AAAA"}, {"kid": client.kid}):
            self.assertRefused(self.roll(client, new, **changes), 400, "malformed")
        for payload in ({}, b"text", {"protected": "e30", "payload": "", "signature": ""}):
            self.assertRefused(client.post(client.directory["keyChange"], payload), 400, "malformed")
        self.assertEqual(len(self.violations()), 9)
        self.assertEqual(self.manage("accounts")[0]["jwk"], jwk(client.key))

    def test_a_deactivated_account_is_over(self):
        client = self.client()
        order = client.order("dns:a.example").headers["Location"]
        self.assertEqual(client.post(client.kid, {"status": "deactivated"}).json["status"], "deactivated")
        for answer in (client.post(order), client.post(client.kid), client.order("dns:b.example")):
            self.assertRefused(answer, 401, "unauthorized")
        client.kid = None
        self.assertRefused(client.register(), 401, "unauthorized")

    def test_another_accounts_things_are_not_shown(self):
        one, other = self.client(), self.client()
        order = one.order("dns:a.example")
        for url in (one.kid, order.headers["Location"], order.json["authorizations"][0], order.json["finalize"]):
            self.assertRefused(other.post(url), 403, "unauthorized")

    def test_orders_are_listed_in_pages(self):
        client = self.client()
        urls = [client.order(f"dns:n{number}.example").headers["Location"] for number in range(51)]
        page = client.post(client.post(client.kid).json["orders"])
        self.assertEqual(page.json["orders"], urls[:50])
        following = next(link for link in page.headers.get_all("Link") if 'rel="next"' in link)
        self.assertEqual(client.post(following[1:following.index(">")]).json["orders"], urls[50:])
        self.assertClean()

    def test_the_key_of_a_certificate_is_no_account_key_and_the_reverse(self):
        client, key = self.client(), new_key()
        self.enrol(client, "dns:a.example", csr=make_csr("dns:a.example", key=key))
        self.assertRefused(Client(self.ready, key).register(), 400, "badPublicKey")
        self.assertRefused(self.roll(client, key), 400, "badPublicKey")
        order = client.order("dns:a.example").json
        self.assertRefused(client.finalize(order, make_csr("dns:a.example", key=client.key)), 400, "badCSR")

    def test_the_body_may_be_any_json_text_of_the_same_jws(self):
        client = self.client()
        body = json.dumps(flattened(client.key, client.header(client.kid), ""), indent=4).encode()
        self.assertEqual(client.send("POST", client.kid, body).status, 200)
