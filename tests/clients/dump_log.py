#!/usr/bin/env python3
"""dump_log: Apache Kafka's dump tool reads a stopped directory of levee and finds nothing wrong.

usage: dump_log.py --levee PATH

Produces through kcat in several codecs and rolls segments, stops the broker with SIGTERM, then lets
DumpLogSegments read every segment (deep iteration), index, time index, snapshot, and the metadata
log with its snapshots.  `ok NAME` or `FAIL NAME: line` a file kind, then `N passed, N failed`.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import broker_process
import kafka_rig

WRONG = ("is not", "Mismatches", "invalid", "Invalid", "Found", "Exception", "isvalid: false",
         "corrupt")


def produce(bootstrap, codec, records):
    text = "".join("key-%d:%s value %d\n" % (i, "x" * 200, i) for i in range(records))
    subprocess.run(["kcat", "-b", bootstrap, "-P", "-t", "dumped", "-p", "0", "-K", ":", "-z", codec,
                    "-X", "enable.idempotence=true"], input=text, text=True, check=True, timeout=60)


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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--levee", required=True)
    args = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="levee-dump-") as directory:
        broker = broker_process.Levee(str(pathlib.Path(args.levee).resolve()),
                                      ["log.segment.bytes=1048576", "log.index.interval.bytes=512"],
                                      directory=directory)
        broker.start()
        try:
            for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
                produce(broker.bootstrap, codec, 5000)
            broker.stop()
        finally:
            broker.remove()
        data = pathlib.Path(directory) / "data"
        log = data / "dumped-0"
        metadata = data / "__cluster_metadata-0"
        kinds = [
            ("segments", sorted(log.glob("*.log")), ["--deep-iteration"]),
            ("offset indexes", sorted(log.glob("*.index")), ["--index-sanity-check"]),
            ("time indexes", sorted(log.glob("*.timeindex")), []),
            ("producer snapshots", sorted(log.glob("*.snapshot")), []),
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
