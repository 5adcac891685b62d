"""dns_query.py -- asks one DNS server for the TXT records of a name: UDP, then TCP when the answer was cut."""
import secrets
import socket
import struct

TIMEOUT = 5
TXT, IN = 16, 1
TRUNCATED = 0x0200


class DnsFailure(Exception):
    """The server did not answer, or answered with an error."""


def _question(name, identity):
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.rstrip(".").split("."))
    return struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", TXT, IN)


def _skip_name(data, at):
    while True:
        length = data[at]
        if length >= 0xc0:  # a pointer ends a name
            return at + 2
        at += 1 + length
        if length == 0:
            return at


def _texts(data):
    """The character strings of each TXT record, joined (RFC 8555 8.4 wants them as one)."""
    _, flags, questions, answers, _, _ = struct.unpack("!HHHHHH", data[:12])
    if flags & 0xf not in (0, 3):  # no error, or no such name
        raise DnsFailure(f"the DNS server answered with code {flags & 0xf}")
    at, found = 12, []
    for _ in range(questions):
        at = _skip_name(data, at) + 4
    for _ in range(answers):
        at = _skip_name(data, at)
        kind, _, _, length = struct.unpack("!HHIH", data[at:at + 10])
        at += 10
        if kind == TXT:
            text, end, position = b"", at + length, at
            while position < end:
                text += data[position + 1:position + 1 + data[position]]
                position += 1 + data[position]
            found.append(text.decode("ascii", "replace"))
        at += length
    return found


def _over_tcp(server, question):
    with socket.create_connection(server, TIMEOUT) as connection:
        connection.sendall(struct.pack("!H", len(question)) + question)
        stream = connection.makefile("rb")
        return stream.read(struct.unpack("!H", stream.read(2))[0])


def txt(server, name):
    """A list of texts, empty when there is none; CNAMEs are followed as far as the server does it."""
    identity = secrets.randbelow(1 << 16)
    question = _question(name, identity)
    try:
        with socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(TIMEOUT)
            udp.connect(server)
            udp.send(question)
            answer = udp.recv(65535)
        if struct.unpack("!H", answer[2:4])[0] & TRUNCATED:
            answer = _over_tcp(server, question)
        if struct.unpack("!H", answer[:2])[0] != identity:
            raise DnsFailure("the answer is to another question")
        return _texts(answer)
    except (OSError, IndexError, struct.error) as why:
        raise DnsFailure(f"{name}: {why}") from None
