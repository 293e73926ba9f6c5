"""Produce: what is taken, what is refused, and what is found afterwards."""
import raw
from question import case


def produce(q, topic, records, version=9, acks=-1, index=0, note=None, **more):
    """One partition's records to one topic, by name below version 13 and by id from there."""
    to = {"TopicId": q.ids.get(topic, topic)} if version >= 13 else {"Name": topic}
    to["PartitionData"] = [{"Index": index, "Records": records}]
    return q.ask("Produce", version, dict(
        {"Acks": acks, "TimeoutMs": 5000, "TopicData": [to]}, **more), note=note)


def stored(q, topic, note=None):
    """What a consumer finds in partition 0."""
    body = {"MaxWaitMs": 200, "MinBytes": 1, "Topics": [{"Topic": topic, "Partitions": [
        {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}]}]}
    part = q.quiet("Fetch", 11, body)["Responses"][0]["Partitions"][0]
    batches = raw.read_batches(part["Records"])
    q.tell("what is stored" + (", " + note if note else ""), {
        "HighWatermark": part["HighWatermark"], "LogStartOffset": part["LogStartOffset"],
        "Batches": batches})
    return batches


def good(q, *values, **more):
    return raw.batch(values or (b"v",), timestamp=more.pop("timestamp", q.base), **more)


@case("produce/every_version")
def _(q):
    name = q.topic("t")
    for version in range(3, 14):
        produce(q, name, good(q, b"a", b"b"), version=version)
    stored(q, name)


@case("produce/acks")
def _(q):
    name = q.topic("t")
    for acks in (-1, 1, 2, -2, 32767):
        produce(q, name, good(q), acks=acks)
    to = [{"Name": name, "PartitionData": [{"Index": 0, "Records": good(q)}]}]
    q.main.send("Produce", 9, {"Acks": 0, "TimeoutMs": 5000, "TopicData": to}, answered=False)
    q.ask("ApiVersions", 0, {}, note="the next answer after acks=0 belongs to the next request",
          keep=lambda a: {"ErrorCode": a["ErrorCode"]})
    bad = [{"Name": name, "PartitionData": [{"Index": 0, "Records": good(q, crc=1)}]}]
    c = q.open()
    c.send("Produce", 9, {"Acks": 0, "TimeoutMs": 5000, "TopicData": bad}, answered=False)
    try:
        c.ask("ApiVersions", 0, {})
        q.tell("ApiVersions after acks=0 with a bad batch", "answered")
    except raw.Closed:
        q.tell("ApiVersions after acks=0 with a bad batch", "connection closed")
    stored(q, name)


@case("produce/to_what_is_not_there")
def _(q):
    name = q.topic("t")
    produce(q, q.name("nothing"), good(q))
    produce(q, "bad name", good(q))
    produce(q, "", good(q))
    produce(q, name, good(q), index=1)
    produce(q, name, good(q), index=-1)
    produce(q, "5" * 32, good(q), version=13)
    produce(q, raw.NO_ID, good(q), version=13)
    produce(q, name, good(q), version=13, index=1)
    produce(q, q.name("nothing"), good(q), version=3)
    q.ask("Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": []})


@case("produce/some_good_some_bad")
def _(q):
    name = q.topic("t", 2)
    q.ask("Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [
        {"Name": q.name("nothing"), "PartitionData": [{"Index": 0, "Records": good(q)}]},
        {"Name": name, "PartitionData": [{"Index": 0, "Records": good(q)},
                                         {"Index": 1, "Records": good(q, crc=5)},
                                         {"Index": 2, "Records": good(q)}]}]})
    stored(q, name)


@case("produce/one_partition_twice_in_a_request")
def _(q):
    name = q.topic("t")
    q.ask("Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [
        {"Name": name, "PartitionData": [{"Index": 0, "Records": good(q, b"1")},
                                         {"Index": 0, "Records": good(q, b"2")}]}]})
    stored(q, name)


@case("produce/batches_that_are_damaged")
def _(q):
    name = q.topic("t")
    whole = good(q, b"a", b"b", b"c")
    produce(q, name, good(q, crc=0x12345678), note="wrong crc")
    produce(q, name, whole[:-1], note="last byte missing")
    produce(q, name, whole[:40], note="cut in the header")
    produce(q, name, whole[:11], note="cut before the length")
    produce(q, name, whole + b"\0", note="one byte more")
    produce(q, name, whole + whole[:30], note="a second batch, cut")
    produce(q, name, good(q, length=10), note="length smaller than a header")
    produce(q, name, good(q, length=-1), note="negative length")
    produce(q, name, good(q, length=1 << 30), note="length beyond the request")
    produce(q, name, b"", note="empty")
    for magic in (0, 1, 3, 127, 255):
        produce(q, name, good(q, magic=magic), note="magic %d" % magic)
    stored(q, name)


