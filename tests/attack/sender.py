"""What an attack sends with: frames, and connections that are kept or left.

An attacker promises nothing: whatever the broker does to its connection is in order, except to
leave a request that was received whole without answer and without end.
"""
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


def padded(name, version, body, pad_bytes):
    """The same with a tagged field behind it that no broker knows (KIP-482)."""
    api = raw.APIS[name]
    known = raw.encode_fields(api.request, body, version, True)
    pad = raw.uvarint(1) + raw.uvarint(100) + raw.uvarint(pad_bytes) + bytes(pad_bytes)
    return frame_of(api.key, version, known[:-1] + pad, True)


def i32(number):
    return struct.pack(">i", number)


def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def compact(value):
    data = value.encode()
    return raw.uvarint(len(data) + 1) + data


class SlowTaker:
    """One connection and how far it is with an answer."""

    def __init__(self, s):
        self.socket = s
        self.taken = 0  # bytes, of all answers
        self.head = b""
        self.left = 0  # behind the head

    def take(self):
        """A piece of what is there; True: that was the end of an answer."""
        want = self.left if len(self.head) == 4 else 4 - len(self.head)
        try:
            part = self.socket.recv(min(want, 65536), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        if not part:
            raise ConnectionError
        self.taken += len(part)
        if len(self.head) < 4:
            self.head += part
            self.left = struct.unpack(">i", self.head)[0] if len(self.head) == 4 else 0
            return False
        self.left -= len(part)
        if self.left:
            return False
        self.head = b""
        return True


class Sender:
    """The connections of one attack; close() leaves them all."""

    def __init__(self, port):
        self.port = port
        self.address = "127.0.0.1:%d" % port
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
            self.skip(s, self.take(s, 4))
            self.answered += 1
        except TimeoutError:
            self.silent.append(what)
        except OSError:
            self.refused += 1
        s.close()

    def ask_times(self, what, request, times):
        """The same so often, each when the one before is answered."""
        for _ in range(times):
            self.ask(what, request)

    def take(self, s, count):
        data = b""
        while len(data) < count:
            part = s.recv(count - len(data))
            if not part:
                raise ConnectionError
            data += part
        return struct.unpack(">i", data)[0]

    def skip(self, s, left):
        while left > 0:
            part = s.recv(min(left, PIECE_BYTES))
            if not part:
                raise ConnectionError
            left -= len(part)

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

    def pipeline(self, what, requests):
        """Send all on one connection, without waiting, and take their answers."""
        try:
            s = self.connect()
            s.sendall(b"".join(requests))
            for _ in requests:
                self.skip(s, self.take(s, 4))
                self.answered += 1
        except TimeoutError:
            self.silent.append(what)
        except OSError:
            self.refused += 1
        s.close()

    def take_slowly(self, connections, request, bytes_a_second, seconds):
        """Ask on so many connections, take so much of the answers, and ask again behind each."""
        takers = []
        begun = time.monotonic()
        for _ in range(connections):
            s = self.connect(65536)
            s.sendall(request)
            takers.append(SlowTaker(s))
        while takers and time.monotonic() < begun + seconds:
            due = (time.monotonic() - begun) * bytes_a_second
            for taker in list(takers):
                try:
                    if taker.taken < due and taker.take():
                        self.answered += 1
                        taker.socket.sendall(request)
                except OSError:
                    self.refused += 1
                    takers.remove(taker)
            time.sleep(0.01)

    def close(self):
        for s in self.kept:
            s.close()
        self.kept = []
