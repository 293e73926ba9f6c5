#!/usr/bin/env python3
"""Do the tests catch known defects?

Each defect of storage/bug_bank.h is built into a broker of its own (build-bug-NAME beside the
sources), then the unit tests that come to mind and the simulator run until one fails.  Prints which
one caught it; exit code 1 when a defect survives."""

import argparse
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFECTS = [
    "no_dir_fsync",
    "ack_on_submission",
    "window_of_four",
    "mark_before_sync",
    "serve_before_sync",
]


def run(command, seconds, **kwargs):
    return subprocess.run(
        command, timeout=seconds, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs
    )


def build(defect, build_root, jobs):
    directory = build_root / f"build-bug-{defect}"
    if not (directory / "build.ninja").exists():
        done = run(["meson", "setup", str(directory), str(ROOT), f"-Dbug={defect}"], 300)
        if done.returncode != 0:
            sys.exit(f"{defect}: meson failed\n{done.stdout}")
    done = run(["ninja", "-C", str(directory), f"-j{jobs}", "tests/sim/simulate"], 1800)
    if done.returncode != 0:
        sys.exit(f"{defect}: the build failed\n{done.stdout[-4000:]}")
    return directory


def by_simulator(directory, seeds, first_seed):
    """The first complaint as text, and how many seeds it took; None: all seeds passed."""
    done = run(
        [
            str(directory / "tests/sim/simulate"),
            "--seeds",
            str(seeds),
            "--seed",
            str(first_seed),
            "--until-failure",
        ],
        3600,
    )
    failure = re.search(r"^seed (\d+): (\S+) (.*)$", done.stdout, re.MULTILINE)
    if done.returncode == 0:
        return None
    if failure is None:
        return f"simulate ended with {done.returncode}: {done.stdout[-500:]}"
    return f"simulate, complaint {failure[2]}, seed {failure[1]}: {failure[3]}"


def by_unit_tests(directory, jobs):
    """The name of a unit test that fails; None: all pass."""
    done = run(["ninja", "-C", str(directory), f"-j{jobs}"], 3600)
    if done.returncode != 0:
        sys.exit(f"{directory.name}: the build failed\n{done.stdout[-4000:]}")
    done = run(["meson", "test", "-C", str(directory), "--suite", "unit", "--no-rebuild"], 3600)
    failed = re.findall(r"^\s*\d+/\d+\s+(?:\S+ / )?(\S+)\s+(?:FAIL|TIMEOUT|ERROR)", done.stdout, re.M)
    return f"unit test {', '.join(failed)}" if failed else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("defects", nargs="*", metavar="DEFECT", help=", ".join(DEFECTS))
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--build-root", type=pathlib.Path, default=ROOT)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--simulator-only", action="store_true", help="no unit tests")
    options = parser.parse_args()
    unknown = set(options.defects) - set(DEFECTS)
    if unknown:
        parser.error(f"no such defect: {', '.join(sorted(unknown))}")
    survivors = []
    for defect in options.defects or DEFECTS:
        start = time.monotonic()
        directory = build(defect, options.build_root, options.jobs)
        caught = by_simulator(directory, options.seeds, options.seed)
        if caught is None and not options.simulator_only:
            caught = by_unit_tests(directory, options.jobs)
        if caught is None:
            survivors.append(defect)
        print(
            f"{defect}: {'caught by ' + caught if caught else 'SURVIVED'}"
            f" ({time.monotonic() - start:.0f} s)",
            flush=True,
        )
    if survivors:
        sys.exit(1)


if __name__ == "__main__":
    main()
