"""test_challenges.py -- every kind of challenge, met and not met, by real connections (RFC 8555 8, 8737, 8738, drafts)."""
import contextlib
import datetime
import errno
import hashlib
import http.server
import ipaddress
import os
import socket
import ssl
import struct
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from .client import Client, RaCase, enc, new_key

ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


@contextlib.contextmanager
def web(answers):
    """An HTTP server: (Host, path) -> (status, body)."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answers.get((self.headers["Host"], self.path), (404, ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments):
            pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def same_port_twice():
    """A UDP and a listening TCP socket on one port: a number the system gives for one may be taken for the other."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
            return udp, tcp
        except OSError as problem:
            udp.close()
            tcp.close()
            if problem.errno != errno.EADDRINUSE:
                raise


@contextlib.contextmanager
def name_server(records, cut=False):
    """A DNS server for TXT: name -> list of texts; `cut` answers by UDP are truncated, and TCP has all."""
    def answer(question, whole):
        name, at = [], 12
        while question[at]:
            name.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        texts = records.get(".".join(name), [])
        flags = 0x8180 if whole else 0x8380
        body = b"" if not whole else b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 5, len(data := chunks(text))) + data for text in texts)
        return question[:2] + struct.pack("!HHHHH", flags, 1, len(texts) if whole else 0, 0, 0) + question[12:at + 5] + body

    def chunks(text):  # in two character strings, as long ones are
        half = len(text) // 2
        return b"".join(bytes([len(part)]) + part.encode() for part in (text[:half], text[half:]))

    udp, tcp = same_port_twice()

    def serve_udp():
        with contextlib.suppress(OSError):
            while True:
                question, peer = udp.recvfrom(512)
                udp.sendto(answer(question, not cut), peer)

    def serve_tcp():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = tcp.accept()
                question = connection.recv(2048)[2:]
                data = answer(question, True)
                connection.sendall(struct.pack("!H", len(data)) + data)
                connection.close()
    for serve in (serve_udp, serve_tcp):
        threading.Thread(target=serve, daemon=True).start()
    try:
        yield "127.0.0.1:%d" % udp.getsockname()[1]
    finally:
        udp.close()
        tcp.close()


def alpn_certificate(name, digest, critical=True, more=(), signer=None):
    key = new_key()
    subject, now = x509.Name([]), datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(7).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
            .add_extension(x509.SubjectAlternativeName([name, *more]), False)
            .add_extension(x509.UnrecognizedExtension(ACME_IDENTIFIER, b"\x04\x20" + digest), critical)
            .sign(signer or key, hashes.SHA256()))
    return cert, key


@contextlib.contextmanager
def tls_server(home, cert, key, protocol="acme-tls/1"):
    path = os.path.join(home, "alpn.pem")
    with open(path, "wb") as file:
        file.write(cert.public_bytes(serialization.Encoding.PEM))
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.set_alpn_protocols([protocol])
    seen = []
    context.sni_callback = lambda _, name, __: seen.append(name)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with contextlib.suppress(OSError):
                    context.wrap_socket(connection, server_side=True).close()
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield "127.0.0.1:%d" % listener.getsockname()[1], seen
    finally:
        listener.close()


