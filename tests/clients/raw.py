"""Kafka's wire protocol by hand: what conformance.py asks brokers with.

Nothing here is shared with levee's own codec or with a client library, so a mistake made there is
not made again here.  Bodies are dicts with the field names of raw_schema.py; fields left out take
their default.  Records are built by batch(), which can also build wrong ones.
"""
import gzip
import re
import socket
import struct

from raw_schema import SCHEMA


class Closed(Exception):
    """The broker closed the connection instead of answering."""


class Malformed(Exception):
    """The broker's answer does not parse."""


# ---- schema

class Field:
    __slots__ = ("name", "kind", "is_array", "fields", "default", "low", "high", "tag")

    def in_version(self, version):
        return self.low <= version <= self.high


TOKEN = re.compile(r"\s*([A-Za-z0-9]+)(\[\])?(?::([a-z0-9]+)|(\{))")
TAIL = re.compile(r"(?:=([-\w]+))?(?:@(\d+)(?:(\+)|-(\d+))?)?(?:#(\d+))?")


def parse_fields(text, pos):
    fields = []
    while True:
        while pos < len(text) and text[pos].isspace():
            pos += 1
        if pos == len(text):
            return fields, pos
        if text[pos] == "}":
            return fields, pos + 1
        m = TOKEN.match(text, pos)
        f = Field()
        f.name, f.is_array, f.kind, f.fields = m[1], bool(m[2]), m[3], None
        pos = m.end()
        if m[4]:
            f.kind = "struct"
            f.fields, pos = parse_fields(text, pos)
        t = TAIL.match(text, pos)
        pos = t.end()
        f.low = int(t[2]) if t[2] else 0
        f.high = int(t[4]) if t[4] else 32767 if t[3] or not t[2] else f.low
        f.tag = int(t[5]) if t[5] else None
        f.default = default_of(f, t[1])
        fields.append(f)


def default_of(field, text):
    if text == "null":
        return None
    if field.is_array:
        return []
    if field.kind == "bool":
        return text == "true"
    if field.kind in INTEGERS:
        return int(text or 0)
    return {"string": "", "bytes": b"", "uuid": NO_ID, "struct": {}}[field.kind]


INTEGERS = {"i8": ">b", "i16": ">h", "i32": ">i", "i64": ">q", "u16": ">H", "f64": ">d"}
NO_ID = "0" * 32


class Api:
    def __init__(self, head, request, response):
        words = head.split()
        self.key, self.name = int(words[0]), words[1]
        self.min, self.max = (int(v) for v in words[2].split("-"))
        self.flexible_from = int(words[4])
        self.request = parse_fields(request, 0)[0]
        self.response = parse_fields(response, 0)[0]


def load():
    apis = {}
    for part in re.split(r"\n(?=\d)", SCHEMA.strip()):
        head, rest = part.split("\n", 1)
        request, response = rest.split("\n  < ")
        api = Api(head, request.strip()[1:], response)
        apis[api.name] = apis[api.key] = api
    return apis


# ---- primitives

def uvarint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def varint(n):
    return uvarint((n << 1) ^ (n >> 63))


class Reader:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, n):
        if n < 0 or self.pos + n > len(self.data):
            raise Malformed("answer ends early")
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def number(self, fmt):
        return struct.unpack(fmt, self.take(struct.calcsize(fmt)))[0]

    def uvarint(self):
        shift = value = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def varint(self):
        n = self.uvarint()
        return (n >> 1) ^ -(n & 1)


# ---- bodies

def encode_value(field, value, version, flexible):
    if field.is_array:
        if value is None:
            return b"\0" if flexible else struct.pack(">i", -1)
        head = uvarint(len(value) + 1) if flexible else struct.pack(">i", len(value))
        return head + b"".join(encode_one(field, v, version, flexible) for v in value)
    return encode_one(field, value, version, flexible)


