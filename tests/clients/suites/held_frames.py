"""A request of a transaction that the network delivers late, with a real librdkafka.

librdkafka has one epoch for all transactions of an instance, so nothing in a late EndTxn says which
transaction it meant.  The broker closes the connection that it comes from: the client has asked on
a newer one since.  Apache Kafka executes it (KAFKA-17754).
"""
from confluent_kafka import Producer, TopicPartition

from checks import check, exit_with, main, name, need, same
from confluent_client import Client, send, texts
from holding_proxy import Proxy


def producer_through(c, proxy, short):
    producer = Producer({"bootstrap.servers": proxy.address, "transactional.id": name(short),
                         "reconnect.backoff.max.ms": 300, "socket.timeout.ms": 10000})
    producer.init_transactions(30)
    return producer


def first_commit_is_held(proxy, producer, topic):
    """The first transaction is committed, by the client's second try; its first one is held."""
    producer.begin_transaction()
    send(producer, topic, range(3))
    producer.flush(20)
    proxy.hold("EndTxn")
    producer.commit_transaction(30)
    need(proxy.held.is_set(), "nothing was held back")


@check
def a_late_commit_does_not_commit_the_next_transaction(c):
    proxy, topic = Proxy(c.bootstrap), c.topic("late-commit")
    producer = producer_through(c, proxy, "late-commit")
    first_commit_is_held(proxy, producer, topic)
    producer.begin_transaction()
    send(producer, topic, range(10, 13))
    producer.flush(20)
    same(proxy.release(), None, "what the late request was answered with")
    c.expect(topic, texts(range(3)))
    producer.abort_transaction(30)
    producer.begin_transaction()
    send(producer, topic, range(20, 22))
    producer.commit_transaction(30)
    c.expect(topic, texts(range(3), range(20, 22)))
    proxy.close()


@check
def a_late_abort_does_not_abort_the_next_transaction(c):
    proxy, topic = Proxy(c.bootstrap), c.topic("late-abort")
    producer = producer_through(c, proxy, "late-abort")
    producer.begin_transaction()
    send(producer, topic, range(3))
    producer.flush(20)
    proxy.hold("EndTxn")
    producer.abort_transaction(30)
    need(proxy.held.is_set(), "nothing was held back")
    producer.begin_transaction()
    send(producer, topic, range(10, 13))
    producer.flush(20)
    same(proxy.release(), None, "what the late request was answered with")
    producer.commit_transaction(30)
    c.expect(topic, texts(range(10, 13)))
    proxy.close()


@check
def a_late_partition_is_not_added_to_the_next_transaction(c):
    proxy, topic = Proxy(c.bootstrap), c.topic("late-add", 2)
    producer = producer_through(c, proxy, "late-add")
    producer.begin_transaction()
    proxy.hold("AddPartitionsToTxn")
    send(producer, topic, range(3), 0)
    producer.commit_transaction(30)
    need(proxy.held.is_set(), "nothing was held back")
    producer.begin_transaction()
    send(producer, topic, range(10, 13), 1)
    producer.flush(20)
    same(proxy.release(), None, "what the late request was answered with")
    producer.commit_transaction(30)
    same(sorted(c.committed(topic, 6, 2), key=int), texts(range(3), range(10, 13)), "values")
    proxy.close()


@check
def late_offsets_are_not_staged_in_the_next_transaction(c):
    proxy, topic, group = Proxy(c.bootstrap), c.topic("late-offsets"), name("late-offsets")
    producer = producer_through(c, proxy, "late-offsets")
    consumer = c.consumer(group)

    def commit(offset):
        producer.begin_transaction()
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, offset)],
                                             consumer.consumer_group_metadata(), 30)
    proxy.hold("TxnOffsetCommit")
    commit(3)
    producer.commit_transaction(30)
    need(proxy.held.is_set(), "nothing was held back")
    commit(7)
    same(proxy.release(), None, "what the late request was answered with")
    producer.commit_transaction(30)
    same(consumer.committed([TopicPartition(topic, 0)], 20)[0].offset, 7, "committed")
    consumer.close()
    proxy.close()


if __name__ == "__main__":
    exit_with(main(Client))
