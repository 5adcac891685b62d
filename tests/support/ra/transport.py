"""transport.py -- HTTP/1.1 with keep-alive, over TLS or plain; one thread a connection; it also breaks answers on the wire."""
import http.server
import socket
import ssl
import struct
import threading
import time
from email.utils import formatdate
from http import HTTPStatus

from .answers import Answer, Request

IDLE_SECONDS = 120
BODY_MAX = 256 * 1024
ENDLESS_MAX = 1 << 30  # a client that reads that far has lost


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def _serve(self):
        length = self.headers.get("Content-Length")
        if self.headers.get("Transfer-Encoding") or (length is not None and not length.isdigit()):
            return self._send(Answer.empty(411), None)
        if length and int(length) > BODY_MAX:
            self.close_connection = True
            return self._send(Answer.empty(413), None)
        body = self.rfile.read(int(length or 0))
        if self.server.down:
            return self._hang_up(reset=True)
        answer, fault = self.server.respond(Request(self.command, self.path, self.headers, body))
        return self._send(answer, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve

    def _head(self, answer, endless):
        try:
            reason = HTTPStatus(answer.status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {answer.status} {reason}", f"Date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if endless:
            lines.append("Transfer-Encoding: chunked")
        elif answer.get("Content-Length") is None:
            lines.append(f"Content-Length: {len(answer.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    def _send(self, answer, fault):
        get = fault.get if fault else lambda member, default=None: default
        time.sleep(get("delay", 0))
        if get("lost") or get("reset"):
            return self._hang_up(reset=bool(get("reset")))
        head = self._head(answer, get("endless"))
        body = b"" if self.command == "HEAD" else answer.body
        if get("endless"):
            return self._send_endless(head)
        if get("cut_header") is not None or get("cut") is not None:
            end = get("cut_header") if get("cut_header") is not None else len(head) + get("cut")
            self.wfile.write((head + body)[:end])
            return self._hang_up()
        if get("drip"):
            self.wfile.write(head)
            for at in range(len(body)):
                time.sleep(get("drip"))
                self.wfile.write(body[at:at + 1])
            return None
        self.wfile.write(head + body)
        return None

    def _send_endless(self, head):
        self.wfile.write(head)
        chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        for _ in range(ENDLESS_MAX // 0x4000):
            self.wfile.write(chunk)
        self._hang_up()

    def _hang_up(self, reset=False):
        self.close_connection = True
        if reset:  # linger 0: the kernel sends RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    """`respond(Request) -> (Answer, Fault or None)`; starts listening at once, on a free port when port is 0."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, port, tls=None):
        self._tls, self.down, self.respond = tls, False, None
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def port(self):
        return self.server_address[1]

    def start(self, respond):
        self.respond = respond
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 3600}, daemon=True).start()

    def verify_request(self, request, client_address):
        return not self.down

    def finish_request(self, request, client_address):
        """In the connection's own thread: a client that is slow in its handshake holds up nobody."""
        try:
            request.settimeout(IDLE_SECONDS)
            if self._tls:
                request = self._tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        except (OSError, ssl.SSLError, ValueError):
            pass  # the other end went away, or we hung up on it
        finally:
            if self._tls:
                request.close()


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
