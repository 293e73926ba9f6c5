"""Fetch: bounds, limits, epochs, ids and sessions."""
import raw
from question import case


def fill(q, topic, *values, index=0, each=True):
    """One batch a value (each), or all values in one batch."""
    for group in [[v] for v in values] if each else [values]:
        answer = q.quiet("Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [
            {"Name": topic, "PartitionData": [
                {"Index": index, "Records": raw.batch(group, timestamp=q.base)}]}]})
        assert not answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"], answer


def batches(answer):
    """Show records as what a consumer reads from them."""
    for topic in answer["Responses"]:
        for part in topic["Partitions"]:
            part["Records"] = None if part["Records"] is None else [
                [b["BaseOffset"], b["LastOffsetDelta"], b["LeaderEpoch"]]
                for b in raw.read_batches(part["Records"])]
    return answer


def part(offset, index=0, max_bytes=1 << 20, **more):
    return dict({"Partition": index, "FetchOffset": offset, "PartitionMaxBytes": max_bytes}, **more)


def fetch(q, topic, *parts, version=12, note=None, on=None, forget=None, **more):
    body = {"MaxWaitMs": 100, "MinBytes": 1, "ReplicaId": -1}
    body.update(more)
    if topic is not None:
        to = {"TopicId": q.ids.get(topic, topic)} if version >= 13 else {"Topic": topic}
        body["Topics"] = [dict(to, Partitions=list(parts))]
    if forget:
        body["ForgottenTopicsData"] = [dict(
            {"TopicId": q.ids[topic_] if version >= 13 else ""} if version >= 13
            else {"Topic": topic_}, Partitions=indexes) for topic_, indexes in forget]
    if version >= 15:
        body.pop("ReplicaId")
    return q.ask("Fetch", version, body, on=on, note=note, keep=batches)


@case("fetch/every_version")
def _(q):
    name = q.topic("t")
    fill(q, name, b"a", b"b")
    for version in range(4, 19):
        fetch(q, name, part(0), version=version)


