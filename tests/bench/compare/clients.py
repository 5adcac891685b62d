"""clients.py -- each client that is compared: how it registers, issues, renews, and does many names as fast as it can."""
import dataclasses
import os
import pathlib
import shlex
import subprocess

from .server import DIRECTORY, HTTP01

MAIL = "noc@example.com"


@dataclasses.dataclass
class Command:
    """What is run and measured; a daemon is over when `count` lines that it says have `until` in them."""
    argv: list
    env: dict = dataclasses.field(default_factory=dict)
    until: str = ""
    count: int = 0


def shell(*lines, env=None):
    return Command(["bash", "-ec", "\n".join(lines)], env or {})


class Client:
    """One client in a directory of its own that begins empty. `jobs` of it work at once on many names."""
    name = ""
    is_slow = False  # seconds a certificate: a fleet of a thousand tells no more than one of a few
    is_shared = True  # several at once can work in one directory
    is_beside = False  # its renewals are asked of a daemon that runs already
    names_max = None  # of a fleet: more tell no more
    cannot_renew = ""  # why there is no forced renewal of it

    def __init__(self, lab, home):
        self.lab, self.home = pathlib.Path(lab), pathlib.Path(home)
        self.home.mkdir(parents=True)
        self.trust = self.lab / "trust.pem"

    def env(self):
        return {}

    def register(self, home):
        """Shell lines that make the account, where issuing does not by itself."""
        return []

    def issue(self, home, name):
        raise NotImplementedError

    def renew(self, home, name):
        raise NotImplementedError

    def first_command(self, name):
        lines = self.register(self.home) + [self.issue(self.home, name)]
        return shell(*lines, env=self.env()) if len(lines) > 1 else Command(shlex.split(lines[0]), self.env())

    def renew_command(self, name):
        line = self.renew(self.home, name)
        return shell(line, env=self.env()) if "\n" in line else Command(shlex.split(line), self.env())

    def fleet_prepare(self, names, jobs):
        """What is not measured of a fleet: accounts, directories."""
        homes = [self.home if self.is_shared else self.home / f"worker-{i}" for i in range(jobs)]
        for home in dict.fromkeys(homes):
            home.mkdir(exist_ok=True)
            subprocess.run(["bash", "-ec", "\n".join(self.register(home) + [self.issue(home, "account.bench.example")])],
                           env=dict(os.environ, **self.env()), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return homes

    def fleet_command(self, names, homes):
        """Each worker takes its share of the names, one after another."""
        lines = []
        for i, home in enumerate(homes[:len(names)]):
            commands = "\n".join(self.issue_beside(home, name, i) for name in names[i::len(homes)])
            lines += [f"(\n{commands}\n) & jobs+=($!)"]
        return shell("jobs=()", *lines, 'for job in "${jobs[@]}"; do wait "$job"; done', env=self.env())

    def issue_beside(self, home, name, worker):
        return self.issue(home, name)

    def certificate(self, name):
        """The file of this name's certificate, wherever it is; None: there is none."""
        raise NotImplementedError


class Lego(Client):
    name = "lego"

    def env(self):
        return {"LEGO_CA_CERTIFICATES": str(self.trust)}

    def base(self, home, what, worker=0):
        return (f"lego --accept-tos --email {MAIL} --path {home} --server {DIRECTORY} --key-type ec256 {what} "
                f"--http --http.port 127.0.0.1:{HTTP01 + worker}")

    def issue(self, home, name):
        return self.base(home, f"-d {name}") + " run"

    def issue_beside(self, home, name, worker):
        return self.base(home, f"-d {name}", worker) + " run"

    def renew(self, home, name):
        return self.base(home, f"-d {name}") + " renew --days 9999 --no-random-sleep"

    def certificate(self, name):
        return next(iter(self.home.glob(f"**/certificates/{name}.crt")), None)


class Uacme(Client):
    name = "uacme"

    def hook(self):
        hook = self.lab / "hook"
        if not hook.exists():
            hook.write_text("#!/bin/sh\nexit 0\n")
            hook.chmod(0o755)
        return hook

    def base(self, home):
        return f"uacme -c {home} -a {DIRECTORY} -t EC -b 256"

    def register(self, home):
        return [self.base(home) + f" -y new {MAIL}"]

    def issue(self, home, name):
        return self.base(home) + f" -h {self.hook()} issue {name}"

    def renew(self, home, name):
        return self.base(home) + f" -h {self.hook()} -f issue {name}"

    def certificate(self, name):
        return next(iter(self.home.glob(f"**/{name}/cert.pem")), None)


class Certbot(Client):
    name = "certbot"
    is_slow = True
    is_shared = False

    def env(self):
        return {"REQUESTS_CA_BUNDLE": str(self.trust)}

    def base(self, home, what):
        return (f"certbot {what} -n -q --config-dir {home} --work-dir {home}/work --logs-dir {home}/log --server {DIRECTORY}")

    def issue(self, home, name):
        return self.issue_beside(home, name, 0)

    def issue_beside(self, home, name, worker):
        return self.base(home, "certonly") + (f" --agree-tos -m {MAIL} --key-type ecdsa --standalone --http-01-address 127.0.0.1 "
                                              f"--http-01-port {HTTP01 + worker} -d {name}")

    def renew(self, home, name):
        return self.base(home, "renew") + f" --force-renewal --no-random-sleep-on-renew --cert-name {name}"

    def certificate(self, name):
        return next(iter(self.home.glob(f"**/live/{name}/cert.pem")), None)


class Dehydrated(Client):
    name = "dehydrated"
    is_slow = True
    is_shared = False

    def register(self, home):
        (home / "answers").mkdir(parents=True, exist_ok=True)
        (home / "config").write_text(f"CA={DIRECTORY}\nBASEDIR={home}\nWELLKNOWN={home}/answers\nCHALLENGETYPE=http-01\n"
                                     f"KEY_ALGO=prime256v1\nCONTACT_EMAIL={MAIL}\nCURL_OPTS=\"--cacert {self.trust}\"\n")
        return [f"dehydrated -f {home}/config --register --accept-terms"]

    def issue(self, home, name):
        return f"dehydrated -f {home}/config -c -d {name}"

    def renew(self, home, name):
        return f"dehydrated -f {home}/config -c -x -d {name}"

    def certificate(self, name):
        return next(iter(self.home.glob(f"**/certs/{name}/cert.pem")), None)


class TokenLego(Lego):
    """The best that a user can build today: a new key in the token, a CSR by openssl, and lego with --csr. Its account key is a file."""
    names_max = 32

    def key_and_csr(self, home, name):
        raise NotImplementedError

    def issue(self, home, name):
        return self.issue_beside(home, name, 0)

    def issue_beside(self, home, name, worker):
        return self.key_and_csr(home, name) + "\n" + self.base(home, f"--csr {home}/{name}.csr", worker) + " run"

    def renew(self, home, name):
        return self.key_and_csr(home, name) + "\n" + self.base(home, f"--csr {home}/{name}.csr") + " renew --days 9999 --no-random-sleep"

    def first_command(self, name):
        return shell(self.issue(self.home, name), env=self.env())

    def request(self, home, name, options):
        return f"openssl req -new {options} -subj /CN={name} -addext subjectAltName=DNS:{name} -out {home}/{name}.csr"


class SoftHsm:
    """A SoftHSM of one's own, so that what others left in it costs nothing."""

    def __init__(self, home):
        self.conf = home / "softhsm2.conf"
        (home / "softhsm").mkdir()
        self.conf.write_text(f"directories.tokendir = {home}/softhsm\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.env = {"SOFTHSM2_CONF": str(self.conf)}
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "nf-appliance", "--so-pin", "00000000", "--pin",
                        os.environ["LAB_PIN"]], env=dict(os.environ, **self.env), check=True, stdout=subprocess.DEVNULL)


