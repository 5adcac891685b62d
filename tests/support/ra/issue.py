"""issue.py -- the issuing CA: roots, an intermediate signed by each, and leaves, sound or with a defect that a test asks for."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .clock import parse_rfc3339
from .encoding import b64u
from .records import Certificate, new_id
from .signing_request import NF_TYPES

ROOTS = 4  # the default one and three for alternate chains
CA_YEARS = 10

# setting certificate_defect: what is wrong with a leaf or its chain.
DEFECTS = {
    "other-key": "the public key is another one", "missing-name": "the last name is missing", "extra-name": "a name more",
    "no-names": "no subject alternative names", "expired": "notAfter is past", "future": "notBefore is tomorrow",
    "ca": "basicConstraints say CA", "no-aki": "no authority key identifier", "no-usages": "no extended key usage",
    "no-nf-types": "nfTypes left out", "no-uri": "URI names left out", "foreign-issuer": "signed by nobody in the chain",
    "no-intermediate": "the chain is the leaf alone", "reordered": "the intermediate comes first",
    "private-key": "a PRIVATE KEY block at the end", "doubled": "every certificate twice",
}


def utc(at):
    return datetime.datetime.fromtimestamp(int(at), datetime.timezone.utc).replace(tzinfo=None)


def der_integer(number):
    """Content octets of an INTEGER: a leading 00 where the top bit is set."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def cert_id(leaf):
    """RFC 9773 4.1."""
    key_id = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return f"{b64u(key_id)}.{b64u(der_integer(leaf.serial_number))}"


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ra for tests"),
                      x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _ca(subject, key, issuer, issuer_key, now, depth):
    key_usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(utc(now - 86400)).not_valid_after(utc(now + CA_YEARS * 365 * 86400))
            .add_extension(x509.BasicConstraints(True, depth), True).add_extension(key_usage, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
            .sign(issuer_key, hashes.SHA256()))


def pem(certificate):
    return certificate.public_bytes(Encoding.PEM)


class Issuer:
    """Keys and certificates of one CA, made anew at each start."""

    def __init__(self, now):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = _name("intermediate")
        self.roots, self.intermediates = [], []
        for number in range(ROOTS):
            key, name = ec.generate_private_key(ec.SECP256R1()), _name(f"root {number}")
            self.roots.append(_ca(name, key, name, key, now, None))
            self.intermediates.append(_ca(self.subject, self.key, name, key, now, 0))

    def issue(self, ra, order, csr):
        defect = ra.settings.certificate_defect
        now = ra.clock.now() if ra.settings.certificate_clock == "ra" else ra.real_now()
        leaf = self._leaf(ra, order, csr, now, defect)
        chains = [_chain(leaf, intermediate, defect) for intermediate in self.intermediates]
        record = Certificate(new_id(), order.account, order, leaf, chains, list(order.identifiers),
                             cert_id(leaf) if defect != "no-aki" else "", csr.key.spki, ra.clock.now())
        ra.registry.add_certificate(record)
        for _, value in order.identifiers:
            ra.registry.issued_at[(order.account.id, value)] = record.issued_at
        return record

    def _leaf(self, ra, order, csr, now, defect):
        key = csr.key.key if defect != "other-key" else ec.generate_private_key(ec.SECP256R1()).public_key()
        begin, end = _dates(ra, order, now, defect)
        subject = x509.Name(list(csr.subject))
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject).public_key(key)
                   .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
                   .add_extension(x509.BasicConstraints(defect == "ca", None), True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False))
        names = _names(order, csr, defect)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), len(list(subject)) == 0)
        usage = csr.key_usage or x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        builder = builder.add_extension(usage, True)
        if defect != "no-usages":
            usages = csr.usages or [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        if csr.nf_types is not None and defect != "no-nf-types":
            builder = builder.add_extension(x509.UnrecognizedExtension(NF_TYPES, csr.nf_types), False)
        if defect != "no-aki":
            builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        if ra.settings.crl_url:
            point = x509.DistributionPoint([x509.UniformResourceIdentifier(ra.settings.crl_url)], None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), False)
        return builder.sign(self.key if defect != "foreign-issuer" else ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())


def _dates(ra, order, now, defect):
    validity = ra.settings.validity
    profile = ra.settings.profiles.get(order.profile)
    if isinstance(profile, dict):
        validity = profile.get("validity", validity)
    begin, end = now - ra.settings.backdate, now + validity
    if defect == "expired":
        begin, end = now - 2 * 86400, now - 86400
    elif defect == "future":
        begin, end = now + 86400, now + 2 * 86400
    begin = parse_rfc3339(order.dates["notBefore"]) if "notBefore" in order.dates else begin
    end = parse_rfc3339(order.dates["notAfter"]) if "notAfter" in order.dates else end
    return utc(begin), utc(end)


def _names(order, csr, defect):
    """As asked for; a name that came only as common name is added."""
    names = list(csr.names)
    present = {name.value for name in names if isinstance(name, x509.DNSName)}
    names += [x509.DNSName(value) for kind, value in order.identifiers if kind == "dns" and value not in present]
    if defect == "missing-name":
        names = names[:-1]
    elif defect == "extra-name":
        names.append(x509.DNSName("extra.example"))
    elif defect == "no-uri":
        names = [name for name in names if not isinstance(name, x509.UniformResourceIdentifier)]
    return [] if defect == "no-names" else names


def _chain(leaf, intermediate, defect):
    chain = [leaf, intermediate]
    if defect == "no-intermediate":
        chain = [leaf]
    elif defect == "reordered":
        chain.reverse()
    elif defect == "doubled":
        chain = [leaf, leaf, intermediate, intermediate]
    text = b"".join(pem(one) for one in chain)
    if defect == "private-key":
        label = b"PRIVATE" + b" KEY"  # in two pieces: no such line stands in the tree
        text += b"-----BEGIN " + label + b"-----\nAAAA\n-----END " + label + b"-----\n"
    return text
