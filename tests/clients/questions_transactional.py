"""Transactions at the partition: batches, markers, what readers see, offsets of a group."""
import time

import raw
from question import case, difference
from questions_groups import quiet_member
from questions_idempotence import new_producer
from questions_transactions import Txn

MARKERS = {b"\0\0\0\0": "abort marker", b"\0\0\0\1": "commit marker"}


def records(q, t, sequence, *values, epoch=0, pid=0, **more):
    """A transactional batch of (P + pid, E + epoch)."""
    more.setdefault("attributes", 0x10)
    return raw.batch(values or (b"v",), timestamp=q.base, producer_id=t.pid + pid,
                     producer_epoch=t.epoch + epoch, base_sequence=sequence, **more)


def to_topic(q, topic, version, *parts):
    to = {"TopicId": q.id(topic)} if version >= 13 else {"Name": topic}
    return dict(to, PartitionData=[{"Index": i, "Records": r} for i, r in parts])


def send(q, t, topic, sequence, *values, version=12, note=None, index=0, id=None, **more):
    """One batch of a transaction; the note says which."""
    what = "sequence %d" % sequence + (", " + note if note else "")
    return q.ask("Produce", version, {
        "TransactionalId": t.id if id is None else id or None, "Acks": -1, "TimeoutMs": 5000,
        "TopicData": [to_topic(q, topic, version,
                               (index, records(q, t, sequence, *values, **more)))]}, note=what)


def shape(q):
    def one(batch):
        out = {k: batch[k] for k in ("BaseOffset", "ProducerId", "ProducerEpoch", "BaseSequence",
                                     "CrcOk")}
        if batch["Attributes"] & 0x20:
            out["Marker"] = MARKERS.get(batch["Keys"][0], batch["Keys"][0])
            out["Value"] = batch["Values"][0]
        else:
            out["Values"] = [v.decode() for v in batch["Values"]]
        out["Attributes"] = batch["Attributes"]
        return out

    def keep(answer):
        """Batches without their times; the aborted in the order of their first offsets."""
        out = []
        for topic in answer["Responses"]:
            for part in topic["Partitions"]:
                aborted = part["AbortedTransactions"]
                out.append(dict(
                    {k: part[k] for k in ("PartitionIndex", "ErrorCode", "HighWatermark",
                                          "LastStableOffset")},
                    AbortedTransactions=aborted and sorted(aborted, key=lambda a: a["FirstOffset"]),
                    Batches=[one(b) for b in raw.read_batches(part["Records"])]))
        return {"ErrorCode": answer.get("ErrorCode", 0), "Partitions": out}
    return keep


def fetch_body(q, topic, version, offset=0, isolation=1, wait=50, least=1, size=1 << 20, index=0):
    to = {"TopicId": q.id(topic)} if version >= 13 else {"Topic": topic}
    return {"MaxWaitMs": wait, "MinBytes": least, "ReplicaId": -1, "IsolationLevel": isolation,
            "Topics": [dict(to, Partitions=[{"Partition": index, "FetchOffset": offset,
                                             "PartitionMaxBytes": size}])]}


def fetch(q, topic, offset=0, isolation=1, version=12, note=None, **more):
    level = "read_committed" if isolation else "read_uncommitted"
    return q.ask("Fetch", version, fetch_body(q, topic, version, offset, isolation, **more),
                 note="%s from %d%s" % (level, offset, ", " + note if note else ""), keep=shape(q))


def ends(q, topic, version=7, isolations=(0, 1), times=(-1, -2), note=None):
    for isolation in isolations:
        for when in times:
            q.ask("ListOffsets", version, {
                "ReplicaId": -1, "IsolationLevel": isolation, "Topics": [{
                    "Name": topic, "Partitions": [{"PartitionIndex": 0, "Timestamp": when}]}]},
                note=note)


