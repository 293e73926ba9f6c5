#!/usr/bin/env python3
"""The client room (net/client) against a whole broker, which is killed and started again meanwhile.

usage: client_room.py --program PATH (--levee PATH | --kafka | --kafka --pair) [--kills N] [--require]

--program: tests/support/client_room of a build.  --pair: two nodes of Apache Kafka, of which the
second is killed and stays dead, so that its partitions get another leader.  Prints the program's
lines, `ok` or `FAIL` for each, then `N passed, N failed`.  What the broker lacks here (Java) is a
skip, with --require a failure.
"""
import argparse
import subprocess
import sys
import time

import broker_process
import kafka_rig
from kafka_rig import RigError

BETWEEN_SECONDS = 3
DEAD_SECONDS = 1.5
PAIR_SECONDS = 20


class Pair:
    """Two nodes of Apache Kafka; the first is the controller, too."""

    def __init__(self):
        self.port = kafka_rig.free_port()
        self.first = kafka_rig.Broker(self.port, settings={
            "broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"})
        port = kafka_rig.free_port()
        self.second = kafka_rig.Broker(port, settings={
            "process.roles": "broker", "node.id": "2",
            "listeners": "PLAINTEXT://127.0.0.1:%d" % port,
            "broker.heartbeat.interval.ms": "500",
            "controller.quorum.voters": self.first.settings["controller.quorum.voters"]})

    def start(self):
        self.first.start()
        self.second.start()

    def remove(self):
        self.second.remove()
        self.first.remove()


def follow(proc, lines, until=()):
    for line in iter(proc.stdout.readline, ""):
        lines.append(line.rstrip("\n"))
        print(lines[-1], flush=True)
        if until and line.startswith(until):
            return


def run(broker, program, replicas, seconds, hurt):
    # nobody listens at the first address; the second is a name
    bootstrap = "127.0.0.1:1,localhost:%d" % broker.port
    broker.start()
    proc = subprocess.Popen([program, bootstrap, "room", str(replicas), str(seconds)],
                            stdout=subprocess.PIPE, text=True)
    lines = []
    try:
        follow(proc, lines, ("ok the fetch", "FAIL the fetch"))
        hurt()
        follow(proc, lines)
        proc.wait(60)
    finally:
        if proc.poll() is None:
            proc.kill()
    return lines


def restart(broker, kills):
    for _ in range(kills):
        time.sleep(BETWEEN_SECONDS)
        broker.kill()
        time.sleep(DEAD_SECONDS)
        broker.start()


def check(args, broker):
    if args.pair:
        lines = run(broker, args.program, 2, PAIR_SECONDS, broker.second.kill)
        moved = any("leaders moved" in line and not line.endswith("moved 0") for line in lines)
        lines.append("%s the leaders of a dead node are found elsewhere" % ("ok" if moved else "FAIL"))
        print(lines[-1])
        return lines
    seconds = BETWEEN_SECONDS + args.kills * (20 if args.kafka else 6) + 5
    return run(broker, args.program, 1, seconds, lambda: restart(broker, args.kills))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--pair", action="store_true")
    parser.add_argument("--require", action="store_true")
    broker_process.add_options(parser)
    args = parser.parse_args()
    broker = Pair() if args.pair else broker_process.from_options(parser, args)
    try:
        lines = check(args, broker)
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
