"""mends.py -- commands that change something at the CA, which no bench puts back: what makes a good state again after each."""
from .bench import Failure


class Mends:
    """Of a command that may have been broken anywhere: `done`, whether it said that it has done its work."""

    def __init__(self, bench, judge, certificate):
        self.bench, self.judge, self.certificate = bench, judge, certificate
        self.commands = {
            ("account", "rollover"): self.rollover,
            ("revoke", certificate, "--reason", "superseded"): self.revoke,
            ("account", "deactivate", "--yes"): self.deactivate,
        }

    def well(self, *arguments):
        status, said = self.bench.hwacme(*arguments)
        if status != 0:
            raise Failure(f"then `{' '.join(arguments)}`: exit {status}: {said[-300:]} {self.bench.last_words()}")

    def ended(self):
        """Whatever key the account has: it orders with it, and all keys have an owner."""
        self.well("renew", "--force", self.certificate)
        self.judge.recovered(self.certificate)
        self.bench.keep()

    def rollover(self, done):
        self.ended()

    def revoke(self, done):
        if not done:
            self.well("revoke", self.certificate, "--reason", "superseded")
        live = self.judge.serial(self.certificate)
        self.judge.recovered(self.certificate)
        if self.judge.serial(self.certificate) == live:
            raise Failure("what was revoked was not replaced")
        self.bench.keep()

    def deactivate(self, done):
        if not done:
            self.well("account", "deactivate", "--yes")
        self.well("account", "register")
        self.ended()
