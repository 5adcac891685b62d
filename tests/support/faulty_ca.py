#!/usr/bin/env python3
# faulty_ca.py -- an HTTPS proxy in front of Pebble that breaks one kind of answer: PORT PEBBLE-PORT CERT KEY CA FAULT-FILE.
# FAULT-FILE holds the name of the fault, read anew for each request; "none" passes everything through.
import http.client
import http.server
import json
import ssl
import sys

port, upstream, certificate, key, ca, fault_file = sys.argv[1:]
trust = ssl.create_default_context(cafile=ca)
BLOCK = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n"
MARKUP = "<script>document.title='taken'</script><img src=http://192.0.2.1/x>\"'&\n{\"level\":\"info\"}\x1b[2J"


def is_chain(path):
    return path.startswith("/certZ/")


def leaf_removed(body):
    marker = b"-----END CERTIFICATE-----\n"
    return body.split(marker, 1)[1]


# name: (which paths, status or None, headers changed, body changed)
FAULTS = {
    "redirect": (lambda p: p == "/dir", 302, {"Location": "https://localhost/elsewhere"}, None),
    "huge": (lambda p: p == "/dir", None, {}, lambda b: b + b" " * (2 << 20)),
    "garbage": (lambda p: p == "/dir", None, {}, lambda b: b"<html>maintenance</html>"),
    "array": (lambda p: p == "/dir", None, {}, lambda b: b"[]"),
    "wrong-member": (lambda p: p == "/dir", None, {}, lambda b: b'{"newNonce": 1, "newAccount": [], "newOrder": {}}'),
    "odd-nonce": (lambda p: True, None, {"Replay-Nonce": 'a"b c'}, None),
    "order-empty": (lambda p: p == "/order-plz", None, {}, lambda b: b"{}"),
    "order-other-name": (lambda p: p == "/order-plz", None, {}, lambda b: b.replace(b"amf.", b"xyz.")),
    "order-deep": (lambda p: p == "/order-plz", None, {}, lambda b: b"[" * 100000),
    "server-error": (lambda p: p == "/order-plz", 500, {"Content-Type": "text/plain"}, lambda b: b"oops"),
    "other-algorithm": (
        lambda p: p == "/order-plz",
        400,
        {"Content-Type": "application/problem+json"},
        lambda b: b'{"type":"urn:ietf:params:acme:error:badSignatureAlgorithm","detail":"no","algorithms":["EdDSA","RS256"]}',
    ),
    # A refusal in words that would be markup on a page, lines in a log and commands to a terminal.
    "markup": (
        lambda p: p == "/order-plz",
        403,
        {"Content-Type": "application/problem+json"},
        lambda b: json.dumps({"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": MARKUP}).encode(),
    ),
    "come-back": (lambda p: p == "/order-plz", 503, {"Content-Type": "text/plain", "Retry-After": "3600"}, lambda b: b"busy"),
    "chain-key": (is_chain, None, {}, lambda b: b + BLOCK.format("PRIVATE" + " KEY").encode()),
    "chain-text": (is_chain, None, {}, lambda b: b"hello\n" + b),
    "chain-other-leaf": (is_chain, None, {}, leaf_removed),
    "chain-empty": (is_chain, None, {}, lambda b: b""),
    "chain-type": (is_chain, None, {"Content-Type": "text/html"}, None),
    "chain-cut": (is_chain, None, {}, lambda b: b[: len(b) // 2]),
}


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(fault_file) as file:
            fault = file.read().strip()
        server = http.client.HTTPSConnection("127.0.0.1", int(upstream), context=trust, timeout=20)
        # The Host goes through as it came: Pebble makes its URLs of it, and the "url" of a JWS must match.
        server.request(self.command, self.path, body or None, {name: self.headers[name] for name in self.headers})
        answer = server.getresponse()
        content, status, headers = answer.read(), answer.status, dict(answer.getheaders())
        server.close()
        applies, new_status, new_headers, change = FAULTS.get(fault, (lambda p: False, None, {}, None))
        if applies(self.path):
            status = new_status or status
            headers.update(new_headers)
            content = change(content) if change else content
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = forward

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Proxy)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
