#!/usr/bin/env python3
"""metrics: what /metrics tells of a broker is what its clients did to it.

usage: metrics.py --levee PATH [--require] [NAME ...]

Starts its own broker with two shards; librdkafka (kcat) and requests by hand are its clients.  Every
answer is read strictly (format, names, units, buckets), and by promtool where there is one.  Prints
`ok NAME` or `FAIL NAME: why` a check and `N passed, N failed`.
"""
import argparse
import http.client
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import broker_process
import kafka_rig
import raw

SECONDS = 20
CHECKS = []
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


def check(function):
    CHECKS.append(function)
    return function


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def same(got, want, what):
    expect(got == want, "%s is %r, should be %r" % (what, got, want))


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8")
    finally:
        connection.close()


# ---- reading an answer

class Metrics:
    """One answer; every rule of the format that it breaks is an AssertionError."""

    def __init__(self, text):
        self.text = text
        self.types = {}
        self.values = {}
        expect(text.endswith("\n"), "the last line has no end")
        family = None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                family = line.split(" ", 3)[2]
                expect(family not in self.types, "%s is told twice" % family)
                expect(len(line.split(" ", 3)[3]) > 0, "%s has no help" % family)
                self.types[family] = None
            elif line.startswith("# TYPE "):
                same(line.split(" ")[2], family, "the name behind TYPE")
                self.types[family] = line.split(" ")[3]
            else:
                self.read_sample(family, line)
        self.check_names()
        self.check_histograms()

    def read_sample(self, family, line):
        match = SAMPLE.match(line)
        expect(match, "not a sample: %r" % line)
        name, labels = match[1], match[2] or ""
        kind = self.types[family]
        expect(kind in ("counter", "gauge", "untyped", "histogram", "summary"), line)
        expect(name in [family + suffix for suffix in SUFFIXES.get(kind, ("",))],
               "%s stands under %s" % (name, family))
        pairs = LABEL.findall(labels)
        same(",".join('%s="%s"' % pair for pair in pairs), labels, "labels of %s" % name)
        key = (name, tuple(sorted(pairs)))
        expect(key not in self.values, "%s is told twice" % line)
        value = float(match[3])
        expect(kind != "counter" or value >= 0, line)
        self.values[key] = value

    def check_names(self):
        """What promtool's linter asks for."""
        for name, kind in self.types.items():
            same(name.endswith("_total"), kind == "counter", "%s is a %s: _total" % (name, kind))
            expect(re.fullmatch(r"[a-z][a-z0-9_]*", name), "%s is not snake_case" % name)
            expect(not re.search(r"_(milliseconds|microseconds|minutes|hours|kilobytes|ms|us|ns|kb|"
                                 r"mb|gb|sec|percent)(_|$)", name), "%s: not a base unit" % name)
            expect(kind == "untyped" or not re.search(r"_(count|sum|bucket)$", name), name)
        for name, labels in self.values:
            for label, _ in labels:
                expect(re.fullmatch(r"[a-z][a-z0-9_]*", label), "%s: label %s" % (name, label))

    def check_histograms(self):
        series = {}
        for (name, labels), value in self.values.items():
            if name.endswith("_bucket"):
                bound = float(dict(labels)["le"])
                rest = tuple(pair for pair in labels if pair[0] != "le")
                series.setdefault((name[:-7], rest), []).append((bound, value))
        for (name, labels), buckets in series.items():
            counts = [count for _, count in sorted(buckets)]
            same(counts, sorted(counts), "buckets of %s" % name)
            same(counts[-1], self.values[name + "_count", labels], "count of %s" % name)

    def __call__(self, name, **labels):
        """The value, or None."""
        return self.values.get((name, tuple(sorted((k, str(v)) for k, v in labels.items()))))


