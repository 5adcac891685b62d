"""__main__.py -- starts the RA, its management interface and the Token Authority: python3 -m ra --directory DIR [options]."""
import argparse
import json
import signal

from .issue import pem
from .manage import Manage
from .server import RegistrationAuthority
from .settings import Settings
from .tls_files import Files
from .token_authority import TokenAuthority
from .transport import Server, server_context


def arguments():
    parser = argparse.ArgumentParser(prog="ra", description="A strict ACME registration authority for tests.")
    parser.add_argument("--directory", required=True, help="where it writes its files; made when missing")
    parser.add_argument("--ready", help="file that appears once it listens, with its URLs; default DIRECTORY/ready.json")
    parser.add_argument("--port", type=int, default=0, help="of ACME; 0: a free one")
    parser.add_argument("--manage-port", type=int, default=0)
    parser.add_argument("--token-port", type=int, default=0)
    parser.add_argument("--host-name", default="localhost", help="in its URLs and its TLS certificate")
    parser.add_argument("--public-url", help="what its URLs begin with, when a proxy stands in front")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a setting (settings.py)")
    return parser.parse_args()


def setting(text):
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # a bare word


def main():
    options = arguments()
    files = Files(options.directory)
    files.make_tls(options.host_name)
    tls = server_context(files.server, files.server_key)
    acme, token, management = Server(options.port, tls), Server(options.token_port, tls), Server(options.manage_port)
    base_url = options.public_url or f"https://{options.host_name}:{acme.port}"
    ra = RegistrationAuthority(base_url, Settings(dict(map(setting, options.set))), files)
    authority = TokenAuthority(ra)
    authority.base_url = f"https://{options.host_name}:{token.port}"
    ra.token_url, ra.token_root = authority.base_url + "/at/account/nf/token", authority.trusted_root
    for number, root in enumerate(ra.issuer.roots):
        files.root(number).write_bytes(pem(root))
    acme.start(ra.respond)
    token.start(authority.respond)
    management.start(Manage(ra, [acme, token]).respond)
    files.write_json(options.ready or files.directory / "ready.json", {
        "directory": ra.url("/dir"), "manage": f"http://127.0.0.1:{management.port}/manage", "token": ra.token_url,
        "trust": str(files.trust), "roots": str(files.root(0)), "token_root": str(files.token_root),
        "access_log": str(files.access_log)})
    signal.sigwait([signal.SIGTERM, signal.SIGINT])


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
main()
