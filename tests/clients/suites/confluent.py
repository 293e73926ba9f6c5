"""librdkafka's newest release, through confluent-kafka."""
import time

from confluent_kafka import (Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions,
                             KafkaError, KafkaException, Producer, TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewPartitions, NewTopic, OffsetSpec, ResourceType)
from confluent_kafka import IsolationLevel

from checks import check, exit_with, main, name, need, records_of_all_shapes, same, until

LARGE = {"max.message.bytes": "2097152"}


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def topic(self, short, partitions=1, **configs):
        topic = name(short)
        new = NewTopic(topic, partitions, -1,
                       config={k.replace("_", "."): v for k, v in configs.items()})
        self.admin.create_topics([new])[topic].result(30)
        return topic

    def producer(self, **more):
        conf = {"bootstrap.servers": self.bootstrap, "message.max.bytes": 4000000,
                "message.timeout.ms": 30000}
        conf.update({k.replace("_", "."): v for k, v in more.items()})
        return Producer(conf)

    def send(self, topic, records, partition=0, timestamp=0, **conf):
        """Send and wait; returns the delivery reports."""
        producer, reports = self.producer(**conf), []
        for key, value, headers in records:
            producer.produce(topic, key=key, value=value, headers=headers, partition=partition,
                             timestamp=timestamp, on_delivery=lambda e, m: reports.append((e, m)))
            producer.poll(0)
        need(producer.flush(40) == 0, "records were not delivered in time")
        return reports

    def consumer(self, group, **more):
        conf = {"bootstrap.servers": self.bootstrap, "group.id": group,
                "enable.auto.commit": False, "auto.offset.reset": "earliest",
                "session.timeout.ms": 10000, "heartbeat.interval.ms": 500}
        conf.update({k.replace("_", "."): v for k, v in more.items()})
        return Consumer(conf)

    def read(self, topic, count, partition=0, offset=0):
        """count records of a partition, by assignment."""
        consumer = self.consumer(name("reader"))
        consumer.assign([TopicPartition(topic, partition, offset)])
        found = []
        end = time.monotonic() + 40
        while len(found) < count and time.monotonic() < end:
            message = consumer.poll(0.5)
            if message is not None:
                need(message.error() is None, message.error)
                found.append(message)
        consumer.close()
        same(len(found), count, "number of records read")
        return found


def values(numbers):
    return [(b"%d" % (n % 7), b"%d" % n, []) for n in numbers]


def code_of(function):
    try:
        function()
    except KafkaException as error:
        return error.args[0].code()
    return None


@check
def create_describe_and_delete_a_topic(c):
    topic = c.topic("admin", 3, retention_ms="1000000")
    meta = c.admin.list_topics(topic, timeout=20).topics[topic]
    same(len(meta.partitions), 3, "partitions")
    found = c.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)])
    configs = list(found.values())[0].result(20)
    same(configs["retention.ms"].value, "1000000")
    same(configs["cleanup.policy"].value, "delete")
    c.admin.delete_topics([topic])[topic].result(20)
    until("topic is gone", lambda: topic not in c.admin.list_topics(timeout=20).topics)


@check
def alter_a_topic_config(c):
    topic = c.topic("alter")
    change = ConfigEntry("retention.ms", "77000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
    list(c.admin.incremental_alter_configs([resource]).values())[0].result(20)

    def value():
        found = c.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)])
        return list(found.values())[0].result(20)["retention.ms"].value
    until("the new value shows", lambda: value() == "77000")


@check
def add_partitions(c):
    topic = c.topic("grow", 1)
    c.admin.create_partitions([NewPartitions(topic, 3)])[topic].result(20)
    until("three partitions",
          lambda: len(c.admin.list_topics(topic, timeout=20).topics[topic].partitions) == 3)


@check
def describe_the_cluster(c):
    found = c.admin.describe_cluster(request_timeout=20).result(20)
    need(found.cluster_id and len(found.nodes) == 1 and found.controller is not None,
         "cluster: %s" % found)


@check
def errors_of_topic_admin(c):
    topic = c.topic("there")
    again = lambda: c.admin.create_topics([NewTopic(topic, 1, -1)])[topic].result(20)
    same(code_of(again), KafkaError.TOPIC_ALREADY_EXISTS)
    bad = lambda: c.admin.create_topics([NewTopic("bad name", 1, -1)])["bad name"].result(20)
    same(code_of(bad), KafkaError.TOPIC_EXCEPTION)
    many = lambda: c.admin.create_topics([NewTopic("x", 1, 3)])["x"].result(20)
    same(code_of(many), KafkaError.INVALID_REPLICATION_FACTOR)
    none = name("nothing")
    gone = lambda: c.admin.delete_topics([none])[none].result(20)
    same(code_of(gone), KafkaError.UNKNOWN_TOPIC_OR_PART)
    wrong = NewTopic(name("x"), 1, -1, config={"retention.ms": "soon"})
    same(code_of(lambda: c.admin.create_topics([wrong])[wrong.topic].result(20)),
         KafkaError.INVALID_CONFIG)


