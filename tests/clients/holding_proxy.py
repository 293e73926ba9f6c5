"""A proxy in front of a broker that can hold a request back and deliver it much later.

It speaks for the broker: addresses in answers of Metadata and FindCoordinator become its own, so a
client never finds the way around it.
"""
import socket
import struct
import threading

import raw


def read_frame(connection):
    """One frame with its length; None at the end."""
    data = b""
    need = 4
    while len(data) < need:
        try:
            part = connection.recv(need - len(data))
        except OSError:
            return None
        if not part:
            return None
        data += part
        if need == 4 and len(data) == 4:
            need += struct.unpack(">i", data)[0]
    return data


class Proxy:
    """hold(api) holds the next request of that API back: its client's connection is cut, as by a
    network that lost it, and the one to the broker stays; release() delivers the request there."""

    def __init__(self, bootstrap):
        host, port = bootstrap.rsplit(":", 1)
        self.broker = (host, int(port))
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.address = "127.0.0.1:%d" % self.port
        self.wanted = None
        self.held = threading.Event()
        self.frame = self.upstream = None
        self.answered = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            upstream = socket.create_connection(self.broker)
            asked = {}
            threading.Thread(target=self.requests, args=(client, upstream, asked), daemon=True).start()
            threading.Thread(target=self.answers, args=(client, upstream, asked), daemon=True).start()

    def requests(self, client, upstream, asked):
        while True:
            frame = read_frame(client)
            if frame is None:
                if upstream is not self.upstream:
                    upstream.close()
                return
            key, version, correlation_id = struct.unpack(">hhi", frame[4:12])
            asked[correlation_id] = (key, version)
            if self.wanted is not None and raw.APIS[self.wanted].key == key:
                self.wanted, self.frame, self.upstream = None, frame, upstream
                self.held.set()
                cut(client)
                return
            try:
                upstream.sendall(frame)
            except OSError:
                cut(client)
                return

    def answers(self, client, upstream, asked):
        while True:
            frame = read_frame(upstream)
            if upstream is self.upstream:
                self.answered.append(frame)
            if frame is None:
                cut(client)
                return
            key, version = asked.pop(struct.unpack(">i", frame[4:8])[0])
            try:
                client.sendall(self.through_here(key, version, frame))
            except OSError:
                if upstream is not self.upstream:
                    return

    def through_here(self, key, version, frame):
        api = raw.APIS.get(key)
        if api is None or api.name not in ("Metadata", "FindCoordinator"):
            return frame
        flexible = version >= api.flexible_from
        reader = raw.Reader(frame[8:])
        if flexible:
            reader.uvarint()
        answer = raw.decode_fields(api.response, reader, version, flexible)
        for node in [answer] + answer.get("Brokers", []) + answer.get("Coordinators", []):
            if node.get("Port", -1) > 0:
                node["Host"], node["Port"] = "127.0.0.1", self.port
        body = frame[4:8] + (b"\0" if flexible else b"")
        body += raw.encode_fields(api.response, answer, version, flexible)
        return struct.pack(">i", len(body)) + body

    def hold(self, api):
        self.held.clear()
        self.wanted = api

    def release(self):
        """Delivers the held request; its answer, or None when the connection was closed."""
        self.answered = []
        self.upstream.settimeout(None)
        self.upstream.sendall(self.frame)
        for _ in range(100):
            if self.answered:
                return self.answered[0]
            threading.Event().wait(0.05)
        return b"no answer"

    def close(self):
        self.server.close()


def cut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
