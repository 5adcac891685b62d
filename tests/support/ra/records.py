"""records.py -- what the RA remembers: accounts, authorizations, challenges, orders, certificates."""
import secrets
from dataclasses import dataclass, field

from .problems import Refusal


def new_id():
    return secrets.token_urlsafe(9)


@dataclass
class Account:
    id: str
    key: object  # keys.PublicKey
    contact: list
    terms: str  # the URL that was agreed to; "" for none
    status: str = "valid"
    binding: dict = None  # the externalAccountBinding as it came
    algorithm: str = ""  # of its last JWS
    orders: list = field(default_factory=list)


@dataclass
class Challenge:
    id: str
    authorization: object
    kind: str
    token: str
    status: str = "pending"
    error: dict = None
    validated: float = 0
    tries: int = 0
    answer: dict = None  # what the client sent, for tkauth-01
    members: dict = field(default_factory=dict)  # members of this kind alone


@dataclass
class Authorization:
    id: str
    account: Account
    kind: str  # of the identifier
    value: str
    wildcard: bool
    origin: str  # "order", "newAuthz", "preauthorised" or "dns-persist"
    expires: float
    status: str = "pending"
    challenges: list = field(default_factory=list)
    shown_valid: bool = False  # the client was told


@dataclass
class Order:
    id: str
    account: Account
    identifiers: list  # of (type, value)
    authorizations: list
    expires: float
    status: str = "pending"
    show: str = "objects"  # how "authorizations" is written when there are none: null, missing, empty
    error: dict = None
    profile: str = None
    replaces: str = None
    dates: dict = field(default_factory=dict)  # notBefore, notAfter as they were asked for
    csr: object = None  # signing_request.SigningRequest, once accepted
    certificate: object = None
    polls_left: int = 0
    shown: set = field(default_factory=set)  # statuses the client was told
    dropped: bool = False


@dataclass
class Certificate:
    id: str
    account: Account
    order: Order
    leaf: object  # x509.Certificate
    chains: list  # of PEM bytes; the first is the default
    identifiers: list
    cert_id: str  # RFC 9773 4.1
    spki: bytes
    issued_at: float
    revoked: int = None  # reason; None: not revoked
    replaced_by: Order = None


class Registry:
    """All of it, by id; the caller holds the RA's lock."""

    def __init__(self):
        self.accounts, self.authorizations, self.challenges, self.orders, self.certificates = {}, {}, {}, {}, {}
        self.issued_at = {}  # (account id, identifier value) -> time of the last issuance
        self.compromised = set()  # SPKIs revoked for keyCompromise
        self.token_uses = {}  # jti -> (account id, identifier)
        self.reusable = {}  # (account id, type, name, wildcard) -> the Authorization made valid last
        self._by_cert_id, self._by_spki = {}, {}

    def find(self, table, identity, owner):
        """The record, if it is there and the account's own."""
        record = getattr(self, table).get(identity)
        if not record or getattr(record, "dropped", False):
            raise Refusal("malformed", "there is no such resource", status=404)
        if owner is not None and record.account is not owner:
            raise Refusal("unauthorized", "this belongs to another account")
        return record

    def account_of_key(self, key):
        return next((account for account in self.accounts.values() if account.key.spki == key.spki), None)

    def add_certificate(self, certificate):
        self.certificates[certificate.id] = self._by_cert_id[certificate.cert_id] = certificate
        self._by_spki[certificate.spki] = certificate

    def certificate_of_id(self, cert_id):
        return self._by_cert_id.get(cert_id)

    def certificate_of_key(self, spki):
        return self._by_spki.get(spki)
