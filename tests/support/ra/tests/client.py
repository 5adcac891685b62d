"""client.py -- a tiny ACME client that shares no line with the RA: what both get wrong would have to be wrong twice."""
import base64
import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

SUPPORT = pathlib.Path(__file__).resolve().parents[2]
HASH = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
CURVE = {"secp256r1": ("P-256", "ES256", 32), "secp384r1": ("P-384", "ES384", 48), "secp521r1": ("P-521", "ES512", 66)}
START_SECONDS = 20


def enc(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).decode().replace("=", "")


def new_key(kind="ec"):
    return {"ec": lambda: ec.generate_private_key(ec.SECP256R1()), "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "ec521": lambda: ec.generate_private_key(ec.SECP521R1()), "ed": ed25519.Ed25519PrivateKey.generate,
            "rsa": lambda: rsa.generate_private_key(65537, 2048)}[kind]()


def jwk(key):
    public = key.public_key()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"crv": "Ed25519", "kty": "OKP", "x": enc(raw)}
    numbers = public.public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        return {"e": "AQAB", "kty": "RSA", "n": enc(numbers.n.to_bytes(public.key_size // 8, "big"))}
    name, _, width = CURVE[public.curve.name]
    return {"crv": name, "kty": "EC", "x": enc(numbers.x.to_bytes(width, "big")), "y": enc(numbers.y.to_bytes(width, "big"))}


def default_algorithm(key):
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else CURVE[key.curve.name][1]


def raw_sign(key, algorithm, data):
    if algorithm == "EdDSA":
        return key.sign(data)
    sha = HASH[algorithm[-3:]]()
    if algorithm.startswith("RS"):
        return key.sign(data, padding.PKCS1v15(), sha)
    if algorithm.startswith("PS"):
        return key.sign(data, padding.PSS(padding.MGF1(sha), sha.digest_size), sha)
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(sha)))
    width = (key.key_size + 7) // 8
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def flattened(key, header, payload):
    """A JWS; payload is a dict, bytes, or "" for POST-as-GET."""
    text = b"" if payload == "" else payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    protected, body = enc(header), enc(text)
    signature = raw_sign(key, header["alg"], f"{protected}.{body}".encode())
    return {"protected": protected, "payload": body, "signature": enc(signature)}


def binding(secret, kid, url, account_jwk, algorithm="HS256", **header):
    protected, body = enc({"alg": algorithm, "kid": kid, "url": url, **header}), enc(account_jwk)
    mac = hmac.new(secret, f"{protected}.{body}".encode(), f"sha{algorithm[2:]}").digest()
    return {"protected": protected, "payload": body, "signature": enc(mac)}


def thumbprint(key):
    return hashlib.sha256(json.dumps(jwk(key), sort_keys=True, separators=(",", ":")).encode()).digest()


class Response:
    def __init__(self, answer, body):
        self.status, self.headers, self.body = answer.status, answer.headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        return self.json["type"].rsplit(":", 1)[1] if self.body and b'"type"' in self.body else None


class Client:
    """One account key; keeps nonces, signs, posts."""

    def __init__(self, ready, key=None):
        self.ready, self.key, self.kid, self.nonce = ready, key or new_key(), None, None
        self.tls = ssl.create_default_context(cafile=ready["trust"])
        self.directory = self.send("GET", ready["directory"]).json

    def send(self, method, url, body=None, **headers):
        host, _, path = url.partition("://")[2].partition("/")
        connection = http.client.HTTPSConnection(host, context=self.tls, timeout=30)
        fields = {"User-Agent": "tiny/1 python", "Accept-Language": "en"}
        if body is not None:
            fields["Content-Type"] = "application/jose+json"
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        try:
            connection.request(method, "/" + path, body, {name: value for name, value in fields.items() if value is not None})
            answer = connection.getresponse()
            response = Response(answer, answer.read())
        finally:
            connection.close()
        self.nonce = response.headers.get("Replay-Nonce") or self.nonce
        return response

    def take_nonce(self):
        if not self.nonce:
            self.send("HEAD", self.directory["newNonce"])
        nonce, self.nonce = self.nonce, None
        return nonce

    def header(self, url, /, **changes):
        base = {"alg": default_algorithm(self.key), "nonce": self.take_nonce(), "url": url}
        base.update({"kid": self.kid} if self.kid else {"jwk": jwk(self.key)})
        base.update(changes)
        return {name: value for name, value in base.items() if value is not None}

    def post(self, url, /, payload="", key=None, headers=None, **changes):
        body = json.dumps(flattened(key or self.key, self.header(url, **changes), payload))
        accept = {"Accept": "application/pem-certificate-chain"} if "/certificate/" in url else {}
        return self.send("POST", url, body, **accept, **(headers or {}))

    def register(self, **payload):
        response = self.post(self.directory["newAccount"], payload)
        self.kid = response.headers.get("Location")
        return response

    def order(self, *names, **more):
        """newOrder for "dns:a.example", "ip:...", "NfInstanceId:..."."""
        pairs = [dict(zip(("type", "value"), name.split(":", 1))) for name in names]
        return self.post(self.directory["newOrder"], {"identifiers": pairs, **more})

    def finalize(self, order, csr):
        return self.post(order["finalize"], {"csr": enc(csr)})

    def key_authorization(self, token):
        return f"{token}.{enc(thumbprint(self.key))}"

    def wait(self, url, *statuses):
        """Polls a resource until it has one of these statuses."""
        deadline = time.time() + 15
        while time.time() < deadline:
            value = self.post(url).json
            if value["status"] in statuses:
                return value
            time.sleep(0.02)
        raise AssertionError(f"{url} did not become {statuses}: {value}")


NF_TYPES = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.34")


def nf_types_der(*names):
    content = b"".join(b"\x16" + bytes([len(name)]) + name.encode() for name in names)
    return b"\x30" + bytes([len(content)]) + content


def make_csr(*names, key=None, nf_types=None, extensions=(), subject=None, sha=hashes.SHA256):
    """CSR in DER for "dns:", "ip:" and "uri:" names."""
    kinds = {"dns": x509.DNSName, "uri": x509.UniformResourceIdentifier, "email": x509.RFC822Name,
             "ip": lambda text: x509.IPAddress(ipaddress.ip_address(text))}
    key = key or new_key()
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject or x509.Name([]))
    if names:
        general = [kinds[kind](value) for kind, value in (name.split(":", 1) for name in names)]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), False)
    if nf_types is not None:
        builder = builder.add_extension(x509.UnrecognizedExtension(NF_TYPES, nf_types), False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signed = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else sha())
    return signed.public_bytes(serialization.Encoding.DER)


