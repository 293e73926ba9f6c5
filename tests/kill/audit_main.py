"""What the audits that kill a broker share: their options, their verdicts, the stop at the end."""
import argparse
import os
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import broker_process  # noqa: E402
import toolchains  # noqa: E402
from kafka_rig import RigError  # noqa: E402

MESSAGES_SHOWN = 5
STOP_MAX_S = 10


def main(description, run):
    """run(broker, cycles, random) gives for each check what is wrong.  Returns an exit code."""
    parser = argparse.ArgumentParser(description=description)
    broker_process.add_options(parser)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--require", action="store_true",
                        help="a client library that is missing is a failure, not a skip")
    args = parser.parse_args()
    try:
        for toolchain in (toolchains.python, toolchains.go_program, toolchains.java_classes):
            toolchain()
    except (RigError, OSError) as error:
        print("%s kill audit: %s" % ("FAIL" if args.require else "skip", error))
        return 1 if args.require else 0
    broker = broker_process.from_options(parser, args)
    print("seed %d" % args.seed, flush=True)
    results = {}
    try:
        results = dict(run(broker, args.cycles, random.Random(args.seed)))
        seconds = broker.stop()
        results["clean_stop"] = ([] if seconds <= STOP_MAX_S else
                                 ["SIGTERM took %.1f s" % seconds])
    except RigError as error:
        results["harness"] = [error]
    finally:
        broker.remove()
    failed = 0
    for name, wrong in results.items():
        failed += bool(wrong)
        print("FAIL %s: %d: %s" % (name, len(wrong), "; ".join(map(str, wrong[:MESSAGES_SHOWN])))
              if wrong else "ok %s" % name)
    print("kill audit: %d passed, %d failed" % (len(results) - failed, failed))
    return 1 if failed else 0
