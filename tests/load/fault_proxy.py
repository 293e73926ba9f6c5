"""A proxy in front of a broker that plants faults in what clients produce and fetch, as a broker that
loses, doubles or mixes up records would.

    with FaultProxy(bootstrap, lose_record(), skip=3) as proxy:
        ...                      # a client of proxy.address
        proxy.planted            # [(topic, partition, offset)] of the records that are meant

A fault is planted once, behind `skip` occasions for it; batches that it changes get a right CRC, so
that nothing but the account of a verifying reader can tell.  Batches must not be compressed.
"""
import pathlib
import socket
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "clients"))
import raw  # noqa: E402
from holding_proxy import Proxy, cut, read_frame  # noqa: E402

PRODUCE, FETCH = 0, 1
INVALID_RECORD = 87
HEADER_BYTES = 61
IS_CONTROL = 0x20
IS_TRANSACTIONAL = 0x10
CODEC = 7


# ---- batches

class Record:
    """One record: its parts as bytes, so that it can be put elsewhere."""

    def __init__(self, reader):
        end = reader.varint()
        end += reader.pos
        self.attributes = reader.take(1)
        self.timestamp_delta = reader.varint()
        self.offset_delta = reader.varint()
        size = reader.varint()
        self.key = None if size < 0 else reader.take(size)
        size = reader.varint()
        self.value = None if size < 0 else reader.take(size)
        self.headers = reader.take(end - reader.pos)

    def encoded(self):
        body = self.attributes + raw.varint(self.timestamp_delta) + raw.varint(self.offset_delta)
        body += raw.sized(self.key) + raw.sized(self.value) + self.headers
        return raw.varint(len(body)) + body

    def content(self):
        return self.key, self.value, self.headers

    def set_content(self, content):
        self.key, self.value, self.headers = content


class Batch:
    """One batch v2, whole."""

    def __init__(self, data):
        self.data = data
        self.base_offset = struct.unpack_from(">q", data)[0]
        self.attributes = struct.unpack_from(">h", data, 21)[0]
        self.producer_id = struct.unpack_from(">q", data, 43)[0]
        self.count = struct.unpack_from(">i", data, 57)[0]
        self.records = None

    def is_plain(self):
        return not self.attributes & (IS_CONTROL | CODEC)

    def open(self):
        if self.records is None:
            reader = raw.Reader(self.data[HEADER_BYTES:])
            self.records = [Record(reader) for _ in range(self.count)]
        return self.records

    def encoded(self, last_offset_delta=None):
        """With the records as they are now."""
        if self.records is None:
            return self.data
        head = bytearray(self.data[:HEADER_BYTES])
        body = b"".join(record.encoded() for record in self.records)
        if last_offset_delta is not None:
            struct.pack_into(">i", head, 23, last_offset_delta)
        struct.pack_into(">i", head, 57, len(self.records))
        struct.pack_into(">i", head, 8, HEADER_BYTES - 12 + len(body))
        struct.pack_into(">I", head, 17, raw.crc32c(bytes(head[21:]) + body))
        return bytes(head) + body


def batches_of(data):
    """The whole batches at the front, and what is left behind them."""
    found, pos = [], 0
    while data is not None and pos + HEADER_BYTES <= len(data):
        size = 12 + struct.unpack_from(">i", data, pos + 8)[0]
        if pos + size > len(data):
            break
        found.append(Batch(data[pos:pos + size]))
        pos += size
    return found, (data or b"")[pos:]


# ---- faults: what is done where.  Each returns the records that it meant, or None: no occasion.

class Fault:
    """fetched(batches, place): change what is read of a partition.  aborted(partition): change the
    list of aborted transactions.  produced(batch): change what is written.  swallow, refuse: a
    request is answered and never written; written and answered with an error."""

    fetched = aborted = produced = None
    swallow = refuse = False


def of_records(change, needs=1, only=lambda batch: True):
    """A fault in one batch that is read."""
    def fetched(batches):
        for batch in batches:
            if batch.is_plain() and batch.count >= needs and only(batch):
                meant = change(batch, batch.open())
                return [batch.base_offset + delta for delta in meant]
        return None
    fault = Fault()
    fault.fetched = fetched
    return fault


