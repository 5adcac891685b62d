"""tls_files.py -- the files in the RA's directory: a throw-away TLS root and server certificate, and the one tests wait for."""
import datetime
import ipaddress
import json
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 30


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def sign(subject, public_key, issuer, issuer_key, extensions):
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer)).public_key(public_key)
               .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
               .not_valid_after(now + datetime.timedelta(days=DAYS)))
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(issuer_key, hashes.SHA256())


class Authority:
    """A root that lives as long as the process, for TLS or for tokens."""

    def __init__(self, name):
        self.name, self.key = name, ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
        self.certificate = sign(name, self.key.public_key(), name, self.key, [
            (x509.BasicConstraints(True, 0), True), (usage, True),
            (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)])

    def certify(self, subject, public_key, extensions):
        key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return sign(subject, public_key, self.name, self.key, [(key_id, False), *extensions])


class Files:
    """Where things are; DIR is made with mode 0700 when it is not there."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.trust = self.directory / "trust.pem"
        self.server, self.server_key = self.directory / "server.pem", self.directory / "server.key"
        self.access_log = self.directory / "access.log"
        self.token_root = self.directory / "token-root.pem"

    def root(self, number):
        return self.directory / (f"roots-{number}.pem" if number else "roots.pem")

    def make_tls(self, host_name):
        root, key = Authority("ra TLS root"), ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(host_name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        leaf = root.certify(host_name, key.public_key(), [
            (x509.SubjectAlternativeName(names), False), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)])
        self.trust.write_bytes(root.certificate.public_bytes(Encoding.PEM))
        self.server.write_bytes(leaf.public_bytes(Encoding.PEM))
        with open(os.open(self.server_key, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def write_json(self, path, value):
        """Whole or not at all: who waits for the file finds it complete."""
        path = pathlib.Path(path)
        beside = path.with_name(path.name + ".new")
        beside.write_text(json.dumps(value, indent=1) + "\n")
        beside.rename(path)
