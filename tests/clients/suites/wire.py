"""Clients that no library is: headers that lie, sizes that mix, requests without waiting."""
import random
import struct
import threading
import time

import raw
from checks import check, exit_with, main, name, need, same

BIG = 900000
PRODUCERS = 12
REQUESTS = 40
IN_FLIGHT = 5


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def open(self, timeout_s=60):
        return raw.Connection(self.bootstrap, timeout_s=timeout_s)

    def topic(self, short, partitions=1, **configs):
        c = self.open()
        answer = c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [{
            "Name": name(short), "NumPartitions": partitions, "ReplicationFactor": -1, "Configs": [
                {"Name": k.replace("_", "."), "Value": v} for k, v in configs.items()]}]})
        c.close()
        same(answer["Topics"][0]["ErrorCode"], 0, "error of CreateTopics")
        return name(short)

    def stored(self, topic, partition=0):
        """Every batch that a consumer gets."""
        c, found, offset = self.open(), [], 0
        while True:
            part = c.ask("Fetch", 11, {"MaxWaitMs": 200, "MinBytes": 1, "Topics": [
                {"Topic": topic, "Partitions": [{"Partition": partition, "FetchOffset": offset,
                                                 "PartitionMaxBytes": 8 << 20}]}]})
            part = part["Responses"][0]["Partitions"][0]
            same(part["ErrorCode"], 0, "error of Fetch")
            batches = raw.read_batches(part["Records"])
            if not batches:
                c.close()
                return found
            found += batches
            offset = batches[-1]["BaseOffset"] + batches[-1]["LastOffsetDelta"] + 1


def body(topic, records, acks=-1, partition=0, timeout_ms=60000):
    return {"Acks": acks, "TimeoutMs": timeout_ms, "TopicData": [
        {"Name": topic, "PartitionData": [{"Index": partition, "Records": records}]}]}


def outcome(answer):
    part = answer["Responses"][0]["PartitionResponses"][0]
    return part["ErrorCode"], part["BaseOffset"]


def produce(c, topic, records, **more):
    return outcome(c.ask("Produce", 9, body(topic, records, **more)))


def now_ms():
    return int(time.time() * 1000)


@check
def a_header_that_lies_is_stored_as_the_records_are(client):
    topic, t, c = client.topic("lies"), now_ms(), client.open()
    ahead = 365 * 86400000
    sent = [raw.batch((b"a",), timestamp=t),
            raw.batch((b"b",), timestamp=t, max_timestamp=t + 7) + b"\0" * 10,
            raw.batch((b"c",), timestamp=t, max_timestamp=1000),
            raw.batch((b"d", b"e"), timestamp=t, max_timestamp=t + ahead) + b"\xff" * 11,
            raw.batch((b"f",), timestamp=t, attributes=0x08, max_timestamp=1000),
            raw.batch((b"g",), timestamp=t, max_timestamp=-1, codec="gzip") + b"\0" * 10]
    for i, records in enumerate(sent):
        same(produce(c, topic, records)[0], 0, "error of batch %d" % i)
    found = client.stored(topic)
    same(len(found), len(sent), "batches")
    for i, got in enumerate(found):
        need(got["CrcOk"], "batch %d is stored with a wrong checksum" % i)
        same(got["MaxTimestamp"], t, "maximum timestamp of batch %d" % i)
        same(got["Attributes"] & 0x08, 0, "timestamp type of batch %d" % i)
    asked = c.ask("ListOffsets", 7, {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [
        {"PartitionIndex": 0, "Timestamp": t + 1}]}]})["Topics"][0]["Partitions"][0]
    same(asked["Offset"], -1, "offset of a time that no record has")
    c.close()


@check
def a_recoded_batch_that_grew_beyond_the_limit_is_refused(client):
    topic = client.topic("grew", compression_type="uncompressed", max_message_bytes="2000")
    c = client.open()
    same(produce(c, topic, raw.batch((b"x" * 1500,), codec="gzip"))[0], 0, "error")
    same(produce(c, topic, raw.batch((b"x" * 5000,), codec="gzip"))[0], 10, "error")
    same(len(client.stored(topic)), 1, "batches")
    c.close()


@check
def every_bad_record_of_a_refused_batch_is_named(client):
    topic, c = client.topic("named", cleanup_policy="compact"), client.open()
    bad = [i for i in range(600) if i % 3]
    records = b"".join(raw.record(i, None if i % 3 else b"k", b"v") for i in range(600))
    part = c.ask("Produce", 9, body(topic, raw.batch((b"v",) * 600, records=records)))
    part = part["Responses"][0]["PartitionResponses"][0]
    same(part["ErrorCode"], 87, "error")
    same([e["BatchIndex"] for e in part["RecordErrors"]], bad, "indexes of the bad records")
    need("%d record errors in total" % len(bad) in part["ErrorMessage"], part["ErrorMessage"])
    c.close()


def pipeline(client, topic, partition, frames):
    """Send frames, IN_FLIGHT at a time, on one connection; error code and offset of each."""
    c, answers, waiting = client.open(), [], 0

    def receive():
        c.sent.append((raw.APIS["Produce"], 9, 1))
        answers.append(outcome(c.receive()))
    for f in frames:
        if waiting == IN_FLIGHT:
            receive()
            waiting -= 1
        c.socket.sendall(f)
        waiting += 1
    for _ in range(waiting):
        receive()
    c.close()
    return answers


