"""The attacks: each sends what one greedy, broken or hostile client can send.

Sizes are what once killed a broker in 4 GiB or stopped all its clients, cut to what half a GiB and
a few seconds allow.  An attack is a function of a Sender; its name is the row of the table.
"""
import struct
import time

import attack_batches
import attack_groups
import raw
from sender import compact, frame, frame_of, i32, text
from targets import BIG_PARTITIONS, BIG_TOPIC, ELEMENTS, MANY_TOPICS, many_name

HOLD_SECONDS = 2  # how long connections that want to be waited for are kept


def list_offsets_of(parts, count):
    return frame_of(2, 1, i32(-1) + i32(1) + text(BIG_TOPIC) + i32(count) + parts)


def produce_of(parts, count):
    return frame_of(0, 7, struct.pack(">hhi", -1, -1, 1000) + i32(1) + text(BIG_TOPIC) +
                    i32(count) + parts)


def list_offsets_one_partition_2M_times(sender):
    request = list_offsets_of(struct.pack(">iq", 0, -1) * ELEMENTS, ELEMENTS)
    sender.ask_times("ListOffsets", request, 8)


def list_offsets_of_1M_partitions(sender):
    parts = b"".join(struct.pack(">iq", n, -1) for n in range(ELEMENTS))
    sender.ask_times("ListOffsets", list_offsets_of(parts, ELEMENTS), 4)


def produce_of_1M_partitions(sender):
    parts = b"".join(struct.pack(">ii", n, -1) for n in range(ELEMENTS))
    sender.ask_times("Produce", produce_of(parts, ELEMENTS), 4)


def produce_one_partition_260k_times(sender):
    """Such a request ends its connection."""
    request = produce_of(struct.pack(">ii", 0, -1) * ELEMENTS, ELEMENTS)
    sender.ask_times("Produce", request, 8)


def requests_past_the_bound_of_elements(sender):
    sender.ask("ListOffsets", list_offsets_of(struct.pack(">iq", 0, -1) * 2000000, 2000000))
    sender.ask("Produce", produce_of(struct.pack(">ii", 0, -1) * 2000000, 2000000))


def metadata_of_40k_unknown_names(sender):
    names = b"".join(text("unknown-%06d" % n) for n in range(40000))
    sender.ask("Metadata", frame_of(3, 4, i32(40000) + names + b"\0"))


def metadata_that_creates_20k_topics(sender):
    names = b"".join(text("auto-%06d" % n) for n in range(20000))
    sender.ask("Metadata", frame_of(3, 4, i32(20000) + names + b"\1"))


def metadata_of_all_unread_by_100(sender):
    sender.leave_unread(100, frame_of(3, 1, i32(-1)) * 64)
    time.sleep(HOLD_SECONDS * 2)


def answers_unread_by_200(sender):
    sender.leave_unread(200, frame("ApiVersions", 2, {}) * 1000)
    time.sleep(HOLD_SECONDS)


def answers_taken_slowly_by_24(sender):
    """Not so slowly that it is taken for standing still."""
    request = frame("DescribeConfigs", 4, {
        "IncludeSynonyms": True, "IncludeDocumentation": True, "Resources": [
            {"ResourceType": 2, "ResourceName": many_name(n), "ConfigurationKeys": None}
            for n in range(500)]})
    sender.take_slowly(24, request, 250000, HOLD_SECONDS * 2)


def frames_half_sent_by_40(sender):
    sender.push(40, i32(100 << 20) + b"\0\0\0\7\0\0\0\1" + bytes(50 << 20), 4)
    time.sleep(1)


def frames_begun_by_500(sender):
    for _ in range(500):
        sender.connect().sendall(i32(100 << 20) + b"\0\0\0\7")
    time.sleep(HOLD_SECONDS)


def big_fetch(wait_ms=500, partitions=range(BIG_PARTITIONS), min_bytes=1):
    return frame("Fetch", 11, {
        "MaxWaitMs": wait_ms, "MinBytes": min_bytes, "MaxBytes": 50 << 20, "SessionEpoch": -1,
        "Topics": [{"Topic": BIG_TOPIC, "Partitions": [
            {"Partition": n, "FetchOffset": 0, "PartitionMaxBytes": 8 << 20}
            for n in partitions]}]})


def fetches_unread_by_30(sender):
    sender.leave_unread(30, big_fetch(), receive_bytes=65536)
    time.sleep(HOLD_SECONDS * 2)


def fetches_pipelined_unread(sender):
    sender.leave_unread(4, big_fetch() * 60, receive_bytes=65536)
    time.sleep(HOLD_SECONDS)


def fetch_parked_that_names_a_partition_50k_times(sender):
    request = big_fetch(20000, [0], 1 << 30)
    one = struct.pack(">iiqqi", 0, -1, 1 << 40, -1, 1000)
    body = struct.pack(">iiiibii", -1, 20000, 1 << 30, 1 << 30, 0, 0, -1) + i32(1) + text(BIG_TOPIC)
    sender.leave_unread(1, frame_of(1, 11, body + i32(50000) + one * 50000 + i32(0) + text("")))
    sender.leave_unread(20, request)
    time.sleep(HOLD_SECONDS)


def fetch_of_12k_unknown_topics(sender):
    sender.ask("Fetch", frame("Fetch", 12, {"MaxWaitMs": 0, "SessionEpoch": -1, "Topics": [
        {"Topic": "x%d" % n, "Partitions": [{"Partition": 0, "PartitionMaxBytes": 1 << 20}]}
        for n in range(12000)]}))


