"""manage.py -- the management interface: JSON over plain HTTP on a loopback port, for curl in tests."""
import time

from . import orders as order_resource
from .answers import Answer
from .clock import rfc3339
from .encoding import load_json
from .issue import pem
from .records import Registry


class Manage:
    """GET reads, POST changes; ValueError from a handler becomes 400 with its text."""

    def __init__(self, ra, servers):
        self.ra, self.servers = ra, servers
        self.initial = ra.settings.all()
        self.get = {"requests": ra.journal.report, "counts": ra.journal.brief, "violations": ra.journal.complaints,
                    "settings": ra.settings.all, "meanings": ra.settings.meanings, "faults": ra.faults.report, "clock": self.clock,
                    "preauthorised": ra.preauthorised.report, "challenges": ra.challenge_script.report,
                    "accounts": self.accounts, "orders": self.orders, "authorizations": self.authorizations,
                    "certificates": self.certificates, "txt": lambda: self.ra.txt}
        self.post = {"settings": self.set_settings, "clock": self.set_clock, "faults": self.set_faults,
                     "preauthorised": self.set_preauthorised, "challenges": self.set_challenges, "txt": self.set_txt,
                     "renewal-info": self.set_renewal_info, "orders": self.set_orders,
                     "authorizations": self.set_authorizations, "accounts": self.set_accounts,
                     "certificates": self.set_certificates, "down": self.set_down, "reset": self.reset}

    def respond(self, request):
        path = request.path.strip("/").split("/")
        if path[0] != "manage" or len(path) > 3:
            return Answer.of(404, {"error": "everything is below /manage/"}), None
        name = path[1] if len(path) > 1 else ""
        table = self.post if request.method == "POST" else self.get
        if request.method == "GET" and name == "roots" and len(path) == 3 and path[2].isdigit():
            return self._root(int(path[2])), None
        if name not in table:
            return Answer.of(404 if name else 200, {"GET": sorted(self.get), "POST": sorted(self.post)}), None
        try:
            value = load_json(request.body) if request.body else {}
            with self.ra.lock:
                result = table[name](value) if request.method == "POST" else table[name]()
                return Answer.of(200, {} if result is None else result), None
        except (ValueError, KeyError, TypeError, AttributeError) as why:
            return Answer.of(400, {"error": f"{type(why).__name__}: {why}"}), None

    def _root(self, number):
        roots = self.ra.issuer.roots
        return Answer(200, [("Content-Type", "application/x-pem-file")], pem(roots[number])) if number < len(roots) \
            else Answer.of(404, {})

    def clock(self):
        return {"offset": self.ra.clock.offset, "now": self.ra.clock.now(), "rfc3339": rfc3339(self.ra.clock.now())}

    def accounts(self):
        return [{"url": self.ra.account_url(one), "status": one.status, "contact": one.contact, "jwk": one.key.jwk,
                 "thumbprint": one.key.thumbprint, "algorithm": one.algorithm, "terms": one.terms, "bound": bool(one.binding)}
                for one in self.ra.registry.accounts.values()]

    def orders(self):
        return [{"url": self.ra.url(f"/order/{one.id}"), "dropped": one.dropped, **order_resource.shown(self.ra, one)}
                for one in self.ra.registry.orders.values()]

    def authorizations(self):
        return [{"url": self.ra.url(f"/authz/{one.id}"), "status": one.status, "type": one.kind, "value": one.value,
                 "wildcard": one.wildcard, "origin": one.origin, "expires": rfc3339(one.expires)}
                for one in self.ra.registry.authorizations.values()]

    def certificates(self):
        return [{"url": self.ra.url(f"/certificate/{one.id}"), "certID": one.cert_id, "serial": f"{one.leaf.serial_number:X}",
                 "revoked": one.revoked, "replaced": bool(one.replaced_by), "names": [value for _, value in one.identifiers],
                 "issued_at": one.issued_at, "pem": pem(one.leaf).decode()}
                for one in self.ra.registry.certificates.values()]

    def set_settings(self, value):
        self.ra.settings.change(value)
        return self.ra.settings.all()

    def set_clock(self, value):
        """{"advance": seconds} or {"offset": seconds}"""
        self.ra.clock.offset = value["offset"] if "offset" in value else self.ra.clock.offset + value["advance"]
        return self.clock()

    def set_faults(self, value):
        """A fault or a list of them, added to the script; {"clear": true} empties it."""
        if value == {"clear": True}:
            return self.ra.faults.clear()
        return self.ra.faults.add(value)

    def set_preauthorised(self, value):
        """A list of {"identifier", "hours", "issued_at"?: unix time or "now"}; {"clear": true}; {"remove": identifier}."""
        if isinstance(value, dict) and value.get("clear"):
            return self.ra.preauthorised.clear()
        for entry in value if isinstance(value, list) else [value]:
            if "remove" in entry:
                self.ra.preauthorised.remove(entry["remove"])
                continue
            at = entry.get("issued_at")
            self.ra.preauthorised.put(entry["identifier"], float(entry["hours"]), self.ra.clock.now() if at == "now" else at)
        return self.ra.preauthorised.report()

    def set_challenges(self, value):
        """{"fail": n} or {"stall": n}, with "identifier", "kind", "type", "detail"; {"clear": true}"""
        return self.ra.challenge_script.clear() if value.get("clear") else self.ra.challenge_script.add(value)

    def set_txt(self, value):
        """{"name": ..., "values": [...]}; no values: the name is forgotten."""
        if value.get("values"):
            self.ra.txt[value["name"]] = value["values"]
        else:
            self.ra.txt.pop(value["name"], None)

    def set_renewal_info(self, value):
        return self.ra.renewal_info.clear() if value.get("clear") else self.ra.renewal_info.put(value)

    def _chosen(self, records, value, path):
        """By "url", by "status", or "all": true."""
        if not set(value) & {"url", "status", "all"}:
            raise ValueError('choose with "url", "status" or "all": true')
        return [one for one in records.values() if value.get("all") or self.ra.url(f"{path}/{one.id}") == value.get("url")
                or one.status == value.get("status")]

    def set_orders(self, value):
        """{"url"|"status"|"all": ..., "drop": true | "expires_in": seconds | "fail": {problem document}}"""
        chosen = self._chosen(self.ra.registry.orders, value, "/order")
        for one in chosen:
            one.dropped = one.dropped or bool(value.get("drop"))
            if "expires_in" in value:
                one.expires = self.ra.clock.now() + value["expires_in"]
            if "fail" in value:
                one.status, one.error = "invalid", value["fail"]
        return {"changed": len(chosen)}

    def set_authorizations(self, value):
        """{"url"|"status"|"all": ..., "become": status | "expires_in": seconds}"""
        chosen = self._chosen(self.ra.registry.authorizations, value, "/authz")
        for one in chosen:
            one.status = value.get("become", one.status)
            if "expires_in" in value:
                one.expires = self.ra.clock.now() + value["expires_in"]
        return {"changed": len(chosen)}

    def set_accounts(self, value):
        """{"url"|"status"|"all": ..., "become": status | "forget": true}"""
        chosen = self._chosen(self.ra.registry.accounts, value, "/account")
        for one in chosen:
            one.status = value.get("become", one.status)
            if value.get("forget"):
                del self.ra.registry.accounts[one.id]
        return {"changed": len(chosen)}

    def set_certificates(self, value):
        """{"serial": hex, "revoke": reason}"""
        chosen = [one for one in self.ra.registry.certificates.values()
                  if f"{one.leaf.serial_number:X}" == value["serial"].upper().lstrip("0")]
        for one in chosen:
            one.revoked = value["revoke"]
        return {"changed": len(chosen)}

    def set_down(self, value):
        """{"down": true}: every connection is reset, until {"down": false}"""
        for server in self.servers:
            server.down = bool(value["down"])

    def reset(self, value):
        """{"what": [...]} of requests (with violations), faults, scripts, settings, clock, state; default the first three."""
        ra, what = self.ra, value.get("what", ["requests", "faults", "scripts"])
        steps = {"requests": ra.journal.clear, "faults": ra.faults.clear, "scripts": self._clear_scripts,
                 "settings": self._initial_settings, "clock": lambda: setattr(ra.clock, "offset", 0.0), "state": self._forget}
        for name in what:
            steps[name]()
        return {"reset": what, "at": time.time()}

    def _clear_scripts(self):
        self.ra.challenge_script.clear()
        self.ra.renewal_info.clear()

    def _initial_settings(self):
        self.ra.settings.reset()
        self.ra.settings.change(self.initial)

    def _forget(self):
        self.ra.registry = Registry()
        self.ra.preauthorised.clear()
        self.ra.txt.clear()
