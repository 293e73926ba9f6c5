#!/usr/bin/env python3
"""A TCP proxy between Kafka clients and a broker that keeps the frames it passes on.

    capture_proxy.py run --listen PORT --to HOST:PORT --out FILE   until SIGTERM or SIGINT
    capture_proxy.py pick FILE ... --into DIR                      a small set as NAME.hex files

`run` writes one JSON line a frame: client, api_key, api_version, kind, hex (without the length in
front).  A response is known by its correlation id on its connection.  The client is named after
the software name of its ApiVersions request, or its client id.  The broker has to advertise the
proxy's address.

`pick` keeps, for every key, version and direction, the smallest frame and one that says more; a
later file only adds what earlier ones lack.  A request is kept only if it was answered.  A .hex file is as tests/golden/protocol/README.md says:
`api_key api_version request|response # client`, then size, header and body in hex.  Files that are
there already are only overwritten by a frame of the same name; none is removed.
"""
import argparse
import asyncio
import collections
import json
import pathlib
import signal
import struct
import sys

LARGEST_KEPT = 2000
LARGEST_PICKED = 700


class Peer:
    """One client connection: who it is and what it still waits for."""

    def __init__(self, out):
        self.out = out
        self.client = None
        self.waiting = {}

    def request(self, frame):
        if len(frame) < 10:
            return
        key, version, correlation, size = struct.unpack_from(">hhih", frame)
        if self.client is None or key == 18:
            self.client = self.software(key, version, frame, size) or self.client
        self.waiting[correlation] = (key, version, frame)

    def software(self, key, version, frame, size):
        client_id = frame[10:10 + max(size, 0)].decode(errors="replace")
        if key != 18 or version < 3:
            return client_id or "unnamed"
        words, pos = [], 10 + max(size, 0) + 1
        for _ in range(2):
            length = frame[pos] - 1
            words.append(frame[pos + 1:pos + 1 + length].decode(errors="replace"))
            pos += 1 + length
        return " ".join(words)

    def response(self, frame):
        if len(frame) < 4:
            return
        asked = self.waiting.pop(struct.unpack_from(">i", frame)[0], None)
        if asked:
            key, version, request = asked
            if key == 18 and frame[4:6] == b"\0\x23":
                version = 0  # unsupported version: the answer has the layout of version 0
            else:
                self.keep(key, version, "request", request)
            self.keep(key, version, "response", frame)

    def keep(self, key, version, kind, frame):
        if len(frame) <= LARGEST_KEPT:
            json.dump({"client": self.client, "api_key": key, "api_version": version,
                       "kind": kind, "hex": frame.hex()}, self.out)
            self.out.write("\n")


async def pass_on(reader, writer, seen):
    """Copy bytes at once; hand every whole frame to seen()."""
    pending = bytearray()
    try:
        while True:
            data = await reader.read(65536)
            if not data:
                break
            writer.write(data)
            await writer.drain()
            pending += data
            while len(pending) >= 4:
                size = struct.unpack_from(">i", pending)[0]
                if size < 0 or len(pending) < 4 + size:
                    break
                seen(bytes(pending[4:4 + size]))
                del pending[:4 + size]
    except OSError:
        pass
    finally:
        writer.close()


async def run(listen, to, out):
    host, port = to.rsplit(":", 1)

    async def connected(reader, writer):
        try:
            from_broker, to_broker = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        peer = Peer(out)
        await asyncio.gather(pass_on(reader, to_broker, peer.request),
                             pass_on(from_broker, writer, peer.response))

    server = await asyncio.start_server(connected, "127.0.0.1", listen)
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    print("ready on 127.0.0.1:%d" % listen, flush=True)
    await done.wait()
    server.close()


def pick(files, into):
    frames = collections.defaultdict(dict)
    for file in files:
        known = set(frames)
        with open(file) as lines:
            for line in lines:
                entry = json.loads(line)
                at = (entry["api_key"], entry["api_version"], entry["kind"])
                if at not in known:
                    frames[at].setdefault(entry["hex"], entry["client"])
    into.mkdir(parents=True, exist_ok=True)
    total = count = 0
    for (key, version, kind), found in sorted(frames.items()):
        by_size = sorted(found, key=lambda h: (len(h), h))
        chosen = [by_size[0]]
        fuller = [h for h in by_size if len(by_size[0]) < len(h) <= 2 * LARGEST_PICKED]
        if fuller:
            chosen.append(fuller[-1])
        for n, frame in enumerate(chosen):
            name = "%02d_v%02d_%s_%d.hex" % (key, version, kind, n + 1)
            text = "%d %d %s # %s\n" % (key, version, kind, found[frame])
            frame = "%08x" % (len(frame) // 2) + frame
            text += "".join(frame[i:i + 64] + "\n" for i in range(0, len(frame), 64))
            (into / name).write_text(text)
            total += len(text)
            count += 1
    print("%d frames of %d kinds, %d bytes" % (count, len(frames), total))


def main():
    parser = argparse.ArgumentParser(description="keeps the frames between clients and a broker")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("--listen", type=int, required=True)
    one.add_argument("--to", required=True)
    one.add_argument("--out", required=True)
    one = commands.add_parser("pick")
    one.add_argument("files", nargs="+")
    one.add_argument("--into", type=pathlib.Path, required=True)
    args = parser.parse_args()
    if args.command == "pick":
        pick(args.files, args.into)
    else:
        with open(args.out, "w") as out:
            asyncio.run(run(args.listen, args.to, out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
