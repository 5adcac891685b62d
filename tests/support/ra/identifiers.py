"""identifiers.py -- dns, ip and NfInstanceId identifiers as clients send them (RFC 8555 7.1.3, RFC 8738, TS 33.310 Annex J)."""
import ipaddress
import re
import uuid

from .problems import Refusal, Violation, document

LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def _dns(value):
    name = value[2:] if value.startswith("*.") else value
    if len(name) > 253 or not all(LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError("not a DNS name in lower case")
    if name.replace(".", "").isdigit():
        raise ValueError("an address, not a DNS name")


def _ip(value):
    if str(ipaddress.ip_address(value)) != value:  # RFC 8738 3: the text form of RFC 5952
        raise ValueError("not the canonical text of an address")


def _nf_instance(value):
    if str(uuid.UUID(value)) != value or uuid.UUID(value).version != 4:
        raise ValueError("not a UUID of version 4 in lower case (TS 29.571 5.3.2)")


CHECKS = {"dns": _dns, "ip": _ip, "NfInstanceId": _nf_instance}


def read_one(ra, entry, endpoint):
    """(type, value) of one identifier object; a Problem when it is not accepted."""
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str) or not isinstance(entry.get("value"), str):
        raise Violation("malformed", "an identifier is an object with the strings type and value")
    kind, value = entry["type"], entry["value"]
    if set(entry) - {"type", "value"}:
        ra.journal.remark(endpoint, f"an identifier has other members than type and value: {sorted(entry)}")
    if kind not in ra.settings.identifier_types or kind not in CHECKS:
        raise Refusal("unsupportedIdentifier", f"identifiers of type {kind} are not supported")
    if kind in ("dns", "NfInstanceId") and value != value.lower():
        ra.journal.remark(endpoint, f"the identifier {value} is not in lower case")
        value = value.lower()
    try:
        CHECKS[kind](value)
    except ValueError as why:
        raise Violation("malformed", f"{value}: {why}") from None
    if value in ra.settings.rejected:
        raise Refusal("rejectedIdentifier", f"no certificate is issued for {value}")
    return kind, value


def read_list(ra, entries, endpoint):
    """All of an order; what is wrong with several is told in subproblems (RFC 8555 6.7.1)."""
    if not isinstance(entries, list) or not entries:
        raise Violation("malformed", '"identifiers" is not a list of at least one')
    found, refused = [], []
    for entry in entries:
        try:
            found.append(read_one(ra, entry, endpoint))
        except Refusal as why:
            refused.append(document(why.kind, why.detail, identifier=entry))
    if refused:
        kinds = {problem["type"].rsplit(":", 1)[1] for problem in refused}
        raise Refusal(kinds.pop() if len(kinds) == 1 else "malformed", f"{len(refused)} of the identifiers are not accepted",
                      subproblems=refused)
    if len(found) != len(set(found)):
        raise Violation("malformed", "an identifier appears twice")
    return found


def shown(pairs):
    return [{"type": kind, "value": value} for kind, value in pairs]
