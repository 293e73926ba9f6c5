"""kafka-python: a client of its own, in Python all the way down."""
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor

from checks import check, exit_with, main, name, need, records_of_all_shapes, same, until


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)

    def topic(self, short, partitions=1, **configs):
        topic = name(short)
        self.admin.create_topics([NewTopic(
            topic, partitions, -1,
            topic_configs={k.replace("_", "."): v for k, v in configs.items()})])
        until("topic %s is there" % short, lambda: self.partitions(topic) == partitions)
        return topic

    def partitions(self, topic):
        found = self.admin.describe_topics([topic])[0]
        return len(found["partitions"])

    def send(self, topic, records, partition=0, timestamp=None, **conf):
        conf.setdefault("max_request_size", 4000000)
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, **conf)
        futures = [producer.send(topic, key=k, value=v, headers=h, partition=partition,
                                 timestamp_ms=timestamp) for k, v, h in records]
        producer.flush(40)
        producer.close()
        return futures

    def consumer(self, group, *topics, **more):
        conf = {"bootstrap_servers": self.bootstrap, "group_id": group,
                "enable_auto_commit": False, "auto_offset_reset": "earliest",
                "session_timeout_ms": 10000, "heartbeat_interval_ms": 500,
                "max_partition_fetch_bytes": 4000000}
        conf.update(more)
        return KafkaConsumer(*topics, **conf)

    def read(self, topic, count, partition=0, offset=0):
        consumer = self.consumer(None)
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek(place, offset)
        found = []
        end = time.monotonic() + 40
        while len(found) < count and time.monotonic() < end:
            for records in consumer.poll(500).values():
                found.extend(records)
        consumer.close()
        same(len(found), count, "number of records read")
        return found


def values(numbers):
    return [(b"%d" % (n % 7), b"%d" % n, []) for n in numbers]


def poll(consumer, milliseconds=200):
    return [r for records in consumer.poll(milliseconds).values() for r in records]


def error_of(function):
    try:
        function()
    except errors.KafkaError as error:
        return type(error)
    return None


@check
def create_describe_and_delete_a_topic(c):
    topic = c.topic("admin", 3, retention_ms="1000000")
    need("retention.ms" in str(c.admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic)])), "config is not described")
    c.admin.delete_topics([topic])
    until("topic is gone", lambda: topic not in c.admin.list_topics())


@check
def alter_a_topic_config(c):
    topic = c.topic("alter")
    c.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic,
                                          configs={"retention.ms": "77000"})])
    until("the new value shows", lambda: "77000" in str(c.admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic)])))


@check
def add_partitions(c):
    topic = c.topic("grow", 1)
    c.admin.create_partitions({topic: NewPartitions(3)})
    until("three partitions", lambda: c.partitions(topic) == 3)


@check
def describe_the_cluster(c):
    found = c.admin.describe_cluster()
    need(found["cluster_id"] and len(found["brokers"]) == 1, "cluster: %s" % found)


@check
def errors_of_topic_admin(c):
    topic = c.topic("there")
    make = lambda *a: error_of(lambda: c.admin.create_topics([NewTopic(*a)]))
    same(make(topic, 1, -1), errors.TopicAlreadyExistsError)
    same(make("bad name", 1, -1), errors.InvalidTopicError)
    same(make(name("x"), 1, 3), errors.InvalidReplicationFactorError)
    same(error_of(lambda: c.admin.delete_topics([name("nothing")])),
         errors.UnknownTopicOrPartitionError)


@check
def an_unknown_topic_has_no_partitions(c):
    consumer = c.consumer(None, allow_auto_create_topics=False)
    need(not consumer.partitions_for_topic(name("nothing")), "unknown topic has partitions")
    consumer.close()


def codec_check(codec):
    def run(c):
        topic = c.topic(str(codec))
        sent = values(range(500))
        c.send(topic, sent, compression_type=codec, linger_ms=50)
        got = c.read(topic, 500)
        same([m.value for m in got], [v for _, v, _ in sent])
        same([m.offset for m in got], list(range(500)))
    run.__name__ = "produce_and_consume_%s" % (codec or "none")
    check(run)


for codec in (None, "gzip", "snappy", "lz4", "zstd"):
    codec_check(codec)


@check
def records_of_all_shapes_and_sizes(c):
    topic = c.topic("shapes", max_message_bytes="2097152")
    # this client takes neither a record without key and value nor a header without value
    sent = [(k, v, [x for x in h if x[1] is not None])
            for k, v, h in records_of_all_shapes() if (k, v) != (None, None)]
    for future in c.send(topic, sent):
        future.get(30)
    for record, (key, value, headers) in zip(c.read(topic, len(sent)), sent):
        same(record.key, key, "key")
        same(record.value, value, "value")
        same(list(record.headers), headers, "headers")


