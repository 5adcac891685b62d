"""connect_on.py HOST PORT ROOTS REPORT STOP: connects all the time, each time with a whole handshake and a request, until the file
STOP is there, and prints each new serial; then writes to REPORT, as JSON, how many connections there were, which failed and why,
and the serials seen in order."""
import json
import os
import socket
import ssl
import sys
import threading

HOST, PORT, ROOTS, REPORT, STOP = sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]
CLIENTS = 2
lock = threading.Lock()
report = {"connections": 0, "failures": [], "serials": []}


def connect():
    context = ssl.create_default_context(cafile=ROOTS)
    with socket.create_connection(("127.0.0.1", PORT), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=HOST) as tls:
            tls.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := tls.recv(4096):
                answer += piece
            if not answer.startswith(b"HTTP/1.1 200"):
                raise OSError(f"answered {answer[:40]!r}")
            return tls.getpeercert()["serialNumber"]


def client():
    while not os.path.exists(STOP):
        try:
            serial, failure = connect(), None
        except OSError as error: # ssl.SSLError is one
            serial, failure = None, f"{type(error).__name__}: {error}"
        with lock:
            report["connections"] += 1
            if failure:
                report["failures"].append(failure)
            elif serial not in report["serials"]:
                report["serials"].append(serial)
                print(serial, flush=True)


threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with open(REPORT, "w", encoding="utf-8") as file:
    json.dump(report, file)
