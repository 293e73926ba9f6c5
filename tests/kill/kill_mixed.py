#!/usr/bin/env python3
"""kill -9 while batches of all sizes are written, records deleted and segments given up.

    kill_mixed.py --levee build-release/tools/levee --cycles 15 [--seed N]

Both modes of levee.durability are tried (a killed process loses nothing of either), each with a
topic whose records a client deletes and with one that retention by size cuts.  A writer for each
topic mixes batches of 1 byte to 3 MiB, acks=all, and notes where each was acknowledged.  After each
start and at the end:

    start_keeps_deletes     the log starts where the last answered DeleteRecords left it, or later
    acknowledged_is_there   at or above the start each acknowledged batch is at its offset, bit by bit
    no_holes                offsets go on from batch to batch
    retention_keeps         what retention by size must keep is there
"""
import argparse
import os
import pathlib
import random
import struct
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

import broker_process  # noqa: E402
import raw  # noqa: E402
from kafka_rig import RigError  # noqa: E402

SIZES = [1, 40, 700, 4000, 4096, 16000, 65536, 200000, 900000, 3 << 20]
WEIGHTS = [8, 8, 8, 8, 8, 6, 4, 3, 2, 1]
RETENTION_BYTES = 8 << 20
SEGMENT_BYTES = 4 << 20
DELETE_EVERY = 40
FIXED_FROM = 16  # base offset, size and leader epoch before it are the broker's to write
SHOWN = 5


class Writer:
    """The only writer of a topic of one partition, with its own account of it."""

    def __init__(self, at, topic, deletes, batches, chance):
        self.at, self.topic, self.deletes = at, topic, deletes
        self.batches, self.chance = batches, chance
        self.acked = {}  # offset: index of the batch
        self.acked_bytes = 0
        self.deleted_to = 0
        self.refused = []
        self.ends = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        c = None
        while not self.ends:
            try:
                if c is None:
                    c = raw.Connection(self.at, timeout_s=30)
                self.write(c)
                if self.deletes and len(self.acked) % DELETE_EVERY == 0 and self.acked:
                    self.delete(c)
            except (OSError, raw.Closed, raw.Malformed):
                c = None
                time.sleep(0.05)

    def write(self, c):
        which = self.chance.choices(range(len(SIZES)), WEIGHTS)[0]
        answer = c.ask("Produce", 8, {"Acks": -1, "TimeoutMs": 10000, "TopicData": [
            {"Name": self.topic, "PartitionData": [
                {"Index": 0, "Records": self.batches[which]}]}]})
        stored = answer["Responses"][0]["PartitionResponses"][0]
        if stored["ErrorCode"]:
            self.refused.append("%s: produce: error %d" % (self.topic, stored["ErrorCode"]))
            time.sleep(0.1)
            return
        self.acked[stored["BaseOffset"]] = which
        self.acked_bytes += len(self.batches[which])

    def delete(self, c):
        offset = self.chance.choice(list(self.acked)[-DELETE_EVERY:])
        answer = c.ask("DeleteRecords", 1, {"TimeoutMs": 10000, "Topics": [
            {"Name": self.topic, "Partitions": [{"PartitionIndex": 0, "Offset": offset}]}]})
        if answer["Topics"][0]["Partitions"][0]["ErrorCode"] == 0:
            self.deleted_to = max(self.deleted_to, offset)

    def start_faults(self):
        before = self.deleted_to  # later ones only raise the start
        start = list_offset(self.at, self.topic, -2)
        return [] if start >= before else [
            "%s starts at %d, deleted to %d" % (self.topic, start, before)]

    def audit(self, faults):
        start, end = (list_offset(self.at, self.topic, which) for which in (-2, -1))
        c = raw.Connection(self.at, timeout_s=30)
        offset, found, kept_bytes = start, set(), 0
        while offset < end:
            answer = c.ask("Fetch", 11, {"MaxWaitMs": 500, "MinBytes": 1, "SessionEpoch": -1,
                                         "Topics": [{"Topic": self.topic, "Partitions": [
                                             {"Partition": 0, "FetchOffset": offset,
                                              "PartitionMaxBytes": 4 << 20}]}]})
            part = answer["Responses"][0]["Partitions"][0]
            data, position, before = part["Records"] or b"", 0, offset
            while position + 61 <= len(data):
                base, size = struct.unpack_from(">qi", data, position)
                batch = data[position:position + 12 + size]
                if len(batch) < 12 + size:
                    break
                if base != offset:
                    faults["no_holes"].append("%s: %d after %d" % (self.topic, base, offset))
                which = self.acked.get(base)
                if which is not None and batch[FIXED_FROM:] != self.batches[which][FIXED_FROM:]:
                    faults["acknowledged_is_there"].append("%s@%d differs" % (self.topic, base))
                found.add(base)
                kept_bytes += len(batch)
                position += len(batch)
                offset = base + 1
            if part["ErrorCode"] or offset == before:
                faults["no_holes"].append("%s: fetch at %d of %d: error %d" % (
                    self.topic, offset, end, part["ErrorCode"]))
                break
        c.close()
        faults["acknowledged_is_there"] += [
            "%s@%d is not there" % (self.topic, o) for o in self.acked
            if o >= start and o not in found]
        if not self.deletes and kept_bytes < min(RETENTION_BYTES, self.acked_bytes):
            faults["retention_keeps"].append("%s: %d bytes" % (self.topic, kept_bytes))
        return start