@check
def consume_an_unknown_topic(c):
    consumer = c.consumer(name("unknown"), allow_auto_create_topics=False)
    consumer.subscribe([name("nothing")])
    message = until("an error", lambda: consumer.poll(0.5))
    consumer.close()
    same(message.error().code(), KafkaError.UNKNOWN_TOPIC_OR_PART)


def codec_check(codec):
    def run(c):
        topic = c.topic(codec)
        sent = values(range(500))
        reports = c.send(topic, sent, compression_type=codec, linger_ms=50)
        need(not any(e for e, _ in reports), lambda: reports[0][0])
        got = c.read(topic, 500)
        same([m.value() for m in got], [v for _, v, _ in sent])
        same([m.offset() for m in got], list(range(500)))
    run.__name__ = "produce_and_consume_" + codec
    check(run)


for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
    codec_check(codec)


@check
def records_of_all_shapes_and_sizes(c):
    topic = c.topic("shapes", **{"max_message_bytes": LARGE["max.message.bytes"]})
    sent = list(records_of_all_shapes())
    reports = c.send(topic, sent, linger_ms=0)
    need(not any(e for e, _ in reports), lambda: [e for e, _ in reports if e][0])
    got = c.read(topic, len(sent))
    for message, (key, value, headers) in zip(got, sent):
        same(message.key(), key, "key")
        same(message.value(), value, "value")
        same(message.headers() or [], headers, "headers")


@check
def a_record_above_the_limit_is_refused(c):
    topic = c.topic("limit")
    reports = c.send(topic, [(b"k", b"x" * 1200000, [])])
    same(reports[0][0].code(), KafkaError.MSG_SIZE_TOO_LARGE)
    need(c.send(topic, [(b"k", b"x" * 1000000, [])])[0][0] is None, "1 MB record refused")


def acks_check(acks):
    def run(c):
        topic = c.topic("acks" + acks)
        reports = c.send(topic, values(range(100)), acks=acks)
        need(not any(e for e, _ in reports), "delivery failed")
        got = c.read(topic, 100)
        same([m.value() for m in got], [b"%d" % n for n in range(100)])
    run.__name__ = "acks_" + acks
    check(run)


for acks in ("0", "1", "all"):
    acks_check(acks)


@check
def idempotent_producer(c):
    topic = c.topic("idempotent", 2)
    for partition in (0, 1):
        reports = c.send(topic, values(range(1000)), partition=partition, enable_idempotence=True,
                         batch_num_messages=10)
        same([m.offset() for _, m in reports], list(range(1000)), "offsets")
        same([m.value() for m in c.read(topic, 1000, partition)], [b"%d" % n for n in range(1000)])


def rebalance(c, strategy):
    topic = c.topic("rebalance-" + strategy, 4)
    group = name("group-" + strategy)
    seen, together = [], [False]

    def give_back(consumer, partitions):
        mine = [p for p in consumer.position(partitions) if p.offset >= 0]
        if mine:
            consumer.commit(offsets=mine, asynchronous=False)

    def member():
        consumer = c.consumer(group, partition_assignment_strategy=strategy)
        consumer.subscribe([topic], on_revoke=give_back)
        return consumer

    def poll(consumers, enough):
        end = time.monotonic() + 60
        while not enough() and time.monotonic() < end:
            for consumer in consumers:
                for message in consumer.consume(100, 0.1):
                    need(message.error() is None, message.error)
                    seen.append((message.partition(), message.offset()))
            if len(consumers) == 2 and all(len(m.assignment()) == 2 for m in consumers):
                together[0] = True
        need(enough(), "rebalance did not come to its end, %d records seen" % len(seen))

    def produce():
        for partition in range(4):
            c.send(topic, values(range(50)), partition=partition)
    produce()
    one = member()
    poll([one], lambda: len(seen) == 200)
    two = member()
    poll([one, two], lambda: together[0])
    produce()
    poll([one, two], lambda: len(seen) == 400)
    one.commit(asynchronous=False)
    one.close()
    produce()
    poll([two], lambda: len(seen) == 600 and len(two.assignment()) == 4)
    two.commit(asynchronous=False)
    two.close()
    same(sorted(seen), [(p, o) for p in range(4) for o in range(150)], "records seen")
    three = member()
    until("an assignment", lambda: three.consume(1, 0.2) or three.assignment())
    same([p.offset for p in three.committed([TopicPartition(topic, p) for p in range(4)], 20)],
         [150] * 4, "committed offsets")
    three.close()


@check
def two_members_rebalance(c):
    rebalance(c, "range")


@check
def two_members_rebalance_cooperatively(c):
    rebalance(c, "cooperative-sticky")


