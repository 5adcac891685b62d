"""folded.py -- what `perf script` says: the milliseconds of each run by process, and by what they were spent on."""
import collections
import re

# The first that a frame of the stack, or its library, fits, counts.
KINDS = [
    ("digest of the PIN (scrypt)", r"EVP_PBE_scrypt"),
    ("seccomp and Landlock", r"sandbox_|libseccomp"),
    ("SQLite: files and fsync", r"^(?=.*libsqlite3)(?=.*(do_fsync|fdatasync|ftruncate|pwrite|vfs_write|openat|close|fcntl))"),
    ("SQLite: statements", r"libsqlite3"),
    ("SoftHSM: its files", r"^(?=.*libsofthsm2)(?=.*(truncate|openat|close|fcntl|fsync|vfs_write|vfs_read))"),
    ("SoftHSM: the rest", r"libsofthsm2"),
    ("TPM software stack", r"libtss2"),
    ("loading a module (dlopen)", r"dlopen|dl_open"),
    ("dynamic linking at start", r"ld-linux"),
    ("certificates and public keys (ASN.1, decoders)", r"ASN1_item_d2i|OSSL_DECODER|certificate_accept|spki_|X509_"),
    ("TLS and HTTP", r"libcurl|libssl|curl_"),
    ("staging and switching files", r"archive_"),
    ("configuration", r"config_load|libyaml"),
    ("messages between engine and keyd", r"wire_"),
    ("fork", r"copy_process|__libc_fork|kernel_clone|ret_from_fork"),
    ("start and end of a process (exec, exit)", r"do_exit|execve|load_elf|exit_mmap|__run_exit_handlers|_dl_fini"),
    ("other libcrypto (signatures, random numbers, start)", r"libcrypto"),
]


def samples(lines):
    comm, period, frames = None, 0, []
    for line in lines:
        if not line.strip():
            if comm:
                yield comm, period, frames
            comm, frames = None, []
        elif line[0] not in " \t":
            match = re.match(r"(\S+)\s+(\d+)\s+(\d+)", line)
            comm, period, frames = match.group(1), int(match.group(3)), []
        else:
            frames.append(line.strip())
    if comm:
        yield comm, period, frames


def show(lines, runs):
    """Prints them; `runs`: of how many renewals the samples are."""
    patterns = [(name, re.compile(pattern)) for name, pattern in KINDS]
    by_process, by_kind = collections.Counter(), collections.Counter()
    for comm, period, frames in samples(lines):
        if not re.match(r"hwacme|MHD", comm):
            continue
        stack = " ".join(frames)
        kind = next((name for name, pattern in patterns if pattern.search(stack)), "the rest")
        by_process[comm] += period
        by_kind[comm, kind] += period
    print(f"{'CPU, ms a renewal':56}{sum(by_process.values()) / 1e6 / runs:8.1f}")
    for comm, period in by_process.most_common():
        print(f"  {comm:54}{period / 1e6 / runs:8.1f}")
    for (comm, kind), period in by_kind.most_common(24):
        print(f"    {comm + ': ' + kind:60}{period / 1e6 / runs:8.1f}")
