"""validate_http.py -- http-01: really fetched, from one configured place for every name (RFC 8555 8.3)."""
import http.client

from .problems import Refusal

TIMEOUT = 10
BODY_MAX = 4096


def address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def http01(ra, challenge, expected):
    host, port = address(ra.settings.http01)
    name = challenge.authorization.value
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", f"/.well-known/acme-challenge/{challenge.token}",
                           headers={"Host": f"[{name}]" if ":" in name else name, "User-Agent": "ra-for-tests"})
        response = connection.getresponse()
        body = response.read(BODY_MAX)
    except http.client.HTTPException as why:
        raise Refusal("connection", f"{name}: not an HTTP answer: {why!r}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise Refusal("unauthorized", f"{name}: HTTP status {response.status}")
    # 8.3: white space at the end is ignored.
    if body.decode("utf-8", "replace").rstrip() != expected:
        raise Refusal("unauthorized", f"{name}: the answer is not the key authorization")
