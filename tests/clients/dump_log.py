#!/usr/bin/env python3
"""dump_log: Apache Kafka's dump tool reads a stopped directory of levee and finds nothing wrong.

usage: dump_log.py --levee PATH

Produces through kcat in several codecs and rolls segments, commits and aborts transactions and leaves
one open, lets a topic be compacted, stops the broker with SIGTERM, then lets DumpLogSegments read every segment (deep
iteration), index, time index, snapshot, aborted index, the logs of transactions and of offsets, and
the metadata log with its snapshots.  `ok NAME` or `FAIL NAME: line` a file kind, then `N passed, N failed`.
"""
import argparse
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

import broker_process
import kafka_rig
import raw_transaction

WRONG = ("is not", "Mismatches", "invalid", "Invalid", "Found", "Exception", "isvalid: false",
         "corrupt")


def produce(bootstrap, codec, records):
    text = "".join("key-%d:%s value %d\n" % (i, "x" * 200, i) for i in range(records))
    subprocess.run(["kcat", "-b", bootstrap, "-P", "-t", "dumped", "-p", "0", "-K", ":", "-z", codec,
                    "-X", "enable.idempotence=true"], input=text, text=True, check=True, timeout=60)


def transact(bootstrap):
    """Forty transactions over two partitions, each third one aborted; the last one stays open."""
    c = raw_transaction.raw.Connection(bootstrap, timeout_s=30)
    made = c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [{
        "Name": "transacted", "NumPartitions": 2, "ReplicationFactor": -1}]})["Topics"][0]
    c.close()
    if made["ErrorCode"]:
        raise kafka_rig.RigError("cannot make the topic: %s" % made)
    producers = [raw_transaction.Producer(bootstrap, "dumped-%d" % n) for n in range(2)]
    for n in range(40):
        for producer in producers:
            for partition in range(2):
                producer.send("transacted", b"x" * 9000, b"y" * 9000, partition=partition)
            producer.commit_offset("dumped", "transacted", n)
        for producer in producers:
            producer.end(n % 3 != 1)
    producers[0].send("transacted", b"open")


def compact(bootstrap, log):
    """Updates of a hundred keys in every codec, some in transactions, until the cleaner has gone over them."""
    c = raw_transaction.raw.Connection(bootstrap, timeout_s=30)
    made = c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [{
        "Name": "compacted", "NumPartitions": 1, "ReplicationFactor": -1,
        "Configs": [{"Name": "cleanup.policy", "Value": "compact"}]}]})["Topics"][0]
    c.close()
    if made["ErrorCode"]:
        raise kafka_rig.RigError("cannot make the topic: %s" % made)
    producer = raw_transaction.Producer(bootstrap, "compacting")
    for n, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd", "none")):
        text = "".join("key-%d:%s\n" % (i % 100, "" if i % 7 == 0 else "%d %s" % (i, "x" * 300))
                       for i in range(5000))
        subprocess.run(["kcat", "-b", bootstrap, "-P", "-t", "compacted", "-p", "0", "-K", ":", "-Z",
                        "-z", codec, "-X", "enable.idempotence=true"], input=text, text=True,
                       check=True, timeout=60)
        for i in range(30):
            producer.send("compacted", b"key-%d" % i, b"y" * 9000)
        producer.end(n % 2 == 0)
    written = sum(path.stat().st_size for path in log.glob("*.log"))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        left = sum(path.stat().st_size for path in log.glob("*.log"))
        if (log / "cleaner-offset-checkpoint").exists() and left < written / 2:
            return
        time.sleep(0.5)
    raise kafka_rig.RigError("nothing was compacted: %d of %d bytes are left" % (left, written))


def dump(paths, *options):
    """Complaints of the tool over these files."""
    code, out, err = kafka_rig.tool("dump-log", *options, "--files", ",".join(map(str, paths)),
                                    timeout=120)
    out += err
    lines = [line for line in out.splitlines() if any(w in line for w in WRONG)
             and not line.startswith(("|", "baseOffset", "offset:", "SLF4J"))]
    if code:
        lines.append("exit code %d: %s" % (code, out[-300:]))
    return lines


def has_records(path):
    """Of a compacted segment only batches without records may be left.  Its time index has the time
    of one of them, as Kafka's LogSegment.append writes it, and the tool looks for a record of that
    time and finds none."""
    data, at = path.read_bytes(), 0
    while at + 61 <= len(data):
        if struct.unpack_from(">i", data, at + 57)[0] > 0:
            return True
        at += 12 + struct.unpack_from(">i", data, at + 8)[0]
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--levee", required=True)
    args = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="levee-dump-") as directory:
        broker = broker_process.Levee(str(pathlib.Path(args.levee).resolve()),
                                      ["log.segment.bytes=1048576", "log.index.interval.bytes=512",
                                       "log.cleaner.backoff.ms=300", "log.cleaner.min.cleanable.ratio=0.01",
                                       "levee.checkpoint.interval.ms=1000"],
                                      directory=directory)
        broker.start()
        try:
            for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
                produce(broker.bootstrap, codec, 5000)
            transact(broker.bootstrap)
            compact(broker.bootstrap, pathlib.Path(directory) / "data" / "compacted-0")
            broker.stop()
        finally:
            broker.remove()
        data = pathlib.Path(directory) / "data"
        log = data / "dumped-0"
        metadata = data / "__cluster_metadata-0"
        states, offsets = (sorted(p for p in data.glob(name + "-*/*.log") if p.stat().st_size)
                           for name in ("__transaction_state", "__consumer_offsets"))
        kinds = [
            ("segments", sorted(log.glob("*.log")), ["--deep-iteration"]),
            ("offset indexes", sorted(log.glob("*.index")), ["--index-sanity-check"]),
            ("time indexes", sorted(log.glob("*.timeindex")), []),
            ("producer snapshots", sorted(log.glob("*.snapshot")), []),
            ("compacted segments", sorted(data.glob("compacted-*/*.log")), ["--deep-iteration"]),
            ("compacted offset indexes", sorted(data.glob("compacted-*/*.index")),
             ["--index-sanity-check"]),
            ("compacted time indexes", [p for p in sorted(data.glob("compacted-*/*.timeindex"))
                                        if has_records(p.with_suffix(".log"))], []),
            ("compacted aborted indexes", sorted(data.glob("compacted-*/*.txnindex")), []),
            ("transactional segments", sorted(data.glob("transacted-*/*.log")),
             ["--deep-iteration"]),
            ("aborted indexes", sorted(data.glob("transacted-*/*.txnindex")), []),
            ("transactional snapshots", sorted(data.glob("transacted-*/*.snapshot")), []),
            ("log of transactions", states, ["--transaction-log-decoder"]),
            ("log of offsets", offsets, ["--offsets-decoder"]),
            ("metadata log", sorted(metadata.glob("*.log")), ["--cluster-metadata-decoder"]),
            ("metadata snapshots", sorted(metadata.glob("*.checkpoint")),
             ["--cluster-metadata-decoder"]),
        ]
        for name, paths, options in kinds:
            lines = dump(paths, *options) if paths else ["there is none"]
            if lines:
                failed += 1
                print("FAIL %s: %s" % (name, lines[0]), flush=True)
            else:
                passed += 1
                print("ok %s: %d files" % (name, len(paths)), flush=True)
    print("dump-log: %d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
