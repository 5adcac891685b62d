"""read_on.py LIVE REPORT STOP: reads the sets below LIVE all the time, each by one descriptor, until the file STOP is there; then writes
to REPORT, as JSON, how many readings there were, of how many sets, and what was not of one set. What is compared is what servers
read: the certificate, the reference of its key, and the two in haproxy.pem. And as nginx does: nginx.conf by its path, then
the file that it names, whose certificate is to be that of the key in the same nginx.conf."""
import json
import os
import re
import sys

LIVE, REPORT, STOP = sys.argv[1:4]
FILES = ("key.pem", "key.uri", "fullchain.pem", "haproxy.pem", "cert.pem")


def read(folder, name):
    descriptor = os.open(name, os.O_RDONLY, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def read_as_nginx():
    with open(f"{LIVE}/nginx.conf", encoding="utf-8") as file:
        text = file.read()
    with open(re.search('^ssl_certificate "(.*)";', text, re.M)[1], "rb") as file:
        chain = file.read()
    return chain, re.search('^ssl_certificate_key "engine:pkcs11:(.*)";', text, re.M)[1].encode()


sets = {}  # certificate -> everything else of its set
keys = {}  # key -> certificate
uris = {}  # key's URI -> chain
report = {"readings": 0, "sets": 0, "faults": []}
while not os.path.exists(STOP):
    folder = os.open(LIVE, os.O_RDONLY | os.O_DIRECTORY)
    try:
        files = {name: read(folder, name) for name in FILES}
    finally:
        os.close(folder)
    report["readings"] += 1
    certificate = files["cert.pem"]
    if sets.setdefault(certificate, files) != files:
        report["faults"].append("a certificate with files of another set")
    if keys.setdefault(files["key.pem"], certificate) != certificate:
        report["faults"].append("a key with another certificate")
    if not files["fullchain.pem"].startswith(certificate) or files["haproxy.pem"] != files["fullchain.pem"] + files["key.pem"]:
        report["faults"].append("files of two sets")
    if uris.setdefault(files["key.uri"], files["fullchain.pem"]) != files["fullchain.pem"]:
        report["faults"].append("a key's URI with another chain")
    chain, uri = read_as_nginx()
    if uris.setdefault(uri, chain) != chain:
        report["faults"].append("nginx.conf names files of two sets")
report["sets"] = len(sets)
with open(REPORT, "w", encoding="utf-8") as file:
    json.dump(report, file)
