#!/usr/bin/env python3
"""kill -9 under load, many times; then every acknowledgement is audited.

    kill_audit.py --levee build/levee --cycles 50 [--seed N]     (or --kafka, --start-command)

Three producers (confluent-kafka, Java, franz-go; idempotent, acks=all) write unique values
NAME-COUNTER and say where each was acknowledged.  The broker is killed (SIGKILL) after 0.3 to 1.5
seconds of load in each cycle and started again; the producers live through all of it.  At the end
they flush, and the topic is read whole:

    every acknowledged value is at its acknowledged offset       nothing acknowledged is lost
    no value is there twice                                      idempotence holds through kills
    offsets have no holes                                        nor does a partition's log
    acknowledged offsets of a producer rise with its counter     order holds in a partition

A cycle in which nothing was acknowledged does not count as a test: it is reported and fails.
"""
import collections
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

import audit_main  # noqa: E402
import raw  # noqa: E402
import toolchains  # noqa: E402
from kafka_rig import RigError  # noqa: E402

PARTITIONS = 3
TOPIC = "audit"
FLUSH_SECONDS = 120


class ProducerProcess:
    """One client program; acks are {value: (partition, offset)}, as it said them."""

    def __init__(self, name, argv):
        self.name = name
        self.acks, self.failed, self.bad = {}, [], []
        self.sent = None
        self.stderr = tempfile.TemporaryFile()
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=self.stderr)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.proc.stdout:
            words = line.decode(errors="replace").split()
            if words[:1] == ["ack"] and len(words) == 4:
                place = (int(words[1]), int(words[2]))
                if self.acks.setdefault(words[3], place) != place:
                    self.bad.append("%s acknowledged twice" % words[3])
            elif words[:1] == ["failed"]:
                self.failed.append(words[1])
            elif words[:1] == ["end"]:
                self.sent = int(words[1])

    def finish(self):
        """None, or why it did not end well."""
        try:
            self.proc.stdin.close()
        except OSError:
            pass
        try:
            code = self.proc.wait(FLUSH_SECONDS)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            code = "late"
        self.reader.join(10)
        if code == 0 and self.sent is not None:
            return None
        self.stderr.seek(0)
        return "exit code %s: %s" % (code, self.stderr.read()[-400:].decode(errors="replace"))

    def kill(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()


def producers(at):
    clients = HERE.parent / "clients"
    return [
        ProducerProcess("librdkafka", [toolchains.python(), str(clients / "load.py"), "produce", at,
                                       TOPIC, "librdkafka"]),
        ProducerProcess("java", toolchains.java_classes() + [
            "Load", "produce", at, "topic=" + TOPIC, "name=java"]),
        ProducerProcess("go", [toolchains.go_program(), "produce", at, "-topic", TOPIC, "-name",
                               "go"]),
    ]


def make_topic(at):
    c = raw.Connection(at, timeout_s=30)
    made = c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [{
        "Name": TOPIC, "NumPartitions": PARTITIONS, "ReplicationFactor": -1}]})["Topics"][0]
    c.close()
    if made["ErrorCode"]:
        raise RigError("cannot make the topic: %s" % made)


def list_offset(c, partition, time_ms):
    answer = c.ask("ListOffsets", 7, {"ReplicaId": -1, "Topics": [{"Name": TOPIC, "Partitions": [
        {"PartitionIndex": partition, "Timestamp": time_ms}]}]})
    found = answer["Topics"][0]["Partitions"][0]
    if found["ErrorCode"]:
        raise RigError("ListOffsets of partition %d: error %d" % (partition, found["ErrorCode"]))
    return found["Offset"]


