"""judge.py -- what has to be true of a state directory whatever happened: the live pair at once, all of it after the next run."""
import datetime
import filecmp
import glob
import hashlib
import json
import os
import sqlite3
import subprocess
from contextlib import closing

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .bench import Failure

FILES = ("fullchain.pem", "chain.pem", "cert.pem", "key.pem", "key.uri", "nginx.conf", "haproxy.pem")


def digest_of(leaf):
    return hashlib.sha256(leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class Judge:
    """Of a state directory, and the certificates in it."""

    def __init__(self, bench, names):
        self.bench, self.names = bench, names
        self.verified = set()
        self.answer_lost, self.tpm_full = 0, 0

    def serial(self, name):
        with open(f"{self.bench.state}/live/{name}/cert.pem", "rb") as file:
            return x509.load_pem_x509_certificate(file.read()).serial_number

    def orders(self):
        """How many Pebble ever made."""
        with open(f"{self.bench.lab}/pebble.log") as file:
            return sum(" orders in the db" in line for line in file)

    def keys(self):
        """Everything that is in the token, by its label."""
        status, said = self.bench.hwacme("token", "keys", "--json")
        if status not in (0, 1) or not said:
            raise Failure(f"token keys: exit {status}: {self.bench.last_words()}")
        return {key["label"]: key for key in json.loads(said)["keys"]}

    def pair(self, certificate):
        """The live pair is whole, valid, and of a key that the token has: OpenSSL asks it."""
        live = f"{self.bench.state}/live/{certificate}"
        if not os.path.isdir(live):
            raise Failure(f"live/{certificate} is gone")
        content = {}
        for name in FILES:
            try:
                with open(f"{live}/{name}", "rb") as file:
                    content[name] = file.read()
            except OSError as problem:
                raise Failure(f"live: {problem}") from problem
            if not content[name]:
                raise Failure(f"live/{certificate}/{name} is empty")
        if content["fullchain.pem"] != content["cert.pem"] + content["chain.pem"]:
            raise Failure("the chain is not that of the certificate")
        leaf = x509.load_pem_x509_certificate(content["cert.pem"])
        if leaf.not_valid_after < datetime.datetime.utcnow():
            raise Failure("the live certificate has expired")
        if content["fullchain.pem"] not in self.verified:
            self.ask("verify", "-CAfile", f"{self.bench.lab}/roots.pem", "-untrusted", f"{live}/chain.pem", f"{live}/cert.pem")
            self.verified.add(content["fullchain.pem"])
        uri = content["key.uri"].decode().strip()
        if uri.startswith("pkcs11:"):
            key = self.ask("pkey", "-engine", "pkcs11", "-inform", "engine", "-in", uri, "-pubout")
        else:
            key = self.ask_tpm("pkey", "-provider", "tpm2", "-provider", "default", "-in", f"{live}/key.pem", "-pubout")
        if key.strip() != leaf.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip():
            raise Failure("the live key is not that of the live certificate")
        return leaf

    def answers(self, certificate):
        """What happened can be looked at before anybody mends it; the state that is told."""
        status, said = self.bench.hwacme("status", "--json")
        if status not in (0, 5) or not said:
            raise Failure(f"status: exit {status}: {self.bench.last_words()}")
        return {one["name"]: one["state"] for one in json.loads(said)["certificates"]}[certificate]

    def ask_tpm(self, *arguments):
        """A swtpm has no resource manager: what a killed process had loaded stays, until hwacme, who comes next, makes room."""
        try:
            return self.ask(*arguments)
        except Failure as failure:
            if "0x00000902" not in str(failure):
                raise
        self.tpm_full += 1
        self.keys()
        return self.ask(*arguments)

    def ask(self, *arguments):
        done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"openssl {arguments[0]}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def recovered(self, certificate):
        """The next run ends well, and then nothing tells of what happened."""
        status, _ = self.bench.hwacme("renew")
        if status == 4 and "challenge" in self.bench.last_words():
            # The CA asked for the answer to its challenge while nobody was there to give it, and that is the end of an order.
            self.answer_lost += 1
            status, _ = self.bench.hwacme("renew")
        if status != 0:
            raise Failure(f"the next run: exit {status}: {self.bench.last_words()}")
        self.clean(certificate)

    def clean(self, certificate):
        """Nothing tells of what happened."""
        keys = self.keys()
        leaf = self.pair(certificate)
        owners = sorted(key["owner"] or f"nobody ({key['label']})" for key in keys.values())
        wanted = ["account at operator-ra"] + [f"certificate {name} (live)" for name in self.names]
        if owners != wanted or not all(key["held"] for key in keys.values()):
            raise Failure(f"afterwards the keys are of {owners}")
        (mine,) = [key for key in keys.values() if key["owner"] == f"certificate {certificate} (live)"]
        if mine["public_key_sha256"] != digest_of(leaf):
            raise Failure("the record is of another key than the live one")
        with open(f"{self.bench.lab}/hwacme.yaml") as file:
            if "token-objects" in file.read():
                self.found_by_label(mine["label"], f"{certificate}-tls", leaf)
        self.leftovers(keys)
        self.untroubled(certificate)

    def untroubled(self, certificate):
        """A failure that is over is not told of.  One that was forced, and failed before it had begun, is not over."""
        before = f"{self.bench.lab}/kept-state/live/{certificate}/cert.pem"
        if os.path.exists(before) and filecmp.cmp(before, f"{self.bench.state}/live/{certificate}/cert.pem", shallow=False):
            return
        status, said = self.bench.hwacme("status", "--json")
        (told,) = [one for one in json.loads(said)["certificates"] if one["name"] == certificate]
        if told["attempts"] or told["last_error"]:
            raise Failure(f"status: exit {status}, and after {told['attempts']} attempts it still says: {told['last_error']}")

    def found_by_label(self, shown, label, leaf):
        """The certificates in the token are the live one, under the label that its key has, and the chain of the key; no more."""
        if shown != label:
            raise Failure(f"the live key is labelled {shown}")
        tool = ("pkcs11-tool", "--module", os.environ["PKCS11_MODULE_PATH"], "--token-label", "nf-appliance")
        read = subprocess.run([*tool, "--read-object", "--type", "cert", "--label", label], stdin=subprocess.DEVNULL,
                              capture_output=True)
        if read.returncode != 0 or x509.load_der_x509_certificate(read.stdout) != leaf:
            raise Failure(f"under {label} is another certificate than the live one: {read.stderr.decode()[-300:]}")
        listed = subprocess.run([*tool, "--list-objects", "--type", "cert"], stdin=subprocess.DEVNULL, capture_output=True,
                                text=True)
        labels = sorted(line.split(":", 1)[1].strip() for line in listed.stdout.splitlines()
                        if line.strip().startswith("label:"))
        if len(labels) != 2 or labels[0] != label or not labels[1].endswith(" chain"):
            raise Failure(f"certificates in the token: {labels}")

    def is_going(self, directory):
        """A superseded set whose removal was cut off, and is planned anew: a sweep of more than a minute meets that."""
        name, generation = directory.split("/")[-2:]
        live = os.path.basename(os.readlink(f"{self.bench.state}/live/{name}"))
        if int(generation) >= int(live):
            return False
        with closing(sqlite3.connect(f"file:{self.bench.state}/hwacme.db?mode=ro", uri=True, timeout=1)) as store:
            planned = store.execute("SELECT count(*) FROM service WHERE certificate = ? AND prune_at > 0", (name,))
            return planned.fetchone()[0] == 1

    def leftovers(self, keys):
        state = self.bench.state
        found = (glob.glob(f"{state}/live/.*") + glob.glob(f"{state}/archive/*/.staging") + glob.glob(f"{state}/keys/.*.new"))
        files = {os.path.basename(path)[:-4] for path in glob.glob(f"{state}/keys/*.pem")}
        found += [f"keys/{name}.pem" for name in files - set(keys)]
        for directory in glob.glob(f"{state}/archive/*/[0-9]*"):
            if set(os.listdir(directory)) != set(FILES) and not self.is_going(directory):
                found.append(f"{directory}: {sorted(os.listdir(directory))}")
        if found:
            raise Failure(f"left behind: {found}")
