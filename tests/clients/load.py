"""Load for the main job and the kill audit, through confluent-kafka; says the same as go/load.go.

    load.py produce HOST:PORT TOPIC NAME [RATE]       counted values until standard input closes
    load.py consume HOST:PORT TOPIC GROUP COUNT IDLE  records, committed after each poll
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


def consume(bootstrap, topic, group, count, idle):
    count, idle = int(count), float(idle)
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False,
        "auto.offset.reset": "earliest", "session.timeout.ms": 30000,
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
    sys.exit({"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:]))
