"""jws.py -- a JWS as ACME allows it: flattened, one signature, all of the header protected (RFC 8555 6.2)."""
import hashlib
import hmac
from dataclasses import dataclass

from .encoding import load_object, unb64u
from .problems import Violation

# What is a signature at all; which of them this RA takes is a setting.
SIGNATURES = ("ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
MACS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


@dataclass
class Jws:
    header: dict
    payload: bytes
    signature: bytes
    signed: bytes  # what the signature is over

    def object(self, what):
        """The payload as a JSON object."""
        try:
            return load_object(self.payload)
        except ValueError as why:
            raise Violation("malformed", f"{what}: {why}") from None


def parse(value):
    """From the decoded JSON object, for the inner ones are not bytes; Violation says which rule was broken."""
    if not isinstance(value, dict):
        raise Violation("malformed", "a JWS is a JSON object")
    for member, why in (("signatures", "must not have several signatures"), ("header", "must not have an unprotected header")):
        if member in value:
            raise Violation("malformed", f"the JWS {why}")
    for member in ("protected", "payload", "signature"):
        if not isinstance(value.get(member), str):
            raise Violation("malformed", f'the JWS has no "{member}" string')
    extra = set(value) - {"protected", "payload", "signature"}
    if extra:
        raise Violation("malformed", f"the JWS has members that ACME does not know: {', '.join(sorted(extra))}")
    try:
        header = load_object(unb64u(value["protected"]))
        payload, signature = unb64u(value["payload"]), unb64u(value["signature"])
    except ValueError as why:
        raise Violation("malformed", f"the JWS: {why}") from None
    for member in ("b64", "crit"):  # RFC 7797 must not be used; nothing critical is understood
        if member in header:
            raise Violation("malformed", f'the protected header has "{member}"')
    return Jws(header, payload, signature, f'{value["protected"]}.{value["payload"]}'.encode("ascii"))


def parse_body(body):
    try:
        return parse(load_object(body))
    except ValueError as why:
        raise Violation("malformed", f"the body is not a JWS: {why}") from None


def check_algorithm(jws, accepted):
    algorithm = jws.header.get("alg")
    if algorithm not in SIGNATURES or algorithm not in accepted:
        raise Violation("badSignatureAlgorithm", f"{algorithm} is not accepted", algorithms=list(accepted))
    return algorithm


def check_signature(jws, key):
    algorithm = jws.header["alg"]
    if not key.fits(algorithm):
        raise Violation("badPublicKey", f"{algorithm} cannot be made by this key")
    if not key.verifies(algorithm, jws.signature, jws.signed):
        raise Violation("malformed", "the signature of the JWS does not verify")


def check_mac(jws, secret):
    sha = MACS.get(jws.header.get("alg"))
    if not sha:
        raise Violation("badSignatureAlgorithm", "the inner JWS is not made with HS256, HS384 or HS512", algorithms=list(MACS))
    if not hmac.compare_digest(hmac.new(secret, jws.signed, sha).digest(), jws.signature):
        raise Violation("unauthorized", "the MAC of the account binding does not verify")
