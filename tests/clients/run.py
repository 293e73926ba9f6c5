#!/usr/bin/env python3
"""Run the real-client suites against a broker.

    run.py --bootstrap 127.0.0.1:9092                         all suites
    run.py --bootstrap ... --suite kcat --suite java          some
    run.py --bootstrap ... --suite java --only acks_all       one check
    run.py --bootstrap ... --require                          a skipped suite is a failure
    run.py --kafka                                            start Apache Kafka, run, stop it
                                                              (held-frames fails there: it has no guard)
    run.py --install                                          only install what the suites need

One line a check (`ok suite/name`, `FAIL suite/name: why`, `skip suite: what is missing`), then
`N passed, N failed, N skipped`.  Exit code 0 if nothing failed.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import kafka_rig
import toolchains
from kafka_rig import RigError

HERE = pathlib.Path(__file__).resolve().parent
SUITES = HERE / "suites"
SUITE_SECONDS = 900


def python_suite(name, interpreter):
    return lambda bootstrap, only: (
        [interpreter(), str(SUITES / name), "--bootstrap", bootstrap]
        + [x for o in only for x in ("--only", o)], {"PYTHONPATH": str(HERE)})


def kcat(bootstrap, only):
    if not shutil.which("kcat"):
        raise RigError("missing kcat; install with: apt-get install kcat")
    return python_suite("kcat.py", lambda: sys.executable)(bootstrap, only)


def java(bootstrap, only):
    return toolchains.java_classes() + ["ClientSuite", bootstrap, *only], {}


def java_transactions(bootstrap, only):
    return toolchains.java_classes() + ["TransactionSuite", bootstrap, *only], {}


def java_admin(bootstrap, only):
    toolchains.java_classes()
    return python_suite("java_admin.py", lambda: sys.executable)(bootstrap, only)


def franz_go(bootstrap, only):
    return [toolchains.go_program(), "suite", bootstrap, *only], {}


def kafkajs(bootstrap, only):
    modules = toolchains.node_modules()
    return (["node", "--no-deprecation", str(HERE / "node" / "suite.js"), bootstrap, *only],
            {"NODE_PATH": modules})


def tools(bootstrap, only):
    kafka_rig.jars()
    return python_suite("kafka_tools.py", lambda: sys.executable)(bootstrap, only)


ALL = {
    "wire": python_suite("wire.py", lambda: sys.executable),
    "kcat": kcat,
    "confluent-kafka": python_suite("confluent.py", toolchains.python),
    "confluent-transactions": python_suite("confluent_transactions.py", toolchains.python),
    "held-frames": python_suite("held_frames.py", toolchains.python),
    "kafka-python": python_suite("kafka_python.py", toolchains.python),
    "java": java,
    "java-transactions": java_transactions,
    "java-admin": java_admin,
    "franz-go": franz_go,
    "kafkajs": kafkajs,
    "tools": tools,
}


class Count:
    passed = failed = skipped = 0


def run_suite(name, command, count):
    argv, env = command
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL, env=dict(os.environ, **env))
    timer = threading.Timer(SUITE_SECONDS, proc.kill)
    timer.start()
    noise = []
    reader = threading.Thread(target=lambda: noise.extend(proc.stderr.readlines()))
    reader.start()
    seen = failed = 0
    for line in proc.stdout:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word in ("ok", "FAIL", "skip"):
            seen += 1
            failed += word == "FAIL"
            count.passed += word == "ok"
            count.failed += word == "FAIL"
            count.skipped += word == "skip"
            print("%s %s/%s" % (word, name, rest), flush=True)
    proc.wait()
    reader.join()
    late = not timer.is_alive()
    timer.cancel()
    if late or not seen or (proc.returncode != 0 and not failed):
        count.failed += 1
        why = "stopped after %d s" % SUITE_SECONDS if late else "exit code %d" % proc.returncode
        print("FAIL %s: %s: %s" % (name, why, " ".join("".join(noise)[-600:].split())), flush=True)


def main():
    parser = argparse.ArgumentParser(description="real clients against a broker")
    parser.add_argument("--bootstrap")
    parser.add_argument("--kafka", action="store_true", help="against Apache Kafka, started here")
    parser.add_argument("--suite", action="append", choices=list(ALL), default=[])
    parser.add_argument("--only", action="append", default=[], metavar="CHECK")
    parser.add_argument("--require", action="store_true")
    parser.add_argument("--install", action="store_true")
    args = parser.parse_args()
    if not (args.bootstrap or args.kafka or args.install):
        parser.error("--bootstrap, --kafka or --install is needed")
    broker = None
    count = Count()
    try:
        if args.kafka:
            broker = kafka_rig.Broker(kafka_rig.free_port()).start()
            args.bootstrap = "127.0.0.1:%d" % broker.port
        for name in args.suite or ALL:
            try:
                command = ALL[name](args.bootstrap or "-", args.only)
            except (RigError, OSError, subprocess.TimeoutExpired) as error:
                count.failed += args.require
                count.skipped += not args.require
                print("%s %s: %s" % ("FAIL" if args.require else "skip", name, error), flush=True)
                continue
            if not args.install:
                run_suite(name, command, count)
    except RigError as error:
        print("FAIL rig: %s" % error)
        count.failed += 1
    finally:
        if broker:
            broker.remove()
    print("clients: %d passed, %d failed, %d skipped" % (count.passed, count.failed, count.skipped))
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