def refused(want, got):
    """Kafka never answers this one; any answer but success will do."""
    return "taken" if "'ErrorCode': 0" in str(got) else None


@case("produce/null_records", compare=refused)
def _(q):
    produce(q, q.topic("t"), None)


@case("produce/two_batches_in_one_partition")
def _(q):
    name = q.topic("t")
    for version in (3, 9):
        produce(q, name, good(q, b"a") + good(q, b"b", base_offset=1), version=version)
    stored(q, name)


@case("produce/counts_and_offsets")
def _(q):
    name = q.topic("t")
    for note, more in (("count too small", {"count": 1}), ("count too large", {"count": 3}),
                       ("count 0", {"count": 0}), ("count -1", {"count": -1}),
                       ("last delta too small", {"last_offset_delta": 0}),
                       ("last delta too large", {"last_offset_delta": 2}),
                       ("last delta negative", {"last_offset_delta": -1}),
                       ("base offset 7", {"base_offset": 7}),
                       ("base offset -1", {"base_offset": -1}),
                       ("leader epoch 9", {"leader_epoch": 9})):
        produce(q, name, good(q, b"a", b"b", **more), note=note)
    empty = raw.batch((), timestamp=q.base, records=b"", count=0, last_offset_delta=0)
    produce(q, name, empty, note="no records, count 0")
    produce(q, name, raw.batch((), timestamp=q.base, records=b"", count=0, last_offset_delta=-1),
            note="no records, last delta -1")

    def deltas(*numbers):
        records = b"".join(raw.record(n, b"k", b"v") for n in numbers)
        return good(q, *[b"v"] * len(numbers), records=records)
    produce(q, name, deltas(0, 2), note="record offset deltas 0 2")
    produce(q, name, deltas(1, 0), note="record offset deltas 1 0")
    produce(q, name, deltas(0, 0), note="record offset deltas 0 0")
    produce(q, name, deltas(-1, 0), note="record offset deltas -1 0")
    stored(q, name)


@case("produce/records_that_are_damaged")
def _(q):
    name = q.topic("t")
    whole = raw.record(0, b"k", b"v")

    def send(note, records, count=1):
        produce(q, name, good(q, *[b"v"] * count, records=records), note=note)
    send("record cut", whole[:-1])
    send("bytes after the last record", whole + b"\0\0\0")
    send("record length too small", raw.varint(3) + whole[1:])
    send("record length too large", raw.varint(30) + whole[1:])
    send("record length negative", raw.varint(-5) + whole[1:])
    send("record attributes set", raw.record(0, b"k", b"v", attributes=0x55))
    send("null header key", raw.record(0, b"k", b"v", headers=[(None, b"x")]))
    send("header key not UTF-8", raw.record(0, b"k", b"v", headers=[(b"\xff\xfe", b"x")]))
    send("headers", raw.record(0, b"k", b"v", headers=[(b"a", b"x"), (b"", None), (b"a", b"")]))
    send("null key and value", raw.record(0, None, None))
    send("empty key and value", raw.record(0, b"", b""))
    body = whole[1:]
    send("header count too large", raw.varint(len(body)) + body[:-1] + raw.varint(50))
    send("header count negative", raw.varint(len(body)) + body[:-1] + raw.varint(-1))
    stored(q, name)


@case("produce/attributes")
def _(q):
    name = q.topic("t")
    for note, attributes in (("control", 0x20), ("transactional", 0x10),
                             ("control and transactional", 0x30), ("log append time", 0x08),
                             ("delete horizon", 0x40), ("unused bit", 0x80),
                             ("unused high bit", 0x4000)):
        produce(q, name, good(q, attributes=attributes), note=note)
    produce(q, name, good(q, attributes=0x10, producer_id=1000, producer_epoch=0,
                          base_sequence=0), note="transactional with a producer, no transaction")
    stored(q, name)


@case("produce/codecs")
def _(q):
    name = q.topic("t")
    produce(q, name, good(q, b"a", b"b", codec="gzip"), note="gzip")
    for kind in (1, 2, 3, 4):
        produce(q, name, good(q, records=b"not compressed at all", attributes=kind),
                note="codec %d, garbage" % kind)
    for kind in (5, 6, 7):
        produce(q, name, good(q, attributes=kind), note="codec %d" % kind)
    produce(q, name, good(q, attributes=4), version=6, note="zstd before version 7")
    produce(q, name, good(q, b"a", b"b", codec="gzip", count=3, last_offset_delta=2),
            note="gzip, count too large")
    produce(q, name, good(q, b"a", b"b", codec="gzip", count=1, last_offset_delta=0),
            note="gzip, count too small")
    produce(q, name, good(q, b"a", records=raw.record(0, b"k", b"v") + b"\0\0", codec="gzip"),
            note="gzip, bytes after the last record")
    produce(q, name, good(q, b"", records=b"", codec="gzip"), note="gzip of nothing, count 1")
    stored(q, name)


