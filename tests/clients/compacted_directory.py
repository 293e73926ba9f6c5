#!/usr/bin/env python3
"""compacted_directory: what levee has compacted Apache Kafka serves the same, and the other way round.

usage: compacted_directory.py --levee PATH

Keys are written many times into a topic with cleanup.policy=compact and one with compact,delete:
without transactions, in committed and in aborted ones, with tombstones, some compressed, some keys
once only; one transaction stays open.  levee compacts them.  Then Apache Kafka starts on the
directory: it serves the same records at the same offsets, at read_committed and read_uncommitted,
and the newest committed value of each key.  Kafka ends the open transaction, takes more writes and
compacts; levee serves what Kafka served, takes more writes and compacts once more.
`ok NAME` or `FAIL NAME: why`, then `N passed, N failed`.
"""
import argparse
import gzip
import pathlib
import random
import struct
import sys
import time

import broker_process
import kafka_rig
import raw
import raw_transaction

TOPICS = {"kept": {"cleanup.policy": "compact"},
          "aged": {"cleanup.policy": "compact,delete", "delete.retention.ms": "0"}}
KEYS = 97
SETTLED = 20  # keys of each load that are never written again
BATCH_RECORDS = 10
VALUE_BYTES = 3000
ROUNDS = 60
LATER_ROUNDS = 40
NEVER_MS = 365 * 24 * 3600 * 1000
ROUND_OFFSETS = 4 * BATCH_RECORDS + 2
CLEAN_SECONDS = 30
CLEANER = {"log.cleaner.backoff.ms": "300"}


class Written:
    """What a topic was asked to hold: offset, key, value, and whether it counts."""

    def __init__(self):
        self.records = []

    def add(self, base, pairs, outcome):
        self.records += [(base + i, *pair, outcome) for i, pair in enumerate(pairs)]

    def newest(self):
        """Key to value, of committed records; a tombstone takes its key away."""
        return newest_of((o, k, v) for o, k, v, outcome in self.records if outcome["committed"])


def newest_of(records):
    found = {}
    for _, key, value in sorted(records, key=lambda r: r[0]):
        found[key] = value
    return {k: v for k, v in found.items() if v is not None}


