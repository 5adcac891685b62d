"""keys.py -- public keys: from a JWK, to a thumbprint, and what they verify (RFC 7517, 7518, 7638, 8037)."""
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .encoding import b64u, dump, unb64u

CURVES = {"P-256": (ec.SECP256R1(), 32), "P-384": (ec.SECP384R1(), 48), "P-521": (ec.SECP521R1(), 66)}
CURVE_OF = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
SHA = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
RSA_BITS = (2048, 4096)
EC_ALGORITHM = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


class BadKey(ValueError):
    """A key that is understood and not accepted, or no key at all."""


class PublicKey:
    """A public key with the three forms ACME compares it by: JWK members, SPKI, thumbprint."""

    def __init__(self, key):
        self.key = key
        self.spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.jwk = _jwk_of(key)
        # RFC 7638: required members only, in this order, no white space.
        self.thumbprint_bytes = hashlib.sha256(dump(dict(sorted(self.jwk.items())))).digest()
        self.thumbprint = b64u(self.thumbprint_bytes)

    def fits(self, algorithm):
        """Whether this key can have made a signature of `algorithm`."""
        kind = self.jwk["kty"]
        if kind == "EC":
            return EC_ALGORITHM[self.jwk["crv"]] == algorithm
        return algorithm == "EdDSA" if kind == "OKP" else algorithm[:2] in ("RS", "PS")

    def verifies(self, algorithm, signature, data):
        """RFC 7518 3.3 to 3.5: lengths are exact, the salt of PSS is as long as the hash."""
        try:
            return self.fits(algorithm) and self._check(algorithm, signature, data)
        except InvalidSignature:
            return False

    def _check(self, algorithm, signature, data):
        if algorithm == "EdDSA":
            if len(signature) != 64:
                return False
            self.key.verify(signature, data)
            return True
        sha = SHA[algorithm[2:]]
        if algorithm.startswith("ES"):
            width = CURVES[self.jwk["crv"]][1]
            if len(signature) != 2 * width:
                return False
            r, s = (int.from_bytes(half, "big") for half in (signature[:width], signature[width:]))
            self.key.verify(encode_dss_signature(r, s), data, ec.ECDSA(sha))
            return True
        if len(signature) != (self.key.key_size + 7) // 8:
            return False
        how = padding.PKCS1v15() if algorithm.startswith("RS") else padding.PSS(padding.MGF1(sha), sha.digest_size)
        self.key.verify(signature, data, how, sha)
        return True


def _jwk_of(key):
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = CURVE_OF.get(key.curve.name)
        if not curve:
            raise BadKey(f"the curve {key.curve.name} is not used here")
        numbers, width = key.public_numbers(), CURVES[curve][1]
        return {"kty": "EC", "crv": curve, "x": b64u(numbers.x.to_bytes(width, "big")),
                "y": b64u(numbers.y.to_bytes(width, "big"))}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64u(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": b64u(_minimal(numbers.n)), "e": b64u(_minimal(numbers.e))}
    raise BadKey("a kind of key that is not used here")


def _minimal(number):
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _number(jwk, member):
    data = unb64u(jwk.get(member))
    # RFC 7518 2, Base64urlUInt: the minimum number of octets.
    if not data or data[0] == 0:
        raise BadKey(f'"{member}" of the key has leading zeros')
    return int.from_bytes(data, "big")


def _read_ec(jwk):
    curve, width = CURVES.get(jwk.get("crv"), (None, 0))
    if not curve:
        raise BadKey('"crv" of the key is not P-256, P-384 or P-521')
    x, y = unb64u(jwk.get("x")), unb64u(jwk.get("y"))
    if len(x) != width or len(y) != width:  # RFC 7518 6.2.1.2
        raise BadKey("a coordinate of the key has not the full width")
    return ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve).public_key()


def _read_okp(jwk):
    if jwk.get("crv") != "Ed25519":
        raise BadKey('"crv" of the key is not Ed25519')
    return ed25519.Ed25519PublicKey.from_public_bytes(unb64u(jwk.get("x")))


def _read_rsa(jwk):
    n, e = _number(jwk, "n"), _number(jwk, "e")
    if not RSA_BITS[0] <= n.bit_length() <= RSA_BITS[1]:
        raise BadKey(f"an RSA key of {n.bit_length()} bits; {RSA_BITS[0]} to {RSA_BITS[1]} are accepted")
    return rsa.RSAPublicNumbers(e, n).public_key()


def read_jwk(jwk):
    """The key in a JWK; BadKey says what is wrong with it."""
    if not isinstance(jwk, dict):
        raise BadKey("the key is not a JSON object")
    if any(member in jwk for member in ("d", "p", "q", "k")):
        raise BadKey("the JWK contains a private or symmetric key")
    reader = {"EC": _read_ec, "OKP": _read_okp, "RSA": _read_rsa}.get(jwk.get("kty"))
    if not reader:
        raise BadKey('"kty" of the key is not EC, OKP or RSA')
    try:
        return PublicKey(reader(jwk))
    except BadKey:
        raise
    except ValueError as why:
        raise BadKey(f"not a valid key: {why}") from None


def signed_by(certificate, issuer_key):
    """Whether this key signed the certificate."""
    try:
        signature, data, sha = certificate.signature, certificate.tbs_certificate_bytes, certificate.signature_hash_algorithm
        if isinstance(issuer_key, ec.EllipticCurvePublicKey):
            issuer_key.verify(signature, data, ec.ECDSA(sha))
        elif isinstance(issuer_key, rsa.RSAPublicKey):
            issuer_key.verify(signature, data, padding.PKCS1v15(), sha)
        else:
            issuer_key.verify(signature, data)
    except InvalidSignature:
        return False
    return True