def producers(q, topic, note=None):
    q.ask("DescribeProducers", 0, {"Topics": [{"Name": topic, "PartitionIndexes": [0]}]}, note=note,
          keep=lambda a: sorted(a["Topics"][0]["Partitions"][0]["ActiveProducers"],
                                key=lambda p: p["ProducerId"]))


# ---- Produce

@case("transactional/produce_every_version")
def _(q):
    for version in (3, 7, 8, 9, 10, 11, 12, 13):
        t = Txn(q, "v%d" % version)
        name = q.topic("v%d" % version, 2)
        t.init(5 if version >= 12 else 4)
        if version < 12:
            send(q, t, name, 0, version=version, note="no transaction is open")
            t.begin((name, 1))
            send(q, t, name, 0, version=version, note="another partition is in it")
            t.begin((name, 0))
        send(q, t, name, 0, b"a", b"b", version=version)
        send(q, t, name, 2, b"c", version=version)
        send(q, t, name, 0, b"a", b"b", version=version, note="again")
        send(q, t, name, 9, b"z", version=version, note="a gap")
        t.describe()
        t.end(version=5 if version >= 12 else 4)
        fetch(q, name)


@case("transactional/produce_wrongly")
def _(q):
    for version in (8, 10, 11, 12, 13):
        t = Txn(q, "v%d" % version)
        name = q.topic("v%d" % version)
        t.init()
        t.init()
        t.init()
        if version < 12:
            t.begin((name, 0))
        send(q, t, name, 0, version=version, epoch=-1, note="epoch before")
        send(q, t, name, 0, version=version, epoch=1, note="epoch after")
        send(q, t, name, 0, version=version, pid=1000, note="another producer")
        send(q, t, name, 0, version=version, id=q.name("nobody"), note="unknown id")
        send(q, t, name, 0, version=version, id="", note="no id")
        send(q, t, name, 0, version=version)
        send(q, t, name, 1, version=version, epoch=-1, note="epoch before, in the log")
        send(q, t, name, 1, version=version, epoch=1, note="epoch after, in the log")
        send(q, t, name, 1, version=version, attributes=0, note="not transactional, while it is open")
        q.ask("Produce", version, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [to_topic(
            q, name, version, (0, records(q, t, 1, attributes=0)))]},
            note="not transactional and without an id, while it is open")
        send(q, t, name, 1, version=version, attributes=0x30, note="a marker")
        t.end(version=5 if version >= 12 else 4)
        fetch(q, name)


@case("transactional/produce_of_two_producers_in_a_request")
def _(q):
    for version in (10, 11, 12):
        one, two = Txn(q, "one%d" % version), Txn(q, "two%d" % version)
        name = q.topic("v%d" % version, 2)
        one.init()
        two.init()
        one.begin((name, 0))
        two.begin((name, 1))

        def ask(second, note):
            q.ask("Produce", version, {
                "TransactionalId": one.id, "Acks": -1, "TimeoutMs": 5000, "TopicData": [to_topic(
                    q, name, version, (0, records(q, one, 0)), (1, second))]}, note=note)
        ask(records(q, two, 0), "two producers")
        ask(records(q, one, 0, epoch=1), "two epochs")
        ask(records(q, two, 0, attributes=0), "the second is not transactional")
        ask(raw.batch((b"v",), timestamp=q.base), "the second has no producer")
        fetch(q, name)
        one.end(False)
        two.end(False)


@case("transactional/produce_to_some_of_a_transaction")
def _(q):
    for version in (10, 11, 12):
        t = Txn(q, "v%d" % version)
        name = q.topic("v%d" % version, 2)
        t.init()
        t.begin((name, 0))
        q.ask("Produce", version, {
            "TransactionalId": t.id, "Acks": -1, "TimeoutMs": 5000, "TopicData": [
                to_topic(q, name, version, (0, records(q, t, 0)), (1, records(q, t, 0)),
                         (7, records(q, t, 0)))]},
            note="one is in it, one is not, one does not exist")
        t.describe()
        t.end(version=5 if version >= 12 else 4)


