#!/usr/bin/env python3
"""room_group: members of the client room and Apache Kafka's consumers in one group.

usage: room_group.py --levee PATH [--consumer PATH] [--kafka [--pair]]

--consumer: the program room_consumer (that of levee's build); --kafka: the broker is Apache Kafka.  For each assignor twice:
the client room's member is there first and leads, and Kafka's consumer is.  Then each partition has
one owner, all records that come are read, by both, each once, and who leaves leaves his partitions
to the other.  --pair: two nodes of Apache Kafka, of which one dies under two members of the client
room: they read on, from the new leaders.  `ok NAME` or `FAIL NAME: why`, then `N passed, N failed`.
"""
import argparse
import functools
import pathlib
import subprocess
import sys
import threading
import time

import broker_process
import client_room
import kafka_rig

PARTITIONS = 12
ASSIGNORS = {
    "range": "org.apache.kafka.clients.consumer.RangeAssignor",
    "roundrobin": "org.apache.kafka.clients.consumer.RoundRobinAssignor",
    "cooperative-sticky": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
}


class Reader:
    """A consumer as a process, and what it says it reads: (partition, offset)."""

    def __init__(self, argv):
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True)
        self.read = []
        self.owned = set()
        self.lines = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.proc.stdout:
            self.take(line.rstrip("\n"))

    def stop(self):
        self.proc.terminate()
        try:
            self.proc.wait(30)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()


class RoomReader(Reader):
    def __init__(self, program, bootstrap, group, assignor):
        super().__init__([program, bootstrap, "t", group, assignor])

    def take(self, line):
        words = line.split()
        self.lines.append(line)
        if words[0] == "read":
            self.read.append((int(words[1]), int(words[2])))
        elif words[0] == "assigned":
            self.owned |= {int(word) for word in words[1:]}
        elif words[0] in ("revoked", "lost"):
            self.owned -= {int(word) for word in words[1:]}


class KafkaReader(Reader):
    def __init__(self, bootstrap, group, assignor):
        options = ["group.id=" + group, "group.protocol=classic", "heartbeat.interval.ms=1000",
                   "session.timeout.ms=10000", "auto.offset.reset=earliest",
                   "auto.commit.interval.ms=500", "metadata.max.age.ms=3000",
                   "partition.assignment.strategy=" + ASSIGNORS[assignor]]
        argv = kafka_rig.java_command(
            kafka_rig.TOOLS["console-consumer"], "--bootstrap-server", bootstrap, "--topic", "t",
            *[word for option in options for word in ("--command-property", option)],
            "--formatter-property", "print.partition=true", "--formatter-property",
            "print.offset=true")
        super().__init__(argv)

    def take(self, line):
        # Partition:3<tab>Offset:17<tab>value
        self.lines.append(line)
        parts = line.split("\t")
        if len(parts) >= 3 and parts[0].startswith("Partition:"):
            self.read.append((int(parts[0].split(":")[1]), int(parts[1].split(":")[1])))


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(what())
        time.sleep(0.1)


