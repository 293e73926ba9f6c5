"""Every method of Java's Admin against the broker, compared with what Apache Kafka 4.3.1 said.

    java_admin.py --bootstrap HOST:PORT [--only METHOD]    compare with tests/golden/java_admin.json
    java_admin.py --bootstrap KAFKA --record               write what it says anew (from Kafka!)

java/AdminCalls.java makes the calls and says what each comes to, one line a call; a method that it
does not call is a failure.  `differs` in the file names calls whose answer differs on purpose: the
reason, and what is answered instead.
"""
import argparse
import json
import pathlib
import subprocess
import sys

import toolchains

ANSWERS = pathlib.Path(__file__).resolve().parents[2] / "golden" / "java_admin.json"


def calls(bootstrap):
    run = subprocess.run(toolchains.java_classes() + ["AdminCalls", bootstrap], text=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         timeout=400)
    if run.returncode:
        raise SystemExit("AdminCalls ended with %d: %s" % (run.returncode, run.stderr[-1000:]))
    return dict(line.split("\t", 1) for line in run.stdout.splitlines())


def record(got):
    known = json.loads(ANSWERS.read_text()) if ANSWERS.exists() else {"differs": {}}
    known["kafka"] = got
    ANSWERS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    print("%d calls recorded" % len(got))


def verdict(name, got, want, differs):
    """What is wrong with the answer; None: nothing."""
    if got is None:
        return "was not called"
    if got == "not called":
        return "no call of AdminCalls.java is for this method"
    if name in differs:
        if got == want:
            return "is Kafka's answer now; take it out of `differs`"
        want = differs[name]["answer"]
    return None if got == want else "%s; Kafka: %s" % (got, want)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--only", action="append", default=[], metavar="METHOD")
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    got = calls(args.bootstrap)
    if args.record:
        record(got)
        return 0
    known = json.loads(ANSWERS.read_text())
    failed = 0
    for name in list(known["kafka"]) + [n for n in got if n not in known["kafka"]]:
        if args.only and name.split("/")[0] not in args.only:
            continue
        why = verdict(name, got.get(name), known["kafka"].get(name), known["differs"])
        failed += why is not None
        print("ok %s" % name if why is None else "FAIL %s: %s" % (name, why), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