@case("transactional/produce_after_the_end_tv1")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init(4)
    t.begin((name, 0))
    send(q, t, name, 0, b"a", b"b", version=11)
    t.end(version=4)
    send(q, t, name, 2, version=11, note="new, after the end")
    send(q, t, name, 2, version=10, note="new, after the end")
    t.begin((name, 0))
    send(q, t, name, 2, b"c", version=11, note="sequences go on over the marker")
    t.end(False, version=4)
    t.begin((name, 0))
    send(q, t, name, 3, b"d", version=11, note="and over an abort")
    t.end(version=4)
    t.init(4)
    t.begin((name, 0))
    send(q, t, name, 4, b"e", version=11, note="a new epoch starts at 0")
    send(q, t, name, 0, b"e", version=11)
    t.end(version=4)
    fetch(q, name)


@case("transactional/a_retry_after_the_end_tv1")
def _(q):
    # Kafka asks the coordinator before it looks for the batch among the five newest.
    t = Txn(q)
    name = q.topic("t")
    t.init(4)
    t.begin((name, 0))
    send(q, t, name, 0, b"a", b"b", version=11)
    t.end(version=4)
    send(q, t, name, 0, b"a", b"b", version=11, note="again, after the end")


@case("transactional/a_producer_starts_at_sequence_0")
def _(q):
    for version in (3, 8, 11, 12):
        t = Txn(q, "v%d" % version)
        name = q.topic("v%d" % version)
        t.init()
        if version < 12:
            t.begin((name, 0))
        send(q, t, name, 5, version=version)
        send(q, t, name, 6, version=version)
        send(q, t, name, 0, version=version)


@case("transactional/a_later_batch_does_not_overtake_a_refused_one")
def _(q):
    for version in (3, 8, 11):
        t = Txn(q, "v%d" % version)
        name = q.topic("v%d" % version)
        t.init(4)
        send(q, t, name, 0, version=version, note="the partition is not in it")
        t.begin((name, 0))
        send(q, t, name, 1, version=version, note="now it is in it")
        send(q, t, name, 0, version=version, note="the refused one, again")
        send(q, t, name, 1, version=version)
        t.end(version=4)
        fetch(q, name)


@case("transactional/produce_after_the_end_tv2")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    send(q, t, name, 0, b"a", b"b")
    t.end()
    send(q, t, name, 0, b"a", b"b", epoch=-1, note="again, after the end, with its epoch")
    send(q, t, name, 2, b"c", epoch=-1, note="new, after the end, with its epoch")
    send(q, t, name, 2, b"c", note="the next epoch starts at 0")
    send(q, t, name, 0, b"c")
    t.end(False)
    send(q, t, name, 0, b"d")
    t.end()
    fetch(q, name)
    producers(q, name)


@case("transactional/produce_with_acks")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    for acks in (0, 1):
        body = {"TransactionalId": t.id, "Acks": acks, "TimeoutMs": 5000, "TopicData": [
            to_topic(q, name, 12, (0, records(q, t, acks)))]}
        if acks:
            q.ask("Produce", 12, body, note="acks %d" % acks)
        else:
            q.main.send("Produce", 12, body, answered=False)
            q.quiet("ApiVersions", 0, {})
    t.end()
    fetch(q, name)


# ---- what readers see

@case("transactional/read_committed")
def _(q):
    name = q.topic("t")
    one, two, three = (Txn(q, n) for n in ("one", "two", "three"))
    for t in (one, two, three):
        t.init()
    send(q, one, name, 0, b"one")
    send(q, two, name, 0, b"two")
    fetch(q, name, note="both are open")
    fetch(q, name, isolation=0)
    ends(q, name)
    producers(q, name)
    two.end(False)
    fetch(q, name, note="the later one is aborted")
    ends(q, name)
    producers(q, name)
    send(q, three, name, 0, b"three")
    one.end()
    fetch(q, name, note="the first is committed")
    ends(q, name)
    send(q, two, name, 0, b"two again")
    three.end(False)
    fetch(q, name, note="the third is aborted")
    two.end()
    fetch(q, name, note="nothing is open")
    for offset in range(11):
        fetch(q, name, offset)
    fetch(q, name, 1, isolation=0)
    ends(q, name)
    producers(q, name)
    for version in (4, 7, 11, 13, 18):
        fetch(q, name, version=version)


