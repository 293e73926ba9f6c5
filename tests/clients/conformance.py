#!/usr/bin/env python3
"""Ask a broker the questions whose answers Apache Kafka 4.3 gave, and compare.

    conformance.py --bootstrap 127.0.0.1:9092                  compare with tests/golden/answers
    conformance.py --bootstrap ... --only 'produce/*'          some of the cases
    conformance.py --bootstrap KAFKA --record                  write the answers anew (from Kafka!)
    conformance.py --bootstrap ... --only NAME --show          print what the broker answers

One line a case (`ok NAME`, `FAIL NAME: first difference`), then `N passed, N failed, N skipped`.
--codes compares error codes and fields but not the wording of error messages.
"""
import argparse
import fnmatch
import importlib
import json
import pathlib
import sys

import question
import raw

ANSWERS = pathlib.Path(__file__).resolve().parents[1] / "golden" / "answers"


def ask(bootstrap, function):
    q = question.Question(bootstrap)
    try:
        function(q)
        return q.steps
    finally:
        q.close()


def compare(want, got, own, codes_only):
    if codes_only:
        want, got = question.without_messages(want), question.without_messages(got)
    for n, (w, g) in enumerate(zip(want, got)):
        if w["ask"] != g["ask"]:
            return "step %d asked %s, recorded was %s" % (n + 1, g["ask"], w["ask"])
        found = (own or question.difference)(w["answer"], g["answer"])
        if found:
            note = " (%s)" % w["note"] if "note" in w else ""
            return "step %d, %s%s: %s" % (n + 1, w["ask"], note, found)
    if len(want) != len(got):
        return "%d steps, recorded were %d" % (len(got), len(want))
    return None


def write(area, cases):
    path = ANSWERS / (area + ".json")
    ANSWERS.mkdir(parents=True, exist_ok=True)
    lines = []
    for name in sorted(cases):
        steps = ",\n".join("    " + json.dumps(s) for s in cases[name])
        lines.append("  %s: [\n%s\n  ]" % (json.dumps(name), steps))
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    parser = argparse.ArgumentParser(description="Does this broker answer as Apache Kafka 4.3 does?")
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--only", action="append", metavar="PATTERN", default=[])
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--codes", action="store_true")
    args = parser.parse_args()
    for area in question.AREAS:
        importlib.import_module("questions_" + area)
    known = {}
    for path in ANSWERS.glob("*.json"):
        known.update(json.loads(path.read_text()))
    intended = json.loads((ANSWERS.parent / "differences.json").read_text())
    passed = failed = skipped = 0
    recorded = {}
    for name, (function, own) in question.CASES.items():
        if args.only and not any(fnmatch.fnmatch(name, p) for p in args.only):
            continue
        try:
            got = json.loads(json.dumps(ask(args.bootstrap, function)))
        except (OSError, raw.Closed, raw.Malformed, IndexError, KeyError, TypeError) as error:
            got = None
            why = "%s: %s" % (type(error).__name__, error)
        if args.show and got:
            for step in got:
                print(json.dumps(step))
        if got is None:
            pass
        elif args.record:
            recorded[name] = got
            why = None
        elif name not in known:
            skipped += 1
            print("skip %s: no recorded answer" % name)
            continue
        else:
            why = compare(known[name], got, own, args.codes)
        if why and name in intended:
            passed += 1
            print("ok %s, which differs on purpose: %s" % (name, intended[name]), flush=True)
        elif name in intended and not args.record:
            failed += 1
            print("FAIL %s: differs no more; take it off differences.json" % name, flush=True)
        elif why:
            failed += 1
            print("FAIL %s: %s" % (name, why), flush=True)
        else:
            passed += 1
            print("ok %s" % name, flush=True)
    if args.record:
        known.update(recorded)
        for area in question.AREAS:
            cases = {n: s for n, s in known.items() if n.startswith(area + "/")
                     and n in question.CASES}
            if cases:
                write(area, cases)
    print("conformance: %d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
