"""durable.py -- what is left of STATE when the power goes: fsync honoured, and anything that was not synced lost."""
import os
import socket
import stat

# SQLite's index of its write-ahead log: shared memory, written without a call, and made anew after a power cut.
MAPPED = "-shm"


class Node:
    """A file, link or directory: as it is, and as the disk has it."""

    def __init__(self, kind, mode, content=None):
        self.kind, self.mode = kind, mode
        self.now = content if content is not None else ({} if kind == "directory" else bytearray())
        self.kept = {} if kind == "directory" else b""

    def sync(self):
        self.kept = dict(self.now) if self.kind == "directory" else bytes(self.now)


class Disk:
    """STATE as it was, with all of it on disk; then the sites of a run are done to it, one after another."""

    def __init__(self, state):
        self.root = self.read(state)

    def read(self, path):
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            node = Node("link", 0, bytearray(os.readlink(path).encode()))
        elif stat.S_ISDIR(status.st_mode):
            node = Node("directory", stat.S_IMODE(status.st_mode), {name: self.read(f"{path}/{name}") for name in os.listdir(path)})
        else:
            with open(path, "rb") as file:
                node = Node("file", stat.S_IMODE(status.st_mode), bytearray(file.read()))
        node.sync()
        return node

    def find(self, path):
        """The directory of a path, and the last name in it."""
        parts = [part for part in path.split("/") if part not in (".", "")]
        node = self.root
        for part in parts[:-1]:
            node = node.now[part]
        return node, parts[-1] if parts else None

    def at(self, path):
        directory, name = self.find(path)
        return directory.now[name] if name else directory

    def file(self, site):
        """The open file: by its path, or when that was removed meanwhile, by its number."""
        return self.open[site.inode] if site.path.endswith(" (deleted)") else self.at(site.path)

    def run(self, sites):
        self.open = {}
        for site in sites:
            if site.is_done:
                getattr(self, "do_" + site.call)(site)

    def do_open(self, site):
        directory, name = self.find(site.path)
        node = directory.now.get(name)
        if node is None:
            node = directory.now[name] = Node("file", site.mode & ~0o022)
        if site.flags & os.O_TRUNC:
            node.now.clear()
        self.open[site.inode] = node

    def do_pwrite(self, site):
        content = self.file(site).now
        if len(content) < site.offset:
            content.extend(bytes(site.offset - len(content)))
        content[site.offset:site.offset + len(site.data)] = site.data

    do_write = do_pwrite

    def do_ftruncate(self, site):
        content = self.file(site).now
        content.extend(bytes(max(0, site.len - len(content))))
        del content[site.len:]

    def do_fsync(self, site):
        self.file(site).sync()

    do_fdatasync = do_fsync

    def do_sync_file_range(self, site):
        pass  # begun, and not waited for: nothing is promised

    def do_fchmod(self, site):
        self.file(site).mode = site.mode

    def do_mkdir(self, site):
        directory, name = self.find(site.path)
        directory.now[name] = Node("directory", site.mode & ~0o022)

    def do_symlink(self, site):
        directory, name = self.find(site.path)
        directory.now[name] = Node("link", 0, bytearray(site.data))
        directory.now[name].sync()

    def do_link(self, site):
        directory, name = self.find(site.other)
        directory.now[name] = self.at(site.path)

    def do_rename(self, site):
        directory, name = self.find(site.path)
        to, to_name = self.find(site.other)
        to.now[to_name] = directory.now.pop(name)

    def do_unlink(self, site):
        directory, name = self.find(site.path)
        del directory.now[name]

    do_rmdir = do_unlink

    def do_bind(self, site):
        directory, name = self.find(site.path)
        directory.now[name] = Node("socket", 0)

    def leave(self, path, names_kept):
        """Makes STATE anew as the disk has it; names_kept: directories came further than what is in their files."""
        self.write(self.root, path, names_kept)

    def write(self, node, path, names_kept):
        if node.kind == "link":
            os.symlink(node.kept.decode(), path)
        elif node.kind == "socket":
            with socket.socket(socket.AF_UNIX) as nobody:
                nobody.bind(path)
        elif node.kind == "file":
            with open(path, "wb") as file:
                file.write(node.kept)
            os.chmod(path, node.mode)
        else:
            os.mkdir(path)
            for name, below in (node.now if names_kept else node.kept).items():
                if not name.endswith(MAPPED):
                    self.write(below, f"{path}/{name}", names_kept)
            os.chmod(path, node.mode)

    def same_as(self, path):
        """Is STATE, as it is, what the sites made of it? Else the shim missed something; the first difference."""
        return self.difference(self.root, path)

    def difference(self, node, path):
        if os.path.islink(path):
            return None if os.readlink(path).encode() == bytes(node.now) else path
        if path.endswith(MAPPED):
            return None
        if node.kind == "socket":
            return None if stat.S_ISSOCK(os.lstat(path).st_mode) else path
        if not os.path.isdir(path):
            with open(path, "rb") as file:
                return None if file.read() == bytes(node.now) else path
        if set(os.listdir(path)) != set(node.now):
            return f"{path}: {sorted(os.listdir(path))} and {sorted(node.now)}"
        found = [self.difference(below, f"{path}/{name}") for name, below in node.now.items()]
        return next((one for one in found if one), None)