def enough_is_listed(want, got):
    """Kafka lists what is aborted up to where an index entry lets it; what is returned counts."""
    if not isinstance(got, dict) or "Partitions" not in got:
        return difference(want, got)
    bare = [dict(a, Partitions=[dict(p, AbortedTransactions=0) for p in a["Partitions"]])
            for a in (want, got)]
    kafka, ours = (a["Partitions"][0]["AbortedTransactions"] for a in (want, got))
    end = max((b["BaseOffset"] for b in got["Partitions"][0]["Batches"]), default=-1)
    missing = [a for a in kafka or [] if a["FirstOffset"] <= end and a not in (ours or [])]
    more = [a for a in ours or [] if a not in (kafka or [])]
    if missing or more:
        return "aborted transactions: %s missing, %s too many" % (missing, more)
    return difference(*bare)


@case("transactional/read_committed_in_pieces", compare=enough_is_listed)
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    for n in range(4):
        send(q, t, name, 0, b"x" * 500)
        t.end(n % 2 == 0)
    for offset in range(9):
        fetch(q, name, offset, size=100, note="one batch at a time")
        fetch(q, name, offset, size=1200, note="two batches at a time")


@case("transactional/read_committed_of_plain_records")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    q.ask("Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [to_topic(
        q, name, 9, (0, raw.batch((b"plain",), timestamp=q.base)))]})
    send(q, t, name, 0, b"in it")
    q.ask("Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [to_topic(
        q, name, 9, (0, raw.batch((b"plain, too",), timestamp=q.base)))]},
        note="behind an open transaction")
    fetch(q, name)
    fetch(q, name, 1)
    fetch(q, name, 2, note="above the last stable offset")
    fetch(q, name, 3, note="at the high watermark")
    fetch(q, name, 4, note="beyond it")
    ends(q, name, times=(-1, -2, -3, 1, q.base))
    t.end()
    fetch(q, name, 1)
    ends(q, name, times=(-1, -2, -3, 1, q.base))


@case("transactional/list_offsets_every_version")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    send(q, t, name, 0, b"a")
    t.end()
    send(q, t, name, 0, b"b")
    for version in range(1, 12):
        ends(q, name, version, times=(-1,))
    t.end(False)
    ends(q, name, 11)


@case("transactional/list_offsets_of_a_level_that_there_is_not")
def _(q):
    ends(q, q.topic("t"), isolations=(7,), times=(-1,))


@case("transactional/a_parked_fetch_is_woken_by_the_end")
def _(q):
    for committed in (True, False):
        t = Txn(q, "t%s" % committed)
        name = q.topic("t%s" % committed)
        t.init()
        send(q, t, name, 0, b"a")
        c = q.open()
        body = fetch_body(q, name, 12, wait=8000)
        started = time.monotonic()
        c.send("Fetch", 12, body)
        time.sleep(0.2)
        t.end(committed)
        q.receive(c, "Fetch", 12, body, keep=shape(q))
        q.tell("it waited", {"AsLongAsItMay": time.monotonic() - started > 6})


@case("transactional/least_bytes_count_below_the_last_stable_offset")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    send(q, t, name, 0, b"x" * 1000)
    started = time.monotonic()
    fetch(q, name, wait=700, least=500)
    q.tell("it waited", {"AsLongAsItMay": time.monotonic() - started > 0.6})
    t.end()
    fetch(q, name, wait=700, least=500)


