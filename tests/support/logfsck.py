#!/usr/bin/env python3
"""Check a stopped data directory, Kafka's or levee's, from its files alone.

Shares no code with the broker.  For each partition: batches (chain, checksum, offsets, counts, records
where Python can uncompress them, sequences of producers, transactions), indexes, producer snapshots, leader epochs,
partition.metadata; for the directory: meta.properties and the offset checkpoints.  The names in square
brackets are the invariants of the log (L2, L9, I1, I2, I6, I10, I12, T9, T13).

Prints one line per problem.  Exit code 0: none; 1: some; 2: nothing to check.
"""

import argparse
import base64
import binascii
import json
import pathlib
import re
import struct
import sys
import zlib

SEGMENT_SUFFIXES = {".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".levee-window"}
BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")  # 61 bytes
SNAPSHOT_ENTRY = struct.Struct(">qhiqiqiq")
SEQUENCES = 1 << 31
COMPACTED = {"__consumer_offsets", "__transaction_state"}


def make_table():
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 if value & 1 else value >> 1
        table.append(value)
    return table


CRC_TABLE = make_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    table = CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class Bad(Exception):
    """Bytes that do not follow their format."""


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def varint(self):
        value = shift = 0
        while True:
            if self.at >= len(self.data) or shift > 63:
                raise Bad("a varint does not end")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value >> 1 ^ -(value & 1)

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise Bad("a field is longer than what is left")
        self.at += size
        return self.data[self.at - size : self.at]


class Batch:
    def __init__(self, pos, fields, body):
        (
            self.base,
            self.length,
            self.leader_epoch,
            self.magic,
            self.crc,
            self.attributes,
            self.last_delta,
            self.base_timestamp,
            self.max_timestamp,
            self.producer_id,
            self.producer_epoch,
            self.base_sequence,
            self.count,
        ) = fields
        self.pos = pos
        self.size = self.length + 12
        self.last = self.base + self.last_delta
        self.body = body

    @property
    def codec(self):
        return self.attributes & 7

    @property
    def is_control(self):
        return bool(self.attributes & 0x20)

    @property
    def is_transactional(self):
        return bool(self.attributes & 0x10)

    def marker(self):
        """0: abort, 1: commit; None: no end of a transaction, or one that compaction has emptied."""
        if not self.is_control or not self.is_transactional or self.count == 0:
            return None
        reader = Reader(self.body)
        try:
            reader.varint()
            reader.take(1)
            reader.varint()
            reader.varint()
            kind = struct.unpack(">hh", reader.take(reader.varint())[:4])[1]
        except (Bad, struct.error):
            return None
        return kind if kind in (0, 1) else None

    @property
    def last_sequence(self):
        return (self.base_sequence + self.last_delta) % SEQUENCES


class Producer:
    def __init__(self, epoch):
        self.epoch = epoch
        self.last_sequence = -1
        self.last_offset = -1
        self.first_open = -1  # of the transaction that is open


class Partition:
    """One directory; problems go to the report."""

    def __init__(self, path, report, options):
        self.path = path
        self.report = report
        self.options = options
        self.holes = options.holes or path.name.rpartition("-")[0] in COMPACTED
        self.batches = {}  # of a segment's base: its batches
        self.start = self.end = None
        self.epochs_seen = []  # (first offset, epoch) where it changes
        self.producers = {}
        self.aborted = {}  # of a segment's base: what its .txnindex must have
        self.states = {}  # at an offset that has a snapshot: producers
        self.files = {}
        for file in path.iterdir():
            match = re.fullmatch(r"(\d{20})(\.[a-z-]+)", file.name)
            if match and match[2] in SEGMENT_SUFFIXES:
                self.files.setdefault(match[2], {})[int(match[1])] = file

    def problem(self, file, text):
        self.report.problem(file, text)

    # -- segments

    def check(self):
        bases = sorted(self.files.get(".log", {}))
        for number, base in enumerate(bases):
            following = bases[number + 1] if number + 1 < len(bases) else None
            self.check_segment(base, following)
        if bases:
            self.note_state(self.end)
        for base, file in sorted(self.files.get(".index", {}).items()):
            self.check_index(file, base)
        for base, file in sorted(self.files.get(".timeindex", {}).items()):
            self.check_time_index(file, base)
        for base, file in sorted(self.files.get(".txnindex", {}).items()):
            self.check_txn_index(file, base)
        self.check_aborted()
        for offset, file in sorted(self.files.get(".snapshot", {}).items()):
            self.check_snapshot(file, offset)
        for _, file in sorted(self.files.get(".levee-window", {}).items()):
            self.check_window(file)
        self.check_epochs()
        self.check_metadata()

    def note_state(self, offset):
        if offset in self.files.get(".snapshot", {}):
            self.states.setdefault(
                offset,
                {
                    producer_id: (
                        producer.epoch,
                        producer.last_sequence,
                        producer.last_offset,
                        producer.first_open,
                    )
                    for producer_id, producer in self.producers.items()
                },
            )

    def lacks_offsets_below(self, base):
        """Offsets below the log start may be missing: a log can be cut in the batch that holds it."""
        start = max(self.end, self.report.log_starts.get(self.path.name, 0))
        return base > start and not self.holes

    def check_segment(self, base, following):
        file = self.files[".log"][base]
        data = file.read_bytes()
        pos = 0
        found = self.batches[base] = []
        if self.start is None:
            self.start = self.end = base
        elif base < self.end:
            self.problem(file, f"[L2] begins at {base}, the segment before ends at {self.end}")
        elif self.lacks_offsets_below(base):
            self.problem(file, f"[L2] begins at {base}, but offsets from {self.end} on are missing")
        if following is None and base > self.end:
            self.end = base
        while pos < len(data):
            batch = self.parse_batch(file, data, pos, following is None)
            if batch is None:
                break
            self.check_batch(file, batch, base)
            found.append(batch)
            self.report.batches += 1
            pos += batch.size
        if following is not None and found and found[-1].last >= following:
            self.problem(file, f"[L2] holds offset {found[-1].last}, the next segment is {following}")

    def parse_batch(self, file, data, pos, is_last_segment):
        """None: there is no batch at pos, and it was told when it is wrong that there is none."""
        left = len(data) - pos
        if self.options.unclean and is_last_segment and not any(data[pos : pos + 61]):
            return None  # preallocated or padded, and not cut
        if left < 61:
            self.problem(file, f"[L5] {left} bytes at {pos} are not a batch")
            return None
        batch = Batch(pos, BATCH_HEADER.unpack_from(data, pos), b"")
        if batch.length < 49 or batch.size > left:
            if not (self.options.unclean and is_last_segment):
                self.problem(file, f"[L5] the batch at {pos} says {batch.size} bytes, {left} are there")
            return None
        if batch.magic != 2:
            self.problem(file, f"the batch at {pos} has format {batch.magic}")
            return None
        batch.body = data[pos + 61 : pos + batch.size]
        if crc32c(memoryview(data)[pos + 21 : pos + batch.size]) != batch.crc:
            if not (self.options.unclean and is_last_segment):
                self.problem(file, f"[L9] the batch at {pos}, offset {batch.base}: wrong checksum")
            return None
        return batch

    def check_batch(self, file, batch, base):
        where = f"the batch at {batch.pos}, offset {batch.base}"
        if batch.base < base:
            self.problem(file, f"[L2] {where}: below the segment's base {base}")
        if batch.base < self.end:
            self.problem(file, f"[L2] {where}: the one before ends at {self.end}")
        elif self.lacks_offsets_below(batch.base):
            self.problem(file, f"[L2] {where}: offsets from {self.end} on are missing")
        if batch.last_delta < 0:
            self.problem(file, f"[L2] {where}: its last offset is {batch.last}")
            return
        if batch.count != batch.last_delta + 1 and not self.holes:
            self.problem(file, f"[L2] {where}: {batch.count} records to offset {batch.last}")
        for producer_offset in [o for o in self.files.get(".snapshot", {}) if self.end <= o <= batch.base]:
            self.note_state(producer_offset)
        self.end = batch.last + 1
        if not self.epochs_seen or self.epochs_seen[-1][1] != batch.leader_epoch:
            if self.epochs_seen and batch.leader_epoch < self.epochs_seen[-1][1]:
                self.problem(file, f"{where}: leader epoch {batch.leader_epoch} after a larger one")
            self.epochs_seen.append((batch.base, batch.leader_epoch))
        marker = batch.marker()
        self.check_records(file, batch, where)
        self.check_producer(file, batch, where)
        self.take_transaction(file, batch, base, marker, where)

    def check_records(self, file, batch, where):
        body = batch.body
        batch.body = b""
        if batch.codec == 1:
            try:
                body = zlib.decompress(body, 31)
            except zlib.error as error:
                self.problem(file, f"{where}: gzip says {error}")
                return
        elif batch.codec != 0:
            return  # no such codec in Python
        reader = Reader(body)
        delta_before = -1
        try:
            for _ in range(batch.count):
                size = reader.varint()
                end = reader.at + size
                reader.take(1)
                timestamp = batch.base_timestamp + reader.varint()
                delta = reader.varint()
                for _ in range(2):
                    length = reader.varint()
                    reader.take(max(length, 0))
                for _ in range(reader.varint()):
                    reader.take(reader.varint())
                    reader.take(max(reader.varint(), 0))
                if reader.at != end:
                    raise Bad("a record does not fill its length")
                if not delta_before < delta <= batch.last_delta:
                    raise Bad(f"offset delta {delta} after {delta_before}")
                if not batch.attributes & 8 and timestamp > batch.max_timestamp:
                    raise Bad(f"timestamp {timestamp} is later than the batch's {batch.max_timestamp}")
                delta_before = delta
            if reader.at != len(body):
                raise Bad(f"{len(body) - reader.at} bytes behind the last record")
        except Bad as bad:
            self.problem(file, f"{where}: {bad}")
        self.report.records += batch.count

    def take_transaction(self, file, batch, base, marker, where):
        """Where it is open from, and what an abort leaves in the index."""
        if batch.producer_id < 0 or not batch.is_transactional:
            return
        known = self.producers.setdefault(batch.producer_id, Producer(batch.producer_epoch))
        if not batch.is_control:
            if known.first_open < 0:
                known.first_open = batch.base
            return
        if batch.producer_epoch < known.epoch:
            self.problem(file, f"[I6] {where}: a marker of epoch {batch.producer_epoch} after {known.epoch}")
        elif batch.producer_epoch > known.epoch:
            known.epoch = batch.producer_epoch
            known.last_sequence = known.last_offset = -1
        first, known.first_open = known.first_open, -1
        if marker == 0 and first >= 0:
            others = [one.first_open for one in self.producers.values() if one.first_open >= 0]
            stable = min(others, default=batch.last + 1)
            self.aborted.setdefault(base, []).append((batch.producer_id, first, batch.last, stable))

    @property
    def is_of_coordinator(self):
        """Batches of transactions there have base sequence 0, several of one epoch."""
        return self.path.name.startswith("__consumer_offsets-")

    def check_producer(self, file, batch, where):
        if batch.producer_id < 0 or batch.is_control:
            return
        if batch.is_transactional and self.is_of_coordinator:
            known = self.producers.setdefault(batch.producer_id, Producer(batch.producer_epoch))
            known.epoch = max(known.epoch, batch.producer_epoch)
            return
        if batch.base_sequence < 0:
            self.problem(file, f"[I12] {where}: producer {batch.producer_id} without a sequence")
            return
        known = self.producers.get(batch.producer_id)
        if known is None:
            known = self.producers[batch.producer_id] = Producer(batch.producer_epoch)
            if batch.base_sequence != 0 and self.start == 0 and not self.holes:
                self.problem(file, f"[I2] {where}: its producer begins at {batch.base_sequence}")
        elif batch.producer_epoch < known.epoch:
            self.problem(file, f"[I6] {where}: epoch {batch.producer_epoch} after {known.epoch}")
        elif batch.producer_epoch > known.epoch:
            known.epoch = batch.producer_epoch
            if known.first_open >= 0:
                self.problem(file, f"[T9] {where}: the transaction of an older epoch is open")
            if batch.base_sequence != 0:
                self.problem(file, f"[I7] {where}: a new epoch begins at {batch.base_sequence}")
        elif batch.base_sequence != (known.last_sequence + 1) % SEQUENCES and not self.holes:
            self.problem(
                file,
                f"[I1 I2] {where}: producer {batch.producer_id} has sequence {batch.base_sequence}"
                f" after {known.last_sequence}",
            )
        known.last_sequence = batch.last_sequence
        known.last_offset = batch.last

    # -- what is derived from the segments

    def entries(self, file, size):
        """Of an index; zeros at the end are room that was not cut."""
        data = file.read_bytes()
        if len(data) % size:
            self.problem(file, f"{len(data)} bytes are not a multiple of {size}")
        data = data[: len(data) // size * size]
        first = True
        for at in range(0, len(data), size):
            if not first and not any(data[at:]):
                return
            first = False
            yield data[at : at + size]

    def check_index(self, file, base):
        by_pos = {batch.pos: batch for batch in self.batches.get(base, [])}
        if base not in self.batches:
            self.problem(file, "there is no segment for it")
        before = (-1, -1)
        for entry in self.entries(file, 8):
            offset, pos = struct.unpack(">ii", entry)
            if entry == bytes(8) and not by_pos:
                return
            if offset <= before[0] or pos <= before[1]:
                self.problem(file, f"entry {base + offset} at {pos} after {base + before[0]}")
            elif pos not in by_pos:
                self.problem(file, f"entry {base + offset}: no batch begins at {pos}")
            elif not by_pos[pos].base <= base + offset < self.end:
                self.problem(file, f"entry {base + offset}: the batch at {pos} begins later")
            before = (offset, pos)

    def check_time_index(self, file, base):
        before = (-(1 << 63), -1)
        batches = self.batches.get(base, [])
        latest = -1
        number = 0
        for entry in self.entries(file, 12):
            timestamp, offset = struct.unpack(">qi", entry)
            if entry == bytes(12) and not batches:
                return
            if timestamp < before[0] or offset < before[1]:
                self.problem(file, f"entry {timestamp} at {base + offset} after {before[0]}")
            while number < len(batches) and batches[number].last <= base + offset:
                latest = max(latest, batches[number].max_timestamp)
                number += 1
            if latest > timestamp:
                self.problem(file, f"entry {timestamp} at {base + offset}: {latest} is before it")
            if batches and base + offset > batches[-1].last:
                self.problem(file, f"entry {timestamp}: offset {base + offset} is behind the end")
            before = (timestamp, offset)

    def check_aborted(self):
        """[T13] The indexes of aborted transactions are what the log says."""
        if self.start != 0 or self.holes or self.options.unclean:
            return
        for base, aborted in self.aborted.items():
            if aborted and base not in self.files.get(".txnindex", {}):
                self.problem(self.files[".log"][base], f"[T13] aborted {aborted[0]} has no index")

    def check_txn_index(self, file, base):
        last_before = -1
        expected = self.aborted.get(base, [])
        found = [struct.unpack(">hqqqq", entry)[1:] for entry in self.entries(file, 34)]
        if self.start == 0 and not self.holes and not self.options.unclean and found != expected:
            self.problem(
                file,
                f"[T13] {len(found)} aborted transactions, the log has {len(expected)}:"
                f" {sorted(set(found) ^ set(expected))[:4]}",
            )
        for entry in self.entries(file, 34):
            version, _, first, last, stable = struct.unpack(">hqqqq", entry)
            if version != 0 or first > last or stable > last + 1 or last <= last_before:
                self.problem(file, f"aborted transaction {first}..{last}, stable {stable}, version {version}")
            last_before = last

    def check_snapshot(self, file, offset):
        data = file.read_bytes()
        if len(data) < 10:
            self.problem(file, f"{len(data)} bytes are not a snapshot")
            return
        version, crc, count = struct.unpack_from(">hIi", data)
        if version != 1:
            self.problem(file, f"version {version}")
            return
        if crc32c(data[6:]) != crc:
            self.problem(file, "wrong checksum")
            return
        if count < 0 or len(data) != 10 + count * SNAPSHOT_ENTRY.size:
            self.problem(file, f"{count} producers in {len(data)} bytes")
            return
        replayed = self.states.get(offset) if self.start == 0 and not self.holes else None
        for at in range(10, len(data), SNAPSHOT_ENTRY.size):
            producer_id, epoch, sequence, last_offset, _, _, _, first_open = SNAPSHOT_ENTRY.unpack_from(data, at)
            if last_offset >= offset:
                self.problem(file, f"producer {producer_id} has offset {last_offset}")
            if replayed is None:
                continue
            state = replayed.get(producer_id, (None, None, None, None))
            if sequence < 0 or self.is_of_coordinator:
                state = (state[0], sequence, last_offset, state[3])
            if state != (epoch, sequence, last_offset, first_open):
                self.problem(
                    file,
                    f"[I10] producer {producer_id}: epoch {epoch}, sequence {sequence}, offset"
                    f" {last_offset}, open from {first_open}; the log says {replayed.get(producer_id)}",
                )

    def check_window(self, file):
        data = file.read_bytes()
        if len(data) < 28 or data[:8] != b"LVEEPWIN":
            self.problem(file, "not a window file")
        elif struct.unpack_from("<I", data, 8)[0] not in (1, 2):
            self.problem(file, f"format {struct.unpack_from('<I', data, 8)[0]}")
        elif crc32c(data[16:]) != struct.unpack_from("<I", data, 12)[0]:
            self.problem(file, "wrong checksum")

    def check_epochs(self):
        file = self.path / "leader-epoch-checkpoint"
        rows = self.report.read_checkpoint(file, 2)
        if rows is None:
            return
        try:
            entries = [(int(epoch), int(start)) for epoch, start in rows]
        except ValueError:
            self.problem(file, "not numbers")
            return
        for one, two in zip(entries, entries[1:]):
            if two[0] <= one[0] or two[1] <= one[1]:
                self.problem(file, f"epoch {two[0]} from {two[1]} after epoch {one[0]} from {one[1]}")
        start = self.log_start()
        if start is None and entries:
            start = entries[0][1]  # nothing else tells how far a deletion of records went
        for number, (first, epoch) in enumerate(self.epochs_seen):
            following = self.epochs_seen[number + 1 : number + 2]
            if (following[0][0] if following else self.end) <= (start or 0):
                continue
            first = max(first, start or 0)
            known = [known for known, begin in entries if begin <= first]
            if epoch >= 0 and (not known or known[-1] != epoch):
                self.problem(file, f"offset {first} has epoch {epoch}, the file says {known[-1:] or 'none'}")

    def log_start(self):
        """Offsets below it may still be in the first segment; None: not known."""
        snapshots = [
            int(match[1])
            for file in self.path.iterdir()
            if (match := re.fullmatch(r"(\d{20})-\d{10}\.checkpoint", file.name))
        ]
        if self.path.name == "__cluster_metadata-0":
            return max(snapshots, default=0)
        return self.report.log_starts.get(self.path.name)

    def check_metadata(self):
        file = self.path / "partition.metadata"
        if not file.exists():
            if self.path.name != "__cluster_metadata-0":
                self.problem(file, "is missing")
            return
        match = re.fullmatch(r"version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\n?", file.read_text("utf-8", "replace"))
        if match is None:
            self.problem(file, "not understood")
            return
        try:
            base64.urlsafe_b64decode(match[1] + "==")
        except binascii.Error:
            self.problem(file, f"{match[1]} is no id")


class Report:
    def __init__(self, root, options):
        self.root = root
        self.options = options
        self.problems = []
        self.partitions = {}
        self.log_starts = {}
        self.batches = 0
        self.records = 0

    def problem(self, file, text):
        self.problems.append((str(file.relative_to(self.root)), text))

    def read_checkpoint(self, file, fields):
        """The rows of one of Kafka's small text files; None: not there, or told."""
        if not file.exists():
            return None
        lines = file.read_text("utf-8", "replace").split("\n")
        rows = [line.split() for line in lines[2:] if line]
        if lines[0] != "0" or len(lines) < 2 or lines[1] != str(len(rows)):
            self.problem(file, f"version {lines[0]!r}, count {lines[1:2]}, {len(rows)} lines")
            return None
        if any(len(row) != fields for row in rows):
            self.problem(file, f"a line has not {fields} fields")
            return None
        return rows

    def check_offsets(self, name, must_be_at_most):
        rows = self.read_checkpoint(self.root / name, 3)
        for topic, number, offset in rows or []:
            partition = self.partitions.get(f"{topic}-{number}")
            if partition is None or partition.end is None:
                continue
            bound = getattr(partition, must_be_at_most)
            if int(offset) > bound:
                self.problem(self.root / name, f"{topic}-{number}: {offset}, but the log has {bound}")

    def check(self):
        for topic, number, offset in (
            self.read_checkpoint(self.root / "log-start-offset-checkpoint", 3) or []
        ):
            self.log_starts[f"{topic}-{number}"] = int(offset)
        for path in sorted(self.root.iterdir()):
            if path.is_dir() and re.fullmatch(r".+-\d+", path.name):
                partition = self.partitions[path.name] = Partition(path, self, self.options)
                partition.check()
        for name in [
            "recovery-point-offset-checkpoint",
            "replication-offset-checkpoint",
            "log-start-offset-checkpoint",
        ]:
            self.check_offsets(name, "end")
        meta = self.root / "meta.properties"
        if not meta.exists():
            self.problem(meta, "is missing")
            return
        lines = [line for line in meta.read_text("utf-8", "replace").split("\n") if line[:1] not in ("", "#")]
        keys = dict(line.split("=", 1) for line in lines if "=" in line)
        for key in ["version", "cluster.id", "node.id"]:
            if not keys.get(key):
                self.problem(meta, f"has no {key}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "--holes", action="store_true", help="missing offsets are allowed: topics are compacted"
    )
    parser.add_argument(
        "--unclean",
        action="store_true",
        help="the broker was killed: the end of the last segment may be cut off or padded",
    )
    options = parser.parse_args()
    if not options.directory.is_dir():
        parser.error(f"{options.directory} is not a directory")
    report = Report(options.directory, options)
    report.check()
    if not report.partitions:
        print(f"{options.directory}: no partitions", file=sys.stderr)
        sys.exit(2)
    if options.json:
        print(
            json.dumps(
                {
                    "partitions": {
                        name: {"start": partition.start, "end": partition.end}
                        for name, partition in report.partitions.items()
                    },
                    "batches": report.batches,
                    "records": report.records,
                    "problems": [{"file": file, "problem": text} for file, text in report.problems],
                },
                indent=1,
            )
        )
    else:
        for file, text in report.problems:
            print(f"{file}: {text}")
        print(
            f"{len(report.partitions)} partitions, {report.batches} batches, {report.records} records"
            f" read: {len(report.problems)} problems"
        )
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