def middle(records):
    return len(records) // 2


def lose_record():
    def change(_, records):
        return [records.pop(middle(records)).offset_delta]
    return of_records(change)


def lose_batch():
    """Its offsets stay, as of a batch that the cleaner has emptied."""
    def change(_, records):
        meant = [record.offset_delta for record in records]
        records.clear()
        return meant
    return of_records(change)


def tear_transaction():
    def change(_, records):
        return [records.pop(middle(records)).offset_delta]
    return of_records(change, needs=2, only=lambda batch: batch.attributes & IS_TRANSACTIONAL)


def swap_records():
    def change(_, records):
        at = middle(records) - 1
        one, other = records[at], records[at + 1]
        contents = one.content(), other.content()
        one.set_content(contents[1])
        other.set_content(contents[0])
        return [other.offset_delta]
    return of_records(change, needs=2)


def repeat_record():
    """A record stands where the next one was."""
    def change(_, records):
        at = middle(records) - 1
        records[at + 1].set_content(records[at].content())
        return [records[at + 1].offset_delta]
    return of_records(change, needs=2)


def corrupt_record():
    """One bit at the end of a value, under a right CRC."""
    def change(_, records):
        record = records[middle(records)]
        record.value = record.value[:-1] + bytes([record.value[-1] ^ 4])
        return [record.offset_delta]
    return of_records(change)


def swap_batches():
    """Two batches of a producer, the later one first."""
    def fetched(batches):
        for first, second in zip(batches, batches[1:]):
            if first.is_plain() and second.is_plain() and first.count and second.count and \
                    first.producer_id == second.producer_id:
                slots = first.open() + second.open()
                contents = [record.content() for record in second.records + first.records]
                for slot, content in zip(slots, contents):
                    slot.set_content(content)
                offsets = [first.base_offset + record.offset_delta for record in first.records]
                offsets += [second.base_offset + record.offset_delta for record in second.records]
                return offsets[-first.count:]
        return None
    fault = Fault()
    fault.fetched = fetched
    return fault


def show_aborted():
    """The reader is not told which transactions were aborted, and goes on so."""
    def aborted(partition):
        told = partition.get("AbortedTransactions")
        if not told:
            return None
        partition["AbortedTransactions"] = []
        return [one["FirstOffset"] for one in told]
    fault = Fault()
    fault.aborted = aborted
    return fault


def double_batch():
    """Everything in a batch is written twice.  For producers without an id: theirs would be told."""
    def produced(batch):
        records = batch.open()
        for record in list(records):
            again = Record(raw.Reader(record.encoded()))
            again.offset_delta += batch.count
            records.append(again)
        return [None] * batch.count
    fault = Fault()
    fault.produced = produced
    return fault


def swallow_request():
    fault = Fault()
    fault.swallow = True
    return fault


def refuse_request():
    fault = Fault()
    fault.refuse = True
    return fault


# ---- the proxy

