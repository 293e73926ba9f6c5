"""Transactional clients of librdkafka, as the suites use them: its producers and readers."""
import time

from confluent_kafka import Consumer, IsolationLevel, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from checks import name, need, same


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def topic(self, short, partitions=1):
        topic = name("txn-" + short)
        self.admin.create_topics([NewTopic(topic, partitions, -1)])[topic].result(30)
        return topic

    def producer(self, short, **more):
        """A producer of this id, initialized."""
        conf = {"bootstrap.servers": self.bootstrap, "transactional.id": name(short),
                "reconnect.backoff.max.ms": 300}
        conf.update({k.replace("_", "."): v for k, v in more.items()})
        producer = Producer(conf)
        producer.init_transactions(30)
        return producer

    def consumer(self, group, **more):
        conf = {"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False,
                "auto.offset.reset": "earliest", "session.timeout.ms": 10000,
                "heartbeat.interval.ms": 500, "isolation.level": "read_committed"}
        conf.update({k.replace("_", "."): v for k, v in more.items()})
        return Consumer(conf)

    def end(self, topic, level, partition=0):
        spec = {TopicPartition(topic, partition): OffsetSpec.latest()}
        return list(self.admin.list_offsets(spec, isolation_level=level).values())[0].result(20).offset

    def values(self, topic, partitions=1, level="read_committed"):
        """All that a reader of this level finds below the end that it has now."""
        committed = level == "read_committed"
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        ends = {p: self.end(topic, isolation, p) for p in range(partitions)}
        consumer = self.consumer(name("reader"), isolation_level=level, enable_partition_eof=True)
        consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
        found, at_end = [], set()
        stop = time.monotonic() + 40
        while len(at_end) < partitions:
            need(time.monotonic() < stop, "the reader never reaches the end %s" % ends)
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error():
                same(message.error().code(), KafkaError._PARTITION_EOF, "error")
                if message.offset() >= ends[message.partition()]:
                    at_end.add(message.partition())
            else:
                found.append(message.value().decode())
        consumer.close()
        return found

    def committed(self, topic, count, partitions=1):
        """A commit is answered when it is decided; its markers may be a moment behind."""
        end = time.monotonic() + 20
        while True:
            found = self.values(topic, partitions)
            if len(found) >= count or time.monotonic() > end:
                return found

    def expect(self, topic, want):
        same(self.committed(topic, len(want)), want, "committed values")


def send(producer, topic, numbers, partition=0):
    for n in numbers:
        producer.produce(topic, key=b"%d" % n, value=b"%d" % n, partition=partition)


def texts(*ranges):
    return ["%d" % n for numbers in ranges for n in numbers]