def encode_one(field, value, version, flexible):
    kind = field.kind
    if kind == "struct" and field.default is None and not field.is_array:
        return b"\xff" if value is None else b"\1" + encode_fields(
            field.fields, value, version, flexible)
    if kind == "struct":
        return encode_fields(field.fields, value, version, flexible)
    if kind == "bool":
        return b"\1" if value else b"\0"
    if kind in INTEGERS:
        return struct.pack(INTEGERS[kind], value)
    if kind == "uuid":
        return bytes.fromhex(value)
    data = value.encode() if isinstance(value, str) else value
    if flexible:
        return b"\0" if data is None else uvarint(len(data) + 1) + data
    fmt = ">h" if kind == "string" else ">i"
    return struct.pack(fmt, -1) if data is None else struct.pack(fmt, len(data)) + data


def encode_fields(fields, body, version, flexible):
    unknown = set(body) - {f.name for f in fields}
    if unknown:
        raise KeyError("no such field: %s" % ", ".join(sorted(unknown)))
    out, tagged = [], []
    for f in fields:
        if not f.in_version(version):
            continue
        value = body.get(f.name, f.default)
        if f.tag is None:
            out.append(encode_value(f, value, version, flexible))
        elif value != f.default:
            tagged.append((f.tag, encode_value(f, value, version, flexible)))
    if flexible:
        out.append(uvarint(len(tagged)))
        for tag, data in sorted(tagged):
            out.append(uvarint(tag) + uvarint(len(data)) + data)
    return b"".join(out)


def decode_value(field, r, version, flexible):
    if not field.is_array:
        return decode_one(field, r, version, flexible)
    count = r.uvarint() - 1 if flexible else r.number(">i")
    if count > len(r.data):
        raise Malformed("array of %d elements in %d bytes" % (count, len(r.data)))
    return None if count < 0 else [decode_one(field, r, version, flexible) for _ in range(count)]


def decode_one(field, r, version, flexible):
    kind = field.kind
    if kind == "struct" and field.default is None and not field.is_array and r.number(">b") < 0:
        return None
    if kind == "struct":
        return decode_fields(field.fields, r, version, flexible)
    if kind == "bool":
        return r.take(1) != b"\0"
    if kind in INTEGERS:
        return r.number(INTEGERS[kind])
    if kind == "uuid":
        return r.take(16).hex()
    size = r.uvarint() - 1 if flexible else r.number(">h" if kind == "string" else ">i")
    if size < 0:
        return None
    data = r.take(size)
    return data.decode() if kind == "string" else data


def decode_fields(fields, r, version, flexible):
    body, tagged = {}, {}
    for f in fields:
        if f.in_version(version):
            if f.tag is None:
                body[f.name] = decode_value(f, r, version, flexible)
            else:
                tagged[f.tag] = f
                body[f.name] = f.default
    if flexible:
        last = -1
        for _ in range(r.uvarint()):
            tag, size = r.uvarint(), r.uvarint()
            part = Reader(r.take(size))
            if tag <= last:
                raise Malformed("tags out of order")
            last = tag
            if tag in tagged:
                body[tagged[tag].name] = decode_value(tagged[tag], part, version, flexible)
                if part.pos != size:
                    raise Malformed("tag %d has %d bytes too many" % (tag, size - part.pos))
    return body


APIS = load()


def request_header(api_key, version, correlation_id, client_id, flexible):
    client = client_id.encode() if client_id is not None else None
    head = struct.pack(">hhi", api_key, version, correlation_id)
    head += struct.pack(">h", -1) if client is None else struct.pack(">h", len(client)) + client
    return head + (b"\0" if flexible else b"")


# ---- record batches

