"""key_change.py -- keyChange: the nine checks of RFC 8555 7.3.5, in their order."""
from . import accounts
from . import jws as jose
from .answers import Answer
from .encoding import load_object
from .keys import BadKey, read_jwk
from .problems import Problem, Violation


def key_change(ra, signed, _):
    try:
        inner = jose.parse(load_object(signed.jws.payload))
    except ValueError as why:
        raise Violation("malformed", f"the inner JWS: {why}") from None
    new = _new_key(ra, inner)
    if "nonce" in inner.header:
        raise Violation("malformed", "the inner JWS has a nonce")
    if inner.header.get("url") != signed.url:
        raise Violation("malformed", '"url" of the inner JWS is not that of the outer one')
    change = inner.object("keyChange")
    if change.get("account") != ra.account_url(signed.account):
        raise Violation("malformed", '"account" is not the account that signed')
    try:
        old = read_jwk(change.get("oldKey"))
    except BadKey as why:
        raise Violation("malformed", f'"oldKey": {why}') from None
    if old.spki != signed.account.key.spki:
        raise Violation("malformed", '"oldKey" is not the present key of the account')
    _check_unused(ra, new)
    signed.account.key = new
    return Answer.of(200, accounts.shown(ra, signed.account))


def _new_key(ra, inner):
    if "jwk" not in inner.header or "kid" in inner.header:
        raise Violation("malformed", 'the inner JWS is signed with "jwk", and without "kid"')
    jose.check_algorithm(inner, ra.settings.algorithms)
    try:
        new = read_jwk(inner.header["jwk"])
    except BadKey as why:
        raise Violation("badPublicKey", f"the new key: {why}") from None
    jose.check_signature(inner, new)
    return new


def _check_unused(ra, new):
    owner = ra.registry.account_of_key(new)
    if owner:
        # Not a violation: a client that lost the answer to its keyChange finds out in this way.
        raise Problem("malformed", "the new key is the key of an account already", status=409,
                      headers=[("Location", ra.account_url(owner))])
    if ra.registry.certificate_of_key(new.spki):
        raise Violation("badPublicKey", "the new key is the key of a certificate")
