"""encoding.py -- base64url and JSON, read strictly: what is not exact is refused (RFC 8555 6.1, RFC 7515 2)."""
import base64
import json


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64u(text):
    """The bytes, or ValueError: no padding, no foreign characters, no bits left over."""
    if not isinstance(text, str):
        raise ValueError("not a string")
    if "=" in text:
        raise ValueError("base64url with padding")
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, UnicodeEncodeError):
        raise ValueError("not base64url") from None
    if b64u(data) != text:  # also catches "+", "/", whitespace, and non-zero bits at the end
        raise ValueError("not canonical base64url")
    return data


def _no_duplicates(pairs):
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise ValueError("a member appears twice")
    return dict(pairs)


def _no_constant(word):
    raise ValueError(f"{word} is not JSON")


def load_json(data):
    """Any JSON value from bytes; ValueError when it is not UTF-8, not JSON, or has a member twice."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (UnicodeDecodeError, RecursionError):
        raise ValueError("not JSON in UTF-8") from None


def load_object(data):
    value = load_json(data)
    if not isinstance(value, dict):
        raise ValueError("JSON, but not an object")
    return value


def dump(value):
    return json.dumps(value, separators=(",", ":")).encode("utf-8")
