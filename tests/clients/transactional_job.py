#!/usr/bin/env python3
"""The main job with transactions: a real data set in, copied by a job, through kills of both.

    transactional_job.py --levee build/levee [--kills 20]    (or --kafka, or --start-command)

The package index (dataset.py) goes into a topic of six partitions through Java's transactional
producer, 500 records a transaction; each fifth transaction is one of marked records that is aborted.
A consume-transform-produce job (KIP-447: its offsets are part of the transaction) copies what is
committed into a second topic.  The broker and the job are killed (SIGKILL) in turn and started
again.  At the end every last stable offset has to reach the high watermark, no transaction may be
open, and read_committed consumers in Java, Go and Python have to find in both topics what was
committed: each record once, the same hash, nothing that was aborted.  Lines `ok NAME` or
`FAIL NAME: why`, at the end `N passed, N failed`.
"""
import argparse
import base64
import os
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time

import broker_process
import dataset
import raw
import toolchains
from kafka_rig import RigError

PARTITIONS = 6
IN_A_TRANSACTION = 500
SECONDS = 300
DOWN_SECONDS = 0.3
HERE = os.path.dirname(os.path.abspath(__file__))


class Copier:
    """The job: it runs until it is killed; when it gives up by itself it is started again."""

    def __init__(self, argv):
        self.argv, self.proc, self.ended = argv, None, False
        self.noise = tempfile.TemporaryFile()
        self.starts = 0
        self.copied = 0
        self.lock = threading.Lock()
        self.start()
        threading.Thread(target=self.watch, daemon=True).start()

    def start(self):
        with self.lock:
            self.starts += 1
            self.proc = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, stderr=self.noise)
            threading.Thread(target=self.read, args=(self.proc,), daemon=True).start()

    def read(self, proc):
        last = 0
        for line in proc.stdout:
            words = line.split()
            if words[:1] == [b"copied"]:
                self.copied += int(words[1]) - last
                last = int(words[1])

    def watch(self):
        while not self.ended:
            time.sleep(0.2)
            if self.proc.poll() is not None and not self.ended:
                self.start()

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def end(self):
        self.ended = True
        time.sleep(0.3)
        self.kill()

    def said(self):
        self.noise.seek(0)
        return " ".join(self.noise.read()[-400:].decode(errors="replace").split())