@case("transactional/a_fenced_producer_leaves_an_abort_marker")
def _(q):
    for version in (4, 5):
        t = Txn(q, "v%d" % version)
        name = q.topic("v%d" % version)
        t.init(version)
        t.begin((name, 0))
        send(q, t, name, 0, b"a", version=11 if version == 4 else 12)
        t.init(version)
        t.settled()
        fetch(q, name)
        producers(q, name)
        send(q, t, name, 1, b"b", version=11 if version == 4 else 12, note="by the fenced one")
        t.init(version)
        producers(q, name)


@case("transactional/a_transaction_times_out")
def _(q):
    # Both brokers look for them every ten seconds.
    t = Txn(q)
    name = q.topic("t")
    t.init(TransactionTimeoutMs=500)
    send(q, t, name, 0, b"a")
    for _ in range(300):
        state = q.quiet("DescribeTransactions", 0, {"TransactionalIds": [t.id]})
        if state["TransactionStates"][0]["TransactionState"] == "CompleteAbort":
            break
        time.sleep(0.1)
    t.describe()
    fetch(q, name)
    send(q, t, name, 1, b"b", note="too late")
    t.end(note="too late")
    t.end(version=4, note="too late")
    t.again(note="(P, E)")
    t.init()


@case("transactional/delete_records_under_an_open_one")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    send(q, t, name, 0, b"a")
    send(q, t, name, 1, b"b")
    q.ask("DeleteRecords", 2, {"TimeoutMs": 5000, "Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "Offset": 1}]}]})
    fetch(q, name, 1)
    ends(q, name)
    q.ask("DeleteRecords", 2, {"TimeoutMs": 5000, "Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0, "Offset": -1}]}]})
    ends(q, name)
    t.end()
    fetch(q, name, 2)
    ends(q, name)


@case("transactional/of_leader_epochs")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    send(q, t, name, 0, b"a")
    q.ask("OffsetForLeaderEpoch", 4, {"ReplicaId": -1, "Topics": [
        {"Topic": name, "Partitions": [{"Partition": 0, "LeaderEpoch": 0}]}]})
    t.end(False)


# ---- WriteTxnMarkers

def marker(t, topics, committed=False, pid=0, epoch=0, coordinator=0, version=0):
    return {"ProducerId": t.pid + pid, "ProducerEpoch": t.epoch + epoch,
            "TransactionResult": committed, "CoordinatorEpoch": coordinator,
            "TransactionVersion": version,
            "Topics": [{"Name": n, "PartitionIndexes": list(p)} for n, *p in topics]}


def write(q, version, *markers, note=None):
    return q.ask("WriteTxnMarkers", version, {"Markers": list(markers)}, note=note)


@case("transactional/markers_of_no_transaction")
def _(q):
    t = Txn(q)
    name = q.topic("t", 2)
    t.init()
    for version in (1, 2):
        write(q, version, marker(t, [(name, 0)], True), note="a producer without state")
        write(q, version, marker(t, [(name, 0)], True), note="again")
        write(q, version, marker(t, [(name, 0)], False), note="the other way")
        write(q, version, marker(t, [(name, 0, 1, 7), (q.name("nothing"), 0)], True),
              note="some are not there")
        write(q, version, note="none")
        write(q, version, marker(t, [], True), note="no topics")
    fetch(q, name)
    producers(q, name)


@case("transactional/markers_with_wrong_epochs")
def _(q):
    wrong_epochs(q, (1, 0), (2, 0))


@case("transactional/markers_with_wrong_epochs_tv2")
def _(q):
    wrong_epochs(q, (2, 2))


def wrong_epochs(q, *kinds):
    for version, level in kinds:
        t = Txn(q, "v%d.%d" % (version, level))
        name = q.topic("v%d.%d" % (version, level))
        t.init()
        t.init()
        write(q, version, marker(t, [(name, 0)], True, coordinator=5, version=level))
        for epoch in (-1, 0, 1, 0):
            write(q, version, marker(t, [(name, 0)], True, epoch=epoch, coordinator=5,
                                     version=level), note="epoch %+d" % epoch)
        write(q, version, marker(t, [(name, 0)], True, epoch=2, coordinator=4, version=level),
              note="coordinator epoch before")
        write(q, version, marker(t, [(name, 0)], True, epoch=2, coordinator=-1, version=level),
              note="coordinator epoch -1")
        write(q, version, marker(t, [(name, 0)], True, epoch=3, coordinator=9, version=level),
              note="coordinator epoch after")
        fetch(q, name)
        producers(q, name)


def refused_or_routed(want, got):
    """Kafka writes the marker and lets the coordinator believe that the transaction is open."""
    return None if "'Markers'" in str(got) else "no answer of WriteTxnMarkers: %s" % (got,)


@case("transactional/markers_of_a_transaction_that_its_coordinator_has_open",
      compare=refused_or_routed)
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    send(q, t, name, 0, b"a")
    q.steps.clear()  # only the marker's answer is the question
    write(q, 1, marker(t, [(name, 0)], False), note="as kafka-transactions.sh abort sends it")


# ---- TxnOffsetCommit, and what is read of it

def commit(q, t, group, version=5, topic=None, offset=5, note=None, generation=-1, member="",
           pid=0, epoch=0, id=None, partition=0, metadata="m"):
    body = dict(t.me(pid, epoch), GroupId=group, GenerationIdOrMemberEpoch=generation,
                MemberId=member, Topics=[{"Name": topic, "Partitions": [
                    {"PartitionIndex": partition, "CommittedOffset": offset,
                     "CommittedMetadata": metadata}]}])
    if id is not None:
        body["TransactionalId"] = id
    return q.ask("TxnOffsetCommit", version, body, note=note)


def committed(q, group, topic, stable=False, version=9, note=None):
    note = "%s%s" % ("stable" if stable else "as it is", ", " + note if note else "")
    if version < 8:
        return q.ask("OffsetFetch", version, {"GroupId": group, "RequireStable": stable, "Topics": [
            {"Name": topic, "PartitionIndexes": [0]}]}, note=note)
    return q.ask("OffsetFetch", version, {"RequireStable": stable, "Groups": [
        {"GroupId": group, "Topics": [{"Name": topic, "PartitionIndexes": [0]}]}]}, note=note)


@case("transactional/offsets_every_version")
def _(q):
    name = q.topic("t")
    for version in range(6):
        group = q.group("v%d" % version)
        t = Txn(q, "v%d" % version)
        t.init(5 if version >= 5 else 4)
        if version < 5:
            commit(q, t, group, version, name, note="the group is not in it")
            q.quiet("AddOffsetsToTxn", 3, dict(t.me(), GroupId=group))
        commit(q, t, group, version, name)
        committed(q, group, name)
        committed(q, group, name, True)
        t.end(version=5 if version >= 5 else 4)
        wait_stable(q, group, name)
        committed(q, group, name, True)
        q.quiet("AddOffsetsToTxn", 3, dict(t.me(), GroupId=group))
        commit(q, t, group, version, name, offset=9)
        t.end(False, version=5 if version >= 5 else 4)
        wait_stable(q, group, name)
        committed(q, group, name, True, note="after an abort")


def wait_stable(q, group, topic):
    """The group's marker may be behind the answer of the coordinator's state."""
    for _ in range(200):
        answer = q.quiet("OffsetFetch", 7, {"GroupId": group, "RequireStable": True, "Topics": [
            {"Name": topic, "PartitionIndexes": [0]}]})
        if not answer["Topics"][0]["Partitions"][0]["ErrorCode"]:
            return
        time.sleep(0.02)
    raise raw.Malformed("offsets do not become stable: %s" % answer)


@case("transactional/offsets_wrongly")
def _(q):
    name = q.topic("t")
    group = q.group("g")
    for version in (2, 3, 4, 5):
        t = Txn(q, "v%d" % version)
        t.init()
        t.init()
        q.quiet("AddOffsetsToTxn", 3, dict(t.me(), GroupId=group))
        commit(q, t, group, version, name, epoch=-1, note="epoch before")
        commit(q, t, group, version, name, epoch=1, note="epoch after")
        commit(q, t, group, version, name, pid=1000, note="another producer")
        commit(q, t, group, version, name, id=q.name("nobody"), note="unknown id")
        commit(q, t, group, version, name, id="", note="empty id")
        commit(q, t, "", version, name, note="empty group")
        commit(q, t, group, version, q.name("nothing"), note="a topic that is not there")
        commit(q, t, group, version, name, partition=7, note="a partition that is not there")
        commit(q, t, group, version, name, metadata="x" * 5000, note="metadata too large")
        if version >= 3:
            commit(q, t, group, version, name, generation=1, member="nobody",
                   note="no group, a generation")
            commit(q, t, group, version, name, member="nobody", note="no group, a member")
        t.end(False, version=4)


@case("transactional/offsets_of_a_member")
def _(q):
    name, group = q.topic("t"), q.group("g")
    member, generation = quiet_member(q, group)
    for version in (3, 4, 5):
        t = Txn(q, "v%d" % version)
        t.init()
        q.quiet("AddOffsetsToTxn", 3, dict(t.me(), GroupId=group))
        commit(q, t, group, version, name, generation=generation, member=member)
        commit(q, t, group, version, name, generation=generation + 1, member=member,
               note="generation after")
        commit(q, t, group, version, name, generation=generation - 1, member=member,
               note="generation before")
        commit(q, t, group, version, name, generation=generation, member="nobody",
               note="another member")
        commit(q, t, group, version, name, note="as if outside of the group")
        t.end()
        wait_stable(q, group, name)
        committed(q, group, name, True)


@case("transactional/offsets_that_are_staged")
def _(q):
    name, group = q.topic("t", 2), q.group("g")
    plain = {"GroupId": group, "Topics": [{"Name": name, "Partitions": [
        {"PartitionIndex": 0, "CommittedOffset": 1}]}]}
    q.ask("OffsetCommit", 8, plain)
    one, two = Txn(q, "one"), Txn(q, "two")
    one.init()
    two.init()
    commit(q, one, group, topic=name, offset=10, note="staged")
    for version in (7, 8, 9):
        committed(q, group, name, False, version)
        committed(q, group, name, True, version)
    commit(q, two, group, topic=name, offset=20, note="staged by another one")
    one.end(False)
    committed(q, group, name, True, note="one of two is aborted")
    plain["Topics"][0]["Partitions"][0]["CommittedOffset"] = 2
    q.ask("OffsetCommit", 8, plain, note="a plain one behind the staged one")
    committed(q, group, name)
    two.end()
    wait_stable(q, group, name)
    committed(q, group, name, True, note="the plain one was later")
    q.ask("OffsetFetch", 9, {"RequireStable": True, "Groups": [
        {"GroupId": group, "Topics": None}]}, note="all of them")
    commit(q, two, group, topic=name, offset=30, note="staged")
    q.ask("OffsetFetch", 9, {"RequireStable": True, "Groups": [
        {"GroupId": group, "Topics": None}]}, note="all of them, one is staged")
    q.ask("DeleteGroups", 2, {"GroupsNames": [group]}, note="while an offset is staged")
    two.end()
    committed(q, group, name)


# ---- DescribeProducers

@case("transactional/producers")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    plain = new_producer(q)
    q.number_producer(plain)
    q.ask("Produce", 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [to_topic(q, name, 9, (
        0, raw.batch((b"v",), timestamp=q.base, producer_id=plain, producer_epoch=0,
                     base_sequence=0)))]})
    t.begin((name, 0))
    producers(q, name, note="registered, nothing written")
    send(q, t, name, 0, b"a")
    send(q, t, name, 1, b"b")
    producers(q, name)
    t.end()
    producers(q, name, note="committed")
    send(q, t, name, 0, b"c")
    producers(q, name)
    t.end(False)
    producers(q, name, note="aborted")
