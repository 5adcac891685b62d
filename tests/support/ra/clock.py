"""clock.py -- the RA's clock, which a test may move, and the two ways times are written on the wire."""
import email.utils
import time
from datetime import datetime, timezone


class Clock:
    """The RA's own time: what it counts intervals and expiry with.  Certificates have the real time unless set otherwise."""

    def __init__(self):
        self.offset = 0.0

    def now(self):
        return time.time() + self.offset


def rfc3339(at):
    return datetime.fromtimestamp(int(at), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text):
    if not isinstance(text, str):
        raise ValueError("not a time")
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def http_date(at):
    return email.utils.formatdate(at, usegmt=True)


def parse_retry_after(text, now):
    """Unix time until which a client has to wait; None when the field says nothing usable."""
    if text.strip().isdigit():
        return now + int(text)
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None
