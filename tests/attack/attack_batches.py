"""Attacks with batches: they expand, give nothing, are written anew, or each have a new producer.

As attacks.py says of all.
"""
import struct
import time

import raw
from bombs import (gzip_bomb, gzip_empty_blocks, gzip_empty_members, zstd_bomb, zstd_empty_blocks,
                   zstd_empty_frames, zstd_skipped_frames)
from sender import frame, frame_of, i32, text
from targets import (BIG_PARTITIONS, BIG_TOPIC, RECODED_PARTITIONS, RECODED_TOPIC, WIDE_PARTITIONS,
                     WIDE_TOPIC)

PIECES_BYTES = 950000  # below max.message.bytes


def produce_bombs(sender, name, batch, requests, partitions):
    body = {"Acks": -1, "TimeoutMs": 5000, "TopicData": [{"Name": BIG_TOPIC, "PartitionData": [
        {"Index": n, "Records": batch} for n in range(partitions)]}]}
    for _ in range(requests):
        sender.ask(name, frame("Produce", 8, body))


def gzip_bombs_of_240_MiB(sender):
    produce_bombs(sender, "Produce of a gzip bomb", gzip_bomb(240 << 20), 2, 1)


def zstd_bombs_of_200_MiB(sender):
    produce_bombs(sender, "Produce of zstd bombs", zstd_bomb(200 << 20), 3, BIG_PARTITIONS)


def bombs_named_200_times(sender):
    batch = zstd_bomb(200 << 20)
    one = i32(0) + i32(len(batch)) + batch
    body = struct.pack(">hhi", -1, -1, 1000) + i32(1) + text(BIG_TOPIC) + i32(200) + one * 200
    sender.ask("Produce of 200 bombs", frame_of(0, 7, body))


# ---- bombs that are stored

def list_offsets_by_time_in_bombs(sender):
    """Whoever looks for a time has to look into the batch (KIP-79)."""
    since = int(time.time() * 1000)
    produce_bombs(sender, "Produce of gzip bombs", gzip_bomb(120 << 20), 1, 4)
    partitions = [{"PartitionIndex": n, "Timestamp": since - 600000} for n in range(4)]
    request = frame("ListOffsets", 5, {"ReplicaId": -1, "Topics": [
        {"Name": BIG_TOPIC, "Partitions": partitions}]})
    sender.ask("ListOffsets", request)


def bombs_that_are_written_anew(sender):
    sender.ask("Produce", frame("Produce", 8, {"Acks": 1, "TimeoutMs": 20000, "TopicData": [
        {"Name": RECODED_TOPIC, "PartitionData": [
            {"Index": n, "Records": gzip_bomb(120 << 20)} for n in range(RECODED_PARTITIONS)]}]}))


# ---- pieces without output

def produce_of_pieces(sender, batch):
    request = frame("Produce", 8, {"Acks": 1, "TimeoutMs": 20000, "TopicData": [
        {"Name": WIDE_TOPIC, "PartitionData": [
            {"Index": n, "Records": batch} for n in range(BIG_PARTITIONS)]}]})
    for _ in range(2):  # one slow turn is not the p99
        sender.ask("Produce", request)


def gzip_pieces_without_output(sender):
    for make in (gzip_empty_blocks, gzip_empty_members):
        produce_of_pieces(sender, make(PIECES_BYTES))


def zstd_pieces_without_output(sender):
    for make in (zstd_empty_blocks, zstd_empty_frames, zstd_skipped_frames):
        produce_of_pieces(sender, make(PIECES_BYTES))


# ---- producers

def a_new_producer_in_each_of_1000_requests(sender):
    """Every partition has to remember it."""
    now = int(time.time() * 1000)
    requests = []
    for n in range(1000):
        batch = raw.batch((b"",), timestamp=now, producer_id=1000000 + n, producer_epoch=0,
                          base_sequence=0)
        parts = b"".join(i32(p) + i32(len(batch)) + batch for p in range(WIDE_PARTITIONS))
        body = struct.pack(">hhi", -1, 1, 30000) + i32(1) + text(WIDE_TOPIC)
        requests.append(frame_of(0, 7, body + i32(WIDE_PARTITIONS) + parts))
    for first in range(0, len(requests), 20):
        sender.pipeline("Produce", requests[first:first + 20])


ATTACKS = [
    gzip_bombs_of_240_MiB, zstd_bombs_of_200_MiB, bombs_named_200_times,
    list_offsets_by_time_in_bombs, bombs_that_are_written_anew, gzip_pieces_without_output,
    zstd_pieces_without_output, a_new_producer_in_each_of_1000_requests,
]