class Job:
    def __init__(self, broker, records, kills, seed):
        self.broker, self.records, self.kills = broker, records, kills
        self.chance = random.Random(seed)
        self.passed = self.failed = 0
        tag = secrets.token_hex(3)
        self.source, self.copy = "source-" + tag, "copy-" + tag
        self.group = "copier-" + tag

    def report(self, name, why=None, note=""):
        if why:
            self.failed += 1
            print("FAIL %s: %s" % (name, why), flush=True)
        else:
            self.passed += 1
            print("ok %s%s" % (name, note), flush=True)

    def make_topics(self):
        c = raw.Connection(self.broker.bootstrap, timeout_s=30)
        made = c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [
            {"Name": name, "NumPartitions": PARTITIONS, "ReplicationFactor": -1}
            for name in (self.source, self.copy)]})["Topics"]
        c.close()
        if any(m["ErrorCode"] for m in made):
            raise RigError("cannot make the topics: %s" % made)

    # ---- kills

    def kill_in_turn(self, copier, fed):
        """Broker, job, broker, ... while the data set is fed; returns the slowest start."""
        slowest = 0.0
        for n in range(self.kills):
            fed(n)
            if n % 2:
                copier.kill()
            else:
                self.broker.kill()
                time.sleep(DOWN_SECONDS)
                started = time.monotonic()
                self.broker.start()
                slowest = max(slowest, time.monotonic() - started)
        return slowest

    def feed(self, proc, copier):
        """Writes the data set; the kills fall evenly among its records, each at a chance moment."""
        per_kill = len(self.records) // (self.kills + 1)
        written = threading.Event()
        position = [0]

        def write():
            try:
                for n, (key, value) in enumerate(self.records):
                    if n % 250 == 0:
                        proc.stdin.flush()
                        time.sleep(0.02)
                    proc.stdin.write(key + b"\t" + value + b"\n")
                    position[0] = n
                proc.stdin.close()
            except BrokenPipeError:
                pass
            position[0] = len(self.records)
            written.set()

        def fed(kill):
            at = per_kill * (kill + 1) - self.chance.randrange(per_kill // 2)
            while position[0] < at and proc.poll() is None:
                time.sleep(0.01)
            time.sleep(self.chance.uniform(0.2, 0.9))
        writer = threading.Thread(target=write)
        writer.start()
        slowest = self.kill_in_turn(copier, fed)
        written.wait(SECONDS)
        writer.join()
        return slowest

    def produce(self, copier, argv):
        said = tempfile.TemporaryFile()
        proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT)
        timer = threading.Timer(SECONDS, proc.kill)
        timer.start()
        slowest = self.feed(proc, copier)
        proc.wait()
        timer.cancel()
        said.seek(0)
        text = said.read().decode(errors="replace")
        self.report("produce", None if proc.returncode == 0 else "exit code %d: %s" % (
            proc.returncode, " ".join(text.split())[-400:]), ": %s; %d kills, slowest start %.2f s" % (
                text.splitlines()[-1] if text else "", self.kills, slowest))

    # ---- what has to be so at the end

    def offsets(self, topic, isolation):
        c = raw.Connection(self.broker.bootstrap, timeout_s=30)
        answer = c.ask("ListOffsets", 7, {"ReplicaId": -1, "IsolationLevel": isolation, "Topics": [
            {"Name": topic, "Partitions": [{"PartitionIndex": p, "Timestamp": -1}
                                           for p in range(PARTITIONS)]}]})
        c.close()
        parts = answer["Topics"][0]["Partitions"]
        if any(p["ErrorCode"] for p in parts):
            raise RigError("ListOffsets: %s" % parts)
        return {p["PartitionIndex"]: p["Offset"] for p in parts}

    def until(self, name, question, note="", seconds=90):
        """question() is None when all is well, or says what is missing."""
        end = time.monotonic() + seconds
        while True:
            why = question()
            if not why:
                return self.report(name, None, note)
            if time.monotonic() > end:
                return self.report(name, why)
            time.sleep(0.3)

    def copied(self):
        """What the group has committed against the end of what is committed."""
        c = raw.Connection(self.broker.bootstrap, timeout_s=30)
        answer = c.ask("OffsetFetch", 9, {"RequireStable": True, "Groups": [{
            "GroupId": self.group, "Topics": [{"Name": self.source, "PartitionIndexes": list(
                range(PARTITIONS))}]}]})["Groups"][0]
        c.close()
        if answer["ErrorCode"]:
            return "OffsetFetch: error %d" % answer["ErrorCode"]
        parts = answer["Topics"][0]["Partitions"]
        if any(p["ErrorCode"] for p in parts):
            return "offsets are not stable"
        ends = self.last_committed
        left = {p["PartitionIndex"]: (p["CommittedOffset"], ends[p["PartitionIndex"]])
                for p in parts if p["CommittedOffset"] < ends[p["PartitionIndex"]]}
        return "committed offsets and ends: %s" % left if left else None

    def learn_ends(self):
        """The offset behind the last committed data record of each partition of the source."""
        self.last_committed = {}
        for p in range(PARTITIONS):
            c = raw.Connection(self.broker.bootstrap, timeout_s=30)
            offset, end, last = 0, self.offsets(self.source, 1)[p], 0
            open_at = {}
            while offset < end:
                part = c.ask("Fetch", 11, {"MaxWaitMs": 500, "MinBytes": 1, "Topics": [
                    {"Topic": self.source, "Partitions": [
                        {"Partition": p, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20}]}]})
                batches = raw.read_batches(part["Responses"][0]["Partitions"][0]["Records"])
                if not batches:
                    raise RigError("nothing to fetch at %d of %d" % (offset, end))
                for b in batches:
                    offset = b["BaseOffset"] + b["LastOffsetDelta"] + 1
                    if not b["Attributes"] & 0x20:
                        open_at[b["ProducerId"]] = offset
                    elif b["Keys"][0][3] == 1:
                        last = max(last, open_at.pop(b["ProducerId"], 0))
                    else:
                        open_at.pop(b["ProducerId"], None)
            c.close()
            self.last_committed[p] = last

    def stable(self, topic):
        high, stable = self.offsets(topic, 0), self.offsets(topic, 1)
        return None if high == stable else "high watermarks %s, last stable offsets %s" % (high, stable)

    def nothing_is_open(self):
        c = raw.Connection(self.broker.bootstrap, timeout_s=30)
        found = c.ask("ListTransactions", 0, {"StateFilters": [
            "Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"]})["TransactionStates"]
        c.close()
        return "open: %s" % found if found else None

    def consume(self, name, argv):
        proc = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=SECONDS)
        found = []
        for line in proc.stdout.splitlines():
            _, _, key, value = line.split(b" ")
            found.append((base64.b64decode(key), base64.b64decode(value)))
        bad = sum(value.startswith(b"aborted:") for _, value in found)
        if bad:
            return self.report(name, "%d aborted records are seen" % bad)
        if len(found) != len(self.records):
            return self.report(name, "%d records, %d different ones, not %d: %s" % (
                len(found), len(set(found)), len(self.records),
                " ".join(proc.stderr.decode(errors="replace").split())[-300:]))
        if dataset.canonical_hash(found) != dataset.canonical_hash(self.records):
            return self.report(name, "the hash differs")
        return self.report(name, note=": %d records, sha256 %s" % (
            len(found), dataset.canonical_hash(found)[:16]))


