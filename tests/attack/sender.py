"""What an attack sends with: frames, connections that are kept or left, and bombs.

An attacker promises nothing: whatever the broker does to its connection is in order, except to
leave a request that was received whole without answer and without end.
"""
import gzip
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "clients"))

import raw  # noqa: E402

ANSWER_SECONDS = 30
PIECE_BYTES = 1 << 20


def frame_of(key, version, body, flexible=False):
    payload = raw.request_header(key, version, 1, "attack", flexible) + body
    return struct.pack(">i", len(payload)) + payload


def frame(name, version, body):
    """One request from a dict, as raw.py encodes it."""
    api = raw.APIS[name]
    flexible = version >= api.flexible_from
    return frame_of(api.key, version, raw.encode_fields(api.request, body, version, flexible),
                    flexible)


def i32(number):
    return struct.pack(">i", number)


def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def compact(value):
    data = value.encode()
    return raw.uvarint(len(data) + 1) + data


class Sender:
    """The connections of one attack; close() leaves them all."""

    def __init__(self, port):
        self.port = port
        self.kept = []
        self.silent = []  # requests that got neither answer nor end
        self.answered = self.refused = 0

    def connect(self, receive_bytes=None):
        s = socket.socket()
        if receive_bytes:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        s.settimeout(ANSWER_SECONDS)
        s.connect(("127.0.0.1", self.port))
        self.kept.append(s)
        return s

    def ask(self, what, request):
        """Send one request whole and take its answer; a connection that ends counts as refused."""
        try:
            s = self.connect()
            s.sendall(request)
            left = self.take(s, 4)
            while left > 0:
                part = s.recv(min(left, PIECE_BYTES))
                if not part:
                    raise ConnectionError
                left -= len(part)
            self.answered += 1
        except TimeoutError:
            self.silent.append(what)
        except OSError:
            self.refused += 1
        s.close()

    def take(self, s, count):
        data = b""
        while len(data) < count:
            part = s.recv(count - len(data))
            if not part:
                raise ConnectionError
            data += part
        return struct.unpack(">i", data)[0]

    def leave_unread(self, connections, request, receive_bytes=4096):
        """Send to each of so many connections and never take what comes back."""
        for _ in range(connections):
            try:
                s = self.connect(receive_bytes)
                s.setblocking(False)
                s.send(request)
            except OSError:
                self.refused += 1

    def push(self, connections, data, seconds):
        """Send the same bytes on so many connections at a time, as the broker takes them."""
        data = memoryview(data)
        left = {}
        for _ in range(connections):
            s = self.connect()
            s.setblocking(False)
            left[s] = data
        end = time.monotonic() + seconds
        while left and time.monotonic() < end:
            moved = False
            for s in list(left):
                try:
                    left[s] = left[s][s.send(left[s][:PIECE_BYTES]):]
                    moved = True
                except BlockingIOError:
                    continue
                except OSError:
                    self.refused += 1
                    left[s] = data[:0]
                if not left[s]:
                    del left[s]
            if not moved:
                time.sleep(0.02)

    def close(self):
        for s in self.kept:
            s.close()
        self.kept = []


def bomb_batch(codec, records):
    """A batch of one record as its compressed bytes say; its CRC is right."""
    return raw.batch((b"",), records=records, attributes={"gzip": 1, "zstd": 4}[codec],
                     timestamp=int(time.time() * 1000))


def gzip_bomb(expanded_bytes):
    return bomb_batch("gzip", gzip.compress(raw.record(0, b"k", bytes(expanded_bytes)), 9, mtime=0))


def zstd_bomb(expanded_bytes):
    """RFC 8878: a frame of run-length blocks, four bytes for each 128 KiB of zeroes."""
    run = 128 << 10
    runs = expanded_bytes // run
    value = runs * run
    after = raw.varint(0)  # no headers
    before = b"\0" + raw.varint(0) + raw.varint(0) + raw.sized(b"k") + raw.varint(value)
    before = raw.varint(len(before) + value + len(after)) + before

    def block(kind, size, data, last=False):
        return struct.pack("<I", size << 3 | kind << 1 | last)[:3] + data

    blocks = block(0, len(before), before) + block(1, run, b"\0") * runs
    blocks += block(0, len(after), after, True)
    size = len(before) + value + len(after)
    window = 21 - 10 << 3  # 2 MiB
    return bomb_batch("zstd", struct.pack("<IBBQ", 0xFD2FB528, 3 << 6, window, size) + blocks)
