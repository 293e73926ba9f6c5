#!/usr/bin/env python3
"""A fuzzer of a live port, for a broker that sanitizers watch.

    live_fuzz.py --levee build-sanitize/tools/levee [--seconds 60] [--seed 1]

Clients send requests of every advertised API and version, most of them slightly wrong
(fuzz_requests.py), several in a burst on one connection, and leave at any byte.  The time is
divided into rounds; each starts the broker with other odd settings on the data that the round before left.
It fails on

    a report of a sanitizer, or a failed check
    an end of the process that nobody asked for, or a start that fails
    an ordinary Metadata that is not answered within HANG_SECONDS on a connection of its own
    an answer that does not parse, though its request was well formed
    a SIGTERM, while requests still wait, that does not end the process in order

and then writes what was sent last to --artifact.
"""
import argparse
import os
import pathlib
import random
import re
import select
import socket
import struct
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

import broker_process  # noqa: E402
import raw  # noqa: E402
from kafka_rig import RigError  # noqa: E402

from fuzz_requests import TOPICS, Requests  # noqa: E402

HANG_SECONDS = 10
PROBE_EVERY_S = 1.0
STOP_SECONDS = 30
CONNECTIONS = 24
BURST_MAX = 6
REQUESTS_MAX = 60  # of one connection, then another takes its place
LAST_FRAMES = 600
LINES_SHOWN = 40
REPORT = re.compile(r"Sanitizer|runtime error:|LVE-1001")
ROUNDS = [
    [],
    ["levee.shards=3", "levee.memory.max.bytes=134217728", "levee.durability=cache",
     "max.incremental.fetch.session.cache.slots=2", "group.initial.rebalance.delay.ms=0"],
    ["levee.max.in.flight.requests.per.connection=1", "levee.journal.max.bytes=16777216",
     "max.incremental.fetch.session.cache.slots=0", "message.max.bytes=2000",
     "log.segment.bytes=1048576", "levee.checkpoint.interval.ms=50",
     "log.retention.check.interval.ms=100", "offsets.retention.minutes=1"],
    ["levee.shards=2", "connections.max.idle.ms=300",
     "group.max.size=2", "group.min.session.timeout.ms=1", "log.retention.ms=100",
     "offset.metadata.max.bytes=16", "max.incremental.fetch.session.cache.slots=1",
     "levee.tail.cache.bytes=4194304", "producer.id.expiration.ms=1000",
     "levee.open.files.max=16", "log.index.interval.bytes=0"],
]
COMMON = ["auto.create.topics.enable=true", "num.partitions=2", "offsets.topic.num.partitions=4"]
SANITIZERS = {
    "ASAN_OPTIONS": "exitcode=99:allocator_may_return_null=1:max_allocation_size_mb=3000:"
                    "quarantine_size_mb=64",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=0",
}


class Fault(Exception):
    """What the fuzzer looks for; the text says what was seen."""


class WatchedLevee(broker_process.Levee):
    """levee, with what sanitizers write kept from the first report on."""

    def __init__(self, *args, **words):
        super().__init__(*args, **words)
        self.reports = []

    def read_log(self, proc, ready):
        for line in proc.stderr:
            self.lines = self.lines[-500:] + [line]
            if len(self.reports) < LINES_SHOWN and (self.reports or REPORT.search(line)):
                self.reports.append(line)
            if "LVE-1100" in line and "ready" in line:
                ready.set()

    def watch(self):
        if self.reports:
            time.sleep(1)  # the rest of it
        if self.proc.poll() is not None:
            time.sleep(1)
            raise Fault("the process ended by itself, exit code %s:\n%s" % (
                self.proc.returncode, "".join(self.reports or self.lines[-LINES_SHOWN:])))
        if self.reports:
            raise Fault("a report:\n%s" % "".join(self.reports))


class Client:
    """One connection that never waits: what it sent well formed, and what came back so far."""

    def __init__(self, port, chance):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS)
        if chance.random() < .5:  # a close without goodbye
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.setblocking(False)
        self.known = {}  # correlation id: (api, version)
        self.honest = chance.random() < .4  # nothing is bent here: deep states and long waits
        self.bent = False  # after a bent request answers need not fit
        self.data = b""
        self.sent = 0

    def send(self, data):
        """False when the broker closed or takes no more."""
        end = time.monotonic() + .1
        while data and time.monotonic() < end:
            try:
                data = data[self.socket.send(data):]
            except BlockingIOError:
                select.select([self.socket], [self.socket], [], .01)
                if not self.receive(lambda body: None):
                    return False
            except OSError:
                return False
        return not data

    def receive(self, learn):
        """False when the broker closed."""
        while True:
            try:
                part = self.socket.recv(1 << 18)
            except BlockingIOError:
                break
            except OSError:
                return False
            if not part:
                return False
            self.data += part
        while len(self.data) >= 4:
            size = struct.unpack_from(">i", self.data)[0]
            if len(self.data) < 4 + size:
                break
            self.answer(self.data[4:4 + size], learn)
            self.data = self.data[4 + size:]
        return True

    def answer(self, frame, learn):
        api, version = self.known.pop(struct.unpack_from(">i", frame)[0], (None, 0))
        if api is None or self.bent:
            return
        r = raw.Reader(frame)
        r.take(4)
        flexible = version >= api.flexible_from
        try:
            if flexible and api.name != "ApiVersions":
                for _ in range(r.uvarint()):
                    r.uvarint()
                    r.take(r.uvarint())
            body = raw.decode_fields(api.response, r, version, flexible)
        except UnicodeDecodeError:
            return  # a name that another connection's bent request brought in
        except raw.Malformed as error:
            raise Fault("an answer to %s v%d that does not parse: %s: %s" % (
                api.name, version, error, frame[:200].hex())) from error
        if r.pos != len(frame):
            raise Fault("%d bytes after an answer to %s v%d" % (
                len(frame) - r.pos, api.name, version))
        learn(body)


