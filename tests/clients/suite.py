#!/usr/bin/env python3
"""suite: everything that real clients check of levee, on brokers that it starts itself.

usage: suite.py --levee PATH [--require] [--shards N ...] [--whole]

For one shard, for two, and for one on the plain I/O backend, side by side (most checks wait): the
questions of conformance.py, the client suites of run.py.  Then once: the command line on its own
broker, /metrics against what was done, the main job on the distribution's package index with
kill -9, the same with transactions and a job that copies them ($LEVEE_JOB_KILLS kills, 4 if unset),
the client room against levee, against Apache Kafka and two nodes of it, of which one dies, its
producer against both, groups in which the client room and Kafka's consumers meet, Kafka's dump tool
on a stopped directory, levee on one of Kafka's with transactions, and both in turn on compacted topics.
`ok NAME` or `FAIL NAME` a stage, then `N passed, N failed`.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import threading

import broker_process
import kafka_rig

HERE = pathlib.Path(__file__).resolve().parent
# What the second and the third broker are asked without --whole: each library, not each of Kafka's
# command line tools, which start a virtual machine for every question.
SHARE = ["wire", "confluent-kafka", "confluent-transactions", "held-frames", "java",
         "java-transactions", "franz-go", "kafkajs"]


def stage(name, argv, seconds, prefix=""):
    """Runs it, its lines with the prefix; true when it ended well and in time."""
    print("==> %s" % name, flush=True)
    proc = subprocess.Popen([sys.executable, *map(str, argv)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace")
    timer = threading.Timer(seconds, proc.kill)
    timer.start()
    for line in proc.stdout:
        print(prefix + line.rstrip("\n"), flush=True)
    code = proc.wait()
    if not timer.is_alive():
        code = "no end within %d s" % seconds
    timer.cancel()
    print(("ok %s" % name) if code == 0 else ("FAIL %s: %s" % (name, code)), flush=True)
    return code == 0


def with_broker(binary, shards, backend, stages, results):
    broker = broker_process.Levee(binary, ["levee.shards=%d" % shards, "levee.io=%s" % backend])
    title = "%d shards%s" % (shards, ", plain" if backend == "plain" else "")
    try:
        broker.start()
        for name, argv, seconds in stages:
            results.append(stage("%s, %s" % (name, title),
                                 argv + ["--bootstrap", broker.bootstrap], seconds,
                                 "[%d%s] " % (shards, "p" if backend == "plain" else "")))
        seconds = broker.stop()
        good = seconds <= 10 and broker.proc.returncode == 0
        print("%s stop, %s: %.1f s, exit code %s" % (
            "ok" if good else "FAIL", title, seconds, broker.proc.returncode), flush=True)
        results.append(good)
    except kafka_rig.RigError as error:
        print("FAIL %s: %s" % (title, error), flush=True)
        results.append(False)
    finally:
        broker.remove()


def main():
    parser = argparse.ArgumentParser(description="real clients against levee")
    parser.add_argument("--levee", required=True)
    parser.add_argument("--require", action="store_true")
    parser.add_argument("--whole", action="store_true",
                        help="every client suite on each broker, and each of Apache Kafka's turns")
    parser.add_argument("--shards", type=int, nargs="*", default=[1, 2])
    args = parser.parse_args()
    binary = str(pathlib.Path(args.levee).resolve())
    require = ["--require"] if args.require else []
    results = [stage("toolchains", [HERE / "run.py", "--install", *require], 900)]
    kinds = [(shards, "auto") for shards in args.shards] + [(1, "plain")]
    share = [] if args.whole else [x for name in SHARE for x in ("--suite", name)]
    if share:
        print("on all brokers but the first only the suites %s (--whole: all)" % ", ".join(SHARE))
    threads = [threading.Thread(target=with_broker, args=(binary, *kind, [
        ("conformance", [HERE / "conformance.py"], 400),
        ("clients", [HERE / "run.py", *require, *(share if kind != kinds[0] else [])], 1200),
    ], results)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.append(stage("commands", [HERE / "commands.py", "--levee", binary], 300))
    results.append(stage("metrics", [HERE / "metrics.py", "--levee", binary, *require], 200))
    results.append(stage("main job", [HERE / "main_job.py", "--levee", binary], 600))
    results.append(stage("transactional job", [
        HERE / "transactional_job.py", "--levee", binary, "--kills",
        os.environ.get("LEVEE_JOB_KILLS", "4")], 900))
    room = [HERE / "client_room.py", "--program",
            pathlib.Path(binary).parents[1] / "tests" / "support" / "client_room"]
    results.append(stage("client room", room + ["--levee", binary], 120))
    if args.whole:
        results.append(stage("client room and Apache Kafka", room + ["--kafka", *require], 300))
    results.append(stage("client room and two nodes of Apache Kafka",
                         room + ["--kafka", "--pair", *require], 300))
    produce = [HERE / "client_produce.py", "--program",
               pathlib.Path(binary).parents[1] / "tests" / "support" / "client_produce"]
    results.append(stage("producer of the client room", produce + ["--levee", binary], 300))
    results.append(stage("producer of the client room and Apache Kafka",
                         produce + ["--kafka", "--kills", "1", *require], 400))
    results.append(stage("dump-log", [HERE / "dump_log.py", "--levee", binary], 300))
    for kafka in ([], ["--kafka"], ["--kafka", "--pair"]) if args.whole else ([], ["--kafka", "--pair"]):
        results.append(stage("groups of the client room and Kafka's consumers %s" % (
            " ".join(kafka)), [
            HERE / "room_group.py", "--levee", binary, *kafka], 400))
    results.append(stage("Kafka's directory", [
        HERE / "kafka_directory.py", "--levee", binary], 300))
    results.append(stage("compacted directory", [
        HERE / "compacted_directory.py", "--levee", binary], 300))
    passed = sum(map(bool, results))
    print("%d passed, %d failed" % (passed, len(results) - passed))
    return 0 if passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
