"""test_forms.py -- base64url, JSON, thumbprints, certificate identifiers and nfTypes, against the RFCs' own vectors."""
import unittest

from ra import encoding, issue, keys, signing_request, validate_dns
from ra.settings import TABLE, Settings


class Forms(unittest.TestCase):
    def test_base64url_is_read_strictly(self):
        self.assertEqual(encoding.unb64u("AQAB"), b"\x01\x00\x01")
        for text in ("AQ==", "AQA+", "AQA/", "A", "AR", "A Q", "AQ\n", None, "AQé"):
            with self.assertRaises(ValueError, msg=text):
                encoding.unb64u(text)

    def test_json_is_read_strictly(self):
        self.assertEqual(encoding.load_object(b'{"a":[1]}'), {"a": [1]})
        for data in (b'{"a":1,"a":2}', b"[]", b'{"a":NaN}', b"\xff{}", b"", b"[" * 100000):
            with self.assertRaises(ValueError, msg=data[:20]):
                encoding.load_object(data)

    def test_thumbprint_is_that_of_rfc_7638(self):
        n = ("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
             "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5h"
             "ajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")
        key = keys.read_jwk({"kty": "RSA", "e": "AQAB", "n": n, "alg": "RS256"})
        self.assertEqual(key.thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")

    def test_keys_that_are_not_accepted(self):
        good = {"kty": "EC", "crv": "P-256", "x": encoding.b64u(bytes(31) + b"\1"), "y": encoding.b64u(bytes(32))}
        for change in ({}, {"x": encoding.b64u(bytes(31))}, {"crv": "secp256k1"}, {"kty": "oct"}, {"d": "AA"}, {"x": 5}):
            with self.assertRaises(keys.BadKey, msg=change):
                keys.read_jwk({**good, **change})
        with self.assertRaisesRegex(keys.BadKey, "1024 bits"):
            keys.read_jwk({"kty": "RSA", "e": "AQAB", "n": encoding.b64u(b"\xff" * 128)})

    def test_serial_with_leading_00_is_that_of_rfc_9773(self):
        self.assertEqual(issue.der_integer(0x87654321), bytes.fromhex("0087654321"))
        self.assertEqual(issue.der_integer(0x7f), b"\x7f")

    def test_account_label_is_that_of_the_draft(self):
        self.assertEqual(validate_dns.account_label("https://example.com/acme/acct/ExampleAccount"), "_ujmmovf2vn55tgye")

    def test_nf_types_are_der(self):
        self.assertEqual(signing_request.read_nf_types(bytes.fromhex("300a1603414d461603534d46")), ["AMF", "SMF"])
        for der in ("300a1603414d461603534d", "300516034d460000", "30050c03414d46", "3080160341", "", "300a1603414d461604534d46"):
            with self.assertRaises((ValueError, IndexError), msg=der):
                signing_request.read_nf_types(bytes.fromhex(der))

    def test_a_setting_that_does_not_exist_is_refused_and_nothing_is_changed(self):
        settings = Settings()
        with self.assertRaisesRegex(ValueError, "no setting"):
            settings.change({"validity": 5, "validitty": 6})
        with self.assertRaisesRegex(ValueError, "validity is like"):
            settings.change({"validity": "5"})
        self.assertEqual(settings.validity, TABLE["validity"][0])


if __name__ == "__main__":
    unittest.main()
