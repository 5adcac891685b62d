"""answers.py -- a request as it came, the answer to it, and what a fault makes of that answer."""
import json
import time
from dataclasses import dataclass, field

from .encoding import dump
from .problems import STATUS, document

JSON, PROBLEM, PEM = "application/json", "application/problem+json", "application/pem-certificate-chain"


@dataclass
class Request:
    method: str
    path: str
    headers: object  # email.message.Message
    body: bytes
    at: float = field(default_factory=time.time)


@dataclass
class Answer:
    status: int
    headers: list  # of (name, value); names may repeat
    body: bytes = b""
    problem: str = None  # type, for the journal

    @classmethod
    def of(cls, status, value, headers=()):
        return cls(status, [("Content-Type", JSON), *headers], dump(value))

    @classmethod
    def empty(cls, status, headers=()):
        return cls(status, list(headers))

    @classmethod
    def refusing(cls, problem):
        return cls(problem.status, [("Content-Type", PROBLEM), *problem.headers], dump(problem.document()), problem.kind)

    def get(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def set(self, name, value):
        """Replaces the header; None removes it."""
        self.headers = [(key, old) for key, old in self.headers if key.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, str(value)))


def merge(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge(target.get(name), value)
    return target


def refusal_of(fault):
    """The answer that a fault gives in place of the RA."""
    status = fault.get("status", STATUS.get(fault.get("type"), 500))
    if not fault.get("type"):
        return Answer(status, [("Content-Type", "text/plain")], fault.get("detail", "fault").encode())
    members = {"subproblems": fault.get("subproblems")} if fault.get("subproblems") else {}
    members.update(fault.get("members", {}))
    body = document(fault.get("type"), fault.get("detail", "a fault of the test"), **members)
    return Answer(status, [("Content-Type", PROBLEM)], dump(body), fault.get("type"))


def distort(answer, fault):
    """Changes the answer as the fault says; what concerns the connection is left to transport.py."""
    if fault.get("after") and (fault.get("status") or fault.get("type")):
        nonce, answer = answer.get("Replay-Nonce"), refusal_of(fault)
        answer.set("Replay-Nonce", nonce)
    if fault.get("patch") is not None:
        answer.body = dump(merge(json.loads(answer.body or b"{}"), fault.get("patch")))
    for old, new in fault.get("replace", ()):
        answer.body = answer.body.replace(old.encode(), new.encode())
    if fault.get("body") is not None:
        answer.body = fault.get("body").encode("utf-8", "surrogateescape")
    if fault.get("garbage"):
        answer.body = b"<html><body>maintenance \xff\xfe</body></html>"
    if fault.get("oversize"):
        answer.body = answer.body.ljust(fault.get("oversize"))
    if fault.get("content_type") is not None:
        answer.set("Content-Type", fault.get("content_type"))
    for name, value in fault.get("headers", {}).items():
        answer.set(name, value)
    for number in range(fault.get("header_bytes", 0) // 1000):
        answer.headers.append((f"X-Filler-{number}", "x" * 980))
    return answer
