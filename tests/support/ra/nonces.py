"""nonces.py -- nonces: each is given out once and taken back once (RFC 8555 6.5)."""
import secrets
import threading
from collections import deque

KEPT_MAX = 200000  # of each kind, so that a long run does not eat the machine


class _Bounded(set):
    """A set that forgets the oldest."""

    def __init__(self):
        super().__init__()
        self._order = deque()

    def put(self, item):
        self.add(item)
        self._order.append(item)
        if len(self._order) > KEPT_MAX:
            self.discard(self._order.popleft())


class Nonces:
    def __init__(self):
        self._lock = threading.Lock()
        self._fresh, self._spent, self._poisoned = _Bounded(), _Bounded(), _Bounded()

    def issue(self):
        nonce = secrets.token_urlsafe(16)
        with self._lock:
            self._fresh.put(nonce)
        return nonce

    def poison(self, nonce):
        """Known as one that a fault handed out: it is refused, and the client is not to blame."""
        with self._lock:
            self._poisoned.put(nonce)
        return nonce

    def spend(self, nonce):
        """"fresh", "spent", "poisoned" or "unknown"; whatever it was, it is spent now."""
        with self._lock:
            verdict = ("poisoned" if nonce in self._poisoned else "fresh" if nonce in self._fresh else
                       "spent" if nonce in self._spent else "unknown")
            if verdict == "fresh":
                self._fresh.discard(nonce)
                self._spent.put(nonce)
            return verdict
