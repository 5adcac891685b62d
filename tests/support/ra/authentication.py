"""authentication.py -- who signed this request, and is it fresh: every rule of RFC 8555 6.2 to 6.5, in one place."""
from dataclasses import dataclass

from . import jws as jose
from .encoding import unb64u
from .keys import BadKey, read_jwk
from .problems import Refusal, Violation

CONTENT_TYPE = "application/jose+json"


@dataclass
class Signed:
    """A request whose signature, URL and nonce are good."""
    account: object  # records.Account; None when signed with `jwk`
    key: object  # keys.PublicKey that signed
    jws: jose.Jws
    url: str

    @property
    def is_get(self):
        """POST-as-GET: the payload is empty, not {} (RFC 8555 6.3)."""
        return self.jws.payload == b""

    def payload(self, what):
        if self.is_get:
            raise Violation("malformed", f"{what}: the payload is empty")
        return self.jws.object(what)


def authenticate(ra, request, rule):
    """`rule`: which of "kid", "jwk", "either" the resource is signed with."""
    if request.headers.get_all("Content-Type") != [CONTENT_TYPE]:
        raise Violation("malformed", f"the content type is not {CONTENT_TYPE}", status=415)
    jws = jose.parse_body(request.body)
    verdict = _spend_nonce(ra, jws.header.get("nonce"))
    jose.check_algorithm(jws, ra.settings.algorithms)
    url = ra.url(request.path)
    # RFC 8555 6.4: string equality with the URL that the server supplied.
    if jws.header.get("url") != url:
        raise Violation("unauthorized", f'"url" of the JWS is {jws.header.get("url")}, the request went to {url}')
    account, key = _signer(ra, jws, rule)
    jose.check_signature(jws, key)
    _check_nonce(ra, verdict)
    if account and account.status != "valid":
        raise Refusal("unauthorized", f"the account is {account.status}", status=401)
    if account:
        account.algorithm = jws.header["alg"]
    return Signed(account, key, jws, url)


def _spend_nonce(ra, nonce):
    try:
        if not unb64u(nonce):
            raise ValueError("empty")
    except ValueError as why:
        raise Violation("malformed" if nonce is not None else "badNonce", f'"nonce" of the JWS: {why}') from None
    return ra.nonces.spend(nonce)


def _check_nonce(ra, verdict):
    if verdict == "spent":
        raise Violation("badNonce", "this nonce was used before")
    if verdict == "unknown":
        raise Violation("badNonce", "this nonce was not issued here")
    if verdict == "poisoned" or ra.faults.chance(ra.settings.bad_nonce_percent):
        raise Refusal("badNonce", "this nonce is not accepted")


def _signer(ra, jws, rule):
    has_jwk, has_kid = "jwk" in jws.header, "kid" in jws.header
    if has_jwk and has_kid:
        raise Violation("malformed", 'the JWS has both "jwk" and "kid"')
    if not has_jwk and not has_kid:
        raise Violation("malformed", 'the JWS has neither "jwk" nor "kid"')
    if (has_jwk and rule == "kid") or (has_kid and rule == "jwk"):
        raise Violation("malformed", f'this resource is signed with "{rule}"')
    if has_jwk:
        try:
            return None, read_jwk(jws.header["jwk"])
        except BadKey as why:
            raise Violation("badPublicKey", str(why)) from None
    account = ra.account_of_url(jws.header["kid"])
    if not account:
        raise Refusal("accountDoesNotExist", "no account has this URL")
    return account, account.key