class Client:
    """One broker, by hand."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.connection = raw.Connection(bootstrap, timeout_s=30)

    def until_good(self, api, version, body, code):
        end = time.monotonic() + 30
        while True:
            answer = self.connection.ask(api, version, body)
            if code(answer) == 0:
                return answer
            if time.monotonic() > end:
                raise kafka_rig.RigError("%s: error %d" % (api, code(answer)))
            time.sleep(0.05)

    def make_topics(self):
        for name, configs in TOPICS.items():
            both = {**configs, "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01"}
            self.until_good("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [{
                "Name": name, "NumPartitions": 1, "ReplicationFactor": -1,
                "Configs": [{"Name": k, "Value": v} for k, v in both.items()]}]},
                lambda a: a["Topics"][0]["ErrorCode"])

    def set_lag(self, lag_ms):
        for name in TOPICS:
            self.until_good("IncrementalAlterConfigs", 1, {"ValidateOnly": False, "Resources": [{
                "ResourceType": 2, "ResourceName": name, "Configs": [{
                    "Name": "min.compaction.lag.ms", "ConfigOperation": 0, "Value": str(lag_ms)}]}]},
                lambda a: a["Responses"][0]["ErrorCode"])

    def produce(self, topic, pairs, codec):
        records = raw.batch([v for _, v in pairs], keys=[k for k, _ in pairs], codec=codec,
                            timestamp=int(time.time() * 1000))
        answer = self.until_good("Produce", 9, {"TransactionalId": None, "Acks": -1,
                                                "TimeoutMs": 30000, "TopicData": [
            {"Name": topic, "PartitionData": [{"Index": 0, "Records": records}]}]},
            lambda a: a["Responses"][0]["PartitionResponses"][0]["ErrorCode"])
        return answer["Responses"][0]["PartitionResponses"][0]["BaseOffset"]

    def fetch(self, topic, offset, isolation):
        answer = self.until_good("Fetch", 12, {
            "MaxWaitMs": 100, "MinBytes": 1, "MaxBytes": 8 << 20, "IsolationLevel": isolation,
            "SessionEpoch": -1, "Topics": [{"Topic": topic, "Partitions": [
                {"Partition": 0, "FetchOffset": offset, "PartitionMaxBytes": 8 << 20}]}]},
            lambda a: a["Responses"][0]["Partitions"][0]["ErrorCode"])
        return answer["Responses"][0]["Partitions"][0]

    def read(self, topic, committed):
        """Offset, key and value of all records from the start of the log, as a consumer gives them
        to its application."""
        found, offset = [], 0
        while True:
            part = self.fetch(topic, offset, 1 if committed else 0)
            aborted = sorted(((a["FirstOffset"], a["ProducerId"])
                              for a in part["AbortedTransactions"] or []), reverse=True)
            dropped = set()
            before = offset
            for batch in raw.read_batches(part["Records"], packed=True):
                last = batch["BaseOffset"] + batch["LastOffsetDelta"]
                while aborted and aborted[-1][0] <= last:
                    dropped.add(aborted.pop()[1])
                if last >= offset:
                    found += self.records_of(batch, offset, dropped)
                    offset = last + 1
            if offset == before:
                return found

    @staticmethod
    def records_of(batch, offset, dropped):
        if not batch["CrcOk"]:
            raise kafka_rig.RigError("a batch with a wrong CRC at offset %d" % batch["BaseOffset"])
        if batch["Attributes"] & 0x20:
            if batch["Keys"] and struct.unpack_from(">h", batch["Keys"][0], 2)[0] == 0:
                dropped.discard(batch["ProducerId"])
            return []
        if batch["Attributes"] & 0x10 and batch["ProducerId"] in dropped:
            return []
        packed = batch["Packed"]
        if batch["Attributes"] & 7:
            packed = gzip.decompress(packed)
        return [(batch["BaseOffset"] + delta, key, value)
                for delta, key, value in raw.read_records(packed, batch["Count"])
                if batch["BaseOffset"] + delta >= offset]

    def served(self):
        """The same, of each topic and isolation level, when a compaction that runs has ended."""
        before = None
        while True:
            found = {(name, committed): self.read(name, committed)
                     for name in TOPICS for committed in (True, False)}
            if found == before:
                return found
            before = found
            time.sleep(0.5)

    def close(self):
        self.connection.close()


class Load:
    """Writes rounds of batches, remembers them."""

    def __init__(self):
        self.written = {name: Written() for name in TOPICS}
        self.chance = random.Random(8)
        self.number = 0

    def pairs(self, settled=()):
        found = []
        for key in settled or [b"key-%d" % self.chance.randrange(KEYS) for _ in range(BATCH_RECORDS)]:
            self.number += 1
            value = b"%08d" % self.number + b"x" * VALUE_BYTES
            found.append((key, None if not settled and self.chance.random() < 0.1 else value))
        return found

    def transact(self, producer, topic, outcome, pairs, codec=None):
        base = producer.send(topic, *[v for _, v in pairs], keys=[k for k, _ in pairs], codec=codec)
        self.written[topic].add(base, pairs, outcome)

    def settle(self, client, name):
        """Keys that are written once: a compaction must leave them."""
        for topic in TOPICS:
            for n in range(SETTLED):
                pairs = self.pairs([b"%s-%d" % (name, n)]) + self.pairs()
                self.written[topic].add(client.produce(topic, pairs, None), pairs,
                                        {"committed": True})

    def run(self, client, name, rounds):
        self.settle(client, name)
        producers = [raw_transaction.Producer(client.bootstrap, "compacted-%d" % n) for n in range(2)]
        for n in range(rounds):
            outcomes = [{"committed": n % 3 != 1}, {"committed": n % 4 != 2}]
            codec = "gzip" if n % 5 == 0 else None
            for topic in TOPICS:
                for producer, outcome in zip(producers, outcomes):
                    self.transact(producer, topic, outcome, self.pairs(), codec)
                    pairs = self.pairs()
                    self.written[topic].add(client.produce(topic, pairs, codec), pairs,
                                            {"committed": True})
            for producer, outcome in zip(producers, outcomes):
                producer.end(outcome["committed"])
        for producer in producers:
            producer.close()


def clean_offset(directory, topic):
    """Newest of the checkpoints: Kafka has one for all, levee one beside each log."""
    found = 0
    for path in directory.rglob("cleaner-offset-checkpoint"):
        for line in path.read_text().splitlines()[2:]:
            words = line.split()
            if len(words) == 3 and words[0] == topic:
                found = max(found, int(words[2]))
    return found


def let_it_clean(client, data):
    """Until all closed segments are compacted, but for a transaction that ends behind them; up to
    where each topic surely is."""
    client.set_lag(0)
    end = time.monotonic() + CLEAN_SECONDS
    for topic in TOPICS:
        while True:
            active = int(max((data / (topic + "-0")).glob("*.log")).stem)
            if clean_offset(data, topic) >= active - ROUND_OFFSETS > 0:
                break
            if time.monotonic() > end:
                raise kafka_rig.RigError("%s is not compacted: up to %d, not %d" % (
                    topic, clean_offset(data, topic), active))
            time.sleep(0.2)
    client.set_lag(NEVER_MS)
    return {topic: clean_offset(data, topic) - ROUND_OFFSETS for topic in TOPICS}


def forget_marks(data):
    """levee's own files say where its log ended: without them it takes the directory as Kafka left
    it (docs/decisions/0007-holes-of-compaction.md)."""
    for pattern in ("*.levee", "*/*.levee-window", "*/cleaner-offset-checkpoint"):
        for path in data.glob(pattern):
            path.unlink()


def refuses(levee):
    """"", or what it did instead."""
    try:
        levee.start()
    except kafka_rig.RigError as error:
        return "" if "another broker has written here" in str(error) else str(error)
    levee.kill()
    return "it started"


class Checks:
    def __init__(self):
        self.results = []

    def say(self, name, why):
        self.results.append(not why)
        print("FAIL %s: %s" % (name, why) if why else "ok %s" % name, flush=True)

    def newest(self, name, served, load):
        """The newest value of each key is the one that was committed last."""
        why = ""
        for topic in TOPICS:
            got, expected = newest_of(served[topic, True]), load.written[topic].newest()
            wrong = sorted(k for k in {*got, *expected} if got.get(k) != expected.get(k))
            if wrong:
                why += "%s: %d of %d keys differ, the first %s: %s, not %s; " % (
                    topic, len(wrong), len(expected), wrong[0], (got.get(wrong[0]) or b"nothing")[:8],
                    (expected.get(wrong[0]) or b"nothing")[:8])
        self.say(name, why)

    def no_aborted(self, name, served, load):
        """Nothing that was not committed is read at read_committed, nothing twice, nothing made up."""
        why = ""
        for topic in TOPICS:
            known = {(o, k, v) for o, k, v, outcome in load.written[topic].records
                     if outcome["committed"]}
            more = [r for r in served[topic, True] if r not in known]
            twice = len(served[topic, True]) - len({r[0] for r in served[topic, True]})
            if more or twice:
                why += "%s: %d records that were not committed, %d twice; " % (
                    topic, len(more), twice)
        self.say(name, why)

    def aborted_gone(self, name, served, load, cleaned):
        """Nor is anything of it left where a compaction went, for read_uncommitted to find."""
        why = ""
        for topic in TOPICS:
            aborted = {o for o, _, _, outcome in load.written[topic].records
                       if not outcome["committed"] and o < cleaned[topic]}
            left = [r[0] for r in served[topic, False] if r[0] in aborted]
            if left or not aborted:
                why += "%s: %d of %d aborted records, the first at %s; " % (
                    topic, len(left), len(aborted), left[:1])
        self.say(name, why)

    def smaller(self, name, served, load):
        """A compaction took place at all."""
        why = ""
        for topic in TOPICS:
            count, before = len(served[topic, False]), len(load.written[topic].records)
            if count > before / 2:
                why += "%s: %d of %d records are left; " % (topic, count, before)
        self.say(name, why)

    def same(self, name, left, right):
        why = ""
        for view in left:
            if left[view] != right[view]:
                other = sorted(set(left[view]) ^ set(right[view]), key=lambda r: r[0])
                why += "%s at %s: %d and %d records, %d of them differ, the first at offset %s; " % (
                    view[0], "read_committed" if view[1] else "read_uncommitted", len(left[view]),
                    len(right[view]), len(other), other[0][0] if other else "(order)")
        self.say(name, why)

    def all(self, who, served, load, cleaned):
        self.newest("%s: the newest value of each key" % who, served, load)
        self.no_aborted("%s: nothing that was aborted" % who, served, load)
        self.aborted_gone("%s: nor is it kept" % who, served, load, cleaned)
        self.smaller("%s: older values are gone" % who, served, load)


def judge(checks, binary, kafka, levee, data):
    load = Load()
    levee.start()
    client = Client(levee.bootstrap)
    client.make_topics()
    load.run(client, b"first", ROUNDS)
    cleaned = let_it_clean(client, data)
    open_outcome = {"committed": False}
    open_producer = raw_transaction.Producer(levee.bootstrap, "compacted-open", timeout_ms=600000)
    for topic in TOPICS:
        load.transact(open_producer, topic, open_outcome, load.pairs())
    ours = client.served()
    client.close()
    levee.stop()
    checks.all("levee compacted", ours, load, cleaned)

    kafka.start()
    client = Client("127.0.0.1:%d" % kafka.port)
    theirs = client.served()
    checks.same("Kafka serves what levee compacted", ours, theirs)
    open_producer.moved(client.bootstrap)
    open_producer.end(True)
    open_outcome["committed"] = True
    load.run(client, b"second", LATER_ROUNDS)
    cleaned = let_it_clean(client, data)
    theirs = client.served()
    client.close()
    kafka.stop()
    checks.all("Kafka compacted it again", theirs, load, cleaned)

    checks.say("levee does not start where Kafka has run since", refuses(levee))
    forget_marks(data)
    levee.start()
    client = Client(levee.bootstrap)
    ours = client.served()
    checks.same("levee serves what Kafka compacted", theirs, ours)
    load.run(client, b"third", LATER_ROUNDS)
    cleaned = let_it_clean(client, data)
    checks.all("levee compacted Kafka's", client.served(), load, cleaned)
    client.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--levee", required=True)
    args = parser.parse_args()
    checks = Checks()
    kafka = kafka_rig.Broker(kafka_rig.free_port(), settings=CLEANER)
    settings = {"node.id": "1", "levee.checkpoint.interval.ms": "500", **CLEANER}
    levee = broker_process.Levee(str(pathlib.Path(args.levee).resolve()),
                                 ["%s=%s" % pair for pair in settings.items()],
                                 directory=kafka.directory)
    try:
        kafka.format()
        judge(checks, args.levee, kafka, levee, kafka.directory / "data")
    except (kafka_rig.RigError, raw_transaction.Refused, raw.Closed) as error:
        checks.say("to its end", "%s; levee's last lines:\n%s" % (error, "".join(levee.lines[-10:])))
    finally:
        levee.remove()
        kafka.remove()
    passed = sum(checks.results)
    print("compacted-directory: %d passed, %d failed" % (passed, len(checks.results) - passed))
    return 0 if passed == len(checks.results) else 1


if __name__ == "__main__":
    sys.exit(main())