class HsmLego(TokenLego):
    name = "lego + SoftHSM key"

    def __init__(self, lab, home):
        super().__init__(lab, home)
        self.hsm = SoftHsm(self.home)

    def env(self):
        return {**super().env(), **self.hsm.env, "PKCS11_MODULE_PATH": os.environ["LAB_MODULE"]}

    def key_and_csr(self, home, name):
        pin = os.environ["LAB_PIN"]
        tool = f"pkcs11-tool --module {os.environ['LAB_MODULE']} --token-label nf-appliance --login --pin {pin}"
        key = f"pkcs11:token=nf-appliance;object={name};type=private;pin-value={pin}"
        # the key before it goes, as with hwacme; the first time there is none
        # openssl with this engine crashes now and then while another process changes the token: one at a time, as with the TPM
        return "\n".join(["(", "flock 9", f"{tool} --delete-object --type privkey --label {name} >/dev/null 2>&1 || true",
                          f"{tool} --keypairgen --key-type EC:prime256v1 --label {name} >/dev/null 2>&1",
                          self.request(home, name, f"-engine pkcs11 -keyform engine -key '{key}'") + " 2>/dev/null",
                          f") 9>{home}/token.lock"])


class TpmLego(TokenLego):
    name = "lego + swtpm key"

    def env(self):
        return {**super().env(), "TPM2OPENSSL_TCTI": os.environ["LAB_TCTI"]}

    def key_and_csr(self, home, name):
        # a TPM has room for three objects, and no resource manager here: one at a time
        return "\n".join(["(", "flock 9", f"openssl genpkey -provider tpm2 -algorithm EC -pkeyopt group:P-256 -out {home}/{name}.pem",
                          self.request(home, name, f"-provider tpm2 -provider default -propquery '?provider=tpm2' -key {home}/{name}.pem"),
                          f") 9>{home}/tpm.lock"])