@check
def a_record_above_the_limit_is_refused(c):
    topic = c.topic("limit")
    future = c.send(topic, [(b"k", b"x" * 1200000, [])])[0]
    same(error_of(lambda: future.get(30)), errors.MessageSizeTooLargeError)


def acks_check(acks):
    def run(c):
        topic = c.topic("acks%s" % acks)
        c.send(topic, values(range(100)), acks=acks, enable_idempotence=False)
        same([m.value for m in c.read(topic, 100)], [b"%d" % n for n in range(100)])
    run.__name__ = "acks_%s" % acks
    check(run)


for acks in (0, 1, "all"):
    acks_check(acks)


@check
def idempotent_producer(c):
    topic = c.topic("idempotent", 2)
    for partition in (0, 1):
        futures = c.send(topic, values(range(1000)), partition, enable_idempotence=True,
                         batch_size=500)
        same([f.get(30).offset for f in futures], list(range(1000)), "offsets")


class Stuck(AssertionError):
    pass


def rebalance(c, short, assignor):
    topic, group = c.topic(short, 4), name(short)
    seen = []

    def member():
        consumer = c.consumer(group, partition_assignment_strategy=[assignor])
        consumer.subscribe([topic])
        return consumer

    def run(consumers, enough):
        end = time.monotonic() + 15
        quiet_since = time.monotonic()
        while not enough() and time.monotonic() < end:
            for consumer in consumers:  # its rebalance callbacks cannot commit, so commit at once
                got = poll(consumer)
                if got:
                    consumer.commit()
                    quiet_since = time.monotonic()
                seen.extend((r.partition, r.offset) for r in got)
            if time.monotonic() > quiet_since + 4:
                # release 3.0.12 now and then stops fetching what it kept, on Kafka too: a seek to
                # where it stands wakes it
                quiet_since = time.monotonic()
                for consumer in consumers:
                    for place in consumer.assignment():
                        consumer.seek(place, consumer.position(place))
        if not enough():
            raise Stuck("rebalance did not come to its end, %d records seen" % len(seen))

    def produce():
        for partition in range(4):
            c.send(topic, values(range(50)), partition)
    produce()
    one = member()
    run([one], lambda: len(seen) == 200)
    two = member()
    run([one, two], lambda: len(one.assignment()) == 2 and len(two.assignment()) == 2)
    produce()
    run([one, two], lambda: len(seen) == 400)
    one.commit()
    one.close()
    produce()
    run([two], lambda: len(seen) == 600)
    two.commit()
    same([two.committed(TopicPartition(topic, p)) for p in range(4)], [150] * 4, "committed")
    two.close()
    same(sorted(seen), [(p, o) for p in range(4) for o in range(150)], "records seen")


@check
def two_members_rebalance(c):
    rebalance(c, "rebalance", RangePartitionAssignor)


@check
def two_members_rebalance_cooperatively(c):
    for attempt in range(4):
        try:
            return rebalance(c, "cooperative-%d" % attempt, CooperativeStickyAssignor)
        except Stuck:  # a client that a seek did not wake
            pass
    raise Stuck("four times in a row")


@check
def static_membership(c):
    topic, group = c.topic("static", 2), name("static")
    c.send(topic, values(range(10)))
    for _ in range(2):
        started = time.monotonic()
        consumer = c.consumer(group, topic, group_instance_id="i1", session_timeout_ms=20000)
        got = []
        until("ten records", lambda: got.extend(poll(consumer)) or len(got) >= 10)
        members = c.admin.describe_groups([group])[group]["members"]
        same([m["group_instance_id"] for m in members], ["i1"])
        consumer.close()
        need(time.monotonic() - started < 15, "the static member waited for its old session")


@check
def manual_commit_and_resume(c):
    topic, group = c.topic("resume"), name("resume")
    c.send(topic, values(range(100)))
    first = c.consumer(group, topic, max_poll_records=40)
    got = []
    until("forty records", lambda: got.extend(poll(first)) or len(got) == 40)
    first.commit()
    first.close()
    second = c.consumer(group, topic)
    rest = []
    until("sixty records", lambda: rest.extend(poll(second)) or len(rest) >= 60)
    second.close()
    same([m.offset for m in rest], list(range(40, 100)))


@check
def seek_by_time_and_ends(c):
    topic = c.topic("time")
    base = int(time.time() * 1000) - 3600000
    for n in range(10):
        c.send(topic, values([n]), timestamp=base + n * 1000)
    consumer, place = c.consumer(None), TopicPartition(topic, 0)
    at = lambda t: consumer.offsets_for_times({place: t})[place]
    same(at(base).offset, 0)
    same(at(base + 4500).offset, 5)
    same(at(base + 9001), None)
    same(consumer.beginning_offsets([place])[place], 0)
    same(consumer.end_offsets([place])[place], 10)
    consumer.close()


