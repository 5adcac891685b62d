"""daemons.py -- the peers that renew from a server of theirs: mod_md in Apache httpd, and caddy; no command makes them renew at once."""
import json

from .clients import MAIL, Client, Command
from .server import DIRECTORY, HTTP01

APACHE_MODULES = "/usr/lib/apache2/modules"


class Daemon(Client):
    """It has every name in its configuration, and is over when it has said of each that its certificate is there."""
    until = ""
    cannot_renew = "no command renews now"

    def configure(self, names):
        """Writes its configuration; the command that runs it."""
        raise NotImplementedError

    def run(self, names):
        return Command(self.configure(names), self.env(), until=self.until, count=len(names))

    def first_command(self, name):
        return self.run([name])

    def fleet_prepare(self, names, jobs):
        """It makes its account itself, and is measured with that, like hwacme."""
        return []

    def fleet_command(self, names, homes):
        return self.run(names)


class ModMd(Daemon):
    """What it has got goes live with the next restart of httpd, which is not counted here."""
    name = "mod_md"
    until = "has been setup"

    def configure(self, names):
        lines = [f"ServerRoot {self.home}", f"PidFile {self.home}/httpd.pid", "ServerName localhost", "User www-data", "Group www-data",
                 "ErrorLog /dev/stderr", "LogLevel md:notice", f"Listen 127.0.0.1:{HTTP01}",
                 *(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in ("mpm_event", "authz_core", "ssl", "md")),
                 f"MDStoreDir {self.home}/store", f"MDCertificateAuthority {DIRECTORY}", f"MDCACertificateFile {self.trust}",
                 "MDCertificateAgreement accepted", f"MDContactEmail {MAIL}", "MDPrivateKeys secp256r1", "MDRenewMode always",
                 "MDCAChallenges http-01", f"MDPortMap http:{HTTP01} https:-", *(f"MDomain {name}" for name in names)]
        (self.home / "httpd.conf").write_text("\n".join(lines) + "\n")
        return ["/usr/sbin/apache2", "-f", str(self.home / "httpd.conf"), "-D", "FOREGROUND"]

    def certificate(self, name):
        return next(iter(self.home.glob(f"store/staging/{name}/pubcert*.pem")), None)


class Caddy(Daemon):
    """It holds itself to ten orders in ten seconds: a fleet of a thousand tells no more than one of fifty."""
    name = "caddy"
    until = "certificate obtained successfully"
    names_max = 50

    def env(self):
        return {"HOME": str(self.home), "XDG_DATA_HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home)}

    def configure(self, names):
        issuer = {"module": "acme", "ca": DIRECTORY, "email": MAIL, "trusted_roots_pem_files": [str(self.trust)],
                  "challenges": {"tls-alpn": {"disabled": True}, "http": {"alternate_port": HTTP01}}}
        config = {"admin": {"disabled": True}, "storage": {"module": "file_system", "root": str(self.home / "storage")},
                  "apps": {"tls": {"certificates": {"automate": names},
                                   "automation": {"policies": [{"key_type": "p256", "issuers": [issuer]}]}}}}
        (self.home / "caddy.json").write_text(json.dumps(config))
        return ["caddy", "run", "--config", str(self.home / "caddy.json")]

    def certificate(self, name):
        return next(iter(self.home.glob(f"storage/certificates/*/{name}/{name}.crt")), None)
