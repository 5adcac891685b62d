"""preauthorised.py -- the RA's list of pre-authorised NFs: for how long after an issuance no challenge is asked (TR 33.776 6.9)."""

class Preauthorised:
    """identifier value -> interval in seconds since the last issuance, and the time that counts as one before the first."""

    def __init__(self):
        self._entries = {}

    def put(self, value, hours, issued_at=None):
        self._entries[value] = (hours * 3600, issued_at)

    def remove(self, value):
        self._entries.pop(value, None)

    def clear(self):
        self._entries = {}

    def until(self, registry, account, value):
        """Time at which the interval ends; None when the NF is not on the list or was never issued anything."""
        if value not in self._entries:
            return None
        interval, issued_at = self._entries[value]
        times = [at for at in (registry.issued_at.get((account.id, value)), issued_at) if at is not None]
        return max(times) + interval if times else None

    def report(self):
        return {value: {"hours": interval / 3600, "issued_at": issued_at}
                for value, (interval, issued_at) in self._entries.items()}