@case("produce/a_topic_with_its_own_codec")
def _(q):
    name = q.topic("t", compression_type="gzip")
    produce(q, name, good(q, b"x" * 200))
    batches = stored_shape(q, name)
    plain = q.topic("plain", compression_type="uncompressed")
    produce(q, plain, good(q, b"x" * 200, codec="gzip"))
    stored_shape(q, plain)
    same = q.topic("same", compression_type="gzip")
    produce(q, same, good(q, b"x" * 200, codec="gzip"))
    stored_shape(q, same)
    assert batches


def stored_shape(q, topic):
    body = {"MaxWaitMs": 200, "MinBytes": 1, "Topics": [{"Topic": topic, "Partitions": [
        {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}]}]}
    part = q.quiet("Fetch", 11, body)["Responses"][0]["Partitions"][0]
    batches = raw.read_batches(part["Records"])
    q.tell("codecs of what is stored", {"Codecs": [b["Attributes"] & 7 for b in batches]})
    return batches


@case("produce/size_limit")
def _(q):
    name = q.topic("t", max_message_bytes="1000")
    head = len(good(q, b""))
    fits = 1000 - head - 3  # three more bytes: the lengths of value and record grow by one each
    for size in range(fits - 2, fits + 4):
        records = good(q, b"x" * size)
        produce(q, name, records, note="batch of %d bytes" % len(records))
    produce(q, name, good(q, b"x" * 600) + good(q, b"y" * 600), note="two that fit each")
    produce(q, name, good(q, b"x" * 5000, codec="gzip"), note="fits only compressed")
    produce(q, name, good(q, b"x" * 5000), version=13)


@case("produce/compacted_topic_needs_keys")
def _(q):
    name = q.topic("t", cleanup_policy="compact")
    produce(q, name, good(q, key=None))
    produce(q, name, good(q, key=b""))
    mixed = raw.record(0, b"k", b"v") + raw.record(1, None, b"v") + raw.record(2, None, b"v")
    produce(q, name, good(q, b"a", b"b", b"c", records=mixed), version=8)
    produce(q, name, good(q, b"a", b"b", b"c", records=mixed), version=7)
    produce(q, name, good(q, key=None, codec="gzip"))
    stored(q, name)


@case("produce/timestamps")
def _(q):
    name = q.topic("t")
    day = 86400000
    for note, time in (("-1", -1), ("-2", -2), ("0", 0), ("a day ahead", q.base + day),
                       ("an hour back", q.base - day // 24)):
        produce(q, name, good(q, timestamp=time), note=note)
    produce(q, name, good(q, max_timestamp=q.base + 50), note="max timestamp too large")
    produce(q, name, good(q, max_timestamp=-1), note="max timestamp -1")
    some = raw.record(0, b"k", b"v") + raw.record(1, b"k", b"v", timestamp_delta=day)
    produce(q, name, good(q, b"a", b"b", records=some, max_timestamp=q.base + day),
            note="second record a day ahead")
    narrow = q.topic("narrow", message_timestamp_before_max_ms="1000",
                     message_timestamp_after_max_ms="1000")
    produce(q, narrow, good(q), note="two hours old, one second allowed")
    produce(q, narrow, good(q, timestamp=q.base + day), note="a day ahead, one second allowed")
    produce(q, narrow, good(q, codec="gzip"), note="old and compressed")


@case("produce/log_append_time")
def _(q):
    name = q.topic("t", message_timestamp_type="LogAppendTime")
    produce(q, name, good(q, b"a", b"b"))
    produce(q, name, good(q, b"a", timestamp=-1))
    produce(q, name, good(q, b"a", codec="gzip"))
    body = {"MaxWaitMs": 200, "MinBytes": 1, "Topics": [{"Topic": name, "Partitions": [
        {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}]}]}
    part = q.quiet("Fetch", 11, body)["Responses"][0]["Partitions"][0]
    q.tell("what is stored", [{k: b[k] for k in ("BaseOffset", "CrcOk", "Attributes", "MaxTimestamp")}
                              for b in raw.read_batches(part["Records"])])


@case("produce/to_internal_topics")
def _(q):
    q.group("g")
    produce(q, "__consumer_offsets", good(q))
