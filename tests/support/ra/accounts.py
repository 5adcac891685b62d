"""accounts.py -- newAccount, account, account binding, list of orders (RFC 8555 7.3, 7.1.2.1)."""
import re

from . import jws as jose
from .answers import Answer
from .encoding import unb64u
from .keys import BadKey, read_jwk
from .problems import Refusal, Violation
from .records import Account, new_id

ORDERS_PAGE = 50
ADDRESS = re.compile(r"[^@\s,?%]+@[^@\s,?%]+")


def shown(ra, account):
    value = {"status": account.status, "contact": account.contact, "orders": ra.account_url(account) + "/orders"}
    if account.terms:
        value["termsOfServiceAgreed"] = True
    if account.binding:
        value["externalAccountBinding"] = account.binding
    return value


def new_account(ra, signed, _):
    payload = signed.payload("newAccount")
    known = ra.registry.account_of_key(signed.key)
    if known:
        if known.status != "valid":
            raise Refusal("unauthorized", f"the account of this key is {known.status}", status=401)
        return Answer.of(200, shown(ra, known), [("Location", ra.account_url(known))])
    if payload.get("onlyReturnExisting") is True:
        raise Refusal("accountDoesNotExist", "this key has no account")
    _check_key(ra, signed.key)
    contact = _contact(payload)
    terms = _terms(ra, payload)
    binding = _binding(ra, signed, payload)
    account = Account(new_id(), signed.key, contact, terms, binding=binding)
    ra.registry.accounts[account.id] = account
    return Answer.of(201, shown(ra, account), [("Location", ra.account_url(account))])


def _check_key(ra, key):
    # RFC 8555 11.1: an account key is not the key of a certificate.
    if ra.registry.certificate_of_key(key.spki):
        raise Violation("badPublicKey", "this is the key of a certificate; an account has a key of its own")


def _contact(payload):
    contact = payload.get("contact", [])
    if not isinstance(contact, list) or not all(isinstance(url, str) for url in contact):
        raise Violation("malformed", '"contact" is not a list of strings')
    for url in contact:
        scheme, _, rest = url.partition(":")
        if scheme.lower() != "mailto":
            raise Refusal("unsupportedContact", f"{url}: only mailto: contacts are supported")
        if not ADDRESS.fullmatch(rest):  # RFC 8555 7.3: no hfields, one addr-spec
            raise Violation("invalidContact", f"{url}: exactly one address, and no header fields")
    return contact


def _terms(ra, payload):
    agreed = payload.get("termsOfServiceAgreed", False)
    if not isinstance(agreed, bool):
        raise Violation("malformed", '"termsOfServiceAgreed" is not a boolean')
    if ra.settings.terms and not agreed:
        raise ra.terms_problem("the terms of service have to be agreed to")
    return ra.settings.terms if agreed else ""


def _binding(ra, signed, payload):
    value = payload.get("externalAccountBinding")
    if value is None:
        if ra.settings.external_account_required:
            raise Refusal("externalAccountRequired", "an account needs an external account binding here")
        return None
    inner = jose.parse(value)
    if "nonce" in inner.header:
        raise Violation("malformed", "the inner JWS of an account binding has a nonce")
    if inner.header.get("url") != signed.url:
        raise Violation("malformed", '"url" of the inner JWS is not that of the outer one')
    kid = inner.header.get("kid")
    secret = ra.settings.external_accounts.get(kid) if isinstance(kid, str) else None
    if secret is None:
        raise Refusal("unauthorized", f"no external account has the key identifier {kid}")
    jose.check_mac(inner, unb64u(secret))
    try:
        bound = read_jwk(inner.object("the account binding"))
    except BadKey as why:
        raise Violation("malformed", f"the account binding: {why}") from None
    if bound.spki != signed.key.spki:
        raise Violation("malformed", "the account binding is for another key than the one that signed")
    return value


def account(ra, signed, identity):
    record = ra.registry.accounts.get(identity)
    if record is not signed.account:
        raise Refusal("unauthorized", "this is another account")
    if signed.is_get:
        return Answer.of(200, shown(ra, record))
    payload = signed.payload("account")
    if payload.get("status") == "deactivated":
        record.status = "deactivated"
        for order in ra.registry.orders.values():  # RFC 8555 7.3.6: what is pending is cancelled
            if order.account is record and order.status not in ("valid", "invalid"):
                order.status = "invalid"
    elif "status" in payload:
        ra.journal.remark("account", f'"status" is {payload["status"]}; only "deactivated" means something')
    if "contact" in payload:
        record.contact = _contact(payload)
    if payload.get("termsOfServiceAgreed") is True and ra.settings.terms:
        record.terms = ra.settings.terms
    return Answer.of(200, shown(ra, record))


def orders(ra, signed, identity):
    """In pages, with Link rel="next"."""
    path, _, cursor = identity.partition("?cursor=")
    record = ra.registry.accounts.get(path.split("/")[0])
    if record is not signed.account:
        raise Refusal("unauthorized", "this is another account")
    if not signed.is_get:
        raise Violation("malformed", "the list of orders is read with POST-as-GET")
    start = int(cursor) if cursor.isdigit() else 0
    open_orders = [order for order in record.orders if not order.dropped and order.status != "invalid"]
    page = [ra.url(f"/order/{order.id}") for order in open_orders[start:start + ORDERS_PAGE]]
    more = start + ORDERS_PAGE < len(open_orders)
    link = f'<{ra.account_url(record)}/orders?cursor={start + ORDERS_PAGE}>;rel="next"'
    return Answer.of(200, {"orders": page}, [("Link", link)] if more else [])
