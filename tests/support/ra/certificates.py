"""certificates.py -- the certificate resource, revokeCert, and renewalInfo (RFC 8555 7.4.2, 7.6; RFC 9773)."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from . import authorizations
from .answers import PEM, Answer
from .clock import http_date, rfc3339
from .encoding import unb64u
from .problems import Refusal, Violation

# RFC 5280 5.3.1; 7 is not used, 8 and 10 are not for a client.
REASONS = (0, 1, 3, 4, 5, 9)
KEY_COMPROMISE = 1


def certificate(ra, signed, identity):
    """The default chain, or with /1, /2, /3 behind it another one."""
    name, _, which = identity.partition("/")
    record = ra.registry.find("certificates", name, signed.account)
    if not signed.is_get:
        raise Violation("malformed", "a certificate is read with POST-as-GET: the payload is the empty string")
    count = 1 + ra.settings.alternate_chains
    number = int(which) if which.isdigit() else 0
    if number >= count or (which and not which.isdigit()):
        raise Refusal("malformed", "there is no such chain", status=404)
    links = [("Link", f'<{ra.url(f"/certificate/{name}") + (f"/{other}" if other else "")}>;rel="alternate"')
             for other in range(count) if other != number]
    return Answer(200, [("Content-Type", PEM), *links], record.chains[number])


def revoke(ra, signed, _):
    payload = signed.payload("revokeCert")
    try:
        der = unb64u(payload.get("certificate"))
        leaf = x509.load_der_x509_certificate(der)
    except ValueError as why:
        raise Violation("malformed", f'"certificate": {why}') from None
    record = next((one for one in ra.registry.certificates.values() if one.leaf.public_bytes(Encoding.DER) == der), None)
    if not record:
        raise Refusal("malformed", f"no certificate with the serial {leaf.serial_number:x} was issued here", status=404)
    reason = payload.get("reason", 0)
    if not isinstance(reason, int) or isinstance(reason, bool) or reason not in REASONS:
        raise Refusal("badRevocationReason", f"the reasons {', '.join(map(str, REASONS))} are accepted")
    _check_may_revoke(ra, signed, record)
    if record.revoked is not None:
        raise Refusal("alreadyRevoked", "the certificate is revoked already")
    record.revoked = reason
    if reason == KEY_COMPROMISE:
        ra.registry.compromised.add(record.spki)
    return Answer.empty(200)


def _check_may_revoke(ra, signed, record):
    if not signed.account:
        if signed.key.spki != record.spki:
            raise Violation("unauthorized", "the key in the JWS is not the certificate's")
        return
    if signed.account is record.account:
        return
    for authorization in ra.registry.authorizations.values():
        authorizations.refresh(ra, authorization)
    mine = {("dns" if one.wildcard else one.kind, ("*." if one.wildcard else "") + one.value)
            for one in ra.registry.authorizations.values() if one.account is signed.account and one.status == "valid"}
    if not set(record.identifiers) <= mine:
        raise Refusal("unauthorized", "another account has this certificate, and this one is not authorized for all its names")


class RenewalInfo:
    """What GET renewalInfo says: by default the last third of the lifetime; a test sets windows for one certificate or all."""

    MEMBERS = ("certificate", "start", "end", "explanationURL", "retry_after", "raw")

    def __init__(self):
        self._set = {}

    def put(self, entry):
        unknown = set(entry) - set(self.MEMBERS)
        if unknown:
            raise ValueError(f"renewal information has {', '.join(self.MEMBERS)}; not {', '.join(unknown)}")
        self._set[entry.get("certificate", "all")] = entry

    def clear(self):
        self._set = {}

    def answer(self, ra, identity):
        record = ra.registry.certificate_of_id(identity)
        if not record:
            if identity.endswith("=") or identity.count(".") != 1:
                raise Violation("malformed", f"{identity} is not a certificate identifier (RFC 9773 4.1)", status=404)
            raise Refusal("malformed", "no such certificate", status=404)
        begin, end = _utc(record.leaf.not_valid_before), _utc(record.leaf.not_valid_after)
        now = ra.real_now() if ra.settings.certificate_clock == "real" else ra.clock.now()
        if now > end:  # RFC 9773 4.3
            raise Violation("malformed", "the certificate has expired: its renewal information must not be asked for")
        if record.replaced_by and record.replaced_by.status == "valid":
            raise Violation("malformed", "the certificate is replaced: its renewal information must not be asked for")
        entry = self._set.get(identity) or self._set.get("all") or {}
        return self._write(entry, begin, end, now)

    @staticmethod
    def _write(entry, begin, end, now):
        third = (end - begin) / 3
        window = {"start": _time(entry.get("start"), now, end - third), "end": _time(entry.get("end"), now, end - third / 2)}
        value = {"suggestedWindow": window}
        if entry.get("explanationURL"):
            value["explanationURL"] = entry["explanationURL"]
        answer = Answer.of(200, value)
        retry = entry.get("retry_after", 6 * 3600)
        if retry is not None:
            answer.set("Retry-After", http_date(now + retry["date"]) if isinstance(retry, dict) else retry)
        if "raw" in entry:
            answer.body = entry["raw"].encode()
        return answer


def _utc(naive):
    return naive.replace(tzinfo=datetime.timezone.utc).timestamp()


def _time(value, now, default):
    """A number is seconds from now; text goes out as it is."""
    if isinstance(value, str):
        return value
    return rfc3339(default if value is None else now + value)
