#!/usr/bin/env python3
"""The data set of the main job: the distribution's package index, one JSON record a package.

    dataset.py            make it (in the cache), print its path, count, and SHA-256

A record is key TAB value on a line: the key is the package's name, the value a JSON object of its
fields on one line.  Of several versions of a package the last one listed is kept.  The hash is of
the records sorted by key, so it says the same of the file and of what came back from a broker.
"""
import hashlib
import json
import re
import subprocess
import sys

from kafka_rig import RigError, cache_dir

FILE = "packages.tsv"


def index_text():
    try:
        done = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, timeout=120)
    except FileNotFoundError:
        raise RigError("missing apt-cache: the data set is the index of a Debian system")
    text = done.stdout.decode(errors="replace")
    if done.returncode or text.count("\nPackage: ") < 10000:
        raise RigError("the package index is empty; fetch it with: apt-get update")
    return text


def packages(text):
    """{name: {field: value}} of a Debian control file; folded lines keep their line breaks."""
    found = {}
    for paragraph in text.split("\n\n"):
        fields, last = {}, None
        for line in paragraph.split("\n"):
            if line[:1] in (" ", "\t") and last:
                fields[last] += "\n" + line.strip()
            else:
                m = re.match(r"([A-Za-z0-9-]+):\s*(.*)", line)
                if m:
                    last = m[1]
                    fields[last] = m[2]
        if "Package" in fields:
            found[fields["Package"]] = fields
    return found


def canonical_hash(records):
    """SHA-256 over (key, value) pairs of bytes, in order of their keys."""
    h = hashlib.sha256()
    for key, value in sorted(records):
        h.update(b"%d %d\n" % (len(key), len(value)) + key + value)
    return h.hexdigest()


def load():
    """[(key, value)] as bytes, from the cache; made there if it is not."""
    path = cache_dir() / FILE
    if not path.exists():
        lines = ["%s\t%s\n" % (name, json.dumps(fields, sort_keys=True, ensure_ascii=False,
                                                separators=(",", ":")))
                 for name, fields in packages(index_text()).items()]
        part = path.with_suffix(".part")
        part.write_text("".join(lines), encoding="utf-8", newline="\n")
        part.rename(path)
    records = [tuple(line.split(b"\t", 1)) for line in path.read_bytes().split(b"\n")[:-1]]
    return path, records


def main():
    try:
        path, records = load()
    except RigError as error:
        print("dataset: %s" % error, file=sys.stderr)
        return 2
    size = sum(len(k) + len(v) for k, v in records)
    print("%s\n%d records, %d bytes\nsha256 %s" % (path, len(records), size,
                                                  canonical_hash(records)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