def list_offset(at, topic, time_ms):
    c = raw.Connection(at, timeout_s=30)
    answer = c.ask("ListOffsets", 5, {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [
        {"PartitionIndex": 0, "Timestamp": time_ms}]}]})
    c.close()
    found = answer["Topics"][0]["Partitions"][0]
    if found["ErrorCode"]:
        raise RigError("ListOffsets of %s: error %d" % (topic, found["ErrorCode"]))
    return found["Offset"]


def make_topics(at):
    topics = {}
    c = raw.Connection(at, timeout_s=30)
    for mode in ("sync", "cache"):
        for deletes in (True, False):
            name = "%s-%s" % (mode, "deleted" if deletes else "retained")
            made = c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [{
                "Name": name, "NumPartitions": 1, "ReplicationFactor": -1, "Configs": [
                    {"Name": "levee.durability", "Value": mode},
                    {"Name": "max.message.bytes", "Value": str(4 << 20)},
                    {"Name": "segment.bytes", "Value": str(SEGMENT_BYTES)},
                    {"Name": "retention.bytes",
                     "Value": "-1" if deletes else str(RETENTION_BYTES)}]}]})["Topics"][0]
            if made["ErrorCode"]:
                raise RigError("cannot make the topic: %s" % made)
            topics[name] = deletes
    c.close()
    return topics


def run(broker, cycles, chance):
    broker.start()
    batches = [raw.batch((chance.randbytes(size),), timestamp=int(time.time() * 1000))
               for size in SIZES]
    writers = [Writer(broker.bootstrap, name, deletes, batches, random.Random(chance.random()))
               for name, deletes in make_topics(broker.bootstrap).items()]
    faults = {name: [] for name in ("every_cycle_had_load", "start_keeps_deletes",
                                    "acknowledged_is_there", "no_holes", "retention_keeps",
                                    "nothing_refused", "deleted_and_retained")}
    for cycle in range(cycles):
        before = [len(w.acked) for w in writers]
        end = time.monotonic() + 30
        while any(len(w.acked) <= b for w, b in zip(writers, before)) and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.2, 1.2))
        broker.kill()
        gained = [len(w.acked) - b for w, b in zip(writers, before)]
        broker.start()
        print("cycle %d: acknowledged %s" % (cycle + 1, " ".join(
            "%s %d" % (w.topic, g) for w, g in zip(writers, gained))), flush=True)
        faults["every_cycle_had_load"] += [] if all(gained) else ["cycle %d" % (cycle + 1)]
        for w in writers:
            faults["start_keeps_deletes"] += w.start_faults()
    for w in writers:
        w.ends = True
    for w in writers:
        w.thread.join(40)
        faults["nothing_refused"] += w.refused
        start = w.audit(faults)
        if start == 0:
            faults["deleted_and_retained"].append("%s still starts at 0" % w.topic)
    print("%d kills, %d batches of %d MiB acknowledged" % (
        cycles, sum(len(w.acked) for w in writers), sum(w.acked_bytes for w in writers) >> 20))
    return faults


def main():
    parser = argparse.ArgumentParser(description="kill -9, mixed sizes, deletes and retention")
    parser.add_argument("--levee", metavar="PATH", required=True)
    parser.add_argument("--cycles", type=int, default=15)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    args = parser.parse_args()
    broker = broker_process.Levee(args.levee, ["log.retention.check.interval.ms=200",
                                               "levee.checkpoint.interval.ms=500"])
    print("seed %d" % args.seed, flush=True)
    failed = 0
    try:
        for name, wrong in run(broker, args.cycles, random.Random(args.seed)).items():
            failed += bool(wrong)
            print("FAIL %s: %d: %s" % (name, len(wrong), "; ".join(wrong[:SHOWN])) if wrong else
                  "ok %s" % name)
        broker.stop()
        if broker.proc.returncode != 0:
            failed += 1
            print("FAIL clean_stop: exit code %s" % broker.proc.returncode)
    except RigError as error:
        failed += 1
        print("FAIL harness: %s" % error)
    finally:
        broker.remove()
    print("kill mixed: %d failed" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
