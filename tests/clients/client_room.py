#!/usr/bin/env python3
"""The client room (net/client) against a whole broker, which is killed and started again meanwhile.

usage: client_room.py --program PATH (--levee PATH | --kafka) [--kills N] [--require]

--program: tests/support/client_room of a build.  Prints its lines, `ok` or `FAIL` for each, then
`N passed, N failed`.  What the broker lacks here (Java) is a skip, with --require a failure.
"""
import argparse
import subprocess
import sys
import time

import broker_process
from kafka_rig import RigError

BEFORE_SECONDS = 3
BETWEEN_SECONDS = 3
DEAD_SECONDS = 1.5


def run(broker, program, kills, broker_seconds):
    # nobody listens at the first address; the second is a name
    bootstrap = "127.0.0.1:1,localhost:%d" % broker.port
    broker.start()
    proc = subprocess.Popen(
        [program, bootstrap, "room", str(int(BEFORE_SECONDS + kills * broker_seconds + 5))],
        stdout=subprocess.PIPE, text=True)
    lines = []
    try:
        for line in iter(proc.stdout.readline, ""):
            lines.append(line.rstrip("\n"))
            print(lines[-1], flush=True)
            if line.startswith(("ok the fetch", "FAIL the fetch")):
                break
        for _ in range(kills):
            time.sleep(BETWEEN_SECONDS)
            broker.kill()
            time.sleep(DEAD_SECONDS)
            broker.start()
        for line in proc.stdout:
            lines.append(line.rstrip("\n"))
            print(lines[-1], flush=True)
        proc.wait(60)
    finally:
        if proc.poll() is None:
            proc.kill()
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--require", action="store_true")
    broker_process.add_options(parser)
    args = parser.parse_args()
    broker = broker_process.from_options(parser, args)
    try:
        lines = run(broker, args.program, args.kills, 20 if args.kafka else 6)
    except RigError as error:
        print("%s the broker: %s" % ("FAIL" if args.require else "skip", error))
        return 1 if args.require else 0
    finally:
        broker.remove()
    passed = sum(line.startswith("ok ") for line in lines)
    failed = sum(line.startswith("FAIL ") for line in lines)
    if not any(line.startswith("ok no memory") for line in lines) and not failed:
        print("FAIL the program did not come to its end")
        failed += 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