def probe(broker):
    """An ordinary Metadata on a connection of its own."""
    try:
        c = raw.Connection(broker.bootstrap, client_id="probe", timeout_s=HANG_SECONDS)
        c.ask("Metadata", 9, {"Topics": None, "AllowAutoTopicCreation": False})
        c.close()
    except (OSError, raw.Closed, raw.Malformed) as error:
        broker.watch()
        raise Fault("an ordinary Metadata was not answered: %r; last lines:\n%s" % (
            error, "".join(broker.lines[-LINES_SHOWN:]))) from error


def make_topics(broker):
    """(advertised versions, what Metadata says)."""
    try:
        return ask_for_topics(broker)
    except (OSError, raw.Closed, raw.Malformed) as error:
        broker.watch()
        raise Fault("a broker that was just started does not serve: %r; last lines:\n%s" % (
            error, "".join(broker.lines[-LINES_SHOWN:]))) from error


def ask_for_topics(broker):
    c = raw.Connection(broker.bootstrap, timeout_s=60)
    c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [
        {"Name": name, "NumPartitions": 2, "ReplicationFactor": -1} for name in TOPICS]})
    told = c.ask("ApiVersions", 0, {})["ApiKeys"]
    topics = c.ask("Metadata", 12, {"Topics": None})
    c.ask("FindCoordinator", 4, {"CoordinatorKeys": ["g1"]})
    c.close()
    return {a["ApiKey"]: (a["MinVersion"], a["MaxVersion"]) for a in told}, topics


class Round:
    def __init__(self, broker, chance, counts, last):
        self.broker, self.chance, self.counts, self.last = broker, chance, counts, last
        self.clients = [None] * CONNECTIONS
        self.number = 0

    def run(self, seconds):
        advertised, topics = make_topics(self.broker)
        self.requests = Requests(self.chance, advertised)
        self.requests.learn(topics)
        end = time.monotonic() + seconds
        next_probe = 0
        while time.monotonic() < end:
            self.step()
            self.broker.watch()
            if time.monotonic() >= next_probe:
                probe(self.broker)
                next_probe = time.monotonic() + PROBE_EVERY_S
        probe(self.broker)

    def step(self):
        place = self.chance.randrange(CONNECTIONS)
        client = self.clients[place]
        if client is None:
            try:
                client = self.clients[place] = Client(self.broker.port, self.chance)
            except OSError as error:
                self.broker.watch()
                raise Fault("no connection any more: %r" % error) from error
            self.counts["connections"] += 1
        data = b""
        for _ in range(self.chance.randint(1, BURST_MAX)):
            self.number += 1
            key, version, payload = self.requests.payload(self.number)
            size, bent = len(payload), False
            if not client.honest:
                payload, size, bent = self.requests.bend(payload)
            client.bent = client.bent or bent
            if (key, version) in self.requests.spoken and not client.bent:
                client.known[self.number] = self.requests.apis[key], version
            data += struct.pack(">i", size) + payload
            client.sent += 1
            self.counts["requests"] += 1
            self.counts["bent"] += bent
        if self.chance.random() < .02:  # and leaves in the middle of it
            data, client.sent = data[:self.chance.randrange(len(data))], REQUESTS_MAX
        self.last.append(data)
        del self.last[:-LAST_FRAMES]
        stays = client.send(data) and client.receive(self.requests.learn)
        self.counts["closed by the broker"] += not stays
        if not stays or client.sent >= REQUESTS_MAX or self.chance.random() < .01:
            client.socket.close()
            self.clients[place] = None

    def close(self):
        for client in self.clients:
            if client:
                client.socket.close()


def stop(broker):
    seconds = broker.stop()
    if broker.proc.returncode != 0 or seconds > STOP_SECONDS or broker.reports:
        time.sleep(1)
        raise Fault("SIGTERM ended with exit code %s after %.1f s:\n%s" % (
            broker.proc.returncode, seconds,
            "".join(broker.reports or broker.lines[-LINES_SHOWN:])))


def fuzz(args, broker, last):
    counts = {"requests": 0, "bent": 0, "connections": 0, "closed by the broker": 0}
    for number, settings in enumerate(ROUNDS):
        broker.settings = COMMON + settings + args.set
        broker.start()
        chance = random.Random(args.seed * 1000 + number)
        clients = Round(broker, chance, counts, last)
        try:
            clients.run(args.seconds / len(ROUNDS))
            stop(broker)  # while requests wait
        finally:
            clients.close()
        print("round %d: %s" % (number + 1, ", ".join(
            "%d %s" % (count, what) for what, count in counts.items())), flush=True)


def main():
    parser = argparse.ArgumentParser(description="a fuzzer of a live port")
    parser.add_argument("--levee", metavar="PATH", required=True, help="built with sanitizers")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--artifact", default="live_fuzz-last.bin", metavar="FILE")
    args = parser.parse_args()
    for name, value in SANITIZERS.items():
        os.environ.setdefault(name, value)
    broker, last = WatchedLevee(args.levee), []
    try:
        fuzz(args, broker, last)
    except (Fault, RigError) as fault:
        print("FAIL live fuzz, seed %d: %s" % (args.seed, fault))
        pathlib.Path(args.artifact).write_bytes(b"".join(last))
        print("the last %d bursts are in %s" % (len(last), args.artifact))
        return 1
    finally:
        broker.remove()
    print("live fuzz, seed %d: nothing found" % args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
