#!/usr/bin/env python3
"""kafka_directory: levee goes on where Apache Kafka stopped, in the middle of transactions.

usage: kafka_directory.py --levee PATH

Apache Kafka commits, aborts, and is stopped while a transaction is open.  levee serves its directory:
readers at read_committed get what was committed and nothing else, the open transaction keeps them
below it until its producer ends it.  Then Apache Kafka starts on the directory again and its
consumer says the same.  `ok NAME` or `FAIL NAME: why`, then `N passed, N failed`.
"""
import argparse
import sys
import time

import broker_process
import kafka_rig
import raw_transaction

TOPIC = "taken"
TRANSACTIONS = 30


def make_topic(bootstrap):
    connection = raw_transaction.raw.Connection(bootstrap, timeout_s=30)
    made = connection.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [{
        "Name": TOPIC, "NumPartitions": 1, "ReplicationFactor": -1,
        "Configs": [{"Name": "segment.bytes", "Value": "1048576"}]}]})["Topics"][0]
    connection.close()
    if made["ErrorCode"]:
        raise kafka_rig.RigError("cannot make the topic: %s" % made)


def text(n):
    return b"%05d" % n + b"x" * 60000


def transact(bootstrap):
    """What was committed, and the producer whose transaction is open."""
    committed = []
    producers = [raw_transaction.Producer(bootstrap, "taken-%d" % n) for n in range(2)]
    for n in range(TRANSACTIONS):
        for i, producer in enumerate(producers):
            producer.send(TOPIC, text(10 * n + i), text(10 * n + i + 5))
        for i, producer in enumerate(producers):
            commit = (n + i) % 3 != 1
            producer.end(commit)
            if commit:
                committed += [10 * n + i, 10 * n + i + 5]
    producers[0].send(TOPIC, text(9000))
    producers[1].send(TOPIC, text(9100))
    producers[1].end(True)
    return sorted(committed), producers


def consume(bootstrap, seconds=8):
    """Numbers that Kafka's consumer reads at read_committed, in order of the log."""
    _, out, _ = kafka_rig.tool(
        "console-consumer", "--bootstrap-server", bootstrap, "--topic", TOPIC, "--from-beginning",
        "--isolation-level", "read_committed", "--timeout-ms", str(seconds * 1000), timeout=90)
    return [int(line[:5]) for line in out.splitlines() if line[:5].isdigit()]


def check(results, name, got, expected):
    good = sorted(got) == sorted(expected)
    results.append(good)
    print("ok %s" % name if good else "FAIL %s: %d records, not %d; missing %s, more %s" % (
        name, len(got), len(expected), sorted(set(expected) - set(got))[:5],
        sorted(set(got) - set(expected))[:5]), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--levee", required=True)
    args = parser.parse_args()
    results = []
    port = kafka_rig.free_port()
    kafka = kafka_rig.Broker(port)
    levee = None
    try:
        kafka.start()
        make_topic("127.0.0.1:%d" % port)
        committed, producers = transact("127.0.0.1:%d" % port)
        kafka.stop()
        levee = broker_process.Levee(args.levee, ["node.id=1"], directory=kafka.directory)
        levee.start()
        check(results, "levee, while a transaction of Kafka's is open", consume(levee.bootstrap),
              committed)
        open_producer = producers[0]
        open_producer.moved(levee.bootstrap)
        open_producer.send(TOPIC, text(9001))
        open_producer.end(True)
        committed += [9000, 9001, 9100]
        check(results, "levee, when it has ended", consume(levee.bootstrap), committed)
        levee.stop()
        levee.start()
        check(results, "levee, started again", consume(levee.bootstrap), committed)
        levee.stop()
        kafka.start()
        check(results, "Kafka, on the directory again", consume("127.0.0.1:%d" % port), committed)
    finally:
        if levee:
            levee.remove()
        kafka.remove()
    print("kafka-directory: %d passed, %d failed" % (sum(results), len(results) - sum(results)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
