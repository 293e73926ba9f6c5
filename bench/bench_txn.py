"""txn: what a transaction costs, with Kafka's own producer, beside Kafka in the same run."""
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import urllib.request

import bench_process
from bench_peer import Kafka, cpu_s, java, kafka_rig

HERE = pathlib.Path(__file__).resolve().parent
PARTITIONS = 4
RECORDS = 10
RECORD_BYTES = 1024
MANY = 64
JVM = ["-Xmx1G", "-XX:+UseSerialGC"]


class Run:
    """One run of TxnLoad: a count, seconds, and times in microseconds."""

    def __init__(self, line, cpu, groups):
        count, seconds, self.commit, self.commit_p99, self.whole, self.whole_p99 = map(
            int, line.split())
        self.rate = count / seconds
        self.cpu_us = cpu * 1e6 / count
        self.groups = None if groups is None else groups / count


def journal_groups(metrics):
    """Writes of the journal that were made durable; each is one flush of the device."""
    text = urllib.request.urlopen("http://%s/metrics" % metrics, timeout=10).read().decode()
    return sum(float(v) for v in re.findall(r"^levee_journal_groups_total(?:\{.*\})? (\S+)$", text,
                                            re.M))


def load(broker, topic, kind, producers, seconds, metrics=None):
    before = cpu_s(broker.proc.pid)
    groups = None if metrics is None else journal_groups(metrics)
    argv = java(JVM, str(HERE / "TxnLoad.java"), broker.bootstrap, topic, PARTITIONS, kind, producers,
                seconds, RECORDS, RECORD_BYTES)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=seconds + 120)
    if done.returncode:
        raise RuntimeError("TxnLoad %s: %s" % (kind, (done.stdout + done.stderr)[-1500:]))
    if groups is not None:
        groups = journal_groups(metrics) - groups
    return Run(done.stdout.strip().splitlines()[-1], cpu_s(broker.proc.pid) - before, groups)


def mid(runs, field):
    return statistics.median(getattr(run, field) for run in runs)


def show(report, name, runs):
    report.text("%-34s %8.0f/s, commit p50 %6.0f p99 %7.0f us, begin to begin p50 %6.0f us, "
                "broker CPU %5.0f us each" % (name, mid(runs, "rate"), mid(runs, "commit"),
                                              mid(runs, "commit_p99"), mid(runs, "whole"),
                                              mid(runs, "cpu_us")))


def measure(args, report, brokers, metrics):
    seconds, blocks = (4, 1) if args.quick else (8, 3)
    kinds = (("ping", "ping", 1), ("one", "txn", 1), ("many", "txn", MANY))
    runs = {(name, label): [] for name, _ in brokers for label, _, _ in kinds}
    for name, broker in brokers:
        subprocess.run([str(args.levee), "topic", "create", "txn", "-p", str(PARTITIONS), "-b",
                        broker.bootstrap], check=True, stdout=subprocess.DEVNULL, timeout=60)
    for block in range(blocks):
        order = brokers if block % 2 == 0 else brokers[::-1]
        for name, broker in order:
            for label, kind, producers in kinds:
                runs[name, label].append(load(broker, "txn", kind, producers, seconds,
                                              metrics if broker is brokers[0][1] else None))
    for name, _ in brokers:
        for label, _, producers in kinds:
            show(report, "%s, %s" % (name, "a durable ping" if label == "ping" else
                                     "%d producers" % producers), runs[name, label])
    return runs


def judge(report, runs, names):
    ours, kafka, synced = names

    def ratio(text, top, bottom, bar, met):
        value = top / bottom
        report.figure(text, value, "", bar, met(value))

    ratio("commit / durable ping, p50", mid(runs[ours, "one"], "commit"),
          mid(runs[ours, "ping"], "commit"), "<= 1.5", lambda v: v <= 1.5)
    ratio("transactions a second / Kafka, flush.messages=1", mid(runs[ours, "one"], "rate"),
          mid(runs[synced, "one"], "rate"), ">= 5", lambda v: v >= 5)
    ratio("transactions a second / Kafka as it comes", mid(runs[ours, "one"], "rate"),
          mid(runs[kafka, "one"], "rate"), ">= 1", lambda v: v >= 1)
    ratio("%d producers / one" % MANY, mid(runs[ours, "many"], "rate"),
          mid(runs[ours, "one"], "rate"), ">= 20", lambda v: v >= 20)
    groups = mid(runs[ours, "many"], "groups")
    report.figure("device flushes a transaction, %d producers" % MANY, groups, "", "<= 0.2",
                  groups <= 0.2)
    report.figure("device flushes a transaction, one producer", mid(runs[ours, "one"], "groups"), "")


def txn(args, report):
    report.section("txn", "java TxnLoad.java HOST txn %d ping|txn 1|%d SECONDS %d %d" % (
        PARTITIONS, MANY, RECORDS, RECORD_BYTES))
    try:
        kafka_rig.jars()
    except kafka_rig.RigError as error:
        raise RuntimeError(str(error)) from None
    metrics = "127.0.0.1:%d" % bench_process.free_port()
    levee = bench_process.Levee(args.levee, args.work / "txn-levee",
                                ["levee.http.listener=" + metrics])
    kafka = Kafka(args.work / "txn-kafka", {})
    synced = Kafka(args.work / "txn-kafka-synced", {"log.flush.interval.messages": "1"})
    names = ("levee (durable)", "Apache Kafka %s as it comes" % kafka_rig.KAFKA_VERSION,
             "Apache Kafka, flush.messages=1")
    try:
        for broker in (levee, kafka, synced):
            broker.start()
        runs = measure(args, report, list(zip(names, (levee, kafka, synced))), metrics)
        judge(report, runs, names)
    finally:
        levee.end(signal.SIGTERM)
        kafka.kill()
        synced.kill()
        for directory in ("txn-levee", "txn-kafka", "txn-kafka-synced"):
            shutil.rmtree(args.work / directory, ignore_errors=True)