class FaultProxy(Proxy):
    def __init__(self, bootstrap, fault, skip=3):
        self.fault, self.left = fault, skip
        self.lock = threading.Lock()
        self.planted = []
        super().__init__(bootstrap)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def is_due(self):
        """An occasion: is it the one?"""
        with self.lock:
            if self.planted or self.left > 0:
                self.left -= not self.planted
                return False
            return True

    def plant(self, topic, partition, offsets):
        with self.lock:
            self.planted += [(topic, partition, offset) for offset in offsets]

    def requests(self, client, upstream, asked):
        while True:
            frame = read_frame(client)
            if frame is None:
                upstream.close()
                return
            key, version, correlation_id = struct.unpack(">hhi", frame[4:12])
            answer = None
            if key == PRODUCE:
                frame, answer = self.produce(version, frame)
            asked[correlation_id] = key, version, answer
            try:
                upstream.sendall(frame)
            except OSError:
                cut(client)
                return

    def answers(self, client, upstream, asked):
        while True:
            frame = read_frame(upstream)
            if frame is None:
                cut(client)
                return
            key, version, answer = asked.pop(struct.unpack(">i", frame[4:8])[0])
            if answer is not None:
                frame = self.rewritten(PRODUCE, version, frame, lambda _: answer)
            elif key == FETCH:
                frame = self.rewritten(FETCH, version, frame, self.fetch)
            else:
                frame = self.through_here(key, version, frame)
            try:
                client.sendall(frame)
            except OSError:
                return

    # ---- produce

    def produce(self, version, frame):
        """The request as it goes on, and the answer to put in place of the broker's, or None."""
        fault = self.fault
        if not (fault.produced or fault.swallow or fault.refuse):
            return frame, None
        api = raw.APIS[PRODUCE]
        flexible = version >= api.flexible_from
        reader = raw.Reader(frame[4:])
        reader.take(8)
        size = reader.number(">h")
        reader.take(max(size, 0))
        if flexible:
            reader.uvarint()
        head = frame[4:4 + reader.pos]
        body = raw.decode_fields(api.request, reader, version, flexible)
        answer = None
        if fault.produced:
            self.change_batches(body, fault.produced)
        elif self.is_due():
            answer = self.forge(body, INVALID_RECORD if fault.refuse else 0)
            if fault.swallow:
                body["TopicData"] = []
        data = head + raw.encode_fields(api.request, body, version, flexible)
        return struct.pack(">i", len(data)) + data, answer

    def change_batches(self, body, change):
        for topic in body["TopicData"]:
            for part in topic["PartitionData"]:
                for batch in batches_of(part["Records"])[0][:1]:
                    if not batch.is_plain() or batch.count == 0 or not self.is_due():
                        continue
                    meant = change(batch)
                    part["Records"] = batch.encoded(last_offset_delta=len(batch.records) - 1)
                    self.plant(topic.get("Name"), part["Index"], meant)

    def forge(self, body, error_code):
        """An answer for all that was asked, with this error."""
        responses = []
        for topic in body["TopicData"]:
            parts = []
            for part in topic["PartitionData"]:
                batch = batches_of(part["Records"])[0][0]
                self.plant(topic.get("Name"), part["Index"], [None] * batch.count)
                parts.append({"Index": part["Index"], "ErrorCode": error_code, "BaseOffset": -1,
                              "LogAppendTimeMs": -1, "LogStartOffset": -1})
            one = {name: topic[name] for name in ("Name", "TopicId") if name in topic}
            responses.append({**one, "PartitionResponses": parts})
        return {"Responses": responses, "ThrottleTimeMs": 0}

    # ---- answers

    def rewritten(self, key, version, frame, change):
        """The frame of an answer, changed."""
        api = raw.APIS[key]
        flexible = version >= api.flexible_from
        reader = raw.Reader(frame[8:])
        if flexible:
            reader.uvarint()
        answer = change(raw.decode_fields(api.response, reader, version, flexible))
        if answer is None:
            return frame
        body = frame[4:8] + (b"\0" if flexible else b"")
        body += raw.encode_fields(api.response, answer, version, flexible)
        return struct.pack(">i", len(body)) + body

    def fetch(self, answer):
        is_changed = False
        for topic in answer["Responses"]:
            name = topic.get("Topic") or topic.get("TopicId")
            for part in topic["Partitions"]:
                is_changed |= self.change_fetched(name, part)
        return answer if is_changed else None

    def change_fetched(self, topic, part):
        if self.fault.aborted:
            meant = self.fault.aborted(part)
            self.plant(topic, part["PartitionIndex"], meant or [])
            return meant is not None
        batches, rest = batches_of(part["Records"])
        if not self.fault.fetched or not any(batch.is_plain() for batch in batches):
            return False
        if not self.is_due():
            return False
        meant = self.fault.fetched(batches)
        if meant is None:
            return False
        self.plant(topic, part["PartitionIndex"], meant)
        part["Records"] = b"".join(batch.encoded() for batch in batches) + rest
        return True

    def close(self):
        try: # wakes accept()
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        super().close()