def fetch_of_2000_topics(sender):
    request = frame("Fetch", 12, {"MaxWaitMs": 0, "SessionEpoch": -1, "Topics": [
        {"Topic": many_name(n), "Partitions": [{"Partition": 0, "PartitionMaxBytes": 1 << 20}]}
        for n in range(MANY_TOPICS)]})
    for _ in range(5):
        sender.ask("Fetch", request)


def fetch_sessions_of_100k_unknown_partitions(sender):
    parts = b"".join(struct.pack(">iiqqi", n, -1, 0, -1, 1024) for n in range(100000))
    body = struct.pack(">iiiibii", -1, 0, 0, 1 << 20, 0, 0, 0) + i32(1) + text(BIG_TOPIC)
    request = frame_of(1, 11, body + i32(100000) + parts + i32(0) + text(""))
    for _ in range(10):
        sender.ask("Fetch", request)


def describe_configs_of_the_broker_10k_times(sender):
    one = {"ResourceType": 4, "ResourceName": "1", "ConfigurationKeys": None}
    sender.ask("DescribeConfigs", frame("DescribeConfigs", 4, {
        "IncludeSynonyms": True, "IncludeDocumentation": True, "Resources": [one] * 10000}))


def describe_configs_of_the_broker_by_3000_names(sender):
    """Numbers that are the same broker's, one longer than the other."""
    sender.ask("DescribeConfigs", frame("DescribeConfigs", 4, {
        "IncludeSynonyms": True, "IncludeDocumentation": True, "Resources": [
            {"ResourceType": 4, "ResourceName": sign + "0" * n + "1", "ConfigurationKeys": None}
            for n in range(1500) for sign in ("", "+")]}))


def describe_configs_of_2000_topics(sender):
    request = frame("DescribeConfigs", 4, {
        "IncludeSynonyms": True, "IncludeDocumentation": True, "Resources": [
            {"ResourceType": 2, "ResourceName": many_name(n), "ConfigurationKeys": None}
            for n in range(MANY_TOPICS)]})
    for _ in range(3):
        sender.ask("DescribeConfigs", request)


def names_by_the_100k(sender):
    names = ["no-%06d" % n for n in range(100000)]
    sender.ask("DescribeGroups", frame("DescribeGroups", 5, {"Groups": names}))
    sender.ask("DeleteGroups", frame("DeleteGroups", 2, {"GroupsNames": names}))
    sender.ask("FindCoordinator", frame("FindCoordinator", 4, {"CoordinatorKeys": names}))
    sender.ask("LeaveGroup", frame("LeaveGroup", 4, {"GroupId": "attack", "Members": [
        {"MemberId": name} for name in names]}))


def topics_by_the_20k(sender):
    names = ["no/%06d" % n for n in range(20000)]
    sender.ask("DeleteTopics", frame("DeleteTopics", 5, {"TimeoutMs": 5000, "TopicNames": names}))
    sender.ask("CreateTopics", frame("CreateTopics", 7, {"TimeoutMs": 5000, "Topics": [
        {"Name": name, "NumPartitions": 1, "ReplicationFactor": -1} for name in names]}))
    sender.ask("IncrementalAlterConfigs", frame("IncrementalAlterConfigs", 1, {"Resources": [
        {"ResourceType": 2, "ResourceName": name, "Configs": []} for name in names]}))
    sender.ask("CreatePartitions", frame("CreatePartitions", 3, {"TimeoutMs": 5000, "Topics": [
        {"Name": name, "Count": 2, "Assignments": None} for name in names]}))


def a_million_unknown_tags(sender):
    tags = raw.uvarint(ELEMENTS)
    tags += b"".join(raw.uvarint(n + 10) + b"\0" for n in range(ELEMENTS))
    body = compact("a") + compact("1") + tags
    sender.ask_times("ApiVersions", frame_of(18, 3, body, True), 4)
    sender.ask_times("Metadata", frame_of(3, 9, b"\0\0\0\0" + tags, True), 4)


ATTACKS = [
    list_offsets_one_partition_2M_times, list_offsets_of_1M_partitions, produce_of_1M_partitions,
    produce_one_partition_260k_times, requests_past_the_bound_of_elements,
    metadata_of_40k_unknown_names, metadata_of_all_unread_by_100, answers_unread_by_200,
    answers_taken_slowly_by_24, frames_half_sent_by_40, frames_begun_by_500,
    fetches_unread_by_30, fetches_pipelined_unread, fetch_parked_that_names_a_partition_50k_times,
    fetch_of_12k_unknown_topics, fetch_of_2000_topics, fetch_sessions_of_100k_unknown_partitions,
    describe_configs_of_the_broker_10k_times, describe_configs_of_the_broker_by_3000_names,
    describe_configs_of_2000_topics, *attack_groups.ATTACKS, names_by_the_100k, topics_by_the_20k,
    a_million_unknown_tags, *attack_batches.ATTACKS, metadata_that_creates_20k_topics,
]

# What takes the loop from others piece by piece: the broker gives all connections the same turns, so
# a hundred of one attacker's count a hundred times.  Both are at the edge of the bound (a quarter of
# a second) on a quiet machine with two processors, and beyond it on a busy one.
BURSTS = {
    metadata_of_all_unread_by_100: "each answer names all topics, and 100 connections take turns",
    answers_unread_by_200: "200 connections take turns with 64 requests each",
}