class Challenges(RaCase):
    def begin(self, client, name, kind):
        """(authorization URL, order URL, challenge object)"""
        order = client.order(name)
        url = order.json["authorizations"][0]
        challenge = next(one for one in client.post(url).json["challenges"] if one["type"] == kind)
        return url, order.headers["Location"], challenge

    def ends(self, client, name, kind, status, prepare=lambda challenge: None, answer=None):
        """Answers the challenge of a new order; the authorization ends in `status`."""
        url, order, challenge = self.begin(client, name, kind)
        prepare(challenge)
        self.assertEqual(client.post(challenge["url"], answer or {}).status, 200)
        authz = client.wait(url, "valid", "invalid")
        self.assertEqual(authz["status"], status, authz)
        self.assertEqual(client.post(order).json["status"], "ready" if status == "valid" else "invalid")
        return authz

    def error(self, *arguments, **more):
        authz = self.ends(*arguments, "invalid", **more)
        return next(one["error"]["type"].rsplit(":", 1)[1] for one in authz["challenges"] if "error" in one)

    def test_http_01(self):
        client, answers = self.client(), {}
        path = "/.well-known/acme-challenge/"
        with web(answers) as address:
            self.settings(http01=address)

            def right(challenge):
                answers[("a.example", path + challenge["token"])] = (200, client.key_authorization(challenge["token"]) + "\r\n")
            self.ends(client, "dns:a.example", "http-01", "valid", right)
            self.assertEqual(self.error(client, "dns:b.example", "http-01", prepare=right), "unauthorized")

            def wrong(challenge):
                answers[("a.example", path + challenge["token"])] = (200, challenge["token"])
            self.assertEqual(self.error(client, "dns:a.example", "http-01", prepare=wrong), "unauthorized")

            def of_address(challenge):
                answers[("192.0.2.7", path + challenge["token"])] = (200, client.key_authorization(challenge["token"]))
            self.ends(client, "ip:192.0.2.7", "http-01", "valid", of_address)
        self.assertEqual(self.error(client, "dns:a.example", "http-01"), "connection")
        self.assertClean()

    def publish(self, client, records, name):
        def prepare(challenge):
            digest = hashlib.sha256(client.key_authorization(challenge["token"]).encode()).digest()
            records[name] = ["noise", enc(digest)]
        return prepare

    def test_dns_01_from_a_server(self):
        for cut in (False, True):
            client, records = self.client(), {}
            with name_server(records, cut) as address:
                self.settings(dns=address)
                prepare = self.publish(client, records, "_acme-challenge.a.example")
                self.ends(client, "dns:a.example", "dns-01", "valid", prepare)
                self.ends(client, "dns:*.a.example", "dns-01", "valid", prepare)
                records["_acme-challenge.a.example"] = ["noise"]
                self.assertEqual(self.error(client, "dns:a.example", "dns-01"), "unauthorized")
                self.assertEqual(self.error(client, "dns:none.example", "dns-01"), "dns")

    def test_dns_account_01_from_the_table(self):
        client = self.client()
        self.settings(challenges={"dns": ["dns-account-01"]})
        digest = hashlib.sha256(client.kid.encode()).digest()[:10]
        alphabet = "abcdefghijklmnopqrstuvwxyz234567"
        label = "_" + "".join(alphabet[int.from_bytes(digest, "big") >> shift & 31] for shift in range(75, -1, -5))
        records = {}

        def prepare(challenge):
            self.publish(client, records, "x")(challenge)
            self.manage("txt", {"name": f"{label}._acme-challenge.a.example", "values": records["x"]})
        self.ends(client, "dns:a.example", "dns-account-01", "valid", prepare)
        self.assertEqual(self.error(client, "dns:b.example", "dns-account-01", prepare=prepare), "dns")

    def test_dns_persist_01(self):
        client = self.client()
        self.settings(challenges={"dns": ["dns-persist-01"], "wildcard": ["dns-persist-01"]},
                      issuer_domain_names=["ra.example", "other.example"])
        name = "_validation-persist.a.example"
        mine = f"other.example; accounturi={client.kid}"

        def outcome(text, wanted="dns:a.example"):
            self.manage("txt", {"name": name, "values": ["ca.example; accounturi=x", text]})
            url, _, challenge = self.begin(client, wanted, "dns-persist-01")
            self.assertEqual((challenge["issuer-domain-names"], "token" in challenge), (["ra.example", "other.example"], False))
            client.post(challenge["url"], {})
            return client.wait(url, "valid", "invalid")["status"]
        self.assertEqual(outcome(mine), "valid")
        self.assertEqual(outcome(mine + "; PersistUntil=9999999999; future=x"), "valid")
        self.assertEqual(outcome(mine + "; persistUntil=1700000000"), "invalid")
        self.assertEqual(outcome(mine + "; persistUntil=soon"), "invalid")
        self.assertEqual(outcome(mine + "x"), "invalid")
        self.assertEqual(outcome("other.example"), "invalid")
        self.assertEqual(outcome(mine, "dns:*.a.example"), "invalid")
        self.assertEqual(outcome(mine, "dns:sub.a.example"), "invalid")
        self.assertEqual(outcome(mine + "; policy=WildCard", "dns:*.a.example"), "valid")
        self.assertEqual(outcome(mine + "; policy=wildcard", "dns:sub.a.example"), "valid")
        self.settings(persist_just_in_time=True)
        self.assertEqual(client.order("dns:sub.a.example").json["status"], "ready")

    def test_tls_alpn_01(self):
        client = self.client()

        def outcome(name, wanted, **how):
            url, _, challenge = self.begin(client, wanted, "tls-alpn-01")
            digest = hashlib.sha256(client.key_authorization(challenge["token"]).encode()).digest()
            protocol = how.pop("protocol", "acme-tls/1")
            cert, key = alpn_certificate(name, how.pop("digest", digest), **how)
            with tls_server(self.home, cert, key, protocol) as (address, seen):
                self.settings(tls_alpn=address)
                client.post(challenge["url"], {})
                status = client.wait(url, "valid", "invalid")["status"]
            return status, seen[0]
        name = x509.DNSName("a.example")
        self.assertEqual(outcome(name, "dns:a.example"), ("valid", "a.example"))
        for how in ({"digest": bytes(32)}, {"critical": False}, {"more": [x509.DNSName("b.example")]}, {"protocol": "http/1.1"},
                    {"signer": new_key()}):
            self.assertEqual(outcome(name, "dns:a.example", **how)[0], "invalid", how)
        self.assertEqual(outcome(x509.DNSName("b.example"), "dns:a.example")[0], "invalid")
        address = x509.IPAddress(ipaddress.ip_address("192.0.2.7"))
        self.assertEqual(outcome(address, "ip:192.0.2.7"), ("valid", "7.2.0.192.in-addr.arpa"))

    def test_failures_ordered_in_advance(self):
        client = self.client()
        self.manage("txt", {"name": "x", "values": ["x"]})
        self.manage("challenges", {"fail": 2, "identifier": "a.example", "type": "caa", "detail": "no"})
        for _ in range(2):
            self.assertEqual(self.error(client, "dns:a.example", "http-01"), "caa")
        self.assertEqual(self.error(client, "dns:a.example", "http-01"), "connection")

    def test_a_challenge_that_is_never_decided(self):
        client = self.client()
        self.settings(authz_retry_after=1)
        self.manage("challenges", {"stall": 1})
        url, order, challenge = self.begin(client, "dns:a.example", "http-01")
        self.assertEqual(client.post(challenge["url"], {}).json["status"], "processing")
        seen = client.post(url)
        self.assertEqual((seen.json["status"], seen.headers["Retry-After"]), ("pending", "1"))
        self.manage("clock", {"advance": 3601})
        self.assertEqual(client.post(order).json["status"], "invalid")

    def test_the_server_tries_again_and_says_so(self):
        client, answers = self.client(), {}
        with web(answers) as address:
            self.settings(http01=address, validation_tries=100000, validation_retry=0.02)
            url, _, challenge = self.begin(client, "dns:a.example", "http-01")
            client.post(challenge["url"], {})
            while "error" not in (seen := client.post(challenge["url"])).json:
                pass
            self.assertEqual(seen.json["status"], "processing")
            self.assertTrue(seen.headers["Retry-After"])
            text = client.key_authorization(challenge["token"])
            answers[("a.example", "/.well-known/acme-challenge/" + challenge["token"])] = (200, text)
            client.wait(url, "valid")

    def test_what_is_valid_is_not_challenged_by_one_who_knows(self):
        client, answers = self.client(), {}
        with web(answers) as address:
            self.settings(http01=address, validate_at_once=True)
            url, _, challenge = self.begin(client, "dns:a.example", "http-01")
            text = client.key_authorization(challenge["token"])
            answers[("a.example", "/.well-known/acme-challenge/" + challenge["token"])] = (200, text)
            self.assertEqual(client.post(challenge["url"], {}).json["status"], "valid")
            self.assertEqual(client.post(challenge["url"], {}).status, 200)  # was not told by the authorization yet
            client.post(url)
            self.assertClean()
            self.assertRefused(client.post(challenge["url"], {}), 400, "malformed")
            self.assertEqual(len(self.violations()), 1)

    def test_deactivation_and_reuse(self):
        client, answers = self.client(), {}
        with web(answers) as address:
            self.settings(http01=address, authz_reuse="all")

            def right(challenge):
                token = challenge["token"]
                answers[("a.example", "/.well-known/acme-challenge/" + token)] = (200, client.key_authorization(token))
            self.ends(client, "dns:a.example", "http-01", "valid", right)
        order = client.order("dns:a.example").json
        self.assertEqual(order["status"], "ready")
        self.assertEqual(Client(self.ready).register().status, 201)
        authz = order["authorizations"][0]
        self.assertEqual(client.post(authz, {"status": "deactivated"}).json["status"], "deactivated")
        self.assertEqual(client.order("dns:a.example").json["status"], "pending")
        self.assertEqual(self.remarks(), ["a valid authorization for a.example was deactivated"])
