"""server.py -- the RA: its resources in one table, and what happens to every request before and after its handler."""
import threading
import time

from . import accounts, authorizations, certificates, key_change, orders, validation
from .answers import Answer, distort, refusal_of
from .authentication import authenticate
from .clock import Clock, parse_retry_after
from .faults import Faults
from .issue import Issuer
from .journal import Journal
from .nonces import Nonces
from .preauthorised import Preauthorised
from .problems import Problem, Refusal, Violation
from .records import Registry

# path prefix: (endpoint, signed with, handler); the longest prefix wins, what follows it is the identity.
RESOURCES = {
    "/dir": ("directory", "kid", None),
    "/new-nonce": ("newNonce", "kid", None),
    "/renewal-info/": ("renewalInfo", None, None),
    "/new-account": ("newAccount", "jwk", accounts.new_account),
    "/new-order": ("newOrder", "kid", orders.new_order),
    "/new-authz": ("newAuthz", "kid", authorizations.new_authz),
    "/revoke-cert": ("revokeCert", "either", certificates.revoke),
    "/key-change": ("keyChange", "kid", key_change.key_change),
    "/account/": ("account", "kid", accounts.account),
    "/order/": ("order", "kid", orders.order),
    "/authz/": ("authz", "kid", authorizations.authorization),
    "/challenge/": ("challenge", "kid", authorizations.challenge),
    "/certificate/": ("certificate", "kid", certificates.certificate),
}
# resources below another one, by the end of their path
BELOW = {("account", "/orders"): ("orders", accounts.orders), ("order", "/finalize"): ("finalize", orders.finalize)}


