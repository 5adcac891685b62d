"""authorizations.py -- newAuthz, authorization and challenge resources (RFC 8555 7.1.4, 7.4.1, 7.5)."""
import secrets

from . import identifiers, validation
from .answers import Answer
from .clock import rfc3339
from .problems import Refusal, Violation, document
from .records import Authorization, Challenge, new_id


def make(ra, account, kind, value, origin):
    """A pending one with the challenges that the settings offer for this type."""
    wildcard = kind == "dns" and value.startswith("*.")
    record = Authorization(new_id(), account, kind, value[2:] if wildcard else value, wildcard, origin,
                           ra.clock.now() + ra.settings.authz_pending)
    token = secrets.token_urlsafe(24)
    for name in ra.settings.challenges.get("wildcard" if wildcard else kind, []):
        challenge = Challenge(new_id(), record, name, token if name not in validation.WITHOUT_TOKEN else "")
        challenge.members = validation.members(ra, name)
        record.challenges.append(challenge)
        ra.registry.challenges[challenge.id] = challenge
    ra.registry.authorizations[record.id] = record
    if ra.settings.persist_just_in_time and kind == "dns" and validation.persisted(ra, record):
        set_valid(ra, record, None)
        record.origin = "dns-persist"
    return record


def make_valid(ra, account, kind, value, origin, expires):
    """One that an external process gave (RFC 8555 7.4.1): no challenge was needed."""
    wildcard = kind == "dns" and value.startswith("*.")
    record = Authorization(new_id(), account, kind, value[2:] if wildcard else value, wildcard, origin, expires, "valid")
    ra.registry.authorizations[record.id] = record
    return record


def reuse(ra, account, kind, value):
    """A valid one of this account for this identifier, if the settings allow it."""
    wildcard = kind == "dns" and value.startswith("*.")
    record = ra.registry.reusable.get((account.id, kind, value[2:] if wildcard else value, wildcard))
    if not record or ra.settings.authz_reuse not in ("all", record.origin):
        return None
    refresh(ra, record)
    return record if record.status == "valid" else None


def refresh(ra, record):
    if record.status in ("pending", "valid") and ra.clock.now() >= record.expires:
        record.status = "expired" if record.status == "valid" else "invalid"


def set_valid(ra, record, challenge):
    record.status, record.expires = "valid", ra.clock.now() + ra.settings.authz_valid
    ra.registry.reusable[(record.account.id, record.kind, record.value, record.wildcard)] = record
    if challenge:
        challenge.status, challenge.validated, challenge.error = "valid", ra.clock.now(), None
        # RFC 8555 7.5.1: the others may be removed.
        record.challenges = [one for one in record.challenges if one is challenge or one.status == "invalid"]


def set_invalid(record, challenge, error):
    record.status = "invalid"
    challenge.status, challenge.error = "invalid", error


def error_of(record):
    """Why it is not valid, for the order's `error`."""
    errors = [one.error for one in record.challenges if one.error]
    return errors[0] if errors else document("unauthorized", f"the authorization for {record.value} is {record.status}")


def shown(ra, record):
    value = {"identifier": {"type": record.kind, "value": record.value}, "status": record.status,
             "expires": rfc3339(record.expires), "challenges": [shown_challenge(ra, one) for one in record.challenges]}
    if record.wildcard:
        value["wildcard"] = True
    return value


def shown_challenge(ra, challenge):
    value = {"type": challenge.kind, "url": ra.url(f"/challenge/{challenge.id}"), "status": challenge.status,
             **challenge.members}
    if challenge.token:
        value["token"] = challenge.token
    if challenge.error:
        value["error"] = challenge.error
    if challenge.validated:
        value["validated"] = rfc3339(challenge.validated)
    return value


def new_authz(ra, signed, _):
    if ra.settings.new_authz != "on":
        raise Refusal("unauthorized", "pre-authorization is not allowed here")
    kind, value = identifiers.read_one(ra, signed.payload("newAuthz").get("identifier"), "newAuthz")
    if value.startswith("*."):
        raise Violation("malformed", "a wildcard cannot be pre-authorized (RFC 8555 7.4.1)")
    until = ra.preauthorised.until(ra.registry, signed.account, value)
    if until is not None and ra.clock.now() <= until:
        record = make_valid(ra, signed.account, kind, value, "preauthorised", until)
    else:
        record = reuse(ra, signed.account, kind, value) or make(ra, signed.account, kind, value, "newAuthz")
    return _answer(ra, 201, record, [("Location", ra.url(f"/authz/{record.id}"))])


def _answer(ra, status, record, headers=()):
    headers = list(headers)
    record.shown_valid = record.shown_valid or record.status == "valid"
    waiting = any(one.status == "processing" for one in record.challenges)
    if record.status == "pending" and waiting and ra.settings.authz_retry_after is not None:
        headers.append(("Retry-After", ra.settings.authz_retry_after))
    return Answer.of(status, shown(ra, record), headers)


def authorization(ra, signed, identity):
    record = ra.registry.find("authorizations", identity, signed.account)
    refresh(ra, record)
    if not signed.is_get:
        return _deactivate(ra, signed, record)
    if record.status == "pending":
        record.expires += ra.settings.expires_moves
    return _answer(ra, 200, record)


def _deactivate(ra, signed, record):
    if signed.payload("authorization").get("status") != "deactivated":
        raise Violation("malformed", 'the only change of an authorization is {"status": "deactivated"}')
    if record.status == "valid":
        ra.journal.remark("authzDeactivate", f"a valid authorization for {record.value} was deactivated")
    if record.status not in ("pending", "valid"):
        raise Refusal("malformed", f"the authorization is {record.status}")
    record.status = "deactivated"
    return Answer.of(200, shown(ra, record))


def challenge(ra, signed, identity):
    record = ra.registry.find("challenges", identity, None)
    authz = record.authorization
    if authz.account is not signed.account:
        raise Refusal("unauthorized", "this belongs to another account")
    refresh(ra, authz)
    link = [("Link", f'<{ra.url(f"/authz/{authz.id}")}>;rel="up"')]
    if not signed.is_get:
        answer = signed.payload("challenge")
        if authz.shown_valid and authz.status == "valid":
            raise Violation("malformed", "the authorization is valid, as the client was told: nothing is to be challenged")
        if authz.status == "pending" and record.status in ("pending", "processing"):
            validation.begin(ra, record, answer)
        elif authz.status != "valid":
            raise Refusal("malformed", f"the authorization is {authz.status}, the challenge {record.status}")
    if record.status == "processing" and record.error:
        link.append(("Retry-After", max(1, int(ra.settings.validation_retry))))
    return Answer.of(200, shown_challenge(ra, record), link)
