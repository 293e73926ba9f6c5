"""InitProducerId, and the sequences of idempotent producers."""
import time

import raw
from question import case
from questions_produce import produce, stored


def new_producer(q):
    for _ in range(200):  # a broker that has just started may not have its block of ids yet
        answer = q.quiet("InitProducerId", 4, {"TransactionalId": None,
                                               "TransactionTimeoutMs": 60000})
        if not answer["ErrorCode"]:
            return answer["ProducerId"]
        time.sleep(0.05)
    raise raw.Malformed("no producer id: %s" % answer)


class Sender:
    def __init__(self, q, topic, producer=None):
        self.q, self.topic = q, topic
        self.producer = new_producer(q) if producer is None else producer

    def send(self, sequence, *values, epoch=0, note=None, version=9, **more):
        more.setdefault("timestamp", self.q.base)
        records = raw.batch(values or (b"v",), producer_id=self.producer,
                            producer_epoch=epoch, base_sequence=sequence, **more)
        what = "sequence %d, epoch %d, %d records" % (sequence, epoch, len(values or "v"))
        return produce(self.q, self.topic, records, version=version,
                       note=what + (", " + note if note else ""))


@case("idempotence/init_producer_id")
def _(q):
    def init(version=4, **body):
        q.ask("InitProducerId", version, dict(
            {"TransactionalId": None, "TransactionTimeoutMs": 60000}, **body))
    new_producer(q)
    for version in range(6):
        init(version)
    init(ProducerId=5, ProducerEpoch=0)
    init(ProducerId=5, ProducerEpoch=-1)
    init(ProducerId=-1, ProducerEpoch=5)
    init(TransactionalId="")
    init(TransactionTimeoutMs=-1)
    init(TransactionTimeoutMs=2147483647)
    q.tell("two ids", {"Differ": new_producer(q) != new_producer(q)})


@case("idempotence/in_order")
def _(q):
    s = Sender(q, q.topic("t"))
    s.send(0)
    s.send(1, b"a", b"b")
    s.send(3)
    stored(q, s.topic)


@case("idempotence/duplicates_within_the_window")
def _(q):
    s = Sender(q, q.topic("t"))
    for n in range(6):
        s.send(n)
    for n in reversed(range(6)):
        s.send(n, note="again")
    s.send(6)
    stored(q, s.topic)


@case("idempotence/duplicates_of_several_records")
def _(q):
    s = Sender(q, q.topic("t"))
    s.send(0, b"a", b"b", b"c")
    s.send(0, b"a", b"b", b"c", note="again")
    s.send(0, b"a", b"b", note="the same start, shorter")
    s.send(0, b"a", b"b", b"c", b"d", note="the same start, longer")
    s.send(1, b"b", b"c", note="the same end")
    s.send(0, b"x", b"y", b"z", note="other values")
    s.send(3)
    stored(q, s.topic)


@case("idempotence/gap")
def _(q):
    s = Sender(q, q.topic("t"))
    s.send(0)
    s.send(2)
    s.send(1)
    s.send(2)


@case("idempotence/first_sequence_of_an_unknown_producer")
def _(q):
    name = q.topic("t")
    Sender(q, name).send(5)
    Sender(q, name).send(0, epoch=3)
    Sender(q, name).send(7, epoch=3)
    Sender(q, name, 123456789).send(0, note="an id that was never given out")
    stored(q, name)


@case("idempotence/epochs")
def _(q):
    s = Sender(q, q.topic("t"))
    s.send(0)
    s.send(1)
    s.send(2, epoch=1, note="new epoch has to start at 0")
    s.send(0, epoch=1)
    s.send(2, epoch=0, note="old epoch")
    s.send(0, epoch=0, note="old epoch, old duplicate")
    s.send(1, epoch=1)
    s.send(0, epoch=7, note="epochs may be skipped")
    s.send(1, epoch=7)
    s.send(0, epoch=-1, note="negative epoch")
    stored(q, s.topic)


@case("idempotence/wrap_around")
def _(q):
    s = Sender(q, q.topic("t"))
    s.send(2147483646)
    s.send(2147483647, b"a", b"b", note="wraps inside")
    s.send(1)
    s.send(2147483647, b"a", b"b", note="again")
    t = Sender(q, s.topic)
    t.send(2147483647)
    t.send(0)


@case("idempotence/fields_that_do_not_fit")
def _(q):
    s = Sender(q, q.topic("t"))
    s.send(-1)
    s.send(-2)
    Sender(q, s.topic, -1).send(0, epoch=-1, note="no id, but a sequence")
    Sender(q, s.topic, -1).send(0, epoch=0, note="no id, but epoch and sequence")
    Sender(q, s.topic, -5).send(0, note="negative id")
    s.send(0)


@case("idempotence/two_batches_in_one_partition")
def _(q):
    name = q.topic("t")
    producer = new_producer(q)
    two = [raw.batch((b"v",), timestamp=q.base, producer_id=producer, producer_epoch=0,
                     base_sequence=n, base_offset=n) for n in (0, 1)]
    produce(q, name, two[0] + two[1])
    produce(q, name, two[0])
    produce(q, name, two[1])


@case("idempotence/duplicate_says_the_first_time")
def _(q):
    s = Sender(q, q.topic("t", message_timestamp_type="LogAppendTime"))
    first = s.send(0)
    again = s.send(0)
    q.tell("log append time", {"Same": time_of(first) == time_of(again)})


def time_of(answer):
    return answer["Responses"][0]["PartitionResponses"][0]["LogAppendTimeMs"]


@case("idempotence/after_delete_records")
def _(q):
    s = Sender(q, q.topic("t"))
    s.send(0)
    s.send(1)
    q.quiet("DeleteRecords", 2, {"TimeoutMs": 5000, "Topics": [
        {"Name": s.topic, "Partitions": [{"PartitionIndex": 0, "Offset": -1}]}]})
    s.send(1, note="again")
    s.send(2)
    s.send(7)


@case("idempotence/every_version")
def _(q):
    name = q.topic("t")
    s = Sender(q, name)
    for n, version in enumerate(range(3, 14)):
        s.send(n, version=version)
    s.send(50, version=3)
    s.send(50, version=13)
