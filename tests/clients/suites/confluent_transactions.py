"""Transactions through librdkafka's newest release, with confluent-kafka.

It speaks the first version of the protocol (EndTxn 1, AddPartitionsToTxn by itself): one epoch for
all transactions of an instance.
"""
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition

from checks import check, exit_with, main, name, need, same, until
from confluent_client import Client, send, texts


def code_of(function):
    try:
        function()
    except KafkaException as error:
        return error.args[0].code()
    return None


FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


@check
def commits_and_aborts(c):
    topic, want = c.topic("turns"), []
    producer = c.producer("turns")
    for n in range(60):
        producer.begin_transaction()
        send(producer, topic, range(10 * n, 10 * n + 10))
        if n % 3 == 1:
            producer.flush(20)
            producer.abort_transaction(20)
        else:
            producer.commit_transaction(20)
            want += texts(range(10 * n, 10 * n + 10))
    c.expect(topic, want)
    same(c.values(topic, level="read_uncommitted"), texts(range(600)), "all values")


@check
def aborted_before_anything_is_sent(c):
    topic = c.topic("queued")
    producer = c.producer("queued", linger_ms=1000)
    producer.begin_transaction()
    send(producer, topic, range(5))
    producer.abort_transaction(20)
    producer.begin_transaction()
    producer.commit_transaction(20)
    producer.begin_transaction()
    send(producer, topic, range(5, 8))
    producer.commit_transaction(20)
    c.expect(topic, texts(range(5, 8)))


@check
def an_open_transaction_is_not_seen(c):
    topic = c.topic("open")
    one, two = c.producer("open"), c.producer("other")
    one.begin_transaction()
    send(one, topic, range(5))
    need(one.flush(20) == 0, "not delivered")
    two.begin_transaction()
    send(two, topic, range(5, 8))
    two.commit_transaction(20)
    same(c.end(topic, IsolationLevel.READ_COMMITTED), 0, "last stable offset")
    same(c.values(topic), [])
    one.commit_transaction(20)
    c.expect(topic, texts(range(8)))


@check
def one_transaction_over_many_partitions(c):
    topic = c.topic("wide", 60)
    producer = c.producer("wide")
    for turn in range(3):
        producer.begin_transaction()
        for partition in range(60):
            send(producer, topic, [turn], partition)
        if turn == 1:
            producer.flush(20)
            producer.abort_transaction(20)
        else:
            producer.commit_transaction(20)
    found = c.committed(topic, 120, 60)
    same((len(found), found.count("1")), (120, 0), "records, aborted ones")


@check
def a_second_instance_fences_the_first(c):
    topic = c.topic("fence")
    first = c.producer("fence")
    first.begin_transaction()
    send(first, topic, range(3))
    first.flush(20)
    second = c.producer("fence")
    need(code_of(lambda: first.commit_transaction(20)) in FENCED, "the first was not fenced")
    second.begin_transaction()
    send(second, topic, range(10, 12))
    second.commit_transaction(20)
    c.expect(topic, texts(range(10, 12)))


@check
def a_transaction_times_out(c):
    topic = c.topic("late")
    producer = c.producer("late", transaction_timeout_ms=1000)
    producer.begin_transaction()
    send(producer, topic, range(3))
    producer.flush(20)
    until("the last stable offset moves",
          lambda: c.end(topic, IsolationLevel.READ_COMMITTED) > 0, 40, 0.5)
    same(c.values(topic), [])
    need(code_of(lambda: producer.commit_transaction(20)) in FENCED, "the commit was taken")
    again = c.producer("late")
    again.begin_transaction()
    send(again, topic, range(3, 5))
    again.commit_transaction(20)
    c.expect(topic, texts(range(3, 5)))


@check
def consume_transform_produce(c):
    source, sink, group = c.topic("from", 2), c.topic("to"), name("ctp")
    producer = c.producer("source")
    producer.begin_transaction()
    send(producer, source, range(50), 0)
    send(producer, source, range(50, 100), 1)
    producer.commit_transaction(20)
    producer, done, turn = c.producer("ctp"), 0, 0
    while done < 100:
        consumer = c.consumer(group)
        consumer.subscribe([source])
        while done < 100:
            messages = [m for m in consumer.consume(10, 2) if not m.error()]
            if not messages:
                continue
            producer.begin_transaction()
            for m in messages:
                producer.produce(sink, key=m.key(), value=m.value())
            producer.send_offsets_to_transaction(
                consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 20)
            turn += 1
            if turn % 3 == 2:
                producer.abort_transaction(20)
                break  # as a crashed member: the next one starts from what is committed
            producer.commit_transaction(20)
            done += len(messages)
        consumer.close()
    found = c.committed(sink, 100)
    same(len(found), 100, "records")
    same(sorted(found, key=int), texts(range(100)))
    consumer = c.consumer(group)
    offsets = consumer.committed([TopicPartition(source, p) for p in (0, 1)], 20)
    consumer.close()
    need(all(o.offset in (50, 51) for o in offsets), "committed offsets: %s" % offsets)


@check
def offsets_of_a_member_that_left(c):
    topic, group = c.topic("zombie"), name("zombie")
    first = c.consumer(group)
    first.subscribe([topic])
    until("an assignment", lambda: first.consume(1, 0.2) or first.assignment())
    stale = first.consumer_group_metadata()
    first.close()
    second = c.consumer(group)
    second.subscribe([topic])
    until("an assignment", lambda: second.consume(1, 0.2) or second.assignment())
    producer = c.producer("zombie")
    offsets = [TopicPartition(topic, 0, 7)]
    producer.begin_transaction()
    code = code_of(lambda: producer.send_offsets_to_transaction(offsets, stale, 20))
    need(code in (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID),
         "offsets of a member that left: %s" % code)
    producer.abort_transaction(20)
    producer.begin_transaction()
    producer.send_offsets_to_transaction(offsets, second.consumer_group_metadata(), 20)
    producer.commit_transaction(20)
    same(second.committed([TopicPartition(topic, 0)], 20)[0].offset, 7, "committed")
    second.close()


if __name__ == "__main__":
    exit_with(main(Client))
