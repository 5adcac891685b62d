"""validate_token.py -- tkauth-01: the authority token against the Token Authority's certificate (RFC 9447, TS 33.310 Annex J)."""
import base64
import datetime
import ssl
import urllib.request

from cryptography import x509

from .encoding import load_object, unb64u
from .keys import BadKey, PublicKey, signed_by
from .problems import Refusal

CERTIFICATE_MAX = 16384
TIMEOUT = 10


def bad(detail):
    return Refusal("incorrectResponse", f"the authority token: {detail}")


def fingerprint_of(key):
    """RFC 9448 5.4: the hash's name and the thumbprint (RFC 8555 8.1) in upper-case hex with colons."""
    return "SHA256 " + ":".join(f"{byte:02X}" for byte in key.thumbprint_bytes)


def tkauth01(ra, challenge, _):
    token = challenge.answer["tkauth"]
    try:
        head, body, signature = token.split(".")
        header, claims = load_object(unb64u(head)), load_object(unb64u(body))
        raw = unb64u(signature)
    except ValueError as why:
        raise bad(f"not a JWT: {why}") from None
    if header.get("alg") != "ES256" or header.get("typ") not in (None, "JWT"):
        raise bad("it is not a JWT signed with ES256")
    key = _signer(ra, header)
    if not key.verifies("ES256", raw, f"{head}.{body}".encode("ascii")):
        raise bad("its signature does not verify")
    _check_claims(ra, challenge, claims)
    with ra.lock:
        _check_use(ra, challenge, claims["jti"])


def _signer(ra, header):
    """The key of the certificate in x5c or x5u, which the Token Authority's root signed."""
    if ("x5c" in header) == ("x5u" in header):
        raise bad("it has either x5c or x5u")
    try:
        leaf = _from_x5c(header["x5c"]) if "x5c" in header else _from_x5u(ra, header["x5u"])
        root = ra.token_root()
        key = PublicKey(leaf.public_key())
    except (ValueError, BadKey, OSError, TypeError, IndexError) as why:
        raise bad(f"its certificate: {why}") from None
    now = datetime.datetime.utcfromtimestamp(ra.real_now())
    if not leaf.not_valid_before <= now <= leaf.not_valid_after:
        raise bad("its certificate is not valid now")
    if leaf.issuer != root.subject or not signed_by(leaf, root.public_key()):
        raise bad("its certificate is not the Token Authority's")
    return key


def _from_x5c(chain):
    return x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True))  # RFC 7515 4.1.6: base64, not base64url


def _from_x5u(ra, url):
    if not url.startswith("https://"):
        raise ValueError("x5u is not an https:// URL")
    context = ssl.create_default_context(cafile=str(ra.files.trust))
    with urllib.request.urlopen(url, timeout=TIMEOUT, context=context) as response:
        return x509.load_pem_x509_certificate(response.read(CERTIFICATE_MAX))


def _check_claims(ra, challenge, claims):
    now = ra.clock.now()
    if not isinstance(claims.get("exp"), (int, float)) or claims["exp"] <= now:
        raise bad("it has expired, or has no exp")
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise bad("it has no jti")
    if isinstance(claims.get("nbf"), (int, float)) and claims["nbf"] > now:
        raise bad("it is not valid yet")
    atc, authz = claims.get("atc"), challenge.authorization
    if not isinstance(atc, dict):
        raise bad("it has no atc")
    if atc.get("tktype") != authz.kind:
        raise bad(f"tktype is {atc.get('tktype')}, not {authz.kind}")
    if not isinstance(atc.get("tkvalue"), str) or atc["tkvalue"].lower() != authz.value:
        raise bad(f"tkvalue is {atc.get('tkvalue')}, not {authz.value}")
    if atc.get("ca", False) is not False:
        raise bad("it is for a CA certificate")
    if atc.get("fingerprint") != fingerprint_of(authz.account.key):
        raise bad("its fingerprint is not that of the account key")


def _check_use(ra, challenge, jti):
    """RFC 9447 4: jti tells replays; one account may use a token again for the same identifier, unless set otherwise."""
    authz = challenge.authorization
    user = (authz.account.id, authz.kind, authz.value)
    before = ra.registry.token_uses.get(jti)
    if before is not None and (ra.settings.tkauth_once or before != user):
        raise bad("it was used before")
    ra.registry.token_uses[jti] = user