class World:
    def __init__(self, binary):
        self.binary = binary
        self.http_port = kafka_rig.free_port()
        self.broker = broker_process.Levee(binary, [
            "levee.shards=2", "levee.http.listener=127.0.0.1:%d" % self.http_port])
        self.broker.start()

    def scrape(self):
        status, text = get(self.http_port, "/metrics")
        same(status, 200, "status")
        metrics = Metrics(text)
        same(metrics("levee_metrics_complete"), 1, "levee_metrics_complete")
        return metrics

    def kcat(self, *words, **options):
        done = subprocess.run(["kcat", "-b", self.broker.bootstrap, *map(str, words)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS,
                              **options)
        same(done.returncode, 0, "kcat %s: %s" % (words, done.stderr))
        return done.stdout

    def topic(self, name, partitions):
        subprocess.run([self.binary, "topic", "create", name, "-p", str(partitions), "-b",
                        self.broker.bootstrap], check=True, stdout=subprocess.DEVNULL,
                       timeout=SECONDS)


def until(what, question):
    end = time.monotonic() + SECONDS
    while not question():
        expect(time.monotonic() < end, what)
        time.sleep(0.05)


# ---- values

@check
def produce_and_consume_of_librdkafka(world):
    world.topic("kcat", 2)
    for partition, count in ((0, 700), (1, 300)):
        world.kcat("-P", "-t", "kcat", "-p", partition,
                   input="".join("value %d\n" % i for i in range(count)))
    m = world.scrape()
    same(m("kafka_server_brokertopicmetrics_messagesin_total", topic="kcat"), 1000, "messages in")
    same(m("kafka_topic_partitions", topic="kcat"), 2, "partitions")
    for partition, count in ((0, 700), (1, 300)):
        at = {"topic": "kcat", "partition": partition}
        same(m("kafka_topic_partition_current_offset", **at), count, "high watermark")
        same(m("kafka_log_log_logendoffset", **at), count, "log end")
        same(m("kafka_topic_partition_oldest_offset", **at), 0, "log start")
        same(m("kafka_topic_partition_leader", **at), 1, "leader")
        same(m("kafka_topic_partition_in_sync_replica", **at), 1, "in sync")
    size = sum(m("kafka_log_log_size", topic="kcat", partition=p) for p in (0, 1))
    same(m("kafka_server_brokertopicmetrics_bytesin_total", topic="kcat"), size, "bytes in")
    same(m("kafka_server_brokertopicmetrics_bytesout_total", topic="kcat"), 0, "bytes out")
    same(m("kafka_server_brokertopicmetrics_failedproducerequests_total", topic="kcat"), 0, "failed")
    read = world.kcat("-C", "-t", "kcat", "-o", "beginning", "-e", "-q").splitlines()
    same(len(read), 1000, "records read")
    m = world.scrape()
    same(m("kafka_server_brokertopicmetrics_bytesout_total", topic="kcat"), size, "bytes out")
    ours = {"listener": "PLAINTEXT"}
    expect(m("kafka_server_socket_server_metrics_outgoing_byte_total", **ours) > size, "bytes sent")
    expect(m("kafka_server_socket_server_metrics_incoming_byte_total", **ours) > size, "bytes received")
    expect(m("levee_journal_commit_seconds_count") > 0, "journal commits")
    expect(m("levee_device_write_seconds_count", file="journal") > 0, "journal writes")


@check
def reads_from_files_count_too(world):
    world.topic("cold", 1)
    world.kcat("-P", "-t", "cold", input="".join("value %d\n" % i for i in range(200)))
    world.broker.stop()
    world.broker.start()
    m = world.scrape()
    same(m("kafka_server_brokertopicmetrics_messagesin_total", topic="cold"), 0, "messages in")
    same(m("kafka_topic_partition_current_offset", topic="cold", partition=0), 200, "high watermark")
    same(len(world.kcat("-C", "-t", "cold", "-o", "beginning", "-e", "-q").splitlines()), 200, "read")
    m = world.scrape()
    expect(m("levee_tail_cache_misses_total") > 0, "it was not read from a file")
    same(m("kafka_server_brokertopicmetrics_bytesout_total", topic="cold"),
         m("kafka_log_log_size", topic="cold", partition=0), "bytes out")


@check
def a_group_and_its_lag(world):
    world.topic("lag", 1)
    world.kcat("-P", "-t", "lag", input="".join("%d\n" % i for i in range(50)))
    at = {"consumergroup": "g-lag", "topic": "lag", "partition": 0}
    consumer = subprocess.Popen(
        ["kcat", "-b", world.broker.bootstrap, "-G", "g-lag", "-u", "-q", "-X",
         "auto.offset.reset=earliest", "-X", "auto.commit.interval.ms=100", "lag"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        until("committed", lambda: world.scrape()("kafka_consumergroup_current_offset", **at) == 50)
        m = world.scrape()
        same(m("kafka_consumergroup_members", consumergroup="g-lag"), 1, "members")
        same(m("kafka_coordinator_group_groupmetadatamanager_numgroupsstable"), 1, "stable groups")
        same(m("kafka_consumergroup_lag", **at), 0, "lag")
        same(m("levee_group_lag_seconds", group="g-lag", topic="lag", partition=0), 0, "seconds")
    finally:
        consumer.terminate()
        consumer.wait(SECONDS)
    until("left", lambda: world.scrape()("kafka_consumergroup_members", consumergroup="g-lag") == 0)
    produced = time.time()
    world.kcat("-P", "-t", "lag", input="".join("%d\n" % i for i in range(7)))
    time.sleep(1.5)
    m = world.scrape()
    now = time.time()
    same(m("kafka_consumergroup_lag", **at), 7, "lag")
    same(m("kafka_consumergroup_lag_sum", consumergroup="g-lag", topic="lag"), 7, "sum of lag")
    age = m("levee_group_lag_seconds", group="g-lag", topic="lag", partition=0)
    expect(1.4 <= age <= now - produced + 0.1, "seconds of lag: %r" % age)
    same(m("kafka_coordinator_group_groupmetadatamanager_numgroupsempty"), 1, "empty groups")
    same(m("kafka_coordinator_group_groupmetadatamanager_numgroupsstable"), 0, "stable groups")


def produce_body(topic, values):
    return {"Acks": -1, "TimeoutMs": 10000, "TopicData": [
        {"Name": topic, "PartitionData": [
            {"Index": 0, "Records": raw.batch(values, timestamp=int(time.time() * 1000))}]}]}


@check
def requests_by_api_version_and_error(world):
    world.topic("counted", 1)
    before = world.scrape()
    connection = raw.Connection(world.broker.bootstrap)
    for _ in range(11):
        same(connection.ask("Produce", 7, produce_body("counted", (b"a", b"b")))["Responses"]
             [0]["PartitionResponses"][0]["ErrorCode"], 0, "produce")
    for _ in range(3):
        connection.ask("Produce", 7, produce_body("nowhere", (b"a",)))
    for _ in range(5):
        connection.ask("Heartbeat", 2, {"GroupId": "nobody", "GenerationId": 1,
                                               "MemberId": "m"})
    m = world.scrape()

    def grew(name, **labels):
        return m(name, **labels) - (before(name, **labels) or 0)
    requests = "kafka_network_requestmetrics_requests_total"
    errors = "kafka_network_requestmetrics_errors_total"
    same(grew(requests, request="Produce", version=7), 14, "Produce 7")
    same(grew(requests, request="Heartbeat", version=2), 5, "Heartbeat 2")
    same(grew(errors, request="Produce", error="NONE"), 11, "good produces")
    same(grew(errors, request="Produce", error="UNKNOWN_TOPIC_OR_PARTITION"), 3, "bad produces")
    expect(m(errors, request="Heartbeat", error="UNKNOWN_MEMBER_ID") == 5 or
           m(errors, request="Heartbeat", error="NOT_COORDINATOR") == 5, "heartbeats")
    topic = "kafka_server_brokertopicmetrics_"
    same(m(topic + "messagesin_total", topic="counted"), 22, "messages in")
    same(m(topic + "totalproducerequests_total", topic="counted"), 11, "produces")
    same(grew(topic + "failedproducerequests_total"), 3, "failed produces")
    same(grew("levee_requests_total", listener="PLAINTEXT"), 19, "requests")
    for phase in ("queue", "local", "remote", "send", "total"):
        same(grew("levee_request_seconds_count", request="Produce", phase=phase), 14, phase)
    same(m("levee_requests_in_work", request="Produce"), 0, "produces in work")
    same(m("levee_requests_in_work", request="Heartbeat"), 0, "heartbeats in work")
    connection.close()


@check
def a_parked_fetch_and_connections(world):
    world.topic("parked", 1)
    before = world.scrape()
    connection = raw.Connection(world.broker.bootstrap)
    connection.send("Fetch", 11, {
        "ReplicaId": -1, "MaxWaitMs": 60000, "MinBytes": 1, "MaxBytes": 1 << 20, "SessionEpoch": 0,
        "Topics": [{"Topic": "parked", "Partitions": [
            {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}]}]})
    purgatory = "kafka_server_delayedoperationpurgatory_purgatorysize"
    until("the fetch waits", lambda: world.scrape()(purgatory, delayedoperation="Fetch") == 1)
    m = world.scrape()
    count = "kafka_server_socket_server_metrics_connection_count"
    ours = {"listener": "PLAINTEXT"}
    same(m(count, **ours) - before(count, **ours), 1, "connections")
    sessions = "kafka_server_fetchsessioncache_numincrementalfetchsessions"
    same(m(sessions) - before(sessions), 1, "fetch sessions")
    connection.close()
    until("the fetch is gone", lambda: world.scrape()(purgatory, delayedoperation="Fetch") == 0)
    until("the connection is gone",
          lambda: world.scrape()(count, **ours) == before(count, **ours))
    after = world.scrape()
    closed = "levee_connections_closed_total"
    same(after(closed, reason="peer_closed") - before(closed, reason="peer_closed"), 1, "closed")
    same(after(sessions), before(sessions), "fetch sessions")


@check
def the_process(world):
    m = world.scrape()
    same(m("kafka_server_kafkaserver_brokerstate"), 3, "state")
    same(m("levee_shards"), 2, "shards")
    expect(abs(m("process_start_time_seconds") - time.time()) < 600, "start time")
    expect(m("process_resident_memory_bytes") > 1 << 20, "memory")
    fds = len(os.listdir("/proc/%d/fd" % world.broker.proc.pid))
    expect(abs(m("process_open_fds") - fds) <= 3, "descriptors: %r, %d" % (
        m("process_open_fds"), fds))
    expect(m("process_cpu_seconds_total") > 0, "cpu")
    same([get(world.http_port, path) for path in ("/readyz", "/livez")],
         [(200, "ready\n"), (200, "ready\n")], "health")
    same(get(world.http_port, "/nothing")[0], 404, "/nothing")


@check
def many_at_once(world):
    """Scrapes beside each other are whole, each."""
    problems = []

    def ask():
        try:
            for _ in range(5):
                world.scrape()
        except Exception as error:  # told below
            problems.append(error)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not problems, problems[:1])


@check
def promtool_finds_nothing(world):
    if not shutil.which("promtool"):
        print("promtool is missing (apt-get install prometheus): only our own reading of its rules")
        return
    done = subprocess.run(["promtool", "check", "metrics"], input=get(world.http_port, "/metrics")[1],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS)
    same((done.returncode, done.stdout), (0, ""), "promtool check metrics")


# ---- starting

def start(world, directory, port):
    return subprocess.Popen(
        [world.binary, "serve", "--set", "log.dirs=%s" % directory, "--set",
         "listeners=PLAINTEXT://127.0.0.1:%d" % kafka_rig.free_port(), "--set",
         "levee.http.listener=127.0.0.1:%d" % port], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@check
def a_taken_port_leaves_the_directory_alone(world):
    with tempfile.TemporaryDirectory(prefix="levee-metrics-") as directory, \
            socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        data = pathlib.Path(directory) / "data"
        proc = start(world, data, taken.getsockname()[1])
        _, log = proc.communicate(timeout=SECONDS)
        same(proc.returncode, 1, "exit code")
        expect("LVE-1105" in log, log)
        expect(not data.exists(), "the data directory was made")


@check
def recovery_is_told(world):
    """The start hangs where it reads a file of its directory: the port answers all the same."""
    with tempfile.TemporaryDirectory(prefix="levee-metrics-") as directory:
        data = pathlib.Path(directory) / "data"
        data.mkdir()
        os.mkfifo(data / "meta.properties")
        port = kafka_rig.free_port()
        proc = start(world, data, port)
        try:
            def answers():
                try:
                    return get(port, "/livez")
                except OSError:
                    expect(proc.poll() is None, "the broker ended")
                    return None
            until("the port answers", answers)
            same(get(port, "/livez"), (200, "recovering\n"), "/livez")
            same(get(port, "/readyz"), (503, "recovering\n"), "/readyz")
            m = Metrics(get(port, "/metrics")[1])
            same(m("kafka_server_kafkaserver_brokerstate"), 2, "state")
            expect(m("process_resident_memory_bytes") > 0, "memory")
        finally:
            proc.kill()
            proc.wait()


def main():
    parser = argparse.ArgumentParser(description="/metrics against what was done")
    parser.add_argument("--levee", required=True)
    parser.add_argument("--require", action="store_true", help="kcat missing is a failure")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if not shutil.which("kcat"):
        print("kcat is missing: apt-get install kcat")
        return 1 if args.require else 0
    world = World(str(pathlib.Path(args.levee).resolve()))
    passed = failed = 0
    try:
        for function in CHECKS:
            if args.names and function.__name__ not in args.names:
                continue
            try:
                function(world)
                passed += 1
                print("ok %s" % function.__name__, flush=True)
            except (AssertionError, subprocess.TimeoutExpired, OSError, raw.Closed) as error:
                failed += 1
                print("FAIL %s: %s" % (function.__name__, error), flush=True)
    finally:
        world.broker.stop()
        world.broker.remove()
    print("%d passed, %d failed" % (passed, failed))
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