class RegistrationAuthority:
    """All state, one lock; handlers run while it is held, validations and waiting do not."""

    def __init__(self, base_url, settings, files):
        self.base_url, self.settings, self.files = base_url, settings, files
        self.lock = threading.RLock()
        self.clock, self.nonces, self.registry = Clock(), Nonces(), Registry()
        self.journal, self.faults = Journal(files.access_log), Faults(settings.seed)
        self.preauthorised, self.challenge_script = Preauthorised(), validation.Script()
        self.renewal_info, self.txt = certificates.RenewalInfo(), {}
        self.issuer = Issuer(time.time())
        self.token_url, self.token_root = "", lambda: None  # set when the Token Authority starts

    @staticmethod
    def real_now():
        return time.time()

    def url(self, path):
        return self.base_url + path

    def account_url(self, account):
        return self.url(f"/account/{account.id}")

    def account_of_url(self, url):
        prefix = self.url("/account/")
        return self.registry.accounts.get(url[len(prefix):]) if isinstance(url, str) and url.startswith(prefix) else None

    def terms_problem(self, detail):
        """RFC 8555 7.3.3."""
        terms = self.settings.terms
        return Refusal("userActionRequired", detail, headers=[("Link", f'<{terms}>;rel="terms-of-service"')], instance=terms)

    def directory(self):
        names = {"newNonce": "/new-nonce", "newAccount": "/new-account", "newOrder": "/new-order",
                 "revokeCert": "/revoke-cert", "keyChange": "/key-change"}
        if self.settings.new_authz != "absent":
            names["newAuthz"] = "/new-authz"
        value = {name: self.url(path) for name, path in names.items()}
        if self.settings.renewal_info:
            value["renewalInfo"] = self.url("/renewal-info")
        meta = {"externalAccountRequired": self.settings.external_account_required,
                "caaIdentities": self.settings.caa_identities}
        if self.settings.terms:
            meta["termsOfService"] = self.settings.terms
        if self.settings.website:
            meta["website"] = self.settings.website
        if self.settings.profiles:
            meta["profiles"] = {name: entry["description"] if isinstance(entry, dict) else entry
                                for name, entry in self.settings.profiles.items()}
        value["meta"] = meta
        return value

    def respond(self, request):
        """For transport.py: (Answer, Fault or None)."""
        endpoint, rule, handler, identity = find_resource(request.path)
        self._check_courtesy(request, endpoint)
        fault = self.faults.strike(endpoint)
        signer = []
        try:
            answer = self._answer(request, endpoint, rule, handler, identity, fault, signer)
        except Problem as problem:
            if isinstance(problem, Violation):
                self.journal.violation(endpoint, str(problem), path=request.path)
            answer = Answer.refusing(problem)
        self._complete(request, endpoint, answer)
        if fault:
            answer = distort(answer, fault)
            self._fault_nonce(answer, fault)
        self.journal.request(request, endpoint, answer, signer[0] if signer else None, bool(fault))
        retry = answer.get("Retry-After")
        until = parse_retry_after(str(retry), time.time()) if retry is not None else None
        if until:
            # RFC 8555 7.4: after finalize it is the order that is looked at.
            self.journal.ask_to_wait(request.path.removesuffix("/finalize"), until)
        return answer, fault

    def _answer(self, request, endpoint, rule, handler, identity, fault, signer):
        if endpoint == "unknown":
            raise Violation("malformed", f"{request.path} is no resource of this server", status=404)
        signed = None
        if request.method == "POST" and rule:
            with self.lock:
                signed = authenticate(self, request, rule)
            signer.append(signed.account.id if signed.account else None)
        if fault and fault.refuses():
            return refusal_of(fault)
        if handler is None:
            return self._open_resource(request, endpoint, identity, signed)
        if request.method != "POST":
            raise Violation("malformed", f"{request.method} is not allowed here; resources are read with POST-as-GET",
                            status=405, headers=[("Allow", "POST")])
        self._check_terms(signed, endpoint)
        with self.lock:
            return handler(self, signed, identity)

    def _open_resource(self, request, endpoint, identity, signed):
        """What is read without a signature (RFC 8555 6.3): directory, newNonce, renewalInfo."""
        if signed and not signed.is_get:
            raise Violation("malformed", "this resource is read with GET or POST-as-GET")
        if not signed and request.method not in ("GET", "HEAD"):
            raise Violation("malformed", f"{request.method} is not allowed here", status=405, headers=[("Allow", "GET, HEAD")])
        if endpoint == "directory":
            return Answer.of(200, self.directory())
        if endpoint == "newNonce":  # RFC 8555 7.2
            return Answer.empty(200 if request.method == "HEAD" else 204, [("Cache-Control", "no-store")])
        if not self.settings.renewal_info:
            raise Violation("malformed", "renewal information is not offered here", status=404)
        with self.lock:
            return self.renewal_info.answer(self, identity)

    def _check_terms(self, signed, endpoint):
        """RFC 8555 7.3.3: terms that changed have to be agreed to anew, by an update of the account."""
        account, terms = signed.account, self.settings.terms
        if account and account.terms and terms and account.terms != terms and endpoint != "account":
            raise self.terms_problem("the terms of service have changed")

    def _check_courtesy(self, request, endpoint):
        """What concerns every request (RFC 8555 6.1, 6.5)."""
        headers = request.headers
        if not headers.get("User-Agent"):
            self.journal.violation(endpoint, "no User-Agent", path=request.path)
        if not headers.get("Accept-Language"):
            self.journal.remark(endpoint, "no Accept-Language", path=request.path)
        if headers.get("Replay-Nonce"):
            self.journal.remark(endpoint, "Replay-Nonce in a request", path=request.path)
        if endpoint == "certificate" and "pem-certificate-chain" not in headers.get("Accept", ""):
            self.journal.remark(endpoint, "no Accept: application/pem-certificate-chain", path=request.path)
        if endpoint != "directory" and headers.get("Host", "") != self.base_url.split("//")[1]:
            self.journal.violation(endpoint, f'Host is {headers.get("Host")}: not the URL that was supplied', path=request.path)
        early = self.journal.came_early(request.path)
        if early:
            self.journal.remark(endpoint, f"came {early:.1f} s before the end of Retry-After", path=request.path)

    def _complete(self, request, endpoint, answer):
        """Headers of every answer (RFC 8555 6.5, 7.1)."""
        if endpoint != "directory":
            answer.headers.append(("Link", f'<{self.url("/dir")}>;rel="index"'))
        if request.method == "POST" or endpoint == "newNonce":
            answer.set("Replay-Nonce", self.nonces.issue())

    def _fault_nonce(self, answer, fault):
        kind = fault.get("nonce")
        if kind == "omit":
            answer.set("Replay-Nonce", None)
        elif kind == "junk":
            answer.set("Replay-Nonce", 'not "base64url" !')
        elif kind == "wrong":
            answer.set("Replay-Nonce", self.nonces.poison("d3JvbmcgYnV0IHdlbGwgZm9ybWVk"))
        elif kind == "repeat":
            spent = self.nonces.issue()
            self.nonces.spend(spent)
            answer.set("Replay-Nonce", self.nonces.poison(spent))


def find_resource(path):
    """(endpoint, rule, handler, identity); endpoint "unknown" when nothing is there."""
    if path in RESOURCES and not path.endswith("/"):
        return (*RESOURCES[path], "")
    for prefix, (endpoint, rule, handler) in RESOURCES.items():
        if prefix.endswith("/") and path.startswith(prefix) and len(path) > len(prefix):
            identity = path[len(prefix):]
            for (parent, end), (below, its_handler) in BELOW.items():
                if parent == endpoint and identity.partition("?")[0].endswith(end):
                    return below, rule, its_handler, identity[:-len(end)] if below == "finalize" else identity
            return endpoint, rule, handler, identity
    return "unknown", None, None, ""