@case("fetch/offsets_in_and_out_of_range")
def _(q):
    name, empty = q.topic("t"), q.topic("empty")
    fetch(q, empty, part(0))
    fetch(q, empty, part(1))
    fill(q, name, b"a", b"b", b"c")
    for offset in (0, 1, 3, 4, -1, -2, 1 << 62):
        fetch(q, name, part(offset), note="offset %d of 0..3" % offset)
    q.quiet("DeleteRecords", 2, {"TimeoutMs": 5000, "Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "Offset": 2}]}]})
    for offset in (0, 1, 2):
        fetch(q, name, part(offset), note="offset %d of 2..3" % offset)


@case("fetch/from_inside_a_batch")
def _(q):
    name = q.topic("t")
    fill(q, name, b"a", b"b", b"c", each=False)
    fill(q, name, b"d")
    for offset in range(5):
        fetch(q, name, part(offset), note="offset %d" % offset)


@case("fetch/what_is_not_there")
def _(q):
    name = q.topic("t")
    fetch(q, q.name("nothing"), part(0))
    fetch(q, name, part(0, index=1))
    fetch(q, name, part(0, index=-1))
    fetch(q, "5" * 32, part(0), version=13)
    fetch(q, raw.NO_ID, part(0), version=13)
    fetch(q, name, part(0, index=1), version=13)
    fetch(q, "", part(0))
    fetch(q, None, note="no topics")
    fetch(q, name, note="no partitions")


@case("fetch/leader_epochs")
def _(q):
    name = q.topic("t")
    fill(q, name, b"a")
    for epoch in (-1, 0, 1, 1 << 30):
        fetch(q, name, part(0, CurrentLeaderEpoch=epoch), note="current epoch %d" % epoch)
    for epoch in (0, 1):
        fetch(q, name, part(1, LastFetchedEpoch=epoch), note="last fetched epoch %d" % epoch)
    fetch(q, name, part(0, CurrentLeaderEpoch=1), version=18)


@case("fetch/limits")
def _(q):
    name = q.topic("t", 2)
    fill(q, name, b"a" * 500, b"b" * 500, b"c" * 500)
    fill(q, name, b"d" * 500, b"e" * 500, index=1)
    both = (part(0), part(0, index=1))
    size = len(raw.batch([b"a" * 500], timestamp=0))
    fetch(q, name, part(0, max_bytes=1), note="partition limit 1")
    fetch(q, name, part(0, max_bytes=0), note="partition limit 0")
    fetch(q, name, part(0, max_bytes=-1), note="partition limit -1")
    fetch(q, name, part(0, max_bytes=size), note="partition limit of one batch")
    fetch(q, name, part(0, max_bytes=2 * size), note="partition limit of two batches")
    fetch(q, name, *both, MaxBytes=1, note="limit 1")
    fetch(q, name, *both, MaxBytes=0, note="limit 0")
    fetch(q, name, *both, MaxBytes=3 * size, note="limit of three batches")
    fetch(q, name, *both, MaxBytes=4 * size, note="limit of four batches")
    fetch(q, name, part(3), part(0, index=1), MaxBytes=1, note="limit 1, first partition at its end")
    fetch(q, name, part(0), MinBytes=0, note="least bytes 0")
    fetch(q, name, part(3), MinBytes=0, note="least bytes 0, nothing there")
    fetch(q, name, part(0), MinBytes=1 << 30, note="more than there is")
    fetch(q, name, part(3), MaxWaitMs=0)
    fetch(q, name, part(0, max_bytes=size + 30), note="partition limit of one batch and a bit")


@case("fetch/same_partition_twice")
def _(q):
    name = q.topic("t")
    fill(q, name, b"a", b"b")
    fetch(q, name, part(0), part(1))


@case("fetch/read_committed")
def _(q):
    name = q.topic("t")
    fill(q, name, b"a")
    for version in (4, 12):
        fetch(q, name, part(0), version=version, IsolationLevel=1)
    fetch(q, name, part(0), IsolationLevel=7)


@case("fetch/as_a_replica")
def _(q):
    name = q.topic("t")
    fill(q, name, b"a")
    fetch(q, name, part(0), ReplicaId=q.broker_id() + 1000)
    fetch(q, name, part(0), ReplicaId=-2)


@case("fetch/long_poll_wakes")
def _(q):
    name = q.topic("t")
    c = q.open()
    body = {"MaxWaitMs": 8000, "MinBytes": 1, "ReplicaId": -1,
            "Topics": [{"Topic": name, "Partitions": [part(0)]}]}
    c.send("Fetch", 12, body)
    fill(q, name, b"a")
    q.receive(c, "Fetch", 12, body, keep=batches)


for version in (12, 18):
    @case("fetch/session_v%d" % version)
    def _(q, version=version):
        name, other = q.topic("t", 2), q.topic("other")
        fill(q, name, b"a")
        more = {"version": version}
        first = fetch(q, name, part(0), part(0, index=1), SessionEpoch=0, note="new session", **more)
        number = first["SessionId"]
        q.tell("session", {"Given": number > 0})
        more["SessionId"] = number
        fetch(q, None, SessionEpoch=1, note="as before: record comes again", **more)
        fetch(q, name, part(1), SessionEpoch=2, note="moved on: nothing new", **more)
        fill(q, name, b"b", index=1)
        fetch(q, None, SessionEpoch=3, note="one partition has news", **more)
        fetch(q, other, part(0), SessionEpoch=4, note="a partition more", **more)
        fetch(q, None, SessionEpoch=5, forget=[(name, [1])], note="forgotten", **more)
        fill(q, name, b"c", index=1)
        fetch(q, None, SessionEpoch=6, note="news only in what was forgotten", **more)
        fetch(q, name, part(99), SessionEpoch=7, note="out of range", **more)
        fetch(q, None, SessionEpoch=8, note="still out of range", **more)
        fetch(q, None, SessionEpoch=8, note="same epoch again", **more)
        fetch(q, None, SessionEpoch=50, note="epoch ahead", **more)
        fetch(q, name, part(1), SessionEpoch=-1, note="closing", **more)
        fetch(q, None, SessionEpoch=9, note="closed", **more)


@case("fetch/session_errors")
def _(q):
    name = q.topic("t")
    fill(q, name, b"a")
    fetch(q, name, part(0), SessionId=123456789, SessionEpoch=1, note="unknown session")
    fetch(q, name, part(0), SessionId=123456789, SessionEpoch=-1, note="closing an unknown session")
    fetch(q, name, part(0), SessionId=123456789, SessionEpoch=0, note="new in place of an unknown")
    fetch(q, name, part(0), SessionId=0, SessionEpoch=1, note="id 0 with an epoch")
    fetch(q, name, part(0), SessionId=0, SessionEpoch=-1, note="no session wanted")
    fetch(q, None, SessionId=0, SessionEpoch=0, note="new, of nothing")
    fetch(q, name, part(0), SessionId=0, SessionEpoch=-2, note="epoch -2")


@case("fetch/session_over_a_deleted_topic")
def _(q):
    name = q.topic("t")
    fill(q, name, b"a")
    number = fetch(q, name, part(1), SessionEpoch=0, version=13)["SessionId"]
    q.quiet("DeleteTopics", 6, {"Topics": [{"Name": name}], "TimeoutMs": 5000})
    for _ in range(100):
        parts = q.quiet("ListOffsets", 7, {"ReplicaId": -1, "Topics": [
            {"Name": name, "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]})
        if parts["Topics"][0]["Partitions"][0]["ErrorCode"] == 3:
            break
    fetch(q, None, SessionId=number, SessionEpoch=1, version=13)
    fetch(q, name, part(1), SessionEpoch=0, version=13, note="new session")
