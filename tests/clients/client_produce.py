#!/usr/bin/env python3
"""The producer of the client room against a whole broker, which is killed meanwhile, and what the
broker has then against what the producer told.

usage: client_produce.py --program PATH (--levee PATH | --kafka) [--kills N] [--seconds N] [KIND ...]

--program: tests/support/client_produce of a build.  KIND: idempotent, gzip, v2, v1 (all).  Of each
kind one line `ok KIND: figures` or `FAIL KIND: why`, then `N passed, N failed`.  What the broker
lacks here (Java) is a skip, with --require a failure.
"""
import argparse
import gzip
import os
import re
import subprocess
import sys
import tempfile
import time

import broker_process
import raw
from kafka_rig import RigError

KINDS = ["idempotent", "gzip", "v2", "v1"]
DEAD_SECONDS = 1.0
PARTITIONS = 3


def ask(broker, name, version, body, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            connection = raw.Connection(broker.bootstrap)
            try:
                return connection.ask(name, version, body)
            finally:
                connection.close()
        except (OSError, raw.Closed):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def make_topic(broker, name):
    for _ in range(100):
        answer = ask(broker, "CreateTopics", 4, {"Topics": [{
            "Name": name, "NumPartitions": PARTITIONS, "ReplicationFactor": 1, "Assignments": [],
            "Configs": []}], "TimeoutMs": 10000, "ValidateOnly": False})
        if answer["Topics"][0]["ErrorCode"] in (0, 36):
            return
        time.sleep(0.2)
    raise RigError("the topic is not made: %s" % answer)


def read(broker, name, partition):
    """(number, is committed or not in a transaction) of every record, in order; with the offsets.
    Open transactions are an error."""
    found, pending, offset = {}, {}, 0
    while True:
        answer = ask(broker, "Fetch", 11, {
            "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 50 << 20,
            "IsolationLevel": 0, "SessionId": 0, "SessionEpoch": -1, "ForgottenTopicsData": [],
            "RackId": "", "Topics": [{"Topic": name, "Partitions": [{
                "Partition": partition, "CurrentLeaderEpoch": -1, "FetchOffset": offset,
                "LogStartOffset": -1, "PartitionMaxBytes": 8 << 20}]}]})
        part = answer["Responses"][0]["Partitions"][0]
        if part["ErrorCode"]:
            raise RigError("fetch: error %d" % part["ErrorCode"])
        for batch in raw.read_batches(part["Records"]):
            if batch["BaseOffset"] < offset:
                continue
            offset = batch["BaseOffset"] + batch["LastOffsetDelta"] + 1
            if batch["Attributes"] & 0x20:
                for number, at in pending.pop(batch["ProducerId"], []):
                    if batch["Keys"][0][3] == 1:
                        found.setdefault(number, []).append(at)
                continue
            values = batch["Values"]
            if batch["Attributes"] & 7:
                values = decompressed(batch)
            records = [(int(value), batch["BaseOffset"] + i) for i, value in enumerate(values)]
            if batch["Attributes"] & 0x10:
                pending.setdefault(batch["ProducerId"], []).extend(records)
            else:
                for number, at in records:
                    found.setdefault(number, []).append(at)
        if offset >= part["HighWatermark"]:
            break
    if any(pending.values()):
        raise RigError("an open transaction is left in partition %d" % partition)
    return found


def decompressed(batch):
    """The values of a batch in gzip, each a number and spaces."""
    return re.findall(rb"(\d+) +", gzip.decompress(batch["Compressed"]))


def committed_offset(broker, group, topic):
    found = {}
    for _ in range(100):
        answer = ask(broker, "OffsetFetch", 5, {
            "GroupId": group, "Topics": [{"Name": topic, "PartitionIndexes": [0]}]})
        if answer["ErrorCode"] == 0:
            found = answer["Topics"][0]["Partitions"][0]
            break
        time.sleep(0.2)
    return found.get("CommittedOffset")


def compare(broker, topic, path, kind):
    """What is wrong, or None."""
    told, ends = {}, {}
    for line in open(path, encoding="utf-8"):
        words = line.split()
        if words[0] == "T":
            ends[int(words[1])] = words[2]
        else:
            number = int(words[0])
            if number in told:
                return "%d was told of twice" % number
            told[number] = (words[1], int(words[2]), int(words[3]), int(words[4]))
    there = {}
    for partition in range(PARTITIONS):
        found = read(broker, topic, partition)
        order = [number for number, _ in sorted(found.items(), key=lambda item: item[1][0])]
        if order != sorted(order):
            return "partition %d is out of order" % partition
        for number, offsets in found.items():
            if len(offsets) > 1:
                return "%d is doubled, at %s" % (number, offsets)
            there[number] = (partition, offsets[0])
    for number, (fate, partition, offset, transaction) in told.items():
        end = ends.get(transaction) if kind.startswith("v") else "committed"
        if end == "committed" and fate == "stored" and number not in there:
            return "%d is lost" % number
        if number in there and (fate == "failed" or end == "aborted"):
            return "%d is there, though %s" % (number, fate if fate == "failed" else end)
        if number in there and offset >= 0 and fate == "stored" and there[number] != (
                partition, offset):
            return "%d is at %s, told at %s" % (number, there[number], (partition, offset))
        if end == "committed" and kind.startswith("v") and fate != "stored":
            return "%d of a commit is %s" % (number, fate)
    unknown = set(there) - set(told)
    if unknown:
        return "%d was never told of" % min(unknown)
    if kind.startswith("v"):
        last = max((t for t, end in ends.items() if end == "committed" and t % 2 == 0), default=None)
        if last is not None and committed_offset(broker, "client_produce", topic) != last:
            return "the group is at %s, not at %d" % (
                committed_offset(broker, "client_produce", topic), last)
    return None


def run(broker, program, kind, args, directory):
    topic = "produce-%s" % kind
    path = os.path.join(directory, kind)
    make_topic(broker, topic)
    proc = subprocess.Popen([program, "127.0.0.1:1,%s" % broker.bootstrap, topic, kind,
                             str(args.seconds), str(args.rate), path],
                            stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(args.kills):
            time.sleep(args.seconds / (args.kills + 1))
            broker.kill()
            time.sleep(DEAD_SECONDS)
            broker.start()
        out = proc.communicate(timeout=args.seconds + 200)[0]
    finally:
        if proc.poll() is None:
            proc.kill()
    figures = " ".join(out.split("\n")).strip()
    if proc.returncode:
        return "exit code %d: %s" % (proc.returncode, figures), figures
    if "blocks left 0" not in figures:
        return "memory is left: %s" % figures, figures
    time.sleep(1)  # until the last markers are written
    return compare(broker, topic, path, kind), figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kinds", nargs="*", default=KINDS, metavar="KIND")
    parser.add_argument("--program", required=True)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=9)
    parser.add_argument("--rate", type=int, default=10, help="records a millisecond")
    parser.add_argument("--require", action="store_true")
    broker_process.add_options(parser)
    args = parser.parse_args()
    broker = broker_process.from_options(parser, args)
    failed = 0
    try:
        broker.start()
        with tempfile.TemporaryDirectory() as directory:
            for kind in args.kinds:
                wrong, figures = run(broker, args.program, kind, args, directory)
                failed += wrong is not None
                print("%s %s: %s" % ("FAIL" if wrong else "ok", kind, wrong or figures), flush=True)
    except RigError as error:
        print("%s the broker: %s" % ("FAIL" if args.require else "skip", error))
        return 1 if args.require else 0
    finally:
        broker.remove()
    print("%d passed, %d failed" % (len(args.kinds) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
