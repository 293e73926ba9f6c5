#!/usr/bin/env python3
"""Do the tests catch known defects?

    run.py [DEFECT ...]               all of them
    run.py --all-stages [DEFECT ...]  which stages catch each, not only the first

The defects of defects.py are changes to a copy of the sources, which is built once; LEVEE_BUG names
the one that acts.  Each stage runs without any first: it must pass.  Then unit tests, the simulator,
the crash explorer and levee bench run until one fails.  Prints which one caught it; exit code 1 when a defect
survives.

With --all-stages each defect is put before its unit tests, the simulator (--seeds, 60 then) and the
crash explorer (each operation alone: --every, 23 then); a line a defect, then how many each caught."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

import defects

ROOT = pathlib.Path(__file__).resolve().parents[2]
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
    missing = []
    for one in chosen:
        for path, before, after in one.edits:
            text = texts.get(path) or (ROOT / path).read_text()
            if text.count(before) != 1:
                missing.append(f"{one.name}: in {path} its text stands {text.count(before)} times")
            texts[path] = text.replace(before, after)
    if missing:
        sys.exit("\n".join(missing + ["tests/bugs/defects.py: write them anew"]))
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
    if stage.startswith(defects.LOAD):
        return "tools/levee"
    if stage == defects.SIM:
        return "tests/sim/simulate"
    if stage.startswith(defects.EXPLORE):
        return "tests/sim/explore"
    if stage.startswith(defects.BENCH):
        return "tools/levee"
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
    if stage.startswith(defects.LOAD):
        return [sys.executable, str(ROOT / "tests/load/run.py"), "--levee", program, "--only",
                stage[len(defects.LOAD):]]
    if stage == defects.SIM:
        return [program, "--seeds", str(options.seeds), "--seed", str(options.seed), "--until-failure"]
    if stage.startswith(defects.EXPLORE):
        sequence, *more = stage[len(defects.EXPLORE):].split(" ")  # empty: all of them
        chosen = ["--sequence", sequence] if sequence else []
        return [program, *chosen, "--every", str(options.every), "--until-failure", *more]
    if stage.startswith(defects.BENCH):
        script = str(ROOT / "tests" / "load" / "defective.py")
        return [sys.executable, script, program, *stage[len(defects.BENCH):].split(" ")]
    return [program, "-j2"]


def complaint(stage, done):
    """What failed, in a line."""
    for pattern in (
        r"^seed (\d+ .*)$",  # the simulator
        r"^\s*((?:L|I|G|OPEN|LATE|WIRE|STOPPED|ORDER)\d*: .*)$",  # the explorer
        r"^(proof_\w+) +FAILED",
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


def must_be_sound(directory, stage, options, sound):
    """Without any defect the stage passes; sound: those that were looked at."""
    if stage in sound:
        return
    sound.add(stage)
    failed = stage_fails(directory, stage, "", options)
    if failed is not None:
        sys.exit(f"without any defect: {failed}")


def first_of(stages, directory, one, options, sound):
    """What the first of the stages that catches the defect complains about; None: none does."""
    for stage in stages:
        must_be_sound(directory, stage, options, sound)
        caught = stage_fails(directory, stage, one.name, options)
        if caught is not None:
            return caught
    return None


def run_table(chosen, directory, options):
    survivors = []
    sound = set()
    for one in chosen:
        start = time.monotonic()
        caught = first_of(options.stage or one.stages, directory, one, options, sound)
        report(one.name, one.what, caught, start, survivors)
    return survivors


# ---- every stage, whichever was the first


def columns_of(one):
    """{column: its stages}."""
    others = (defects.SIM, defects.EXPLORE, defects.BENCH)
    named = [stage for stage in one.stages if not stage.startswith(others)]
    return {"unit": named, "sim": [defects.SIM], "explore": [defects.EXPLORE + " --length 1"]}


def run_all_stages(chosen, directory, options):
    survivors = []
    sound = set()
    counts = {}
    for one in chosen:
        start = time.monotonic()
        cells = []
        for column, stages in columns_of(one).items():
            if options.column and column not in options.column:
                continue
            caught = first_of(stages, directory, one, options, sound)
            counts[column] = counts.get(column, 0) + (caught is not None)
            cells.append((column, caught))
        if not any(caught for _, caught in cells):
            survivors.append(one.name)
        told = "; ".join(f"{column} {'- ' if caught is None else 'CAUGHT'}" for column, caught in cells)
        print(f"{one.name:24} {told} ({time.monotonic() - start:.0f} s)", flush=True)
        for _, caught in cells:
            if caught is not None:
                print(f"    {caught}", flush=True)
    told = ", ".join(f"{column} {count}" for column, count in counts.items())
    print(f"of {len(chosen)} defects: {told}")
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
    parser.add_argument("defects", nargs="*", metavar="DEFECT", help=", ".join(named))
    parser.add_argument("--seeds", type=int, help="of the simulator: 400")
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--every", type=int, help="of so many crash points one is explored: 1")
    parser.add_argument("--build-root", type=pathlib.Path, default=ROOT / ".cache")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--all-stages", action="store_true", help="not only the first that catches it")
    parser.add_argument("--column", action="append", choices=["unit", "sim", "explore"],
                        help="with --all-stages: only these")
    parser.add_argument("--stage", action="append", help="instead of those of the table")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--check", action="store_true", help="only: can the defects be put in?")
    parser.add_argument("--no-build", action="store_true", help="what was built last")
    options = parser.parse_args()
    options.build_root = options.build_root.resolve()
    options.seeds = options.seeds or (60 if options.all_stages else 400)
    options.every = options.every or (23 if options.all_stages else 1)
    unknown = set(options.defects) - set(named)
    if unknown:
        parser.error(f"no such defect: {', '.join(sorted(unknown))}")
    wanted = options.defects or named
    chosen = [one for one in defects.DEFECTS if one.name in wanted]
    if options.check:
        edited(defects.DEFECTS)
        return
    directory = options.build_root / "bugs" / "build" if options.no_build else build_copy(options)
    if options.build_only:
        return
    run_rows = run_all_stages if options.all_stages else run_table
    survivors = run_rows(chosen, directory, options)
    print(f"{len(survivors)} survived{': ' if survivors else ''}{', '.join(survivors)}")
    if survivors:
        sys.exit(1)


if __name__ == "__main__":
    main()
