"""orders.py -- newOrder, order, finalize: the life of an order at the server (RFC 8555 7.1.3, 7.1.6, 7.4)."""
from . import authorizations, identifiers, signing_request
from .answers import Answer
from .clock import http_date, parse_rfc3339, rfc3339
from .encoding import unb64u
from .problems import Refusal, Violation, document
from .records import Order, new_id

FINAL = ("valid", "invalid")


def new_order(ra, signed, _):
    payload = signed.payload("newOrder")
    pairs = identifiers.read_list(ra, payload.get("identifiers"), "newOrder")
    order = Order(new_id(), signed.account, pairs, [], ra.clock.now() + ra.settings.order_lifetime)
    order.dates = _dates(ra, payload)
    order.profile = _profile(ra, payload)
    replaced = _replaced(ra, signed.account, pairs, payload)
    _authorize(ra, order)
    if replaced:
        order.replaces, replaced.replaced_by = payload["replaces"], order
    ra.registry.orders[order.id] = order
    signed.account.orders.append(order)
    refresh(ra, order)
    return _answer(ra, 201, order, [("Location", ra.url(f"/order/{order.id}"))])


def _dates(ra, payload):
    dates = {name: payload[name] for name in ("notBefore", "notAfter") if name in payload}
    try:
        times = [parse_rfc3339(text) for text in dates.values()]
    except ValueError:
        raise Violation("malformed", "notBefore and notAfter are RFC 3339 times") from None
    if times != sorted(times):
        raise Violation("malformed", "notAfter is before notBefore")
    if dates and not ra.settings.dates_allowed:
        raise Refusal("malformed", "notBefore and notAfter are not supported")
    return dates


def _profile(ra, payload):
    """draft-ietf-acme-profiles: a client names advertised ones only."""
    profile = payload.get("profile")
    if profile is None:
        return ra.settings.default_profile or None
    if profile not in ra.settings.profiles:
        ra.journal.remark("newOrder", f"the profile {profile} is not advertised")
        raise Refusal("invalidProfile", f"no profile is called {profile}")
    return profile


def _replaced(ra, account, pairs, payload):
    """The certificate that `replaces` names (RFC 9773 5)."""
    cert_id = payload.get("replaces")
    if cert_id is None:
        return None
    if not ra.settings.renewal_info:
        ra.journal.remark("newOrder", "`replaces` although the directory has no renewalInfo")
        return None
    old = ra.registry.certificate_of_id(cert_id) if isinstance(cert_id, str) else None
    if not old:
        raise Refusal("malformed", f"`replaces`: no certificate {cert_id} was issued here")
    if old.account is not account:
        raise Violation("unauthorized", "`replaces`: the certificate is another account's")
    if not set(old.identifiers) & set(pairs):
        raise Violation("malformed", "`replaces`: the certificate has no identifier in common with the order")
    if old.replaced_by and old.replaced_by.status != "invalid":
        raise Refusal("alreadyReplaced", "the certificate is replaced by another order already")
    return old


def _authorize(ra, order):
    """TR 33.776 6.9 steps 2 and 3: pre-authorised, valid from earlier, or pending with challenges."""
    for kind, value in order.identifiers:
        until = ra.preauthorised.until(ra.registry, order.account, value)
        if until is not None and ra.clock.now() <= until:
            if ra.settings.preauthorised_show == "objects":
                order.authorizations.append(authorizations.make_valid(ra, order.account, kind, value, "preauthorised", until))
            else:
                order.show = ra.settings.preauthorised_show
        else:
            order.authorizations.append(authorizations.reuse(ra, order.account, kind, value)
                                        or authorizations.make(ra, order.account, kind, value, "order"))


def refresh(ra, order):
    """Lets time pass and authorizations count (RFC 8555 7.1.6)."""
    now = ra.clock.now()
    for authorization in order.authorizations:
        authorizations.refresh(ra, authorization)
    if order.status in ("pending", "ready") and now >= order.expires:
        order.status, order.error = "invalid", document("malformed", "the order expired before it was completed")
    elif order.status == "pending":
        dead = [one for one in order.authorizations if one.status not in ("pending", "valid")]
        if dead:
            order.status, order.error = "invalid", authorizations.error_of(dead[0])
        elif all(one.status == "valid" for one in order.authorizations):
            order.status = "ready"
    if order.status == "invalid" and now >= order.expires + ra.settings.drop_after:
        order.dropped = True


def shown(ra, order):
    value = {"status": order.status, "expires": rfc3339(order.expires), "identifiers": identifiers.shown(order.identifiers),
             "authorizations": [ra.url(f"/authz/{one.id}") for one in order.authorizations],
             "finalize": ra.url(f"/order/{order.id}/finalize"), **order.dates}
    if not order.authorizations:
        if order.show == "missing":
            del value["authorizations"]
        elif order.show == "null":
            value["authorizations"] = None
    if order.error:
        value["error"] = order.error
    if order.status == "valid":
        value["certificate"] = ra.url(f"/certificate/{order.certificate.id}")
    if order.profile:
        value["profile"] = order.profile
    if order.replaces and ra.settings.echo_replaces:
        value["replaces"] = order.replaces
    return value


def _answer(ra, status, order, headers=()):
    order.shown.add(order.status)
    headers = list(headers)
    if order.status == "processing" and ra.settings.retry_after is not None:
        seconds = ra.settings.retry_after
        headers.append(("Retry-After", seconds if ra.settings.retry_after_form == "seconds" else
                        http_date(ra.real_now() + seconds)))
    return Answer.of(status, shown(ra, order), headers)


def find(ra, signed, identity):
    order = ra.registry.find("orders", identity, signed.account)
    refresh(ra, order)
    return ra.registry.find("orders", identity, signed.account)


def order(ra, signed, identity):
    record = find(ra, signed, identity)
    if not signed.is_get:
        raise Violation("malformed", "an order is read with POST-as-GET: the payload is the empty string")
    if record.status not in FINAL:
        record.expires += ra.settings.expires_moves
    if record.status == "processing":
        record.polls_left -= 1
        if record.polls_left <= 0:
            _complete(ra, record)
    return _answer(ra, 200, record)


def _complete(ra, order):
    if ra.settings.issue_problem:
        problem, ra.settings.issue_problem = ra.settings.issue_problem, None
        order.status, order.error = "invalid", document(problem["type"], problem.get("detail", ""))
    else:
        order.certificate = ra.issuer.issue(ra, order, order.csr)
        order.status = "valid"


def finalize(ra, signed, identity):
    order = find(ra, signed, identity)
    payload = signed.payload("finalize")
    if order.status != "ready":
        problem = Refusal if "ready" in order.shown else Violation  # was it ever told that it may?
        raise problem("orderNotReady", f"the order is {order.status}")
    try:
        der = unb64u(payload.get("csr"))
    except ValueError as why:
        raise Violation("malformed", f'"csr": {why}') from None
    order.csr = signing_request.check(ra, order, der)
    order.status, order.polls_left = "processing", ra.settings.processing_polls
    if order.polls_left <= 0:
        _complete(ra, order)
    return _answer(ra, 200, order, [("Location", ra.url(f"/order/{order.id}"))])