def run(job):
    java, go, python = toolchains.java_classes(), toolchains.go_program(), toolchains.python()
    at = job.broker.bootstrap
    job.broker.start()
    job.make_topics()
    copier = Copier(java + ["Transact", "copy", at, "from=" + job.source, "to=" + job.copy,
                            "group=" + job.group, "id=" + job.group])
    try:
        job.produce(copier, java + ["Transact", "pipe", at, "topic=" + job.source,
                                    "id=" + job.source, "size=%d" % IN_A_TRANSACTION])
        job.until("last_stable_offset/source", lambda: job.stable(job.source))
        job.learn_ends()
        job.until("copied", job.copied, seconds=180)
        print("the job was started %d times, it says that it copied %d records" % (
            copier.starts, copier.copied), flush=True)
    except RigError as error:
        job.report("job", "%s; the copier: %s" % (error, copier.said()))
    finally:
        copier.end()
    job.until("last_stable_offset/copy", lambda: job.stable(job.copy))
    job.until("nothing_is_open", job.nothing_is_open)
    consumers = {
        "java": lambda t, g: java + ["Load", "consume", at, "topic=" + t, "group=" + g, "idle=5",
                                     "isolation=read_committed"],
        "go": lambda t, g: [go, "consume", at, "-topic", t, "-group", g, "-idle", "5", "-committed"],
        "python": lambda t, g: [python, os.path.join(HERE, "load.py"), "consume", at, t, g,
                                str(1 << 40), "5", "read_committed"],
    }
    for language, command in consumers.items():
        for topic in (job.source, job.copy):
            job.consume("consume/%s/%s" % (language, topic.split("-")[0]),
                        command(topic, "%s-%s" % (language, topic)))
    seconds = job.broker.stop()
    job.report("stop", None if seconds < 10 else "SIGTERM took %.1f s" % seconds)


def main():
    parser = argparse.ArgumentParser(description="the main job with transactions")
    broker_process.add_options(parser)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--records", type=int, help="only so many of the data set")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    args = parser.parse_args()
    broker = broker_process.from_options(parser, args)
    job = None
    try:
        _, records = dataset.load()
        job = Job(broker, records[:args.records], args.kills, args.seed)
        print("data set: %d records, seed %d" % (len(job.records), args.seed), flush=True)
        run(job)
    except RigError as error:
        print("FAIL transactional job: %s" % error)
        return 1
    finally:
        broker.remove()
    print("transactional job: %d passed, %d failed" % (job.passed, job.failed))
    return 1 if job.failed else 0


if __name__ == "__main__":
    sys.exit(main())
