#!/usr/bin/env python3
"""The client that pays: it produces with acks=all, reads back what it wrote, and tells how long.

    paying.py HOST:PORT TOPIC

Each line on stdout is one turn: its start (monotonic seconds), its duration in seconds, and `ok` or
what went wrong.  Every tenth batch has 900 kB, the others 1 kB.  A process of its own, so that what
an attacker computes beside it is not taken for the broker's delay.  It ends with its stdin.
"""
import os
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "clients"))

import raw  # noqa: E402

TIMEOUT_S = 60
PAUSE_S = 0.005
LARGE_EVERY = 10


def turn(c, topic, batch):
    """None, or what went wrong."""
    answer = c.ask("Produce", 8, {"Acks": -1, "TimeoutMs": 30000, "TopicData": [
        {"Name": topic, "PartitionData": [{"Index": 0, "Records": batch}]}]})
    stored = answer["Responses"][0]["PartitionResponses"][0]
    if stored["ErrorCode"]:
        return "produce: error %d" % stored["ErrorCode"]
    answer = c.ask("Fetch", 11, {"MaxWaitMs": 500, "MinBytes": 1, "SessionEpoch": -1, "Topics": [
        {"Topic": topic, "Partitions": [{"Partition": 0, "FetchOffset": stored["BaseOffset"],
                                         "PartitionMaxBytes": 1 << 20}]}]})
    read = answer["Responses"][0]["Partitions"][0]
    if read["ErrorCode"]:
        return "fetch: error %d" % read["ErrorCode"]
    if not read["Records"] or read["Records"][61:] != batch[61:]:
        return "fetch: not what was acknowledged"
    return None


def main():
    address, topic = sys.argv[1:3]
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    small, large = raw.batch((os.urandom(1000),)), raw.batch((os.urandom(900000),))
    c, number = None, 0
    while True:
        start = time.monotonic()
        try:
            if c is None:
                c = raw.Connection(address, client_id="paying", timeout_s=TIMEOUT_S)
            wrong = turn(c, topic, large if number % LARGE_EVERY == LARGE_EVERY - 1 else small)
        except (OSError, raw.Closed, raw.Malformed) as error:
            c, wrong = None, repr(error)
        number += 1
        print("%.6f %.6f %s" % (start, time.monotonic() - start, wrong or "ok"), flush=True)
        time.sleep(PAUSE_S if wrong is None else 0.2)


if __name__ == "__main__":
    main()