class Job:
    def __init__(self, levee, program, bootstrap):
        self.levee, self.program, self.bootstrap = levee, program, bootstrap
        self.sent = 0

    def make_topic(self, replicas=1):
        subprocess.run([self.levee, "topic", "create", "t", "-p", str(PARTITIONS), "-r",
                        str(replicas), "-b", self.bootstrap], check=True,
                       stdout=subprocess.DEVNULL)

    def produce(self, each):
        """So many more records in each partition."""
        for partition in range(PARTITIONS):
            text = "".join("%d\n" % n for n in range(self.sent, self.sent + each))
            subprocess.run([self.levee, "produce", "t", "-p", str(partition), "-b", self.bootstrap],
                           input=text, text=True, check=True, capture_output=True)
        self.sent += each

    def read_by(self, readers, first):
        """Waits until all from offset first on is read."""
        wanted = {(p, o) for p in range(PARTITIONS) for o in range(first, self.sent)}

        def missing():
            return wanted - {one for reader in readers for one in reader.read}

        wait_for(lambda: not missing(), 60, lambda: "not read: %s" % sorted(missing())[:10])
        time.sleep(1)
        for reader in readers:
            twice = len(reader.read) - len(set(reader.read))
            if twice:
                raise AssertionError("%d records read twice by one" % twice)
        both = set.intersection(*[{one for one in reader.read if one[1] >= first}
                                  for reader in readers]) if len(readers) > 1 else set()
        if both:
            raise AssertionError("read by both: %s" % sorted(both)[:10])

    def produce_keys(self, count):
        """So many records, somewhere, whoever leads there."""
        code, _, error = kafka_rig.tool(
            "console-producer", "--bootstrap-server", self.bootstrap, "--topic", "t",
            "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
            stdin="".join("%d:%d\n" % (n, n) for n in range(count)), timeout=90)
        if code:
            raise AssertionError("produce: %s" % error[-500:])

    @staticmethod
    def count_read(readers, count):
        def read():
            return len({one for reader in readers for one in reader.read})

        wait_for(lambda: read() >= count, 60, lambda: "%d of %d read" % (read(), count))
        time.sleep(1)
        total = sum(len(reader.read) for reader in readers)
        if read() != count or total != count:
            raise AssertionError("%d records, read %d times, of %d" % (read(), total, count))

    def fail_over(self, kill):
        readers = [RoomReader(self.program, self.bootstrap, "pair", "cooperative-sticky")
                   for _ in range(2)]
        try:
            wait_for(lambda: all(len(reader.owned) == PARTITIONS // 2 for reader in readers), 60,
                     lambda: "owned: %s" % [reader.owned for reader in readers])
            self.produce_keys(300)
            self.count_read(readers, 300)
            time.sleep(1.5)  # they commit
            kill()
            time.sleep(6)  # the leaders move
            self.produce_keys(300)
            self.count_read(readers, 600)
        finally:
            for reader in readers:
                reader.stop()
                print("".join("# %s\n" % line for line in reader.lines
                              if not line.startswith("read")), end="", flush=True)

    def meet(self, assignor, room_first):
        group = "%s-%s" % (assignor, "room" if room_first else "kafka")
        room = kafka = None

        def room_joins():
            return RoomReader(self.program, self.bootstrap, group, assignor)

        def kafka_joins():
            return KafkaReader(self.bootstrap, group, assignor)

        begin = self.sent
        try:
            if room_first:
                room = room_joins()
                wait_for(lambda: len(room.owned) == PARTITIONS, 60, lambda: "room: %s" % room.lines)
                self.produce(5)
                self.read_by([room], begin)
                kafka = kafka_joins()
            else:
                kafka = kafka_joins()
                self.produce(5)
                self.read_by([kafka], begin)
                time.sleep(1.5)  # it commits
                room = room_joins()
            wait_for(lambda: len(room.owned) == PARTITIONS // 2, 60,
                     lambda: "room owns %s" % room.owned)
            time.sleep(3)
            if len(room.owned) != PARTITIONS // 2:
                raise AssertionError("room owns %s" % room.owned)
            middle = self.sent
            self.produce(5)
            self.read_by([room, kafka], middle)
            shares = [len({p for p, o in reader.read if o >= middle}) for reader in (room, kafka)]
            if shares != [PARTITIONS // 2, PARTITIONS // 2]:
                raise AssertionError("shares: %s" % shares)
            time.sleep(1.5)  # both commit
            last = self.sent
            if room_first:
                room.stop()
                self.produce(5)
                self.read_by([kafka], last)
            else:
                kafka.stop()
                wait_for(lambda: len(room.owned) == PARTITIONS, 60,
                         lambda: "room owns %s" % room.owned)
                self.produce(5)
                self.read_by([room], last)
        finally:
            for reader in (room, kafka):
                if reader is not None:
                    reader.stop()
                    complaint = reader.proc.stderr.read()
                    if "ERROR" in complaint or "Exception" in complaint:
                        print(complaint[-1000:], flush=True)


def main():
    parser = argparse.ArgumentParser(description="the client room beside Kafka's consumers")
    parser.add_argument("--levee", required=True)
    parser.add_argument("--consumer")
    parser.add_argument("--kafka", action="store_true")
    parser.add_argument("--pair", action="store_true")
    args = parser.parse_args()
    levee = str(pathlib.Path(args.levee).resolve())
    program = str(pathlib.Path(
        args.consumer or pathlib.Path(levee).parents[1] / "tests/support/room_consumer").resolve())
    failed = passed = 0
    if args.pair:
        broker = client_room.Pair()
        for node in (broker.first, broker.second):
            node.settings["offsets.topic.replication.factor"] = "2"
        bootstrap = "127.0.0.1:%d" % broker.port
    elif args.kafka:
        broker = kafka_rig.Broker(kafka_rig.free_port())
        bootstrap = "127.0.0.1:%d" % broker.port
    else:
        broker = broker_process.Levee(levee, ["group.initial.rebalance.delay.ms=0"])
        bootstrap = broker.bootstrap
    try:
        broker.start()
        job = Job(levee, program, bootstrap)
        job.make_topic(2 if args.pair else 1)
        cases = [("a dead node's partitions are read from others",
                  lambda: job.fail_over(broker.second.kill))]
        if not args.pair:
            cases = [("%s, %s leads" % (assignor, "the client room" if room_first else "Kafka"),
                      functools.partial(job.meet, assignor, room_first))
                     for assignor in ASSIGNORS for room_first in (True, False)]
        for name, case in cases:
            try:
                case()
                print("ok %s" % name, flush=True)
                passed += 1
            except AssertionError as error:
                print("FAIL %s: %s" % (name, error), flush=True)
                failed += 1
    finally:
        broker.remove()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