@check
def static_membership(c):
    topic, group = c.topic("static", 2), name("static")
    c.send(topic, values(range(10)))
    moves = []

    def member():
        consumer = c.consumer(group, group_instance_id="i1", session_timeout_ms=20000)
        consumer.subscribe([topic], on_assign=lambda _, p: moves.append(len(p)))
        got = []
        until("ten records", lambda: got.extend(consumer.consume(20, 0.2)) or len(got) >= 10)
        return consumer
    member().close()
    started = time.monotonic()
    second = member()
    need(time.monotonic() - started < 15, "the static member waited for its old session")
    found = c.admin.describe_consumer_groups([group])[group].result(20)
    same(len(found.members), 1, "members")
    same(found.members[0].group_instance_id, "i1")
    second.close()
    same(moves, [2, 2], "assignments")


@check
def manual_commit_and_resume(c):
    topic, group = c.topic("resume"), name("resume")
    c.send(topic, values(range(100)))
    first = c.consumer(group)
    first.subscribe([topic])
    got = []
    until("forty records", lambda: got.extend(first.consume(40 - len(got), 0.5)) or len(got) == 40)
    first.commit(message=got[-1], asynchronous=False)
    first.close()
    second = c.consumer(group)
    second.subscribe([topic])
    rest = []
    until("sixty records", lambda: rest.extend(second.consume(60, 0.5)) or len(rest) >= 60)
    second.close()
    same([m.offset() for m in rest], list(range(40, 100)))


@check
def seek_by_time_and_ends(c):
    topic = c.topic("time")
    base = int(time.time() * 1000) - 3600000
    for n in range(10):
        c.send(topic, values([n]), timestamp=base + n * 1000)
    consumer = c.consumer(name("time"))
    at = lambda t: consumer.offsets_for_times([TopicPartition(topic, 0, t)], 20)[0].offset
    same(at(base), 0)
    same(at(base + 4500), 5)
    same(at(base + 9000), 9)
    same(at(base + 9001), -1)
    same(consumer.get_watermark_offsets(TopicPartition(topic, 0), 20), (0, 10))
    consumer.close()
    spec = {TopicPartition(topic, 0): OffsetSpec.max_timestamp()}
    found = list(c.admin.list_offsets(spec, isolation_level=IsolationLevel.READ_COMMITTED).values())
    same(found[0].result(20).offset, 9)


@check
def earliest_and_latest(c):
    topic = c.topic("ends")
    c.send(topic, values(range(5)))
    late = c.consumer(name("late"), auto_offset_reset="latest")
    late.subscribe([topic])
    until("an assignment", lambda: late.consume(1, 0.2) or late.assignment())
    until("the end is known", lambda: late.consume(1, 0.2) or known_end(late, topic) == 5)
    c.send(topic, values([5]))
    got = []
    until("the new record", lambda: got.extend(late.consume(5, 0.5)) or got)
    same([m.value() for m in got], [b"5"])
    late.close()
    early = c.consumer(name("early"))
    early.subscribe([topic])
    got = []
    until("six records", lambda: got.extend(early.consume(6, 0.5)) or len(got) >= 6)
    early.close()


def known_end(consumer, topic):
    cached = consumer.get_watermark_offsets(TopicPartition(topic, 0), cached=True)
    return cached[1]


@check
def delete_records(c):
    topic = c.topic("cut")
    c.send(topic, values(range(20)))
    found = c.admin.delete_records([TopicPartition(topic, 0, 7)])
    same(list(found.values())[0].result(20).low_watermark, 7)
    same([m.offset() for m in c.read(topic, 13, offset=7)], list(range(7, 20)))
    beyond = lambda: list(c.admin.delete_records([TopicPartition(topic, 0, 99)]).values())[0].result(20)
    same(code_of(beyond), KafkaError.OFFSET_OUT_OF_RANGE)


@check
def list_describe_and_delete_groups(c):
    topic, group = c.topic("groups"), name("groups")
    c.send(topic, values(range(3)))
    consumer = c.consumer(group)
    consumer.subscribe([topic])
    got = []
    until("records", lambda: got.extend(consumer.consume(3, 0.5)) or len(got) >= 3)
    consumer.commit(asynchronous=False)
    listed = c.admin.list_consumer_groups(request_timeout=20).result(20).valid
    need(group in [g.group_id for g in listed], "group is not listed")
    found = c.admin.describe_consumer_groups([group])[group].result(20)
    same((found.state, len(found.members)), (ConsumerGroupState.STABLE, 1))
    same(code_of(lambda: c.admin.delete_consumer_groups([group])[group].result(20)),
         KafkaError.NON_EMPTY_GROUP)
    consumer.close()
    wanted = [ConsumerGroupTopicPartitions(group)]
    offsets = c.admin.list_consumer_group_offsets(wanted)[group].result(20).topic_partitions
    same([(p.topic, p.partition, p.offset) for p in offsets], [(topic, 0, 3)])
    c.admin.delete_consumer_groups([group])[group].result(20)
    same(code_of(lambda: c.admin.delete_consumer_groups([group])[group].result(20)),
         KafkaError.GROUP_ID_NOT_FOUND)


if __name__ == "__main__":
    exit_with(main(Client))
