"""server.py -- the Pebble that every client is measured against, and what it saw of them."""
import json
import os
import pathlib
import ssl
import subprocess
import time
import urllib.request

ACME, MANAGEMENT, HTTP01 = 14000, 15000, 5002  # the network is our own: no port is taken
DIRECTORY = f"https://localhost:{ACME}/dir"


class Pebble:
    """Validation takes no time and always succeeds; every name is validated anew; GOMAXPROCS=1, because it can lock up otherwise."""

    def __init__(self, lab):
        self.lab = pathlib.Path(lab)
        self.log = self.lab / "pebble.log"
        self.process = None

    def start(self, nonce_reject, validity=7776000):
        config = {"listenAddress": f"127.0.0.1:{ACME}", "managementListenAddress": f"127.0.0.1:{MANAGEMENT}",
                  "certificate": str(self.lab / "pebble/server.pem"), "privateKey": str(self.lab / "pebble/server.key"),
                  "httpPort": HTTP01, "tlsPort": 5001, "ocspResponderURL": "", "externalAccountBindingRequired": False,
                  "certificateValidityPeriod": validity}
        path = self.lab / "pebble/config.json"
        path.write_text(json.dumps({"pebble": config}))
        environment = dict(os.environ, GOMAXPROCS="1", PEBBLE_VA_NOSLEEP="1", PEBBLE_VA_ALWAYS_VALID="1",
                           PEBBLE_WFE_NONCEREJECT=str(nonce_reject), PEBBLE_AUTHZREUSE="0")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["pebble", "-config", path], env=environment, stdout=log, stderr=log)
        context = ssl.create_default_context(cafile=self.lab / "trust.pem")
        deadline = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(DIRECTORY, context=context, timeout=5).read()
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"Pebble does not answer: {self.log.read_text()[-500:]}") from None
                time.sleep(0.05)
        root = urllib.request.urlopen(f"https://localhost:{MANAGEMENT}/roots/0", context=context, timeout=5).read()
        (self.lab / "roots.pem").write_bytes(root)

    def stop(self):
        if self.process:
            self.process.kill()  # one that has locked up does not end otherwise
            self.process.wait()
        self.process = None

    def seen(self):
        """Since it was started: requests, connections to anything in this network, and Pebble's CPU in milliseconds."""
        requests = self.log.read_bytes().count(b"-> calling handler()")
        names, values = [line.split() for line in open("/proc/net/snmp") if line.startswith("Tcp:")]
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks = int(stat[11]) + int(stat[12])
        return {"requests": requests, "connections": int(values[names.index("PassiveOpens")]),
                "server_cpu_ms": ticks * 1000 / os.sysconf("SC_CLK_TCK")}
