"""Load for the main job and the kill audit, through confluent-kafka; says the same as go/load.go.

    load.py produce HOST:PORT TOPIC NAME [RATE]       counted values until standard input closes
    load.py consume HOST:PORT TOPIC GROUP COUNT IDLE [LEVEL]  records, committed after each poll
    load.py transact HOST:PORT TOPIC NAME             small transactions until standard input closes
"""
import base64
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer


def produce(bootstrap, topic, name, rate=2000, size=100):
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), closed.set()), daemon=True).start()
    producer = Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 2,
        "batch.size": 4000, "message.timeout.ms": 80000, "queue.buffering.max.messages": 5000,
        "reconnect.backoff.max.ms": 300, "sticky.partitioning.linger.ms": 5})
    out = sys.stdout

    def done(error, message):
        if error:
            out.write("failed %s %s\n" % (message.value().decode(), error))
        else:
            out.write("ack %d %d %s\n" % (message.partition(), message.offset(),
                                          message.value().decode()))
    n = 0
    while not closed.is_set():
        for _ in range(int(rate) // 100):
            value = ("%s-%d-" % (name, n)).ljust(size, ".")
            try:
                producer.produce(topic, value.encode(), on_delivery=done)
            except BufferError:
                break
            n += 1
        producer.poll(0.01)
        out.flush()
    left = producer.flush(90)
    out.write("end %d\n" % n)
    return 1 if left else 0


def transact(bootstrap, topic, name):
    """`begin N`, then `committed N`, `aborted N` or `unknown N`, as java/Transact.java."""
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), closed.set()), daemon=True).start()

    def start():
        producer = Producer({
            "bootstrap.servers": bootstrap, "transactional.id": "audit-" + name, "linger.ms": 2,
            "reconnect.backoff.max.ms": 300, "message.timeout.ms": 55000})
        again(lambda: producer.init_transactions(30))
        return producer
    producer, n = start(), 0
    while not closed.is_set():
        print("begin", n, flush=True)
        commit = n % 4 != 3
        try:
            producer.begin_transaction()
            for i in range(6):
                producer.produce(topic, ("%s-%d-%d" % (name, n, i)).encode(), partition=i % 3)
            again(lambda: producer.commit_transaction(30) if commit
                  else producer.abort_transaction(30))
            print("committed" if commit else "aborted", n, flush=True)
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                again(lambda: producer.abort_transaction(30))
                print("aborted", n, flush=True)
            else:
                print("unknown", n, error, flush=True)
                producer = start()
        n += 1
    print("end", n, flush=True)
    return 0


def again(call, seconds=90):
    """Calls again what may be called again."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > end:
                raise
            time.sleep(0.1)


def consume(bootstrap, topic, group, count, idle, level="read_uncommitted"):
    count, idle = int(count), float(idle)
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False,
        "auto.offset.reset": "earliest", "session.timeout.ms": 30000, "isolation.level": level,
        "reconnect.backoff.max.ms": 500})
    consumer.subscribe([topic])
    last = time.monotonic()
    while count > 0 and time.monotonic() - last < idle:
        messages = [m for m in consumer.consume(min(500, count), 0.5) if not m.error()]
        for m in messages:
            print(m.partition(), m.offset(), base64.b64encode(m.key() or b"").decode(),
                  base64.b64encode(m.value()).decode())
        if messages:
            sys.stdout.flush()
            commit(consumer)
            count -= len(messages)
            last = time.monotonic()
    consumer.close()
    return 0


def commit(consumer):
    """Commit; while the broker is away, again."""
    end = time.monotonic() + 80
    while True:
        try:
            consumer.commit(asynchronous=False)
            return
        except KafkaException as error:
            if error.args[0].code() == KafkaError._NO_OFFSET:
                return
            if time.monotonic() > end:
                raise
            time.sleep(0.3)


if __name__ == "__main__":
    sys.exit({"produce": produce, "consume": consume, "transact": transact}[sys.argv[1]](*sys.argv[2:]))
