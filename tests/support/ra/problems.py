"""problems.py -- what the RA answers when it says no: a refusal any client may meet, or a violation by the client."""

PREFIX = "urn:ietf:params:acme:error:"

# RFC 8555 6.7, RFC 9773 7.4, draft-ietf-acme-profiles: the status that goes with a type when none is said.
STATUS = {
    "accountDoesNotExist": 400, "alreadyReplaced": 409, "alreadyRevoked": 400, "badCSR": 400, "badNonce": 400,
    "badPublicKey": 400, "badRevocationReason": 400, "badSignatureAlgorithm": 400, "externalAccountRequired": 403,
    "invalidContact": 400, "invalidProfile": 400, "malformed": 400, "orderNotReady": 403, "rateLimited": 429,
    "rejectedIdentifier": 403, "serverInternal": 500, "unauthorized": 403, "unsupportedContact": 400,
    "unsupportedIdentifier": 400, "userActionRequired": 403,
}


def document(kind, detail, **members):
    """A problem document (RFC 7807) as ACME uses it."""
    name = kind if ":" in kind else PREFIX + kind
    return {"type": name, "detail": detail, **members}


class Problem(Exception):
    """An error answer; `members` go into the document, `headers` onto the answer."""

    def __init__(self, kind, detail, status=None, headers=(), **members):
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail, self.members = kind, detail, members
        self.status = status or STATUS.get(kind, 400)
        self.headers = list(headers)

    def document(self):
        return document(self.kind, self.detail, **self.members)


class Refusal(Problem):
    """A no that a correct client can meet."""


class Violation(Problem):
    """A no that only a client meets which breaks the protocol; the journal keeps it."""
