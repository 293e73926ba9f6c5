"""ListOffsets, OffsetForLeaderEpoch, DeleteRecords."""
import raw
from question import case
from questions_fetch import fill


def list_offsets(q, topic, *times, version=11, note=None, index=0, epoch=-1, **more):
    q.ask("ListOffsets", version, dict({"ReplicaId": -1, "Topics": [
        {"Name": topic, "Partitions": [
            {"PartitionIndex": index, "CurrentLeaderEpoch": epoch, "Timestamp": t}
            for t in times]}]}, **more), note=note)


SPECIAL = {-1: "latest", -2: "earliest", -3: "greatest timestamp", -4: "earliest local",
           -5: "latest tiered", -6: "earliest pending upload", -7: "no meaning"}


def every_special(q, name):
    for time, what in SPECIAL.items():
        list_offsets(q, name, time, note=what)


@case("offsets/special_timestamps_of_an_empty_partition")
def _(q):
    name = q.topic("t")
    every_special(q, name)
    list_offsets(q, name, 0)
    list_offsets(q, name, q.base)


@case("offsets/special_timestamps_of_a_partition")
def _(q):
    name = q.topic("t")
    for n in (0, 10, 20):
        send(q, name, q.base + n)
    send(q, name, q.base + 5)
    every_special(q, name)


@case("offsets/special_timestamps_after_delete_records")
def _(q):
    name = q.topic("t")
    for n in (20, 10, 0):
        send(q, name, q.base + n)
    delete(q, name, 1, note="the greatest timestamp goes")
    every_special(q, name)
    list_offsets(q, name, 0)
    delete(q, name, -1, note="everything goes")
    every_special(q, name)
    list_offsets(q, name, 0)


@case("offsets/special_timestamps_by_version")
def _(q):
    name = q.topic("t")
    send(q, name, q.base)
    for version in (1, 2, 5, 6, 7, 8, 9, 10):
        for time in SPECIAL:
            list_offsets(q, name, time, version=version, note=SPECIAL[time])


def send(q, topic, *times):
    records = b"".join(raw.record(i, b"k", b"v", timestamp_delta=t - times[0])
                       for i, t in enumerate(times))
    batch = raw.batch([b"v"] * len(times), records=records, timestamp=times[0],
                      max_timestamp=max(times))
    answer = q.quiet("Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [
        {"Name": topic, "PartitionData": [{"Index": 0, "Records": batch}]}]})
    assert not answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"], answer


@case("offsets/by_time")
def _(q):
    name = q.topic("t")
    send(q, name, q.base, q.base + 10, q.base + 20)
    send(q, name, q.base + 30, q.base + 25)
    send(q, name, q.base + 15)
    send(q, name, q.base + 40)
    for n in (-1, 0, 1, 10, 15, 20, 21, 26, 30, 31, 40, 41):
        list_offsets(q, name, q.base + n, note="base+%d" % n)
    list_offsets(q, name, 0)
    list_offsets(q, name, q.base + 15, version=1)
    list_offsets(q, name, -3, note="greatest timestamp, with equal ones before")
    send(q, name, q.base + 40)
    list_offsets(q, name, -3, note="greatest timestamp, twice there")
    send(q, name, q.base + 50, q.base + 60, q.base + 55)
    list_offsets(q, name, -3, note="greatest timestamp, inside a batch")


@case("offsets/of_what_is_not_there")
def _(q):
    name = q.topic("t")
    list_offsets(q, q.name("nothing"), -1)
    list_offsets(q, name, -1, index=1)
    list_offsets(q, name, -1, index=-1)
    list_offsets(q, name, -1, epoch=0)
    list_offsets(q, name, -1, epoch=1)
    list_offsets(q, name, -1, -2, note="one partition twice")
    list_offsets(q, name, -1, IsolationLevel=1)
    list_offsets(q, "bad name", -1)
    q.ask("ListOffsets", 11, {"ReplicaId": -1, "Topics": []})
    q.ask("ListOffsets", 11, {"ReplicaId": -2, "Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]})


@case("offsets/of_leader_epochs")
def _(q):
    name = q.topic("t")

    def ask(epoch, current=-1, version=4, topic=name, index=0, note=None):
        q.ask("OffsetForLeaderEpoch", version, {"ReplicaId": -1, "Topics": [
            {"Topic": topic, "Partitions": [{"Partition": index, "CurrentLeaderEpoch": current,
                                             "LeaderEpoch": epoch}]}]}, note=note)
    for note in ("empty", "with records"):
        for epoch in (0, 1, 5, -1, -2):
            ask(epoch, note="%s, epoch %d" % (note, epoch))
        fill(q, name, b"a", b"b")
    ask(0, current=0)
    ask(0, current=1)
    ask(5, current=5)
    ask(0, index=1)
    ask(0, topic=q.name("nothing"))
    ask(0, version=2)
    ask(0, version=3)


def delete(q, topic, offset, index=0, version=2, note=None, **more):
    q.ask("DeleteRecords", version, dict({"TimeoutMs": 5000, "Topics": [
        {"Name": topic, "Partitions": [{"PartitionIndex": index, "Offset": offset}]}]}, **more),
        note=note)


@case("offsets/delete_records")
def _(q):
    name = q.topic("t")
    delete(q, name, -1, note="of an empty partition")
    delete(q, name, 0, note="of an empty partition")
    delete(q, name, 1, note="of an empty partition")
    fill(q, name, b"a", b"b", b"c", b"d")
    delete(q, name, 5, note="beyond the end")
    delete(q, name, 2)
    delete(q, name, 1, note="gone already")
    delete(q, name, 2, note="as before")
    delete(q, name, -2)
    delete(q, name, 3, version=0)
    delete(q, name, -1)
    delete(q, name, 0, index=1)
    delete(q, q.name("nothing"), 0)
    delete(q, "bad name", 0)
    q.ask("DeleteRecords", 2, {"TimeoutMs": 5000, "Topics": []})
    q.ask("DeleteRecords", 2, {"TimeoutMs": 5000, "Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "Offset": 4},
                                      {"PartitionIndex": 0, "Offset": 4}]}]}, note="twice")


@case("offsets/delete_records_inside_a_batch")
def _(q):
    name = q.topic("t")
    fill(q, name, b"a", b"b", b"c", b"d", each=False)
    delete(q, name, 2)
    list_offsets(q, name, -2)
    list_offsets(q, name, 0, note="by time")
    body = {"MaxWaitMs": 100, "MinBytes": 1, "Topics": [{"Topic": name, "Partitions": [
        {"Partition": 0, "FetchOffset": 2, "PartitionMaxBytes": 1 << 20}]}]}
    part = q.quiet("Fetch", 11, body)["Responses"][0]["Partitions"][0]
    q.tell("fetch from 2", {"ErrorCode": part["ErrorCode"], "LogStartOffset": part["LogStartOffset"],
                            "Bases": [b["BaseOffset"] for b in raw.read_batches(part["Records"])]})


@case("offsets/delete_records_of_a_compacted_topic")
def _(q):
    name = q.topic("t", cleanup_policy="compact")
    fill(q, name, b"a")
    delete(q, name, 1)
    both = q.topic("both", cleanup_policy="compact,delete")
    fill(q, both, b"a")
    delete(q, both, 1)


@case("offsets/delete_records_of_an_internal_topic")
def _(q):
    q.group("g")
    delete(q, "__consumer_offsets", 0)
