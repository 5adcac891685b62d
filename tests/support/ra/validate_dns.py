"""validate_dns.py -- dns-01, dns-account-01 and dns-persist-01, from a DNS server or the table of POST /manage/txt."""
import base64
import hashlib

from . import dns_query
from .encoding import b64u
from .problems import Refusal
from .validate_http import address


def look_up(ra, name):
    """TXT records; a name in the table is not asked for in the DNS."""
    if name in ra.txt:
        return list(ra.txt[name])
    if not ra.settings.dns:
        return []
    try:
        return dns_query.txt(address(ra.settings.dns), name)
    except dns_query.DnsFailure as why:
        raise Refusal("dns", str(why)) from None


def _expect(ra, name, expected):
    value = b64u(hashlib.sha256(expected.encode("ascii")).digest())
    found = look_up(ra, name)
    if not found:
        raise Refusal("dns", f"{name} has no TXT record")
    if value not in found:
        raise Refusal("unauthorized", f"{name}: none of {len(found)} TXT records is the right one")


def dns01(ra, challenge, expected):
    """RFC 8555 8.4."""
    _expect(ra, f"_acme-challenge.{challenge.authorization.value}", expected)


def account_label(account_url):
    """draft-ietf-acme-dns-account-label: 10 octets of the hash of the account URL in base32."""
    return "_" + base64.b32encode(hashlib.sha256(account_url.encode("ascii")).digest()[:10]).decode("ascii").lower()


def dns_account01(ra, challenge, expected):
    label = account_label(ra.account_url(challenge.authorization.account))
    _expect(ra, f"{label}._acme-challenge.{challenge.authorization.value}", expected)


def dns_persist01(ra, challenge, _):
    check_persisted(ra, challenge.authorization, challenge.members["issuer-domain-names"])


def _parse_record(text):
    """issuer-domain-name and parameters (RFC 8659 4.2 issue-value); tags are compared in lower case."""
    issuer, *parameters = [part.strip() for part in text.split(";")]
    pairs = [part.partition("=") for part in parameters if part]
    return issuer.lower(), {tag.strip().lower(): value.strip() for tag, _, value in pairs}


def check_persisted(ra, authorization, issuers):
    """draft-ietf-acme-dns-persist; also at a parent domain, whose record then has policy=wildcard."""
    account = ra.account_url(authorization.account)
    labels = authorization.value.split(".")
    for depth in range(len(labels)):
        for text in look_up(ra, "_validation-persist." + ".".join(labels[depth:])):
            issuer, parameters = _parse_record(text)
            covers = (depth == 0 and not authorization.wildcard) or parameters.get("policy", "").lower() == "wildcard"
            until = parameters.get("persistuntil")
            fresh = until is None or (until.isdigit() and ra.clock.now() <= int(until))
            if issuer in issuers and parameters.get("accounturi") == account and covers and fresh:
                return
    raise Refusal("unauthorized", f"no _validation-persist record for {authorization.value} names this CA and this account")
