"""validation.py -- performs challenges: one table of kinds, tries and retries, and failures that a test orders in advance."""
import threading
import time

from . import authorizations, validate_dns, validate_http, validate_tls, validate_token
from .problems import Problem, Refusal, Violation, document

# kind: function(ra, challenge, key_authorization) that raises a Problem when the challenge is not met.
KINDS = {
    "http-01": validate_http.http01,
    "dns-01": validate_dns.dns01,
    "dns-account-01": validate_dns.dns_account01,
    "dns-persist-01": validate_dns.dns_persist01,
    "tls-alpn-01": validate_tls.tls_alpn01,
    "tkauth-01": validate_token.tkauth01,
}
WITHOUT_TOKEN = ("dns-persist-01",)
DURATION_MAX = 60  # seconds an answer waits with validate_at_once


class Script:
    """Failures ordered in advance: {"fail": n, "identifier"?, "kind"?, "type"?, "detail"?} or {"stall": n, ...}."""

    MEMBERS = {"fail", "stall", "identifier", "kind", "type", "detail"}

    def __init__(self):
        self._entries = []

    def add(self, entry):
        if set(entry) - self.MEMBERS or not set(entry) & {"fail", "stall"}:
            raise ValueError(f"a challenge script has fail or stall, and {', '.join(sorted(self.MEMBERS))}")
        self._entries.append({**entry, "left": entry.get("fail", entry.get("stall"))})

    def clear(self):
        self._entries = []

    def next(self, challenge):
        """"stall", a Refusal to fail with, or None."""
        for entry in self._entries:
            if (entry["left"] > 0 and entry.get("identifier", challenge.authorization.value) == challenge.authorization.value
                    and entry.get("kind", challenge.kind) == challenge.kind):
                entry["left"] -= 1
                if "stall" in entry:
                    return "stall"
                return Refusal(entry.get("type", "incorrectResponse"), entry.get("detail", "this failure was ordered by the test"))
        return None

    def report(self):
        return self._entries


def members(ra, kind):
    """What a challenge object of this kind has besides type, url, status and token."""
    if kind == "dns-persist-01":
        return {"issuer-domain-names": ra.settings.issuer_domain_names}
    if kind == "tkauth-01":
        hint = ra.token_url if ra.settings.tkauth_hint == "own" else ra.settings.tkauth_hint
        return {"tkauth-type": "atc", **({"token-authority": hint} if hint else {})}
    return {}


def key_authorization(challenge):
    """RFC 8555 8.1."""
    return f"{challenge.token}.{challenge.authorization.account.key.thumbprint}"


def begin(ra, challenge, answer):
    """The client says it is ready (RFC 8555 7.5.1); a repeated one asks for a retry (8.2)."""
    if challenge.kind == "tkauth-01":
        if not isinstance(answer.get("tkauth"), str):
            raise Violation("malformed", 'the answer to tkauth-01 is {"tkauth": "<token>"} (RFC 9448 4)')
    elif answer:
        ra.journal.remark("challenge", f"the answer to {challenge.kind} is the empty object, not {sorted(answer)}")
    challenge.answer = answer
    if challenge.status == "processing":
        return
    challenge.status = "processing"
    done = threading.Event()
    expected = key_authorization(challenge)  # by the key of now: it may be changed before the validation
    threading.Thread(target=_run, args=(ra, challenge, expected, done), daemon=True).start()
    if ra.settings.validate_at_once:
        ra.lock.release()  # held by the dispatcher, once
        try:
            done.wait(DURATION_MAX)
        finally:
            ra.lock.acquire()


def _run(ra, challenge, expected, done):
    time.sleep(ra.settings.validation_delay)
    while challenge.status == "processing":
        problem = _attempt(ra, challenge, expected)
        if problem == "stall":
            break
        with ra.lock:
            authz = challenge.authorization
            authorizations.refresh(ra, authz)
            if authz.status != "pending" or challenge.status != "processing":
                break
            if problem is None:
                authorizations.set_valid(ra, authz, challenge)
                break
            challenge.tries += 1
            identifier = {"type": authz.kind, "value": authz.value}
            challenge.error = document(problem.kind, problem.detail, identifier=identifier)
            if challenge.tries >= ra.settings.validation_tries:
                authorizations.set_invalid(authz, challenge, challenge.error)
                if ra.settings.authz_outlives_challenge:
                    authz.status = "pending"
            elif ra.settings.validation_asked:
                challenge.status = "pending"
        time.sleep(ra.settings.validation_retry if challenge.status == "processing" else 0)
    done.set()


def _attempt(ra, challenge, expected):
    with ra.lock:
        ordered = ra.challenge_script.next(challenge)
    if ordered:
        return ordered
    try:
        KINDS[challenge.kind](ra, challenge, expected)
    except Problem as problem:
        return problem
    except OSError as why:
        return Refusal("connection", str(why))
    return None


def persisted(ra, authorization):
    """Just-in-time: whether a dns-persist-01 record authorizes this now."""
    try:
        validate_dns.check_persisted(ra, authorization, ra.settings.issuer_domain_names)
    except (Problem, OSError):
        return False
    return True