@check
def earliest_and_latest(c):
    topic = c.topic("ends")
    c.send(topic, values(range(5)))
    late = c.consumer(name("late"), topic, auto_offset_reset="latest")
    until("an assignment", lambda: poll(late) or late.assignment())
    same(late.position(TopicPartition(topic, 0)), 5)
    c.send(topic, values([5]))
    got = []
    until("the new record", lambda: got.extend(poll(late)) or got)
    same([m.value for m in got], [b"5"])
    late.close()
    early = c.consumer(name("early"), topic)
    got = []
    until("six records", lambda: got.extend(poll(early)) or len(got) == 6)
    early.close()


@check
def delete_records(c):
    topic = c.topic("cut")
    c.send(topic, values(range(20)))
    c.admin.delete_records({TopicPartition(topic, 0): 7})
    consumer, place = c.consumer(None), TopicPartition(topic, 0)
    same(consumer.beginning_offsets([place])[place], 7)
    consumer.close()
    same([m.offset for m in c.read(topic, 13, offset=7)], list(range(7, 20)))


@check
def list_describe_and_delete_groups(c):
    topic, group = c.topic("groups"), name("groups")
    c.send(topic, values(range(3)))
    consumer = c.consumer(group, topic)
    got = []
    until("records", lambda: got.extend(poll(consumer)) or len(got) >= 3)
    consumer.commit()
    need(group in str(c.admin.list_groups()), "group is not listed")
    found = c.admin.describe_groups([group])[group]
    same(len(found["members"]), 1)
    need("NonEmptyGroup" in str(c.admin.delete_groups([group])), "a group with a member was deleted")
    consumer.close()
    found = c.admin.list_group_offsets({group: None})[group]
    same([(p.topic, p.partition, o.offset) for p, o in found.items()], [(topic, 0, 3)])
    c.admin.delete_groups([group])
    until("group is gone", lambda: group not in str(c.admin.list_groups()))


# ---- transactions

def transactional(c, short, **more):
    producer = KafkaProducer(bootstrap_servers=c.bootstrap, transactional_id=name(short), **more)
    producer.init_transactions()
    return producer


def committed(c, topic, count, **more):
    """Values that a reader of committed records finds; a second more shows that there are no more."""
    consumer = c.consumer(None, isolation_level="read_committed", **more)
    consumer.assign([TopicPartition(topic, 0)])
    found, end = [], time.monotonic() + 30
    while len(found) < count and time.monotonic() < end:
        found += [int(r.value) for r in poll(consumer)]
    found += [int(r.value) for r in poll(consumer, 1000)]
    consumer.close()
    return found


def send_all(producer, topic, numbers):
    for future in [producer.send(topic, b"%d" % n, partition=0) for n in numbers]:
        future.get(20)


@check
def transactions_committed_and_aborted(c):
    topic, want = c.topic("turns"), []
    producer = transactional(c, "turns")
    for n in range(0, 300, 10):
        producer.begin_transaction()
        send_all(producer, topic, range(n, n + 10))
        if n % 30 == 10:
            producer.abort_transaction()
        else:
            producer.commit_transaction()
            want += range(n, n + 10)
    producer.close()
    same(committed(c, topic, len(want)), want)


@check
def a_second_instance_fences_the_first(c):
    topic = c.topic("fence")
    first = transactional(c, "fence")
    first.begin_transaction()
    send_all(first, topic, range(3))
    second = transactional(c, "fence")
    need(error_of(first.commit_transaction) in (
        errors.ProducerFencedError, errors.InvalidProducerEpochError), "the first is not fenced")
    second.begin_transaction()
    send_all(second, topic, range(10, 12))
    second.commit_transaction()
    second.close()
    same(committed(c, topic, 2), [10, 11])


@check
def offsets_in_a_transaction(c):
    topic, group = c.topic("offsets"), name("offsets")
    producer = transactional(c, "offsets")
    place = TopicPartition(topic, 0)
    consumer = c.consumer(group)
    consumer.assign([place])
    for offset, ends in ((5, producer.commit_transaction), (9, producer.abort_transaction)):
        producer.begin_transaction()
        producer.send_offsets_to_transaction(
            {place: OffsetAndMetadata(offset, "", -1)}, group)
        ends()
        until("offset 5", lambda: consumer.committed(place) == 5)
    consumer.close()
    producer.close()


if __name__ == "__main__":
    exit_with(main(Client))
