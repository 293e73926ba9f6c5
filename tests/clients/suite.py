#!/usr/bin/env python3
"""suite: everything that real clients check of levee, on brokers that it starts itself.

usage: suite.py --levee PATH [--require] [--shards N ...]

For one shard and for two: the questions of conformance.py, the client suites of run.py.  Once: the
main job on the distribution's package index with kill -9, and Apache Kafka's dump tool on a stopped
directory.  `ok NAME` or `FAIL NAME` a stage, then `N passed, N failed`.
"""
import argparse
import pathlib
import subprocess
import sys

import broker_process

HERE = pathlib.Path(__file__).resolve().parent


def stage(name, argv, seconds):
    print("==> %s" % name, flush=True)
    try:
        code = subprocess.run([sys.executable, *map(str, argv)], timeout=seconds,
                              stdin=subprocess.DEVNULL).returncode
    except subprocess.TimeoutExpired:
        code = "no end within %d s" % seconds
    print(("ok %s" % name) if code == 0 else ("FAIL %s: %s" % (name, code)), flush=True)
    return code == 0


def with_broker(binary, shards, stages):
    broker = broker_process.Levee(binary, ["levee.shards=%d" % shards])
    results = []
    try:
        broker.start()
        for name, argv, seconds in stages:
            results.append(stage("%s, %d shards" % (name, shards),
                                 argv + ["--bootstrap", broker.bootstrap], seconds))
        seconds = broker.stop()
        print("%s stop took %.1f s" % ("ok" if seconds <= 10 else "FAIL", seconds), flush=True)
        results.append(seconds <= 10 and broker.proc.returncode == 0)
    finally:
        broker.remove()
    return results


def main():
    parser = argparse.ArgumentParser(description="real clients against levee")
    parser.add_argument("--levee", required=True)
    parser.add_argument("--require", action="store_true")
    parser.add_argument("--shards", type=int, nargs="*", default=[1, 2])
    args = parser.parse_args()
    binary = str(pathlib.Path(args.levee).resolve())
    require = ["--require"] if args.require else []
    results = []
    for shards in args.shards:
        results += with_broker(binary, shards, [
            ("conformance", [HERE / "conformance.py"], 300),
            ("clients", [HERE / "run.py", *require], 900),
        ])
    results.append(stage("main job", [HERE / "main_job.py", "--levee", binary], 600))
    results.append(stage("dump-log", [HERE / "dump_log.py", "--levee", binary], 300))
    passed = sum(map(bool, results))
    print("%d passed, %d failed" % (passed, len(results) - passed))
    return 0 if passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
