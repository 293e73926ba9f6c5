#!/usr/bin/env python3
"""What simulated runs leave behind, checked from the files alone.

usage: check_files.py SIMULATE LOGFSCK [--seeds N] [--first SEED]

Seeds are run with --export, until N have left a directory (one whose broker a fault at its start has
stopped for an operator leaves none); logfsck.py looks at it.  Then a byte of one batch is
changed, which logfsck must see: a checker that finds nothing in damaged files proves nothing.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile


def check(logfsck, directory):
    return subprocess.run([sys.executable, logfsck, str(directory)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)


def damage(directory):
    """Change a byte inside the first batch of the largest log; false: there is none."""
    logs = sorted(directory.rglob("*.log"), key=lambda path: (path.stat().st_size, path))
    if not logs or logs[-1].stat().st_size < 100:
        return False
    with open(logs[-1], "r+b") as file:
        file.seek(64)
        byte = file.read(1)
        file.seek(64)
        file.write(bytes([byte[0] ^ 1]))
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("simulate")
    parser.add_argument("logfsck")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=1)
    args = parser.parse_args()
    problems = damaged = left = 0
    for seed in range(args.first, args.first + 2 * args.seeds):
        if left == args.seeds:
            break
        with tempfile.TemporaryDirectory(prefix="levee-sim-") as name:
            directory = pathlib.Path(name) / "left"
            directory.mkdir()
            run = subprocess.run([args.simulate, "--seeds", "1", "--seed", str(seed), "--export",
                                  str(directory)], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 timeout=120)
            if run.returncode:
                print("seed %d failed: %s" % (seed, run.stdout[-500:]))
                problems += 1
                continue
            roots = [path.parent for path in directory.rglob("meta.properties")]
            if not roots:
                print("seed %d needed an operator and left no directory" % seed)
                continue
            left += 1
            for root in roots:
                found = check(args.logfsck, root)
                if found.returncode:
                    print("seed %d: %s" % (seed, found.stdout[-2000:]))
                    problems += 1
                elif damage(root):
                    damaged += 1
                    if check(args.logfsck, root).returncode != 1:
                        print("seed %d: a changed byte was not seen" % seed)
                        problems += 1
    if left < args.seeds:
        print("%d seeds left only %d directories" % (2 * args.seeds, left))
        problems += 1
    if damaged == 0:
        print("no directory had a log to damage")
        problems += 1
    print("%d directories, %d of them damaged on purpose, %d problems" % (left, damaged, problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
