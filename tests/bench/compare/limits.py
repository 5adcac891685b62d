"""limits.py -- what bounds every client: the server, the token, the processor."""
import os
import pathlib
import re
import subprocess

from .clients import SoftHsm
from .server import DIRECTORY
from .targets import REQUESTS_MINIMUM


def one_line(argv, env=None):
    done = subprocess.run(argv, env=dict(os.environ, **(env or {})), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{argv[0]}: {done.stderr[-500:]}")
    return done.stdout.split()


def machine_busy_ms():
    """Of all processors together, whoever used them: also a swtpm's, and the kernel's own threads'."""
    user, nice, system, _, _, interrupts, soft = (int(word) for word in pathlib.Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + interrupts + soft) * 1000 / os.sysconf("SC_CLK_TCK")


def server_limit(lab, connections, count, prefix):
    """A client that does as little as the protocol lets it, with software keys (acme_load.c)."""
    program = str(pathlib.Path(os.environ["BUILD"]) / "tests/acme_load")
    before = machine_busy_ms()
    rate, cpu_us, requests = one_line([program, DIRECTORY, f"{lab}/trust.pem", str(count), str(connections), prefix])
    return {"limit": f"Pebble, by {connections} connection{'s' if connections > 1 else ''}", "per_second": float(rate),
            "cpu_ms_each": float(cpu_us) / 1000, "machine_ms_each": (machine_busy_ms() - before) / count, "requests_each": float(requests)}


def token_limits(bench, kinds, seconds, callers):
    """A loop of generate, sign once, erase (sign_bench.c -g): the module itself, and through keyd."""
    program = str(pathlib.Path(os.environ["BUILD"]) / "tests/sign_bench")
    rows = []
    for kind in kinds:
        client = bench.client(kind)
        client.configure(["limit.bench.example"])
        ways = [("through keyd", ["keyd", str(client.config), "token"])]
        if isinstance(client.hsm, SoftHsm):
            ways.insert(0, ("its module alone", ["direct", os.environ["LAB_MODULE"], "nf-appliance", os.environ["LAB_PIN"]]))
        else:
            ways.insert(0, ("its backend alone", ["backend", str(client.config), "token"]))
            (client.home / "state/keys").mkdir(parents=True, mode=0o700)
        for way, argv in ways:
            for keys in (True, False):
                words = [program, *(["-g"] if keys else []), *argv, str(callers), str(seconds)]
                before = machine_busy_ms()
                rate, cpu_us = one_line(words, client.env())
                busy = (machine_busy_ms() - before) / (float(rate) * seconds)
                what = "key, signature, erased" if keys else "signatures"
                rows.append({"limit": f"{kind.name.split(', ')[1]}, {way}, {callers} callers: {what}", "per_second": float(rate),
                             "cpu_ms_each": float(cpu_us) / 1000, "machine_ms_each": busy})
    return rows


def shared_limits(rows, tokens):
    """What these processors allow when all have to be on them: the server and a minimal client, and what the token does for a certificate."""
    cores = os.cpu_count()
    server = min(row["machine_ms_each"] for row in rows if row["limit"].startswith("Pebble"))
    for token in tokens:
        # by whichever way costs less: keyd makes keys in SoftHSM by calls of its own choice
        key, signature = (min(row["machine_ms_each"] for row in rows if row["limit"].startswith(f"{token}, ") and row["limit"].endswith(what))
                          for what in (": key, signature, erased", ": signatures"))
        # the request for the certificate is in the first of them
        yield {"limit": f"all on these {cores} processors: Pebble, a minimal client, {token}",
               "per_second": cores * 1000 / (server + key + REQUESTS_MINIMUM * signature)}


def processor_limits():
    done = subprocess.run(["openssl", "speed", "-seconds", "1", "ecdsap256"], capture_output=True, text=True, check=False)
    last = re.findall(r"([\d.]+)\s+([\d.]+)\s*$", done.stdout)
    sign, verify = (float(value) for value in last[-1])
    return [{"limit": "openssl speed, one core: P-256 signatures", "per_second": sign},
            {"limit": "openssl speed, one core: P-256 verifications", "per_second": verify}]
