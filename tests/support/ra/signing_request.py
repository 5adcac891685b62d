"""signing_request.py -- a CSR, checked strictly: what is not exactly the order's is badCSR (RFC 8555 7.4, 11.1)."""
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from .keys import BadKey, PublicKey
from .problems import Refusal, Violation

NF_TYPES = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.34")  # RFC 9310: id-pe-nftype
CHALLENGE_PASSWORD = x509.ObjectIdentifier("1.2.840.113549.1.9.7")
USAGES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
KNOWN = (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE,
         ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.SUBJECT_KEY_IDENTIFIER, NF_TYPES)
WEAK = ("md5", "sha1")


@dataclass
class SigningRequest:
    """What the RA takes over from it."""
    key: PublicKey
    subject: x509.Name
    names: list  # of x509.GeneralName, as asked for
    usages: list  # extended key usages; empty: not asked for
    key_usage: x509.KeyUsage  # or None
    nf_types: bytes  # DER of the extension's value, or None


def bad(detail):
    return Violation("badCSR", detail)


def key_name(key):
    """As the setting certificate_keys writes it."""
    kind = key.jwk["kty"]
    return ({"P-256": "ec-p256", "P-384": "ec-p384", "P-521": "ec-p521"}[key.jwk["crv"]] if kind == "EC" else
            "ed25519" if kind == "OKP" else f"rsa-{key.key.key_size}")


def check(ra, order, der):
    csr, key = _load(ra, der)
    found = _extensions(csr)
    names = list(found.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, []))
    _check_names(ra, order, _common_names(csr), names)
    usages = list(found.get(ExtensionOID.EXTENDED_KEY_USAGE, []))
    if set(usages) - set(USAGES):
        raise bad("an extended key usage other than serverAuth and clientAuth")
    constraints = found.get(ExtensionOID.BASIC_CONSTRAINTS)
    if constraints and constraints.ca:
        raise bad("a CA certificate is not issued here")
    key_usage = found.get(ExtensionOID.KEY_USAGE)
    if key_usage and (key_usage.key_cert_sign or key_usage.crl_sign):
        raise bad("keyCertSign and cRLSign are for a CA")
    nf_types = found[NF_TYPES].value if NF_TYPES in found else None
    if nf_types is not None:
        check_nf_types(nf_types)
    return SigningRequest(key, csr.subject, names, usages, key_usage, nf_types)


def _load(ra, der):
    try:
        csr = x509.load_der_x509_csr(der)  # strict DER, nothing after it
        valid = csr.is_signature_valid
        key = PublicKey(csr.public_key())
    except (BadKey, UnsupportedAlgorithm, ValueError) as why:
        raise bad(f"it cannot be read: {why}") from None
    if not valid:
        raise bad("its signature does not verify")
    if csr.signature_hash_algorithm is not None and csr.signature_hash_algorithm.name in WEAK:
        raise bad(f"signed with {csr.signature_hash_algorithm.name}")
    if any(one.oid == CHALLENGE_PASSWORD for one in csr.attributes):
        raise bad("it has a challengePassword")
    if key_name(key) not in ra.settings.certificate_keys:
        raise Refusal("badCSR", f"keys of type {key_name(key)} are not certified here")
    if ra.registry.account_of_key(key):
        raise bad("its key is the key of an account (RFC 8555 11.1)")
    if key.spki in ra.registry.compromised:
        raise Refusal("badCSR", "its key was revoked as compromised")
    return csr, key


def _extensions(csr):
    try:
        extensions = list(csr.extensions)
    except (x509.DuplicateExtension, ValueError) as why:
        raise bad(f"its extensions: {why}") from None
    for one in extensions:
        if one.oid not in KNOWN:
            raise bad(f"the extension {one.oid.dotted_string} is not issued here")
        if one.oid == NF_TYPES and one.critical:
            raise bad("nfTypes must not be critical (RFC 9310 3)")
    return {one.oid: one.value for one in extensions}


def _common_names(csr):
    allowed = (NameOID.COMMON_NAME, NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
    for attribute in csr.subject:
        if attribute.oid not in allowed:
            raise bad(f"the subject has {attribute.oid.dotted_string}; C, O, OU and CN are issued here")
    return [one.value.lower() for one in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _check_names(ra, order, common_names, names):
    """RFC 8555 7.4: the exact same set of identifiers; an NfInstanceId is a URI urn:uuid: (TS 33.310 6.1.3c)."""
    asked = set()
    for name in names:
        if isinstance(name, x509.DNSName):
            asked.add(("dns", name.value.lower()))
        elif isinstance(name, x509.IPAddress):
            asked.add(("ip", str(name.value)))
        elif isinstance(name, x509.UniformResourceIdentifier):
            _add_uri(ra, name.value, asked)
        else:
            raise bad(f"a subject alternative name of the kind {type(name).__name__}")
    if len(names) != len(set(names)):
        raise bad("a subject alternative name appears twice")
    ordered = set(order.identifiers)
    for name in common_names:
        if ("dns", name) not in ordered and ("ip", name) not in ordered:
            raise bad(f"the common name {name} is not an identifier of the order")
        asked.update(one for one in ordered if one[0] == "dns" and one[1] == name)
    if asked != ordered:
        raise bad(f"it asks for {_words(asked - ordered) or 'nothing more'} beyond the order, and not for "
                  f"{_words(ordered - asked) or 'nothing'} of it")


def _add_uri(ra, value, asked):
    prefix = "urn:uuid:"
    if not value.startswith(prefix) or value != value.lower():
        raise bad(f"the URI {value} is not urn:uuid: in lower case")
    if ra.settings.uri_names != "any":
        asked.add(("NfInstanceId", value[len(prefix):]))


def _words(pairs):
    return ", ".join(f"{kind}:{value}" for kind, value in sorted(pairs))


def read_nf_types(der):
    """The names in an NFTypes value: SEQUENCE OF IA5String, definite lengths; ValueError when it is none."""
    def element(data, tag):
        if len(data) < 2 or data[0] != tag or data[1] >= 0x80 and data[1] != 0x81:
            raise ValueError("not a SEQUENCE OF IA5String in DER")
        start, length = (2, data[1]) if data[1] < 0x80 else (3, data[2] if len(data) > 2 else 0)
        if (start == 3 and length < 0x80) or len(data) < start + length:
            raise ValueError("a length is wrong")
        return data[start:start + length], data[start + length:]

    content, rest = element(der, 0x30)
    if rest:
        raise ValueError("something follows the SEQUENCE")
    types = []
    while content:
        one, content = element(content, 0x16)
        types.append(one.decode("ascii"))
    return types


def check_nf_types(der):
    try:
        types = read_nf_types(der)
    except ValueError as why:
        raise bad(f"nfTypes: {why}") from None
    if not types or any(not 1 <= len(one) <= 32 or not all(0x21 <= ord(char) <= 0x7e for char in one) for one in types):
        raise bad("nfTypes: each is 1 to 32 visible characters")
    if types != sorted(set(types)):
        raise bad("nfTypes: not sorted, or one appears twice (RFC 9310 3)")
