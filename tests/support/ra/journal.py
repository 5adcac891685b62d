"""journal.py -- what the client did: every request, every violation, every remark; and the access log."""
import threading
import time
from collections import deque

KEPT_MAX = 20000  # of each kind: a long run does not eat the machine
EARLY = 0.05  # seconds by which an honest client's clock may differ from ours


class Journal:
    def __init__(self, access_log=None):
        self._lock = threading.Lock()
        self._log = open(access_log, "a", buffering=1, encoding="utf-8") if access_log else None
        self.clear()

    def clear(self):
        with self._lock:
            self._requests, self._violations, self._remarks = (deque(maxlen=KEPT_MAX) for _ in range(3))
            self._counts, self._total, self._not_before = {}, 0, {}

    def violation(self, endpoint, what, **more):
        """The client broke a MUST."""
        self._note("_violations", endpoint, what, more)

    def remark(self, endpoint, what, **more):
        """The client did what it SHOULD NOT, or what a good client does not."""
        self._note("_remarks", endpoint, what, more)

    def _note(self, where, endpoint, what, more):
        with self._lock:
            getattr(self, where).append({"at": time.time(), "endpoint": endpoint, "what": what, **more})
        if self._log:
            self._log.write(f"{where[1:-1]} {endpoint} {what}\n")

    def request(self, request, endpoint, answer, account, fault):
        """One line a request, once its answer is known."""
        with self._lock:
            self._total += 1
            self._counts[endpoint] = self._counts.get(endpoint, 0) + 1
            entry = {"n": self._total, "at": request.at, "endpoint": endpoint, "method": request.method,
                     "path": request.path, "status": answer.status, "problem": answer.problem, "account": account,
                     "fault": fault}
            self._requests.append(entry)
        if self._log:
            agent = (request.headers.get("User-Agent") or "-").replace("\n", " ")
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(request.at))
            self._log.write(f"{stamp} {request.method} {request.path} {answer.status} {endpoint} "
                            f"{answer.problem or '-'} \"{agent}\"{' fault' if fault else ''}\n")

    def ask_to_wait(self, path, until):
        """A Retry-After was sent for this path."""
        with self._lock:
            self._not_before[path] = until

    def came_early(self, path):
        """Seconds by which this request ignores the last Retry-After of its path; 0 when it does not."""
        with self._lock:
            until = self._not_before.pop(path, 0)
        early = until - time.time()
        return early if early > EARLY else 0

    def report(self):
        with self._lock:
            return {"total": self._total, "counts": dict(sorted(self._counts.items())), "sequence": list(self._requests)}

    def brief(self):
        """The same in numbers, which costs nothing however much there was."""
        with self._lock:
            return {"total": self._total, "counts": dict(self._counts), "violations": len(self._violations),
                    "remarks": len(self._remarks)}

    def complaints(self):
        with self._lock:
            return {"violations": list(self._violations), "remarks": list(self._remarks)}
