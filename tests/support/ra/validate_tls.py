"""validate_tls.py -- tls-alpn-01: really connects and looks at the certificate (RFC 8737, RFC 8738 6)."""
import hashlib
import ipaddress
import socket
import ssl

from cryptography import x509

from .keys import signed_by
from .problems import Refusal
from .validate_http import address

ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
PROTOCOL = "acme-tls/1"
TIMEOUT = 10


def _connect(ra, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([PROTOCOL])
    with socket.create_connection(address(ra.settings.tls_alpn), TIMEOUT) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=name) as secured:
                return secured.selected_alpn_protocol(), secured.getpeercert(binary_form=True)
        except ssl.SSLError as why:
            raise Refusal("tls", f"{name}: {why.reason}") from None


def tls_alpn01(ra, challenge, expected):
    kind, value = challenge.authorization.kind, challenge.authorization.value
    protocol, der = _connect(ra, ipaddress.ip_address(value).reverse_pointer if kind == "ip" else value)
    if protocol != PROTOCOL:
        raise Refusal("tls", f"{value}: {PROTOCOL} was not negotiated")
    certificate = x509.load_der_x509_certificate(der)
    try:
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        identifier = certificate.extensions.get_extension_for_oid(ACME_IDENTIFIER)
    except x509.ExtensionNotFound as why:
        raise Refusal("incorrectResponse", f"{value}: the certificate has no {why.oid}") from None
    wanted = x509.DNSName(value) if kind == "dns" else x509.IPAddress(ipaddress.ip_address(value))
    if names != [wanted]:
        raise Refusal("incorrectResponse", f"{value}: the certificate is not for this name alone")
    if not identifier.critical:
        raise Refusal("incorrectResponse", f"{value}: acmeIdentifier is not critical")
    if identifier.value.value != b"\x04\x20" + hashlib.sha256(expected.encode("ascii")).digest():
        raise Refusal("incorrectResponse", f"{value}: acmeIdentifier is not the hash of the key authorization")
    if not signed_by(certificate, certificate.public_key()):
        raise Refusal("incorrectResponse", f"{value}: the certificate is not self-signed")