def read_partition(at, partition):
    """{offset: value} of all there is, read with the raw client: uncompressed batches only."""
    c = raw.Connection(at, timeout_s=30)
    end = list_offset(c, partition, -1)
    offset = list_offset(c, partition, -2)
    found, faults = {}, []
    if offset != 0:
        faults.append("partition %d starts at %d" % (partition, offset))
    while offset < end:
        answer = c.ask("Fetch", 11, {"MaxWaitMs": 500, "MinBytes": 1, "Topics": [
            {"Topic": TOPIC, "Partitions": [{"Partition": partition, "FetchOffset": offset,
                                             "PartitionMaxBytes": 1 << 20}]}]})
        part = answer["Responses"][0]["Partitions"][0]
        batches = raw.read_batches(part["Records"])
        if part["ErrorCode"] or not batches:
            faults.append("partition %d: fetch at %d of %d: error %d, %d batches" % (
                partition, offset, end, part["ErrorCode"], len(batches)))
            break
        for batch in batches:
            if not batch["CrcOk"] or batch["Attributes"] & 7:
                faults.append("partition %d: batch at %d: crc or codec" % (
                    partition, batch["BaseOffset"]))
            if batch["BaseOffset"] != offset:
                faults.append("partition %d: hole from %d to %d" % (
                    partition, offset, batch["BaseOffset"]))
            for n, value in enumerate(batch["Values"]):
                found[batch["BaseOffset"] + n] = value.decode(errors="replace")
            offset = batch["BaseOffset"] + batch["LastOffsetDelta"] + 1
    c.close()
    return found, faults


def audit(at, clients):
    """{name of a check: list of what is wrong}"""
    faults = {name: [] for name in ("acknowledged_is_there", "nothing_twice", "no_holes",
                                    "order_is_kept", "nothing_unknown")}
    logs = {}
    for partition in range(PARTITIONS):
        logs[partition], holes = read_partition(at, partition)
        faults["no_holes"] += holes
    count = collections.Counter(v for log in logs.values() for v in log.values())
    faults["nothing_twice"] += ["%s is there %d times" % (v, n) for v, n in count.items() if n > 1]
    names = {c.name for c in clients}
    faults["nothing_unknown"] += [v for v in count if v.split("-")[0] not in names]
    for client in clients:
        faults["nothing_twice"] += client.bad
        last = {}
        for value, (partition, offset) in client.acks.items():
            at_offset = logs.get(partition, {}).get(offset)
            if at_offset != value:
                faults["acknowledged_is_there"].append(
                    "%s was acknowledged at %d@%d, where %s is" % (
                        value.rstrip("."), partition, offset,
                        at_offset.rstrip(".") if at_offset else "nothing"))
        for value, (partition, offset) in sorted(
                client.acks.items(), key=lambda a: int(a[0].split("-")[1])):
            if offset <= last.get(partition, -1):
                faults["order_is_kept"].append("%s at %d@%d" % (value.rstrip("."), partition, offset))
            last[partition] = offset
    return faults, sum(map(len, logs.values()))


def run(broker, cycles, chance):
    broker.start()
    make_topic(broker.bootstrap)
    clients = producers(broker.bootstrap)
    results, idle = {}, []
    slowest = 0.0
    try:
        end = time.monotonic() + 60
        while not all(c.acks for c in clients) and time.monotonic() < end:
            time.sleep(0.1)
        for cycle in range(cycles):
            before = [len(c.acks) for c in clients]
            load = chance.uniform(0.3, 1.5)
            wait_for_load(clients, before)
            time.sleep(load)
            broker.kill()
            started = time.monotonic()
            broker.start()
            slowest = max(slowest, time.monotonic() - started)
            gained = [len(c.acks) - b for c, b in zip(clients, before)]
            print("cycle %d: %.2f s of load, acknowledged %s" % (
                cycle + 1, load, " ".join("%s %d" % (c.name, g) for c, g in zip(clients, gained))),
                flush=True)
            if not any(gained):
                idle.append("cycle %d" % (cycle + 1))
        results["every_cycle_had_load"] = idle
        for client in clients:
            why = client.finish()
            results["producer_%s_ends_well" % client.name] = [why] if why else []
            if not why and client.failed:
                results["producer_%s_ends_well" % client.name] = [
                    "%d sends failed, first %s" % (len(client.failed), client.failed[0])]
            elif not why and client.sent != len(client.acks):
                results["producer_%s_ends_well" % client.name] = [
                    "%d sent, %d acknowledged" % (client.sent, len(client.acks))]
        faults, records = audit(broker.bootstrap, clients)
        results.update(faults)
    finally:
        for client in clients:
            client.kill()
    print("%d kills, %d records acknowledged, %d in the log, slowest start %.2f s" % (
        cycles, sum(len(c.acks) for c in clients), records, slowest))
    return results


def wait_for_load(clients, before):
    """Load counts from the first acknowledgement after the start."""
    end = time.monotonic() + 30
    while sum(len(c.acks) for c in clients) <= sum(before) and time.monotonic() < end:
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(audit_main.main("kill -9 under load, every acknowledgement audited", run))