def frame(topic, partition, records, acks):
    api = raw.APIS["Produce"]
    data = raw.request_header(api.key, 9, 1, "wire", True) + raw.encode_fields(
        api.request, body(topic, records, acks, partition), 9, True)
    return struct.pack(">i", len(data)) + data


def mixed_sizes(client, topic, batches_of, acks):
    """A connection for each partition, all at once; what each was answered."""
    frames, answers, threads = [], {}, []
    for k in range(PRODUCERS):
        frames.append([frame(topic, k, b, acks) for b in batches_of(k)])

    def run(k):
        answers[k] = pipeline(client, topic, k, frames[k])
    for k in range(PRODUCERS):
        threads.append(threading.Thread(target=run, args=(k,)))
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(len(answers), PRODUCERS, "connections that got all their answers")
    return answers


def values_of(client, topic, partition):
    return [v[:8] for b in client.stored(topic, partition) for v in b["Values"]]


BIG_TAIL = b"B" * BIG
CACHE = {}


def numbered(i, is_big, **more):
    """A batch whose value begins with its number; big ones are made once."""
    key = (i, is_big, tuple(sorted(more.items())))
    if key not in CACHE:
        CACHE[key] = raw.batch((b"%08d" % i + (BIG_TAIL if is_big else b""),), **more)
    return CACHE[key]


def big_ones():
    """Which requests are big, in three ways."""
    chance = random.Random(7)
    return [[chance.random() < 0.4 for _ in range(REQUESTS)] for _ in range(3)]


def in_order(acks):
    def run(client):
        big, topic = big_ones(), client.topic("order%d" % acks, PRODUCERS)
        answers = mixed_sizes(
            client, topic, lambda k: [numbered(i, big[k % 3][i]) for i in range(REQUESTS)], acks)
        for k in range(PRODUCERS):
            same([e for e, _ in answers[k]], [0] * REQUESTS, "errors of producer %d" % k)
            offsets = [o for _, o in answers[k]]
            same(offsets, sorted(offsets), "offsets of producer %d" % k)
        for k in (0, PRODUCERS - 1):
            same(values_of(client, topic, k), [b"%08d" % i for i in range(REQUESTS)],
                 "what is stored of producer %d" % k)
    return run


@check
def batches_of_mixed_sizes_on_one_connection_keep_their_order(client):
    in_order(-1)(client)


@check
def and_so_they_do_with_acks_1(client):
    in_order(1)(client)


@check
def idempotent_batches_of_mixed_sizes_are_never_out_of_order(client):
    big, topic, c = big_ones(), client.topic("idempotent", PRODUCERS), client.open()
    producer = c.ask("InitProducerId", 4, {"TransactionalId": None,
                                           "TransactionTimeoutMs": 1000})["ProducerId"]
    answers = mixed_sizes(client, topic, lambda k: [
        numbered(i, big[k % 3][i], producer_id=producer, producer_epoch=0, base_sequence=i)
        for i in range(REQUESTS)], -1)
    for k in range(PRODUCERS):
        same([e for e, _ in answers[k]], [0] * REQUESTS, "errors of producer %d" % k)
        same([o for _, o in answers[k]], list(range(REQUESTS)), "offsets of producer %d" % k)
    c.close()


@check
def what_acks_1_acknowledged_is_seen_at_once(client):
    topic, c = client.topic("seen"), client.open()
    ask = {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [
        {"PartitionIndex": 0, "Timestamp": -1}]}]}
    for i in range(200):
        same(produce(c, topic, raw.batch((b"%d" % i,)), acks=1), (0, i), "answer")
        got = c.ask("ListOffsets", 7, ask)["Topics"][0]["Partitions"][0]["Offset"]
        same(got, i + 1, "end of the partition after an acknowledged write")
    c.close()


@check
def names_that_are_not_utf8_can_be_read(client):
    """Kafka reads them with U+FFFD for what is ill-formed: its answers never carry the bytes."""
    group, topic = name("bad").encode() + b"\xfe\xe2\x82", client.topic("utf8")
    read = name("bad") + "\ufffd\ufffd"
    c = client.open()
    end = time.monotonic() + 30
    while True:
        found = c.ask("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [group]})
        same(found["Coordinators"][0]["Key"], read, "key of FindCoordinator")
        done = c.ask("OffsetCommit", 7, {"GroupId": group, "Topics": [{
            "Name": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 0,
                                           "CommittedMetadata": b"said\xff"}]}]})
        if done["Topics"][0]["Partitions"][0]["ErrorCode"] == 0:
            break
        need(time.monotonic() < end, "OffsetCommit: %s" % done)
        time.sleep(0.2)
    listed = [g["GroupId"] for g in c.ask("ListGroups", 4, {"StatesFilter": []})["Groups"]]
    need(read in listed, "ListGroups: %s" % listed)
    told = c.ask("OffsetFetch", 7, {"GroupId": read, "Topics": [
        {"Name": topic, "PartitionIndexes": [0]}]})["Topics"][0]["Partitions"][0]
    same((told["CommittedOffset"], told["Metadata"]), (0, "said\ufffd"), "committed")
    unknown = c.ask("Metadata", 9, {"Topics": [{"Name": b"x\xff"}],
                                    "AllowAutoTopicCreation": False})["Topics"][0]
    same((unknown["Name"], unknown["ErrorCode"]), ("x\ufffd", 17), "an unknown topic")
    c.close()


if __name__ == "__main__":
    exit_with(main(Client, seconds=240))