def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def sized(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record(offset_delta, key, value, headers=(), timestamp_delta=0, attributes=0):
    body = struct.pack(">b", attributes) + varint(timestamp_delta) + varint(offset_delta)
    body += sized(key) + sized(value) + varint(len(headers))
    body += b"".join(sized(k) + sized(v) for k, v in headers)
    return varint(len(body)) + body


def batch(values=(b"v",), base_offset=0, leader_epoch=-1, magic=2, attributes=0, timestamp=1000,
          producer_id=-1, producer_epoch=-1, base_sequence=-1, max_timestamp=None, key=b"k",
          keys=None, last_offset_delta=None, count=None, crc=None, records=None, length=None,
          codec=None):
    """A record batch with these values, all of one key or each of its own.  Every header field can
    be made wrong."""
    if records is None:
        records = b"".join(record(i, keys[i] if keys else key, v) for i, v in enumerate(values))
    if codec == "gzip":
        records, attributes = gzip.compress(records, mtime=0), attributes | 1
    body = struct.pack(
        ">hiqqqhii", attributes, len(values) - 1 if last_offset_delta is None else last_offset_delta,
        timestamp, timestamp if max_timestamp is None else max_timestamp, producer_id,
        producer_epoch, base_sequence, len(values) if count is None else count) + records
    head = struct.pack(">iBI", leader_epoch, magic, crc32c(body) if crc is None else crc)
    return struct.pack(">qi", base_offset, len(head) + len(body) if length is None else length) + \
        head + body


def read_records(data, count):
    """Offset delta, key and value of each record of a batch's uncompressed records."""
    found, r = [], Reader(data)
    for _ in range(count):
        r.varint()
        r.take(1)
        r.varint()
        delta = r.varint()
        pair = []
        for _ in range(2):
            n = r.varint()
            pair.append(None if n < 0 else r.take(n))
        for _ in range(2 * r.varint()):
            n = r.varint()
            r.take(max(n, 0))
        found.append((delta, *pair))
    return found


def read_batches(data, packed=False):
    """What a Fetch answer holds: a list of batch headers with their records' values; packed: with
    the records as they are, too."""
    found, pos = [], 0
    while pos + 61 <= len(data or b""):
        base, length, epoch, magic, crc = struct.unpack_from(">qiiBI", data, pos)
        if pos + 12 + length > len(data):
            break
        body = data[pos + 21:pos + 12 + length]
        (attributes, delta, first, last, pid, pepoch, seq, count) = struct.unpack_from(
            ">hiqqqhii", body)
        keys, values = [], []
        if not attributes & 7:
            records = read_records(body[40:], count)
            keys, values = [k for _, k, _ in records], [v for _, _, v in records]
        found.append({
            "BaseOffset": base, "LeaderEpoch": epoch, "Magic": magic, "CrcOk": crc == crc32c(body),
            "Attributes": attributes, "LastOffsetDelta": delta, "BaseTimestamp": first,
            "MaxTimestamp": last, "ProducerId": pid, "ProducerEpoch": pepoch,
            "BaseSequence": seq, "Count": count, "Values": values})
        if attributes & 0x20:
            found[-1]["Keys"] = keys
        if attributes & 7:
            found[-1]["Compressed"] = body[40:]
        if packed:
            found[-1]["Packed"] = body[40:]
        pos += 12 + length
    return found


# ---- connection

class Connection:
    def __init__(self, address, client_id="conformance", timeout_s=10):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout_s)
        self.client_id = client_id
        self.next_id = 1
        self.sent = []

    def close(self):
        self.socket.close()

    def send_frame(self, frame):
        try:
            self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        except (ConnectionError, BrokenPipeError):
            raise Closed()

    def send(self, name, version, body, answered=True, tail=b""):
        api = APIS[name]
        flexible = version >= api.flexible_from
        frame = request_header(api.key, version, self.next_id, self.client_id, flexible)
        frame += encode_fields(api.request, body, version, flexible) + tail
        self.send_frame(frame)
        if answered:
            self.sent.append((api, version, self.next_id))
        self.next_id += 1

    def receive_frame(self):
        data = b""
        need = 4
        while len(data) < need:
            try:
                part = self.socket.recv(need - len(data))
            except ConnectionError:
                part = b""
            if not part:
                raise Closed()
            data += part
            if need == 4 and len(data) == 4:
                need += struct.unpack(">i", data)[0]
        return data[4:]

    def receive(self):
        frame = self.receive_frame()
        api, version, correlation_id = self.sent.pop(0)
        r = Reader(frame)
        if r.number(">i") != correlation_id:
            raise Malformed("answer to another request")
        flexible = version >= api.flexible_from
        if flexible and api.name != "ApiVersions":
            for _ in range(r.uvarint()):
                r.uvarint()
                r.take(r.uvarint())
        body = decode_fields(api.response, r, version, flexible)
        if r.pos != len(frame):
            raise Malformed("%d bytes after the answer" % (len(frame) - r.pos))
        return body

    def ask(self, name, version, body):
        self.send(name, version, body)
        return self.receive()
