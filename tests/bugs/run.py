#!/usr/bin/env python3
"""Do the tests catch known defects?

    run.py [DEFECT ...]          all of them
    run.py --table [DEFECT ...]  those of defects.py only

The defects of defects.py are changes to a copy of the sources, which is built once; LEVEE_BUG names
the one that acts.  Each stage runs without any first: it must pass.  One of storage/bug_bank.h that
is a constant is built in for itself.  Then unit tests, the simulator and the crash
explorer run until one fails.  Prints which one caught it; exit code 1 when a defect survives."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

import defects

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONSTANTS = ["window_of_four"]
STAGE_SECONDS = 1200
HEADER = """/* Which of the known defects acts: tests/bugs/run.py. */
#ifndef LEVEE_TESTS_BUGS_H
#define LEVEE_TESTS_BUGS_H
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
static inline bool bug_is(const char *name)
{
    const char *acting = getenv("LEVEE_BUG");

    return acting != NULL && strcmp(acting, name) == 0;
}
#endif
"""


def run(command, seconds, **kwargs):
    return subprocess.run(
        command, timeout=seconds, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs
    )


def ninja(directory, targets, jobs):
    done = run(["ninja", "-C", str(directory), f"-j{jobs}", *targets], 3600)
    if done.returncode != 0:
        sys.exit(f"{directory}: the build failed\n{done.stdout[-4000:]}")


# ---- defects of defects.py: one copy for all


def edited(chosen):
    """{path: text} of the files that the defects change."""
    texts = {}
    for one in chosen:
        for path, before, after in one.edits:
            text = texts.get(path) or (ROOT / path).read_text()
            if text.count(before) != 1:
                sys.exit(
                    f"{one.name}: in {path} its text stands {text.count(before)} times; write it anew"
                )
            texts[path] = text.replace(before, after)
    return texts


def write_if_other(path, data):
    """A file that stays as it is is not compiled again."""
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def copy_sources(tree):
    texts = edited(defects.DEFECTS)
    listed = run(["git", "-C", str(ROOT), "ls-files", "-z"], 60).stdout.split("\0")
    for name in filter(None, listed):
        source = ROOT / name
        if not source.is_file():
            continue
        data = texts[name].encode() if name in texts else source.read_bytes()
        write_if_other(tree / name, data)
        if os.access(source, os.X_OK):
            (tree / name).chmod(0o755)
    write_if_other(tree / "bugs.h", HEADER.encode())


def target_of(stage):
    if stage == defects.SIM:
        return "tests/sim/simulate"
    if stage.startswith(defects.EXPLORE):
        return "tests/sim/explore"
    return f"tests/unit/{stage}"


def build_copy(options):
    tree = options.build_root / "bugs"
    tree.mkdir(parents=True, exist_ok=True)
    copy_sources(tree)
    directory = tree / "build"
    if not (directory / "build.ninja").exists():
        done = run(["meson", "setup", str(directory), str(tree), f"-Dc_args=-include {tree}/bugs.h"], 300)
        if done.returncode != 0:
            sys.exit(f"meson failed\n{done.stdout}")
    stages = sorted({stage for one in defects.DEFECTS for stage in one.stages})
    ninja(directory, [target_of(stage) for stage in stages], options.jobs)
    return directory


def command_of(directory, stage, options):
    program = str(directory / target_of(stage))
    if stage == defects.SIM:
        return [program, "--seeds", str(options.seeds), "--seed", str(options.seed), "--until-failure"]
    if stage.startswith(defects.EXPLORE):
        sequence = stage[len(defects.EXPLORE):]
        return [program, "--sequence", sequence, "--every", str(options.every), "--until-failure"]
    return [program, "-j2"]


def complaint(stage, done):
    """What failed, in a line."""
    for pattern in (
        r"^seed (\d+ .*)$",  # the simulator
        r"^\s*((?:L|I|G|OPEN|LATE|WIRE|STOPPED|ORDER)\d*: .*)$",  # the explorer
        r"^\[FAIL\] (\S+?): ",
        r"^\[CRASH\] (\S+)",
        r"^\[----\] +(.*)$",
    ):
        found = re.search(pattern, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout), re.MULTILINE)
        if found:
            return f"{stage}: {found[1][:120]}"
    return f"{stage}: exit code {done.returncode}"


def stage_fails(directory, stage, bug, options):
    """What it complains about; None: it passes."""
    environment = dict(os.environ, LEVEE_BUG=bug)
    try:
        done = run(command_of(directory, stage, options), STAGE_SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        return f"{stage}: no end in {STAGE_SECONDS} s"
    return complaint(stage, done) if done.returncode != 0 else None


def run_table(chosen, options):
    directory = options.build_root / "bugs" / "build"
    if not options.no_build:
        directory = build_copy(options)
    if options.build_only:
        return []
    survivors = []
    sound = {}
    for one in chosen:
        start = time.monotonic()
        caught = None
        for stage in options.stage or one.stages:
            if stage not in sound:
                sound[stage] = stage_fails(directory, stage, "", options)
            if sound[stage] is not None:
                sys.exit(f"without any defect: {sound[stage]}")
            caught = stage_fails(directory, stage, one.name, options)
            if caught is not None:
                break
        report(one.name, one.what, caught, start, survivors)
    return survivors


# ---- defects of storage/bug_bank.h: a build for each


def build_constant(defect, options):
    directory = options.build_root / f"build-bug-{defect}"
    if not (directory / "build.ninja").exists():
        done = run(["meson", "setup", str(directory), str(ROOT), f"-Dbug={defect}"], 300)
        if done.returncode != 0:
            sys.exit(f"{defect}: meson failed\n{done.stdout}")
    ninja(directory, ["tests/sim/simulate"], options.jobs)
    return directory


def by_unit_tests(directory, jobs):
    """The name of a unit test that fails; None: all pass."""
    ninja(directory, [], jobs)
    done = run(["meson", "test", "-C", str(directory), "--suite", "unit", "--no-rebuild"], 3600)
    failed = re.findall(r"^\s*\d+/\d+\s+(?:\S+ / )?(\S+)\s+(?:FAIL|TIMEOUT|ERROR)", done.stdout, re.M)
    return f"unit test {', '.join(failed)}" if failed else None


def run_constants(chosen, options):
    survivors = []
    for defect in chosen:
        start = time.monotonic()
        directory = build_constant(defect, options)
        caught = stage_fails(directory, defects.SIM, "", options)
        if caught is None and not options.simulator_only:
            caught = by_unit_tests(directory, options.jobs)
        report(defect, "storage/bug_bank.h", caught, start, survivors)
    return survivors


def report(name, what, caught, start, survivors):
    if caught is None:
        survivors.append(name)
    print(
        f"{name} ({what}): {'caught by ' + caught if caught else 'SURVIVED'}"
        f" ({time.monotonic() - start:.0f} s)",
        flush=True,
    )


def main():
    named = [one.name for one in defects.DEFECTS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("defects", nargs="*", metavar="DEFECT", help=", ".join(CONSTANTS + named))
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--every", type=int, default=1, help="of so many crash points one is explored")
    parser.add_argument("--build-root", type=pathlib.Path, default=ROOT / ".cache")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--simulator-only", action="store_true", help="no unit tests of bug_bank.h's")
    parser.add_argument("--table", action="store_true", help="only the defects of defects.py")
    parser.add_argument("--stage", action="append", help="instead of those of the table")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--no-build", action="store_true", help="what was built last")
    options = parser.parse_args()
    options.build_root = options.build_root.resolve()
    unknown = set(options.defects) - set(CONSTANTS) - set(named)
    if unknown:
        parser.error(f"no such defect: {', '.join(sorted(unknown))}")
    wanted = options.defects or CONSTANTS + named
    survivors = []
    if not options.table:
        survivors += run_constants([name for name in CONSTANTS if name in wanted], options)
    survivors += run_table([one for one in defects.DEFECTS if one.name in wanted], options)
    print(f"{len(survivors)} survived{': ' if survivors else ''}{', '.join(survivors)}")
    if survivors:
        sys.exit(1)


if __name__ == "__main__":
    main()
