"""cleaner: how much log a second of processor time compacts, beside Apache Kafka's cleaner, and what
a producer of another topic notices of it."""
import pathlib
import shutil
import signal
import statistics
import struct
import sys
import threading
import time

import bench_process
from bench_peer import Kafka, cpu_s, kafka_rig

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "clients"))
import raw  # noqa: E402

KEYS = 100000
BATCH_RECORDS = 1000
VALUE_BYTES = 100
LAG_MS = 7 * 24 * 3600 * 1000
CALM_S = 8
DEADLINE_S = 600
SETTINGS = {"log.cleaner.backoff.ms": "500", "log.segment.bytes": str(128 << 20)}


def connect(broker):
    return raw.Connection(broker.bootstrap, timeout_s=60)


def make_topic(connection, name, configs):
    made = connection.ask("CreateTopics", 7, {"TimeoutMs": 30000, "Topics": [{
        "Name": name, "NumPartitions": 1, "ReplicationFactor": -1,
        "Configs": [{"Name": k, "Value": v} for k, v in configs.items()]}]})["Topics"][0]
    if made["ErrorCode"]:
        raise RuntimeError("CreateTopics: %s" % made)


def produce(connection, topic, records):
    while True:
        answer = connection.ask("Produce", 9, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 30000,
                                               "TopicData": [{"Name": topic, "PartitionData": [
                                                   {"Index": 0, "Records": records}]}]})
        code = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
        if code == 0:
            return
        if code not in (3, 5, 6):
            raise RuntimeError("Produce: error %d" % code)
        time.sleep(0.05)


def batches():
    """Each key once."""
    now, value = int(time.time() * 1000), b"v" * VALUE_BYTES
    for first in range(0, KEYS, BATCH_RECORDS):
        yield raw.batch([value] * BATCH_RECORDS, timestamp=now, records=b"".join(
            raw.record(i, struct.pack(">q", first + i), value) for i in range(BATCH_RECORDS)))


def fill(broker, updates):
    connection = connect(broker)
    make_topic(connection, "compacted", {"cleanup.policy": "compact",
                                         "min.compaction.lag.ms": str(LAG_MS)})
    make_topic(connection, "beside", {})
    made = list(batches())
    for n in range(updates // BATCH_RECORDS):
        produce(connection, "compacted", made[n % len(made)])
    connection.close()


class Pings:
    """One record each 2 ms to another topic; milliseconds each took."""

    def __init__(self, broker):
        self.connection, self.times, self.over = connect(broker), [], False
        self.batch = raw.batch([b"x" * 1024])
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over:
            begin = time.monotonic()
            produce(self.connection, "beside", self.batch)
            self.times.append((time.monotonic() - begin) * 1000)
            time.sleep(0.002)

    def end(self):
        self.over = True
        self.thread.join()
        self.connection.close()
        return statistics.quantiles(self.times, n=100)[98]


def log_of(directory):
    return next(directory.rglob("compacted-0"))


def clean_offset(directory):
    for path in directory.rglob("cleaner-offset-checkpoint"):
        for line in path.read_text().splitlines()[2:]:
            name, partition, offset = line.split()
            if name == "compacted":
                return int(offset)
    return 0


def let_it_clean(broker, directory):
    """Bytes of the closed segments, and seconds until all of them were compacted."""
    segments = sorted(log_of(directory).glob("*.log"))[:-1]
    size, end = sum(p.stat().st_size for p in segments), int(sorted(
        log_of(directory).glob("*.log"))[-1].stem)
    connection = connect(broker)
    answer = connection.ask("IncrementalAlterConfigs", 1, {"ValidateOnly": False, "Resources": [{
        "ResourceType": 2, "ResourceName": "compacted", "Configs": [
            {"Name": "min.compaction.lag.ms", "ConfigOperation": 0, "Value": "0"}]}]})
    if answer["Responses"][0]["ErrorCode"]:
        raise RuntimeError("IncrementalAlterConfigs: %s" % answer)
    connection.close()
    begin = time.monotonic()
    while clean_offset(directory) < end:
        if time.monotonic() - begin > DEADLINE_S:
            raise RuntimeError("it was not compacted in %d s" % DEADLINE_S)
        time.sleep(0.1)
    return size, time.monotonic() - begin


def measure(report, name, broker, directory, updates):
    fill(broker, updates)
    time.sleep(7)  # a checkpoint lets the closed segments be compacted
    pid = broker.proc.pid
    before, pings = cpu_s(pid), Pings(broker)
    time.sleep(CALM_S)
    calm_p99 = pings.end()
    calm_cpu = (cpu_s(pid) - before) / CALM_S
    before, pings = cpu_s(pid), Pings(broker)
    size, seconds = let_it_clean(broker, directory)
    busy_p99 = pings.end()
    cpu = max(cpu_s(pid) - before - calm_cpu * seconds, 0.01)
    left = sum(p.stat().st_size for p in log_of(directory).glob("*.log"))
    speed = size / 1e6 / cpu
    report.text("%-28s %6.0f MB in %5.1f s, %5.2f s of CPU: %6.0f MB/s of CPU; %d MB left; p99 of a produce"
                " %.2f ms beside it, %.2f ms without" % (name, size / 1e6, seconds, cpu, speed, left / 1e6,
                                                      busy_p99, calm_p99))
    return speed, busy_p99 / calm_p99


def cleaner(args, report):
    updates = 2000000 if args.quick else 10000000
    report.section("cleaner", "%d updates of %d keys, values of %d bytes, one partition" % (
        updates, KEYS, VALUE_BYTES))
    levee = bench_process.Levee(args.levee, args.work / "cleaner-levee",
                                ["%s=%s" % pair for pair in SETTINGS.items()])
    kafka = Kafka(args.work / "cleaner-kafka", SETTINGS)
    try:
        levee.start()
        ours, ratio = measure(report, "levee", levee, args.work / "cleaner-levee", updates)
        levee.end(signal.SIGTERM)
        report.figure("p99 of a produce beside it / without", ratio, "", "<= 1.2", ratio <= 1.2)
        try:
            kafka_rig.jars()
            kafka.start()
            theirs, _ = measure(report, "Apache Kafka %s" % kafka_rig.KAFKA_VERSION, kafka,
                                args.work / "cleaner-kafka", updates)
            report.figure("MB/s of CPU / Kafka's", ours / theirs, "", ">= 3", ours / theirs >= 3)
        except kafka_rig.RigError as error:
            report.text("Kafka was not measured: %s" % error)
    finally:
        levee.end()
        kafka.kill()
        for name in ("cleaner-levee", "cleaner-kafka"):
            shutil.rmtree(args.work / name, ignore_errors=True)
