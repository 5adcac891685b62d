"""memory.py -- the memory that the shim shares with a sweep: wishes written, sites read (tests/support/fault_shim.h)."""
import mmap
import os
import re
import struct
import subprocess

MAGIC, RECORDS, FRAMES, PATH, HEAD = 0x53495445, 16384, 12, 160, 4096
HEADER = struct.Struct(f"=5Ii4IQQ{PATH}s")
RECORD = struct.Struct(f"=IIiI4Q{FRAMES}QII16s24s{PATH}s{PATH}s")
DATA_ROOM = 48 << 20

FILE, NETWORK, LINK, TPM, PROCESS, ALLOCATION = 1, 2, 4, 8, 16, 32
EVERYTHING = FILE | NETWORK | LINK | TPM | PROCESS
NOTHING, STOP_BEFORE, STOP_AFTER, FAIL = range(4)


def text(raw):
    return raw.split(b"\0", 1)[0].decode()


class Site:
    """One call, as the shim saw it."""

    def __init__(self, number, values, data):
        self.number = number
        self.kind, self.pid, self.result, self.ended, self.inode, self.offset, self.len, at = values[:8]
        self.frames = tuple(frame for frame in values[8:8 + FRAMES] if frame)
        self.mode, self.flags = values[8 + FRAMES:10 + FRAMES]
        self.role, self.call, self.path, self.other = map(text, values[10 + FRAMES:])
        self.data = data[at:at + self.len] if self.kind == FILE and self.call in ("write", "pwrite", "symlink") else b""

    @property
    def is_done(self):
        return self.ended and self.result >= 0


class Memory:
    """The file that HWACME_FAULTS names."""

    def __init__(self, path, state):
        size = HEAD + RECORDS * RECORD.size + DATA_ROOM
        with open(path, "wb") as file:
            file.truncate(size)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)
        self.path, self.state = path, os.path.realpath(state).encode()

    def reset(self, kinds, action=NOTHING, target=0, error=0, onwards=0, halves=0, keeps_data=0):
        used = HEADER.unpack_from(self.map)[1]
        self.map[HEAD:HEAD + min(used, RECORDS) * RECORD.size] = bytes(min(used, RECORDS) * RECORD.size)
        HEADER.pack_into(self.map, 0, MAGIC, 0, kinds, action, target, error, onwards, halves, 0, keeps_data, 0, DATA_ROOM,
                         self.state)

    @property
    def count(self):
        return HEADER.unpack_from(self.map)[1]

    @property
    def reached(self):
        """The process that came to the target; 0: none did."""
        return HEADER.unpack_from(self.map)[8]

    def sites(self):
        if self.count > RECORDS:
            raise RuntimeError(f"{self.count} sites are more than there is room for")
        data = memoryview(self.map)[HEAD + RECORDS * RECORD.size:]
        found = [Site(n + 1, RECORD.unpack_from(self.map, HEAD + n * RECORD.size), data) for n in range(self.count)]
        for site in found:
            site.data = bytes(site.data)
        data.release()
        return found


class Names:
    """What a site is called: who, the call, the file, and the functions of ours that came to it."""

    def __init__(self, program):
        self.program, self.known = program, {}

    def learn(self, frames):
        new = sorted({frame for frame in frames if frame not in self.known})
        if not new:
            return
        # A return address is behind its call.
        said = subprocess.run(["addr2line", "-f", "-s", "-e", self.program], check=True, capture_output=True, text=True,
                              input="".join(f"{frame - 1:#x}\n" for frame in new)).stdout.splitlines()
        for frame, function, place in zip(new, said[::2], said[1::2]):
            self.known[frame] = (function, place.split(" ")[0])

    def learn_all(self, sites):
        self.learn([frame for site in sites for frame in site.frames])

    def callers(self, site, depth=8):
        """Innermost first; what only hands on (span_write) is part of the way all the same."""
        return [self.known[frame][0] for frame in site.frames[:depth]]

    def name(self, site):
        path = re.sub(r"[0-9a-f]{8,}", "*", re.sub(r"(archive/[^/]+/)\d+", r"\1N", site.path))
        path = re.sub(r"(\.staging/).+", r"\1*", path)
        return f"{site.role}: {site.call} {path} by {' < '.join(self.callers(site)) or 'a library thread'}"
