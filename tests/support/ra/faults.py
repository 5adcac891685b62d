"""faults.py -- a script of faults: which endpoint, which time, and what goes wrong with the answer."""
import random
import threading

# Every member a fault may have, and what it does; a misspelt one is refused.
MEMBERS = {
    "endpoint": 'name of an endpoint as GET /manage/requests counts it, or "*"',
    "nth": "a number or list of numbers: which requests to the endpoint, from 1, counted since the fault was set",
    "times": "the first so many requests; without nth, times and percent: once",
    "percent": "so many of a hundred requests, by chance",
    "status": "HTTP status; without `after` the request has no effect",
    "type": "problem type", "detail": "its text", "subproblems": "its list", "members": "more of the problem document",
    "after": "true: the request takes effect, then the answer is replaced by status and type",
    "headers": "set on the answer; null removes",
    "nonce": '"omit", "junk" (not base64url), "wrong" (well formed, refused later), "repeat" (a spent one)',
    "delay": "seconds before the answer",
    "lost": "the request takes effect, the connection is closed without an answer",
    "reset": "the same, with a TCP reset",
    "cut": "close after so many bytes of the body", "cut_header": "close after so many bytes of the whole answer",
    "garbage": "the body is not JSON", "body": "the body is this text",
    "oversize": "the body is filled up with blanks to so many bytes",
    "replace": "[[from, to], ...] in the body", "patch": "JSON merge patch (RFC 7396) on the body",
    "content_type": "of the answer",
    "drip": "seconds between two bytes of the body", "endless": "the body never ends",
    "header_bytes": "so many bytes of additional headers",
}


class Fault:
    def __init__(self, script, chance):
        unknown = set(script) - set(MEMBERS)
        if unknown or "endpoint" not in script:
            raise ValueError(f"a fault has an endpoint and {', '.join(MEMBERS)}; not {', '.join(sorted(unknown)) or 'none'}")
        self.script, self.seen, self.hits = script, 0, 0
        self._chance = chance
        nth = script.get("nth", [])
        self._nth = {nth} if isinstance(nth, int) else set(nth)
        self._times = script.get("times", 0 if self._nth or "percent" in script else 1)

    def strikes(self, endpoint):
        if self.script["endpoint"] not in (endpoint, "*"):
            return False
        self.seen += 1
        hit = self.seen in self._nth or self.seen <= self._times or self._chance() * 100 < self.script.get("percent", 0)
        self.hits += hit
        return hit

    def get(self, member, default=None):
        return self.script.get(member, default)

    def refuses(self):
        """Whether it answers in place of the RA, so that nothing happens."""
        return ("status" in self.script or "type" in self.script) and not self.script.get("after")


class Faults:
    def __init__(self, seed):
        self._lock, self._faults, self._random = threading.Lock(), [], random.Random(seed)

    def add(self, scripts):
        if not isinstance(scripts, list):
            scripts = [scripts]
        faults = [Fault(script, self._random.random) for script in scripts]
        with self._lock:
            self._faults += faults

    def clear(self):
        with self._lock:
            self._faults = []

    def strike(self, endpoint):
        """The fault for this request, or None; the first in the script that strikes wins, all count."""
        with self._lock:
            return next(iter([fault for fault in self._faults if fault.strikes(endpoint)]), None)

    def chance(self, percent):
        with self._lock:
            return self._random.random() * 100 < percent

    def report(self):
        with self._lock:
            return [{**fault.script, "seen": fault.seen, "hits": fault.hits} for fault in self._faults]
