"""A memory cgroup for one process, of either version (cgroups(7)), where this machine lets us make
one.

    group = cgroup.make(limit_bytes)    # Missing: says what this machine lacks
    subprocess.Popen(..., preexec_fn=group.enter)
    group.kills(), group.peak_bytes()
    group.remove()                      # once its process has ended
"""
import os
import pathlib
import time

ROOT = pathlib.Path("/sys/fs/cgroup")


class Missing(Exception):
    """What is needed for a memory cgroup and is not there."""


class Group:
    def __init__(self, directory, limit_name, peak_name, events_name):
        self.directory = directory
        self.limit_name = limit_name
        self.peak_name = peak_name
        self.events_name = events_name

    def limit(self, limit_bytes):
        (self.directory / self.limit_name).write_text(str(limit_bytes))
        swap = self.directory / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")

    def enter(self):
        """In the child, before exec."""
        (self.directory / "cgroup.procs").write_text(str(os.getpid()))

    def kills(self):
        """How many processes the kernel killed for want of memory."""
        for line in (self.directory / self.events_name).read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def peak_bytes(self):
        """With the page cache, of which the kernel takes back what it needs."""
        return int((self.directory / self.peak_name).read_text())

    def remove(self):
        for _ in range(50):  # the kernel lets go of an ended process a little later
            try:
                self.directory.rmdir()
                return
            except OSError:
                time.sleep(0.1)


def own_groups():
    """{controller: path} of this process; the controller of version 2 is ""."""
    groups = {}
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path.strip("/")
    return groups


def below(root, path):
    """Our own cgroup, or the root where its path is another namespace's."""
    return root / path if (root / path).is_dir() else root


def open_group(parent):
    directory = parent / ("levee-attack-%d" % os.getpid())
    try:
        directory.mkdir()
    except OSError as error:
        raise Missing("no cgroup can be made in %s: %s" % (parent, error.strerror)) from error
    return directory


def make(limit_bytes):
    groups = own_groups()
    if "memory" in groups:
        parent = below(ROOT / "memory", groups["memory"])
        group = Group(open_group(parent), "memory.limit_in_bytes", "memory.max_usage_in_bytes",
                      "memory.oom_control")
    elif "" in groups and (ROOT / "cgroup.controllers").exists():
        parent = below(ROOT, groups[""])
        if "memory" not in (parent / "cgroup.subtree_control").read_text().split():
            raise Missing("the memory controller is not given to children of %s "
                          "(cgroup.subtree_control)" % parent)
        group = Group(open_group(parent), "memory.max", "memory.peak", "memory.events")
    else:
        raise Missing("no memory controller in /proc/self/cgroup")
    try:
        group.limit(limit_bytes)
    except OSError as error:
        group.remove()
        raise Missing("the limit cannot be set: %s" % error.strerror) from error
    return group