class RaCase(unittest.TestCase):
    """One RA for all tests of a class, put back to its first state before each."""

    options = []

    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.mkdtemp(prefix="ra-")
        environment = dict(os.environ, PYTHONPATH=str(SUPPORT))
        cls.process = subprocess.Popen(["/usr/bin/python3", "-m", "ra", "--directory", cls.home, *cls.options], env=environment)
        ready, deadline = pathlib.Path(cls.home, "ready.json"), time.time() + START_SECONDS
        while not ready.exists():
            if cls.process.poll() is not None or time.time() > deadline:
                raise AssertionError("the RA did not start")
            time.sleep(0.02)
        cls.ready = json.loads(ready.read_text())

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait(10)
        shutil.rmtree(cls.home)

    def setUp(self):
        self.manage("reset", {"what": ["requests", "faults", "scripts", "settings", "clock", "state"]})

    def manage(self, name, value=None):
        request = urllib.request.Request(f"{self.ready['manage']}/{name}", None if value is None else json.dumps(value).encode())
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def settings(self, **values):
        self.manage("settings", values)

    def client(self, kind="ec", **payload):
        client = Client(self.ready, new_key(kind))
        self.assertEqual(client.register(**payload).status, 201)
        return client

    def allow(self, *values, hours=336):
        """Pre-authorised: no challenge."""
        self.manage("preauthorised", [{"identifier": value, "hours": hours, "issued_at": "now"} for value in values])

    def enrol(self, client, *names, csr=None, **more):
        """An order for pre-authorised names, all the way; the certificate and the order."""
        self.allow(*(name.split(":", 1)[1] for name in names))
        order = client.order(*names, **more)
        self.assertEqual(order.status, 201, order.body)
        self.assertEqual(order.json["status"], "ready")
        answer = client.finalize(order.json, csr or make_csr(*names))
        self.assertEqual(answer.status, 200, answer.body)
        done = client.wait(order.headers["Location"], "valid")
        chain = client.post(done["certificate"])
        return x509.load_pem_x509_certificate(chain.body), done

    def violations(self):
        return [entry["what"] for entry in self.manage("violations")["violations"]]

    def remarks(self):
        return [entry["what"] for entry in self.manage("violations")["remarks"]]

    def assertRefused(self, response, status, problem):
        self.assertEqual((response.status, response.problem), (status, problem), response.body)

    def assertClean(self):
        """The client did nothing wrong."""
        self.assertEqual((self.violations(), self.remarks()), ([], []))