class Hwacme(Client):
    """The built program; account key and certificate keys in the token."""
    token = ""
    command = "renew"
    keep = 1  # generations of which the key stays

    def __init__(self, lab, home):
        super().__init__(lab, home)
        self.program = pathlib.Path(os.environ["BUILD"]) / "hwacme"
        self.config = self.home / "hwacme.yaml"
        self.hsm = SoftHsm(self.home) if self.token == "hsm" else None

    def env(self):
        return self.hsm.env if self.hsm else {}

    def configure(self, names, metrics=""):
        pin = self.home / "pin"
        pin.touch(0o600)
        pin.write_text(os.environ["LAB_PIN"])
        if self.hsm:
            token = f'pkcs11: {{ module: {os.environ["LAB_MODULE"]}, token: nf-appliance, pin: {{ file: {pin} }} }}'
        else:
            token = f'tpm2: {{ tcti: "{os.environ["LAB_TCTI"]}" }}'
        lines = [f"state: {self.home}/state", *([f'metrics: {{ listen: "{metrics}" }}'] if metrics else []), "tokens:",
                 f"  - {{ name: token, {token} }}", "authorities:", "  - name: ra", f"    directory: {DIRECTORY}",
                 f"    trust: {self.trust}", f"    roots: {self.lab}/roots.pem", "    terms-agreed: true",
                 "    account-key: { token: token, type: ec-p256 }", "policies:",
                 f"  - {{ name: p, retire-after: 0s, boot-spread: 0s, keep: {self.keep} }}", "certificates:"]
        for name in names:
            lines += [f"  - name: {name.split('.')[0]}", "    authority: ra", "    policy: p",
                      "    key: { token: token, type: ec-p256, rotate: always }", f'    names: ["dns:{name}"]',
                      f'    challenge: {{ http-01: {{ listen: "127.0.0.1:{HTTP01}" }} }}']
        self.config.write_text("\n".join(lines) + "\n")

    def issue(self, home, name):
        return f"{self.program} -c {self.config} renew"

    def renew(self, home, name):
        return f"{self.program} -c {self.config} renew --force"

    def first_command(self, name):
        self.configure([name])
        return super().first_command(name)

    def fleet_prepare(self, names, jobs):
        self.configure(names)
        return []

    def fleet_command(self, names, homes):
        if self.command == "renew":
            return Command([str(self.program), "-c", str(self.config), "renew"], self.env())
        return Command([str(self.program), "-c", str(self.config), "run"], self.env(), until=": live is generation", count=len(names))

    def certificate(self, name):
        path = self.home / "state/live" / name.split(".")[0] / "cert.pem"
        return path if path.exists() else None


class HwacmeHsm(Hwacme):
    name, token = "hwacme, SoftHSM", "hsm"


class HwacmeTpm(Hwacme):
    name, token = "hwacme, swtpm", "tpm"


class HwacmeRunHsm(HwacmeHsm):
    name, command = "hwacme run, SoftHSM", "run"


class HwacmeRunTpm(HwacmeTpm):
    name, command = "hwacme run, swtpm", "run"



class HwacmeBesideHsm(HwacmeHsm):
    """`hwacme renew --force` while the daemon runs: the daemon does it, the command follows."""
    name, is_beside = "hwacme + daemon, SoftHSM", True


class HwacmeBesideTpm(HwacmeTpm):
    name, is_beside = "hwacme + daemon, swtpm", True
