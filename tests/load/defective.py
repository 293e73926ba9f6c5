#!/usr/bin/env python3
"""A stage of tests/bugs/run.py: `levee bench --verify` against a broker that may have a defect.

    defective.py LEVEE VERB [OPTION ...]      exit code 1 when the account is not clean

LEVEE is broker and tool; the environment (LEVEE_BUG) names the defect that acts.
"""
import shutil
import sys

import load_rig


def main():
    binary, words = sys.argv[1], sys.argv[2:]
    broker = load_rig.broker_process.Levee(binary)
    broker.start()
    try:
        rig = load_rig.Rig(binary, broker)
        run = rig.bench(*words, "--verify", "--format", "json")
        shutil.rmtree(rig.directory, ignore_errors=True)
    finally:
        broker.remove()
    if run.result is None:
        print("[FAIL] bench_%s: exit code %d %s" % (words[0], run.code, run.err[-500:]))
        return 1
    counts = {kind: count for kind, count in run.levee["verdict"]["counts"].items() if count > 0}
    if counts or run.code != 0:
        print("[FAIL] bench_%s_%s: exit code %d %s" % (
            words[0], "_".join(sorted(counts)).replace(" ", "_"), run.code, run.err[-500:]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
