"""table.py -- the one table that is printed."""

NAME = 26
COLUMNS = [("client", "", NAME), ("certificates", "names", 6), ("runs", "runs", 5), ("wall_ms", "wall ms", 9), ("spread", "least-most", 15),
           ("certificates_per_second", "certs/s", 8), ("cpu_ms_each", "CPU ms", 8), ("pss_mib", "PSS MiB", 8), ("rss_mib", "RSS MiB", 8),
           ("requests_each", "requests", 9), ("connections", "conns", 6), ("server_cpu_ms_each", "server ms", 10),
           ("token_operations", "token ops", 10), ("failed", "failed", 6)]


def cell(row, key):
    if key == "spread":
        low, high = row.get("wall_ms_spread", ("", ""))
        return f"{low:.0f}-{high:.0f}" if low != "" else ""
    value = row.get(key, "")
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
    return str(value)


def table(rows, limits):
    """Each row's CPU, requests, server's CPU and token operations are of one certificate; its connections are those of all."""
    lines = []
    for work in dict.fromkeys((row["work"], row["nonce_reject"]) for row in rows):
        reject = f", {work[1]} % of good nonces refused" if work[1] else ""
        lines += ["", work[0] + reject, "".join(f"{title:>{width}}" if width != NAME else f"{title:{width}}" for _, title, width in COLUMNS)]
        for row in (row for row in rows if (row["work"], row["nonce_reject"]) == work):
            lines.append("".join(f"{cell(row, key):>{width}}" if width != NAME else f"{cell(row, key):{width}}" for key, _, width in COLUMNS) +
                         (f"  cannot: {row['cannot']}" if "cannot" in row else "") +
                         (f"  the command alone: {row['cpu_ms_command']:.1f} ms CPU, {row['pss_kib_command'] / 1024:.1f} MiB"
                          if "cpu_ms_command" in row else ""))
    lines += ["", f"{'limits':64}{'a second':>10}{'CPU ms each':>13}{'requests':>10}"]
    for limit in limits:
        cpu = f"{limit['cpu_ms_each']:.2f}" if "cpu_ms_each" in limit else ""
        requests = f"{limit['requests_each']:.2f}" if "requests_each" in limit else ""
        lines.append(f"{limit['limit']:64}{limit['per_second']:>10.0f}{cpu:>13}{requests:>10}")
    return "\n".join(lines)
