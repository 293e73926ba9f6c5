#!/usr/bin/env python3
"""The smallest plan that still fails by the same rule.

    shrink.py SIMULATE (--seed S | --plan FILE) [--only PARTS | --with PARTS | --without PARTS]
              [--runs N] [--output FILE]

SIMULATE prints the plan of the run (--print-plan).  Then plans are tried that have less: parts,
rounds of faults, clients, topics, single faults and rates, time; one stays when its run fails by the
rule of the first run (of a failed check: by the same check).  It ends when no line can be taken
away, or after N runs (400).  The smallest is written to FILE (shrunk.plan); printed are the lines
that are not at their least, and the command that runs it.  Exit code 1: the first run does not fail.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

RUN_SECONDS = 300


def run(command, **kwargs):
    return subprocess.run(command, timeout=RUN_SECONDS, text=True, capture_output=True, **kwargs)


class Plan:
    """Lines as simulate prints them: {key: (value, what is allowed)}, in their order."""

    def __init__(self, text):
        self.numbers = {}
        for line in text.splitlines():
            key, _, rest = line.partition("=")
            value, _, allowed = rest.partition(" # ")
            self.numbers[key] = (value, allowed)

    def text(self):
        return "".join(
            f"{key}={value}{' # ' + allowed if allowed else ''}\n"
            for key, (value, allowed) in self.numbers.items()
        )

    def parts(self):
        return [name for name in self.numbers["parts"][0].split(",") if name]

    def least(self, key):
        """None: it has none."""
        allowed = self.numbers[key][1]
        return re.split(r"\.\.| ", allowed)[0] if allowed else None

    def excess(self):
        """How many parts there are, and lines that are not at their least."""
        return len(self.parts()) + sum(
            1 for key in self.numbers if key not in ("seed", "parts") and self.value(key) != self.least(key)
        )

    def value(self, key):
        return self.numbers[key][0]

    def changed(self, changes):
        """A copy; changes: {key: value}."""
        copy = Plan("")
        copy.numbers = dict(self.numbers)
        for key, value in changes.items():
            copy.numbers[key] = (value, self.numbers[key][1])
        return copy

    def smaller_values(self, key):
        """The least first, then those between."""
        value, allowed = self.numbers[key]
        if ".." in allowed:
            least = int(allowed.split("..")[0])
            found, step = [], int(value)
            while step > least:
                step = least + (step - least) // 2
                found.append(step)
            return [str(one) for one in reversed(found)]
        before = allowed.split(" ")
        return before[: before.index(value)] if value in before else []


class Shrinker:
    def __init__(self, options):
        self.options = options
        self.runs = 0
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="shrink-"))

    def print_plan(self, arguments):
        done = run([self.options.simulate, *arguments, "--print-plan"])
        return Plan(done.stdout) if done.returncode == 0 else None

    def write(self, plan):
        path = self.scratch / "try.plan"
        path.write_text(plan.text())
        return str(path)

    def rule(self, plan):
        """By which the run fails; None: it passes."""
        self.runs += 1
        try:
            done = run([self.options.simulate, "--plan", self.write(plan), "--jobs", "1"])
        except subprocess.TimeoutExpired:
            return "STOPPED no end"
        found = re.search(r"^seed \d+ \(.*?\): (\S+) partition", done.stdout, re.MULTILINE)
        if found is None:
            return None
        checked = re.search(r"check failed: (.*) \(", done.stderr)
        return f"{found[1]} {checked[1]}" if found[1] == "STOPPED" and checked else found[1]

    def is_over(self):
        return self.runs >= self.options.runs

    def keep(self, best, changes):
        """The plan with the changes, when it still fails so; best, when it doesn't."""
        changes = {key: value for key, value in changes.items() if best.value(key) != value}
        if not changes or self.is_over():
            return best
        tried = best.changed(changes)
        # without the lines that it does not need any more
        tried = self.print_plan(["--plan", self.write(tried)])
        if tried is None or tried.excess() >= best.excess() and "=".join(changes) in ("parts",):
            return best
        if self.rule(tried) != self.wanted:
            return best
        told = ", ".join(f"{key}={value}" for key, value in list(changes.items())[:4])
        print(f"{self.runs:4} {tried.excess():4} {told}{' ...' if len(changes) > 4 else ''}", flush=True)
        return tried

    def take_away(self, best, keys):
        """All of the keys to their least, or halves of them, or one by one."""
        keys = [key for key in keys if key in best.numbers and best.value(key) != best.least(key)]
        if not keys:
            return best
        tried = self.keep(best, {key: best.least(key) for key in keys})
        if tried is not best or len(keys) == 1 or self.is_over():
            return tried
        half = len(keys) // 2
        for some in (keys[:half], keys[half:]):
            best = self.take_away(best, some)
        return best

    def without_parts(self, best):
        best = self.keep(best, {"parts": ""})
        for name in best.parts():
            best = self.keep(best, {"parts": ",".join(one for one in best.parts() if one != name)})
        return best

    def with_smaller(self, best, keys):
        """Each number lower, step by step."""
        for key in keys:
            for value in best.smaller_values(key) if key in best.numbers else []:
                tried = self.keep(best, {key: value})
                if tried is not best:
                    best = tried
                    break
        return best

    def once(self, best):
        def keys(pattern):
            return [key for key in best.numbers if re.fullmatch(pattern, key)]

        best = self.without_parts(best)
        best = self.with_smaller(best, ["rounds", "episodes", "topics", "producers", "consumers", "groups"])
        best = self.take_away(best, keys(r"has\.members|members|member\.groups"))
        best = self.take_away(best, keys(r"[a-z]+\.faults|power\.off\.at\.end"))
        best = self.take_away(best, keys(r"life\d+\..*|[a-z]+\.[a-z]+\.odds"))
        best = self.take_away(best, keys(r"round\d+\.fault"))
        best = self.take_away(best, keys(r"round\d+\..*"))
        best = self.take_away(best, keys(r"(disk|net)\..*"))
        best = self.take_away(best, keys(r"t\d+\..*"))
        best = self.take_away(best, keys(r"[a-z]+\d*\..*"))
        best = self.take_away(best, keys(r".*"))
        return self.with_smaller(best, keys(r"rounds|.*\.(wait|within|pause|down)\.ms|.*calls|warm.up.ms"))

    def shrink(self, plan):
        self.wanted = self.rule(plan)
        if self.wanted is None:
            sys.exit("this run does not fail")
        print(f"{self.wanted}: {plan.excess()} numbers and parts are not at their least", flush=True)
        best = plan
        while True:
            before = best
            best = self.once(best)
            if best is before or self.is_over():
                return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("simulate")
    parser.add_argument("--seed")
    parser.add_argument("--plan")
    for option in ("--only", "--with", "--without"):
        parser.add_argument(option)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--output", default="shrunk.plan")
    options = parser.parse_args()
    shrinker = Shrinker(options)
    arguments = []
    for name in ("seed", "plan", "only", "with", "without"):
        value = getattr(options, name)
        if value is not None:
            arguments += [f"--{name}", value]
    plan = shrinker.print_plan(arguments)
    if plan is None:
        sys.exit("there is no such plan")
    best = shrinker.shrink(plan)
    pathlib.Path(options.output).write_text(best.text())
    print(f"after {shrinker.runs} runs, {best.excess()} of {plan.excess()} are left:")
    print(f"  seed={best.value('seed')}\n  parts={best.value('parts')}")
    for key in best.numbers:
        if key not in ("seed", "parts") and best.value(key) != best.least(key):
            print(f"  {key}={best.value(key)}")
    print(f"{options.simulate} --plan {options.output} --trace")


if __name__ == "__main__":
    main()
