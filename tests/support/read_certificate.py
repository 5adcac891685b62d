#!/usr/bin/env python3
# read_certificate.py -- what is in a certificate, as JSON, read by an implementation that is not ours: FILE (its first block).
import json
import pathlib
import sys

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from ra.signing_request import NF_TYPES, read_nf_types  # noqa: E402

USAGES = {ExtendedKeyUsageOID.SERVER_AUTH: "server", ExtendedKeyUsageOID.CLIENT_AUTH: "client"}

leaf = x509.load_pem_x509_certificate(open(sys.argv[1], "rb").read())
found = {one.oid: one for one in leaf.extensions}
names = found[ExtensionOID.SUBJECT_ALTERNATIVE_NAME]
usage = found.get(ExtensionOID.KEY_USAGE)
usages = found.get(ExtensionOID.EXTENDED_KEY_USAGE)
types = found.get(NF_TYPES)
print(json.dumps({
    "subject": leaf.subject.rfc4514_string(),
    "dns": names.value.get_values_for_type(x509.DNSName),
    "uri": names.value.get_values_for_type(x509.UniformResourceIdentifier),
    "signs": bool(usage and usage.critical and usage.value.digital_signature),
    "encipherment": bool(usage and usage.value.key_encipherment),
    "usages": sorted(USAGES.get(one, one.dotted_string) for one in usages.value) if usages else [],
    "nf": read_nf_types(types.value.value) if types else [],
    "nf_critical": bool(types and types.critical),
}, sort_keys=True))
