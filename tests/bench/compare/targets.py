"""targets.py -- the targets that a run is held against, each with its figure: met or not."""
import math
import pathlib
import re

# newOrder, its authorization, the challenge, the authorization again, finalize, the order again, the certificate (RFC 8555, 7.4 and 7.5.1)
REQUESTS_MINIMUM = 7
WORKERS = int(re.search(r"LOOP_WORKERS\s+(\d+)", (pathlib.Path(__file__).parents[3] / "src/daemon/loop.h").read_text())[1])
RSS_MOST_MIB = 48
TOKENS = ("SoftHSM", "swtpm")


def find(rows, work, client, nonce_reject=0):
    return next((row for row in rows if (row["work"], row["client"], row["nonce_reject"]) == (work, client, nonce_reject) and row["runs"]), None)


def at_most(what, value, most):
    return what, value, f"at most {most:.2f}".removesuffix(".00"), value <= most


def renewal(rows):
    """(b): beside lego with keys in files, and beside lego with a key in the TPM."""
    for token, peer in zip(TOKENS, ("lego", "lego + swtpm key")):
        theirs = find(rows, "forced renewal", peer)
        for client in (f"hwacme, {token}", f"hwacme + daemon, {token}"):
            ours = find(rows, "forced renewal", client)
            if ours and theirs:
                for what, key, most in (("CPU", "cpu_ms_each", 1 / 3), ("wall", "wall_ms", 1), ("memory (PSS)", "pss_mib", 1 / 2),
                                        ("requests", "requests_each", 1)):
                    yield at_most(f"forced renewal, {client} / {peer}: {what}", ours[key] / theirs[key], most)


def fleet(rows, limits, size, token):
    """(c): beside the best of the peers in each figure, and what bounds everybody."""
    work = f"fleet of {size}"
    ours = find(rows, work, f"hwacme run, {token}")
    if not ours:
        return
    what, rate, count = f"{work}, {token}", ours["certificates_per_second"], ours["certificates"]
    peers = [row for row in rows if row["work"] == work and not row["nonce_reject"] and row["runs"] and not row["client"].startswith("hwacme")]
    if peers:
        best = max(peers, key=lambda row: row["certificates_per_second"])
        yield (f"{what}: rate / best peer's, {best['client']}", rate / best["certificates_per_second"], "at least 10",
               rate >= 10 * best["certificates_per_second"])
    bounds = [limit["per_second"] for limit in limits if limit["limit"].startswith("Pebble")]
    keys = [limit["per_second"] for limit in limits if limit["limit"].startswith(token) and ": key, " in limit["limit"]]
    if bounds and keys:
        bound = min(max(bounds), max(keys))
        whose = "Pebble" if bound == max(bounds) else token
        yield f"{what}: rate / limit that binds, {whose}", rate / bound, "at least 0.8", rate >= 0.8 * bound
    shared = [limit["per_second"] for limit in limits if limit["limit"].startswith("all on") and limit["limit"].endswith(token)]
    if shared:
        yield f"{what}: rate / what all of it on these processors allows", rate / shared[0], "at least 0.8", rate >= 0.8 * shared[0]
    for key, figure, most in (("cpu_ms_each", "CPU", 1), ("pss_mib", "memory (PSS)", 1 / 2)):
        if peers:
            lean = min(peers, key=lambda row, key=key: row[key])
            yield at_most(f"{what}: {figure} / leanest peer's, {lean['client']}", ours[key] / lean[key], most)
    # directory and account once, a nonce for each worker's first
    yield at_most(f"{what}: requests a certificate", ours["requests_each"], REQUESTS_MINIMUM + (2 + WORKERS) / count)
    yield at_most(f"{what}: connections in all, one a worker", ours["connections"], WORKERS)
    yield at_most(f"{what}: RSS of engine and keyd, MiB", ours["engine_and_keyd_rss_mib"], RSS_MOST_MIB)


def twins(rows):
    """Every second nonce refused: a signed request takes two tries on average, give or take 1.4; few requests may have bad luck."""
    for row in rows:
        plain = find(rows, row["work"], row["client"])
        if not row["nonce_reject"] or not row["client"].startswith("hwacme") or row.get("is_again"):
            continue
        what = f"{row['work']}, {row['client']}, {row['nonce_reject']} % of nonces refused: requests"
        if not plain or not row["runs"]:
            yield what, float("nan"), "at most 2, none failed", False
            continue
        made = row["requests_mean"] * row["certificates"] * row["runs"]
        value = row["requests_mean"] / plain["requests_mean"]
        luck = 2 * math.sqrt(2 / made) * value
        yield what, value, f"at most 2 and {luck:.2f} for chance, none failed", value <= 2 + luck and not row["failed"]


def verdicts(rows, limits, fleet_sizes):
    """(what, the figure, the target, whether it is met), for everything that was measured."""
    result = list(renewal(rows))
    for size in fleet_sizes:
        for token in TOKENS:
            result += fleet(rows, limits, size, token)
    return result + list(twins(rows))


def text(results):
    return "\n".join(["", "Targets"] + [f"  {'met   ' if met else 'MISSED'} {what:92} {value:8.2f}  ({target})" for what, value, target, met in results])
