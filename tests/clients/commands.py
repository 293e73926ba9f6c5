#!/usr/bin/env python3
"""The command line against a broker: real pipes, signals, full devices and closed descriptors.

usage: commands.py --levee PATH [NAME ...]

Starts its own broker, runs every check (or those named), prints `ok NAME` or `FAIL NAME: why` and
`N passed, N failed`.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import broker_process
import raw
import raw_transaction

SECONDS = 20
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


class World:
    def __init__(self, binary):
        self.binary = binary
        self.broker = broker_process.Levee(binary)
        self.broker.start()
        self.names = 0

    def topic(self, *options):
        self.names += 1
        name = "commands-%d" % self.names
        self.good("topic", "create", name, *options)
        return name

    def argv(self, words):
        return [self.binary, *words, "-b", self.broker.bootstrap]

    def run(self, *words, **options):
        options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
        if options["stdin"] is None:
            del options["stdin"]
        if "stdout" not in options:
            options["stdout"] = subprocess.PIPE
        return subprocess.run(self.argv(words), stderr=subprocess.PIPE, text=True, timeout=SECONDS,
                              **options)

    def good(self, *words, **options):
        done = self.run(*words, **options)
        expect(done.returncode == 0, "%s: exit code %d: %s" % (words, done.returncode, done.stderr))
        return done.stdout

    def start(self, *words, **options):
        return subprocess.Popen(self.argv(words), stderr=subprocess.PIPE, text=True, **options)

    def values(self, topic):
        return self.good("consume", topic, "-o", ":end").splitlines()

    def wait_for(self, topic, values):
        end = time.monotonic() + 5
        while self.values(topic) != values:
            expect(time.monotonic() < end, "%s has %s, not %s" % (topic, self.values(topic), values))
            time.sleep(0.05)


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def refused(world, words, needle, code=2, **options):
    """Ends at once with code and says needle in one line."""
    done = world.run(*words, **options)
    expect(done.returncode == code, "%s: exit code %d, not %d: %s" % (
        words, done.returncode, code, done.stderr))
    expect(needle in done.stderr, "%s says %r, without %r" % (words, done.stderr, needle))


# ---- produce


@check
def a_slow_pipe_is_stored_as_it_comes(world):
    topic = world.topic()
    proc = world.start("produce", topic, stdin=subprocess.PIPE)
    values = []
    for value in ("one", "two"):
        proc.stdin.write(value + "\n")
        proc.stdin.flush()
        values.append(value)
        world.wait_for(topic, values)
    proc.stdin.close()
    expect(proc.wait(SECONDS) == 0, "exit code %s" % proc.returncode)


@check
def a_pause_is_not_counted_as_waiting(world):
    topic = world.topic()
    proc = world.start("produce", topic, "--timeout", "1000", stdin=subprocess.PIPE)
    for value in ("one", "two"):
        proc.stdin.write(value + "\n")
        proc.stdin.flush()
        time.sleep(2)
    proc.stdin.close()
    expect(proc.wait(SECONDS) == 0, "exit code %s: %s" % (proc.returncode, proc.stderr.read()))
    expect(world.values(topic) == ["one", "two"], "not all is stored")


@check
def a_signal_stores_what_was_read(world):
    for number in (signal.SIGINT, signal.SIGTERM):
        topic = world.topic()
        proc = world.start("produce", topic, "--linger", "60000", stdin=subprocess.PIPE)
        proc.stdin.write("a\nb\nunfinished")
        proc.stdin.flush()
        time.sleep(0.5)
        expect(world.values(topic) == [], "the linger was not waited for")
        proc.send_signal(number)
        proc.wait(SECONDS)
        told = proc.stderr.read()
        proc.stdin.close()
        expect(proc.returncode == 0, "exit code %s: %s" % (proc.returncode, told))
        expect(world.values(topic) == ["a", "b"], "stored: %s" % world.values(topic))
        expect("2 records stored" in told and "10 bytes after the last newline" in told, told)


@check
def a_second_signal_ends_at_once(world):
    topic = world.topic()
    proc = world.start("produce", topic, "--timeout", "15000", stdin=subprocess.PIPE)
    proc.stdin.write("x\n")
    proc.stdin.flush()
    world.wait_for(topic, ["x"])
    world.broker.proc.send_signal(signal.SIGSTOP)
    try:
        proc.stdin.write("y\n")
        proc.stdin.flush()
        time.sleep(0.3)
        proc.send_signal(signal.SIGINT)
        time.sleep(0.3)
        expect(proc.poll() is None, "the first signal did not wait for the answer")
        proc.send_signal(signal.SIGINT)
        expect(proc.wait(5) == -signal.SIGINT, "exit code %s" % proc.returncode)
    finally:
        world.broker.proc.send_signal(signal.SIGCONT)


@check
def only_what_was_stored_is_counted(world):
    topic = world.topic("-C", "max.message.bytes=1000")
    done = world.run("produce", topic, input="small\n" + "x" * 2000 + "\n")
    expect(done.returncode == 1 and "MESSAGE_TOO_LARGE" in done.stderr, done.stderr)
    expect("0 of 2 records stored" in done.stderr, done.stderr)
    # what is large goes alone: the small ones before it are stored
    topic = world.topic()
    done = world.run("produce", topic, input="small\n" + "x" * 2000000 + "\n")
    expect(done.returncode == 1 and "1 of 2 records stored" in done.stderr, done.stderr)
    expect(world.values(topic) == ["small"], "stored: %s" % world.values(topic))


@check
def many_lines_keep_their_order(world):
    topic = world.topic()
    lines = ["%d %s" % (i, "x" * (i % 300)) for i in range(20000)]
    done = world.run("produce", topic, "-z", "lz4", input="\n".join(lines))
    expect(done.returncode == 0 and "20000 records stored" in done.stderr, done.stderr)
    expect(world.values(topic) == lines, "other lines came back")


@check
def keys_choose_partitions_and_json_tells_offsets(world):
    topic = world.topic("-p", "3")
    out = world.good("produce", topic, "-K", ":", "--format", "json",
                     input="".join("k%d:v%d\n" % (i, i) for i in range(30)))
    told = [json.loads(line) for line in out.splitlines()]
    expect(sum(t["records"] for t in told) == 30, out)
    expect({t["partition"] for t in told} == {0, 1, 2}, out)
    got = sorted(world.good("consume", topic, "-o", ":end", "-f", "%k=%v\\n").splitlines())
    expect(got == sorted("k%d=v%d" % (i, i) for i in range(30)), "consumed %s" % got)


@check
def transactions_are_seen_as_they_are_asked_for(world):
    topic = world.topic()
    one = raw_transaction.Producer(world.broker.bootstrap, "commands-one")
    other = raw_transaction.Producer(world.broker.bootstrap, "commands-other")
    one.send(topic, b"aborted")
    other.send(topic, b"kept")
    one.end(False)
    one.send(topic, b"kept, too")
    one.end(True)
    other.end(True)
    other.send(topic, b"open")
    expect(world.values(topic) == ["aborted", "kept", "kept, too", "open"], world.values(topic))
    committed = world.good("consume", topic, "-o", ":end", "--isolation", "read_committed")
    expect(committed.splitlines() == ["kept", "kept, too"], committed)
    told = world.good("topic", "describe", topic, "--format", "json").splitlines()[0]
    told = json.loads(told)
    expect(told["open_transactions"] == 1 and told["last_stable_offset"] == 6 and
           told["high_watermark"] == 7 and told["log_start_offset"] == 0, told)
    other.end(False)
    refused(world, ["consume", topic, "--isolation", "serializable"], "read_uncommitted")


@check
def a_restart_of_the_broker_is_waited_out(world):
    topic = world.topic()
    proc = world.start("produce", topic, stdin=subprocess.PIPE)
    reader = world.start("consume", topic, "-n", "2", stdout=subprocess.PIPE)
    proc.stdin.write("before\n")
    proc.stdin.flush()
    world.wait_for(topic, ["before"])
    first = reader.stdout.readline()  # it is connected, too: a first refusal would be final
    world.broker.stop()
    proc.stdin.write("after\n")
    proc.stdin.flush()
    time.sleep(0.5)
    world.broker.start()
    world.wait_for(topic, ["before", "after"])
    proc.stdin.close()
    expect(proc.wait(SECONDS) == 0, "exit code %s: %s" % (proc.returncode, proc.stderr.read()))
    out, told = reader.communicate(timeout=SECONDS)
    expect(reader.returncode == 0 and first + out == "before\nafter\n", "%s %s" % (out, told))


class Forgetful(threading.Thread):
    """Passes bytes on to the broker, and loses the first answer to a Produce."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.server.getsockname()[1]
        self.lost = 0

    def run(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self.port)) as broker:
                try:
                    self.serve(client, broker)
                except (OSError, EOFError):
                    pass

    @staticmethod
    def frame(sock):
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            piece = sock.recv(65536)
            if not piece:
                raise EOFError
            data += piece
        return data

    def serve(self, client, broker):
        while True:
            request = self.frame(client)
            broker.sendall(request)
            answer = self.frame(broker)
            if struct.unpack(">h", request[4:6])[0] == 0 and self.lost == 0:
                self.lost += 1
                return
            client.sendall(answer)


class Refusing(Forgetful):
    """Answers the first requests of some APIs itself, with an error; passes on the others.

    refuse: {api: (how many requests, answer of a decoded request)}; asked: what it was asked."""

    def __init__(self, port, refuse):
        super().__init__(port)
        self.refuse = {raw.APIS[name].key: [name, *what] for name, what in refuse.items()}
        self.asked = []

    def serve(self, client, broker):
        while True:
            request = self.frame(client)
            answer = self.refusal(request)
            if answer is None:
                broker.sendall(request)
                answer = self.frame(broker)
            client.sendall(answer)

    def refusal(self, frame):
        key, version, correlation_id = struct.unpack(">hhi", frame[4:12])
        name, left, make = self.refuse.get(key, (None, 0, None))
        if name is None:
            return None
        api = raw.APIS[name]
        flexible = version >= api.flexible_from
        reader = raw.Reader(frame[12:])
        reader.take(reader.number(">h"))  # the client's id
        if flexible:
            reader.uvarint()
        request = raw.decode_fields(api.request, reader, version, flexible)
        self.asked.append((name, request))
        if left == 0:
            return None
        self.refuse[key][1] -= 1
        body = struct.pack(">i", correlation_id) + (b"\0" if flexible else b"")
        body += raw.encode_fields(api.response, make(request), version, flexible)
        return struct.pack(">i", len(body)) + body


def through(world, refuse, *words):
    """The command over such a broker; (what it came to, what was asked)."""
    proxy = Refusing(world.broker.port, refuse)
    proxy.start()
    done = subprocess.run([world.binary, *words, "-b", proxy.address], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    proxy.server.close()
    return done, proxy.asked


# What a broker says that is not ready: NOT_CONTROLLER, COORDINATOR_LOAD_IN_PROGRESS, ...
UNREADY = {
    "CreateTopics": lambda r: {"Topics": [{"Name": t["Name"], "ErrorCode": 41} for t in r["Topics"]]},
    "DeleteTopics": lambda r: {"Responses": [
        {"Name": t["Name"], "ErrorCode": 41} for t in r["Topics"]]},
    "CreatePartitions": lambda r: {"Results": [
        {"Name": t["Name"], "ErrorCode": 41} for t in r["Topics"]]},
    "IncrementalAlterConfigs": lambda r: {"Responses": [
        {"ErrorCode": 41, "ResourceType": 2, "ResourceName": t["ResourceName"]}
        for t in r["Resources"]]},
    "DescribeConfigs": lambda r: {"Results": [
        {"ErrorCode": 41, "ResourceType": 2, "ResourceName": t["ResourceName"]}
        for t in r["Resources"]]},
    "Metadata": lambda r: {"Topics": [{"Name": t["Name"], "ErrorCode": 5} for t in r["Topics"]]},
    "ListGroups": lambda r: {"ErrorCode": 14},
    "FindCoordinator": lambda r: {"ErrorCode": 15, "NodeId": -1},
    "DescribeGroups": lambda r: {"Groups": [{"GroupId": g, "ErrorCode": 14} for g in r["Groups"]]},
    "OffsetFetch": lambda r: {"ErrorCode": 14},
    "DeleteGroups": lambda r: {"Results": [
        {"GroupId": g, "ErrorCode": 16} for g in r["GroupsNames"]]},
    "ListOffsets": lambda r: {"Topics": [{"Name": t["Name"], "Partitions": [
        {"PartitionIndex": p["PartitionIndex"], "ErrorCode": 6, "Offset": -1, "Timestamp": -1}
        for p in t["Partitions"]]} for t in r["Topics"]]},
}


def commit(world, group, topic):
    client = raw.Connection(world.broker.bootstrap)
    end = time.monotonic() + 10
    while client.ask("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [group]})[
            "Coordinators"][0]["ErrorCode"] != 0:
        expect(time.monotonic() < end, "no coordinator")
        time.sleep(0.1)
    while True:
        done = client.ask("OffsetCommit", 7, {"GroupId": group, "Topics": [{
            "Name": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 0,
                                           "CommittedMetadata": ""}]}]})
        if done["Topics"][0]["Partitions"][0]["ErrorCode"] == 0:
            break
        expect(time.monotonic() < end, "OffsetCommit: %s" % done)
        time.sleep(0.1)
    client.close()


@check
def errors_that_pass_are_waited_out(world):
    topic, group = world.topic(), "waiting"
    commit(world, group, topic)
    for words, names in (
            (["topic", "create", topic + "a", topic + "b"], ["CreateTopics"]),
            (["topic", "add-partitions", topic + "a", "-p", "2"], ["CreatePartitions"]),
            (["topic", "alter-config", topic + "a", "-C", "retention.ms=5000"],
             ["IncrementalAlterConfigs"]),
            (["topic", "describe", topic + "a"], ["Metadata", "DescribeConfigs"]),
            (["topic", "delete", topic + "a", topic + "b"], ["DeleteTopics"]),
            (["group", "list"], ["ListGroups"]),
            (["group", "describe", group],
             ["FindCoordinator", "DescribeGroups", "OffsetFetch", "ListOffsets"]),
            (["group", "delete", group], ["FindCoordinator", "DeleteGroups"])):
        done, asked = through(world, {n: (2, UNREADY[n]) for n in names}, *words)
        expect(done.returncode == 0, "%s: exit code %d: %s" % (words, done.returncode, done.stderr))
        for name in names:
            count = sum(n == name for n, _ in asked)
            needed = 2 if name == "OffsetFetch" else 1  # once more for what transactions hold
            expect(count == 2 + needed, "%s: %s was asked %d times" % (words, name, count))


@check
def errors_that_stay_end_with_the_timeout(world):
    for words, name in ((["topic", "create", "never"], "CreateTopics"),
                        (["group", "list"], "ListGroups"),
                        (["topic", "describe", "never"], "Metadata")):
        begin = time.monotonic()
        done, asked = through(world, {name: (-1, UNREADY[name])}, *words, "--timeout", "600")
        expect(done.returncode != 0 and len(asked) > 1, "%s: %s %d" % (words, done, len(asked)))
        expect(time.monotonic() - begin < 3, "%s took %s s" % (words, time.monotonic() - begin))
    # one that says that the broker goes on by itself is told at once
    done, asked = through(world, {"CreateTopics": (-1, lambda r: {"Topics": [
        {"Name": "late", "ErrorCode": 7}]})}, "topic", "create", "late")
    expect(done.returncode == 6 and len(asked) == 1, "%s %d" % (done, len(asked)))


@check
def what_was_done_is_not_asked_again(world):
    topic = world.topic()
    done, asked = through(world, {"CreateTopics": (1, lambda r: {"Topics": [
        {"Name": topic + "x", "ErrorCode": 0}, {"Name": topic + "y", "ErrorCode": 41}]})},
                          "topic", "create", topic + "x", topic + "y")
    expect(done.returncode == 0, done.stderr)
    expect([[t["Name"] for t in r["Topics"]] for _, r in asked]
           == [[topic + "x", topic + "y"], [topic + "y"]], asked)
    expect(sorted(done.stdout.split()) == sorted(
        [topic + "x", "created", topic + "y", "created"]), done.stdout)


@check
def an_answer_that_is_lost_does_not_store_twice(world):
    topic = world.topic()
    proxy = Forgetful(world.broker.port)
    proxy.start()
    done = subprocess.run([world.binary, "produce", topic, "-b", proxy.address], input="a\nb\n",
                          stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    proxy.server.close()
    expect(proxy.lost == 1, "no answer was lost")
    expect(done.returncode == 0 and "2 records stored" in done.stderr, done.stderr)
    expect(world.values(topic) == ["a", "b"], "stored: %s" % world.values(topic))


# ---- consume


@check
def a_full_output_is_an_error(world):
    topic = world.topic()
    world.good("produce", topic, input="a\n")
    for words in (["consume", topic, "-n", "1"], ["consume", topic], ["topic", "list"]):
        with open("/dev/full", "w") as full:
            refused(world, words, "No space left", code=1, stdout=full)


@check
def a_closed_output_is_an_error(world):
    topic = world.topic()
    world.good("produce", topic, input="a\n")
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *world.argv(["consume", topic])],
                          stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    expect(done.returncode == 1 and "standard output" in done.stderr, done.stderr)
    # a reader that goes while there is nothing to print
    proc = world.start("consume", topic, "-o", "end", stdout=subprocess.PIPE)
    time.sleep(0.5)
    proc.stdout.close()
    expect(proc.wait(5) == 1, "exit code %s" % proc.returncode)


class Recording(Forgetful):
    """Passes bytes on, whatever they are, and keeps what the command sent."""

    def __init__(self, port):
        super().__init__(port)
        self.sent = b""

    def serve(self, client, broker):
        threading.Thread(target=self.answers, args=(client, broker), daemon=True).start()
        while True:
            data = client.recv(65536)
            if not data:
                return
            self.sent += data
            broker.sendall(data)

    @staticmethod
    def answers(client, broker):
        try:
            while data := broker.recv(65536):
                client.sendall(data)
        except OSError:
            pass


@check
def a_closed_descriptor_is_never_the_brokers(world):
    topic = world.topic()
    world.good("produce", topic, input="to-nobody\n")
    for closed, words, text, needle in (
            (">&-", ["consume", topic, "-n", "1"], b"to-nobody", "standard output"),
            ("2>&-", ["topic", "describe", "not-there"], b"levee: ", None),
            ("<&-", ["produce", topic], None, "standard input")):
        proxy = Recording(world.broker.port)
        proxy.start()
        done = subprocess.run(["sh", "-c", '"$@" ' + closed, "sh", world.binary, *words, "-b",
                               proxy.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, text=True, timeout=SECONDS)
        proxy.server.close()
        expect(done.returncode not in (0, 2), "%s: exit code %d" % (words, done.returncode))
        expect(proxy.sent, "%s asked nothing" % words)
        expect(text is None or text not in proxy.sent, "%s wrote to the broker" % words)
        expect(needle is None or needle in done.stderr, "%s: %s" % (words, done.stderr))


@check
def places_to_begin(world):
    topic = world.topic()
    world.good("produce", topic, input="".join("%d\n" % i for i in range(10)))
    for where, values in (("start:end", range(10)), ("+8:end", (8, 9)), ("-3:end", (7, 8, 9)),
                          ("5:end", range(5, 10)), ("end:end", ()), (":end", range(10)),
                          ("@0:end", range(10)), ("@99999999999999:end", ()), ("+50:end", ()),
                          ("-50:end", range(10))):
        got = world.good("consume", topic, "-o", where).split()
        expect(got == [str(v) for v in values], "-o %s gave %s" % (where, got))


@check
def templates_of_rpk(world):
    topic = world.topic()
    world.good("produce", topic, "--format", "%k %v\\n", input="a 1\nb 2 3\n")
    world.good("topic", "produce", topic, "-f", "%k\\x3a%%%v\\n", input="c:%4\n")
    for option in ("-f", "--format"):
        got = world.good("topic", "consume", topic, "-o", ":end", option, "%o %p %t %k=%v %H%{%}\\n")
        expect(got == "".join("%d 0 %s %s 0{}\n" % (i, topic, pair) for i, pair in enumerate(
            ("a=1", "b=2 3", "c=4"))), got)
        got = world.good("consume", topic, "-o", ":end", option, "json")
        expect([json.loads(line)["key"] for line in got.splitlines()] == ["a", "b", "c"], got)
    done = world.run("produce", topic, "--format", "%k %v\\n", input="x y\nlonely\n")
    expect(done.returncode == 1 and "does not fit the format" in done.stderr, done.stderr)


@check
def headers_are_printed_by_their_template(world):
    topic = world.topic()
    client = raw.Connection(world.broker.bootstrap)
    records = raw.record(0, b"k", b"v", headers=((b"a", b"1"), (b"b", None)))
    done = client.ask("Produce", 9, {"Acks": -1, "TimeoutMs": 10000, "TopicData": [
        {"Name": topic, "PartitionData": [{"Index": 0, "Records": raw.batch(
            [b"v"], records=records)}]}]})
    client.close()
    expect(done["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0, done)
    got = world.good("consume", topic, "-o", ":end", "-f", "%H:%h{%k(%K)=%v(%V)%};}%v\\n")
    expect(got == "2:a(1)=1(1)};b(1)=(0)};v\n", got)


# ---- words and options


@check
def mistakes_are_told_before_connecting(world):
    nowhere = ["-b", "127.0.0.1:1"]
    for words, needle in (
            (["consume", "t", "-f", "%q"], "%q is unknown"),
            (["consume", "t", "--format", "%q"], "%q is unknown"),
            (["consume", "t", "--format", "xml"], "a template, not"),
            (["consume", "t", "-f", "%v{hex}"], "modifiers are unknown"),
            (["consume", "t", "-f", "%h"], "is followed by {"),
            (["consume", "t", "-f", "%h{%k"], "has no }"),
            (["consume", "t", "-f", "%h{%o}"], "%o is unknown in %h"),
            (["produce", "t", "-f", "%v"], "templates of input are"),
            (["produce", "t", "-f", "%k%v\\n"], "templates of input are"),
            (["produce", "t", "-f", "%V{big4}%v"], "templates of input are"),
            (["produce", "t", "--format", "%p %v\\n"], "templates of input are"),
            (["topic", "list", "--format", "%v"], "is text or json"),
            (["consume", "t", "-f", "\\y"], "\\y is unknown"),
            (["consume", "t", "-f", "50%"], "nothing follows"),
            (["consume", "t", "-o", "foo"], "no place to begin"),
            (["consume", "t", "-o", "-x"], "no place to begin"),
            (["consume", "t", "-n", "x"], "takes a number"),
            (["consume", "t", "-n", "-1"], "takes a number"),
            (["topic", "create", "t", "-p", "0"], "at least one partition"),
            (["topic", "create", "x", "y", "x"], "x is named twice"),
            (["topic", "delete", "x", "x"], "x is named twice"),
            (["produce", "t", "-K", ""], "-K needs"),
            (["produce", "t", "-z", "zip"], "-z is"),
            (["topic", "list", "-X", "tls.enabled=true"], "-X knows brokers")):
        done = subprocess.run([world.binary, *words, *nowhere], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=SECONDS)
        expect(done.returncode == 2 and needle in done.stderr, "%s: %d %s" % (
            words, done.returncode, done.stderr))


@check
def addresses_that_lead_nowhere(world):
    for address, needle, code in (("nosuchhost.invalid:9092", "host name nosuchhost.invalid", 1),
                                  ("127.0.0.1:1", "is it running", 1),
                                  ("127.0.0.1:port", "no port number", 1),
                                  ("nosuchhost.invalid:1,127.0.0.1:1", "127.0.0.1:1: ", 1)):
        done = subprocess.run([world.binary, "topic", "list", "-b", address],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=SECONDS)
        expect(done.returncode == code and needle in done.stderr, "%s: %d %s" % (
            address, done.returncode, done.stderr))


@check
def what_rpk_users_type(world):
    topic = world.topic()
    where = "brokers=%s" % world.broker.bootstrap
    for words, text in ((["topic", "produce", topic], "x\n"), (["produce", topic, "-k", "y"], "y\n")):
        done = subprocess.run([world.binary, *words, "-X", where], input=text, text=True,
                              stderr=subprocess.PIPE, timeout=SECONDS)
        expect(done.returncode == 0, done.stderr)
    done = subprocess.run([world.binary, "topic", "consume", "-X", where, "-n", "2", "--", topic],
                          stdout=subprocess.PIPE, text=True, timeout=SECONDS)
    expect(done.stdout == "x\ny\n", done.stdout)
    out = world.good("cluster", "info")
    expect("CLUSTER" in out and str(world.broker.port) in out, out)
    done = subprocess.run([world.binary, "topic", "describe", "-X", where, "--", "-t"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    expect(done.returncode == 3 and "-t: UNKNOWN_TOPIC" in done.stderr, done.stderr)


# ---- files


def offline(world, *words):
    return subprocess.run([world.binary, *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=SECONDS)


@check
def the_tail_of_a_segment_is_told_in_words(world):
    topic = world.topic()
    for _ in range(5):
        world.good("produce", topic, input="x" * 3000 + "\n")
    segment = world.broker.directory / "data" / (topic + "-0") / ("0" * 20 + ".log")
    end = time.monotonic() + 15  # a running broker copies what its journal has, in whole blocks
    while not segment.stat().st_size:
        expect(time.monotonic() < end, "%s stays empty" % segment)
        time.sleep(0.1)
    done = offline(world, "log", "dump", segment)
    expect(done.returncode == 0 and "not written yet" in done.stderr, "live: %s" % done)
    whole = segment.read_bytes().rstrip(b"\0") + b"\0"  # a record ends with its header count, 0
    with tempfile.TemporaryDirectory(prefix="levee-dump-") as directory:
        copy = pathlib.Path(directory) / segment.name
        for name, data, code, needle in (
                ("padded", whole + bytes(4095), 0, "4095 bytes are not written yet"),
                ("zeros", whole + bytes(8192), 7, "more than the rest of a block"),
                ("cut", whole[:-10], 7, "is not complete"),
                ("noise", whole + b"\xff" * 100, 7, "100 bytes from position")):
            copy.write_bytes(data)
            done = offline(world, "log", "dump", copy)
            expect(done.returncode == code and needle in done.stderr, "%s: %s" % (name, done))


@check
def config_check_looks_at_the_data_directory(world):
    def told(path):
        return offline(world, "config", "check", "--set", "log.dirs=%s" % path)

    with tempfile.TemporaryDirectory(prefix="levee-check-") as directory:
        directory = pathlib.Path(directory)
        (directory / "file").write_text("")
        (directory / "there").mkdir()
        for path in (directory / "there", directory / "new"):
            expect(told(path).returncode == 0, "%s: %s" % (path, told(path)))
        expect(not (directory / "new").exists(), "it was created")
        for path, needle in ((directory / "file", "is not a directory"),
                             (directory / "file" / "data", "is not a directory"),
                             (directory / "none" / "data", "does not exist"),
                             ("%s,%s" % (directory / "there", directory / "new"),
                              "one directory")):
            done = told(path)
            expect(done.returncode == 2 and needle in done.stderr, "%s: %s" % (path, done))
        # as a user that may not write: root may always
        directory.chmod(0o755)
        (directory / "there").chmod(0o555)
        binary = shutil.copy(world.binary, directory / "levee")
        for path in (directory / "there", directory / "there" / "new"):
            done = subprocess.run([binary, "config", "check", "--set", "log.dirs=%s" % path],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=SECONDS, cwd="/",
                                  user=65534 if os.geteuid() == 0 else None)
            expect(done.returncode == 2 and "cannot be written" in done.stderr, "%s" % done)


# ---- names


@check
def a_group_that_does_not_exist(world):
    refused(world, ["group", "describe", "nobody"], "there is no group nobody", code=3)


@check
def offsets_of_an_open_transaction_are_told_beside_the_committed_one(world):
    topic = world.topic("-p", "2")
    commit(world, "stager", topic)
    producer = raw_transaction.Producer(world.broker.bootstrap, "stager")

    def told():
        rows = [json.loads(line) for line in
                world.good("group", "describe", "stager", "--format", "json").splitlines()[1:]]
        return [(r["partition"], r["committed"], r["in_transaction"]) for r in rows]

    expect(told() == [(0, 0, False)], "before: %s" % told())
    producer.send(topic, b"a")
    producer.commit_offset("stager", topic, 5)
    expect(told() == [(0, 0, True)], "open: %s" % told())
    expect("in transaction" in world.good("group", "describe", "stager"), "text")
    producer.end(True)
    end = time.monotonic() + 10
    while told() != [(0, 5, False)]:
        expect(time.monotonic() < end, "ended: %s" % told())
        time.sleep(0.1)
    producer.close()


@check
def a_transaction_that_holds_readers_back_is_told_and_ended(world):
    topic = world.topic("-p", "2")
    place = topic + "/0"
    refused(world, ["txn", "explain", "orders"], "is no TOPIC/PARTITION")
    refused(world, ["txn", "explain", "missing/0"], "UNKNOWN_TOPIC_OR_PARTITION", code=3)
    refused(world, ["txn", "abort", place, "--yes"], "no transaction is open", code=3)
    refused(world, ["txn", "describe", "nobody"], "no transactional id nobody", code=3)
    refused(world, ["txn", "fence", "nobody"], "no transactional id nobody", code=3)
    expect("HELD-BY nobody" in world.good("txn", "explain", place), "nobody")
    producer = raw_transaction.Producer(world.broker.bootstrap, "holder")
    producer.send(topic, b"a", b"b")
    producer.send(topic, b"c", partition=1)
    listed = [json.loads(line) for line in world.good("txn", "list", "--format", "json").splitlines()]
    expect({"transactional_id": "holder", "producer_id": producer.pid, "state": "Ongoing"} in listed,
           "%s" % listed)
    expect("holder" in world.good("txn", "list"), "list")
    rows = [json.loads(line) for line in
            world.good("txn", "describe", "holder", "--format", "json").splitlines()]
    expect((rows[0]["state"], rows[0]["epoch"], rows[0]["timeout_ms"]) ==
           ("Ongoing", producer.epoch, 60000), "%s" % rows[0])
    expect(rows[1:] == [{"topic": topic, "partition": p} for p in (0, 1)], "%s" % rows)
    told = json.loads(world.good("txn", "explain", place, "--format", "json"))
    expect((told["is_held"], told["is_known"], told["first_offset"], told["last_stable"],
            told["high_watermark"], told["transactional_id"]) == (True, True, 0, 0, 2, "holder"),
           "%s" % told)
    text = world.good("txn", "explain", place)
    expect("levee txn abort " + place in text and "Ongoing" in text, text)
    told = world.run("txn", "abort", place)
    expect(told.returncode == 2 and "in 2 partitions" in told.stdout, told.stdout)
    expect(producer.state() == "Ongoing", "nothing was done")
    expect("aborted " + place in world.good("txn", "abort", place, "--yes"), "aborted")
    expect("HELD-BY nobody" in world.good("txn", "explain", place), "it ended")
    try:
        producer.end(True)
        expect(False, "the producer is fenced")
    except raw_transaction.Refused:
        pass
    producer.close()
    expect("fenced holder" in world.good("txn", "fence", "holder"), "fence")


@check
def a_transaction_that_no_coordinator_knows_is_ended_in_its_partition(world):
    """What a Kafka of old left behind: a batch that was never registered."""
    topic = world.topic()
    place = topic + "/0"
    client = raw.Connection(world.broker.bootstrap, timeout_s=SECONDS)

    def verify(value):
        answer = client.ask("IncrementalAlterConfigs", 1, {"Resources": [{
            "ResourceType": 4, "ResourceName": "", "Configs": [{
                "Name": "transaction.partition.verification.enable", "ConfigOperation": 0,
                "Value": value}]}]})
        expect(answer["Responses"][0]["ErrorCode"] == 0, "%s" % answer)

    raw_transaction.Producer(world.broker.bootstrap, "opens-the-topic").close()
    verify("false")
    records = raw.batch([b"lost"], timestamp=int(time.time() * 1000), attributes=0x10,
                        producer_id=777, producer_epoch=5, base_sequence=0)
    answer = client.ask("Produce", 11, {
        "TransactionalId": "gone", "Acks": -1, "TimeoutMs": 10000, "TopicData": [
            {"Name": topic, "PartitionData": [{"Index": 0, "Records": records}]}]})
    verify("true")
    expect(answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0, "%s" % answer)
    told = json.loads(world.good("txn", "explain", place, "--format", "json"))
    expect((told["is_held"], told["is_known"], told["producer_id"], told["epoch"]) ==
           (True, False, 777, 5), "%s" % told)
    expect("nobody ends it" in world.good("txn", "explain", place), "explain")
    expect("aborted " + place in world.good("txn", "abort", place, "--yes"), "aborted")
    told = json.loads(world.good("txn", "explain", place, "--format", "json"))
    expect(not told["is_held"] and told["last_stable"] == told["high_watermark"] == 2, "%s" % told)
    client.close()


@check
def odd_names_stay_text(world):
    topic = world.topic()
    group = 'we"ird\n\x1b[31m\\\u202e'
    client = raw.Connection(world.broker.bootstrap)
    end = time.monotonic() + 10
    while client.ask("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [group]})[
            "Coordinators"][0]["ErrorCode"] != 0:
        expect(time.monotonic() < end, "no coordinator")
        time.sleep(0.1)
    done = client.ask("OffsetCommit", 7, {"GroupId": group, "Topics": [{
        "Name": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 0,
                                       "CommittedMetadata": ""}]}]})
    expect(done["Topics"][0]["Partitions"][0]["ErrorCode"] == 0, "OffsetCommit: %s" % done)
    client.close()
    for words in (["group", "list"], ["group", "describe", group]):
        told = [json.loads(line) for line in world.good(*words, "--format", "json").splitlines()]
        expect(group in [t.get("group") for t in told], "%s: %s" % (words[:2], told))
        text = world.good(*words)
        expect("\x1b" not in text and "\u202e" not in text, repr(text))
        expect('we"ird\\n\\x1b[31m' in text, repr(text))
    expect(told[1] == {"topic": topic, "partition": 0, "committed": 0, "end": 0, "lag": 0,
                       "in_transaction": False}, told)


@check
def every_command_prints_json(world):
    topic = world.topic()
    world.good("produce", topic, input="\x1b[31m\"\\\n")
    out = subprocess.run([world.binary, "log", "dump", "--records", "--format", "json", *map(
        str, world.broker.directory.glob("data/**/%s-0/*.log" % topic))],
                         stdout=subprocess.PIPE, text=True, timeout=SECONDS).stdout
    for line in out.splitlines():
        expect(isinstance(json.loads(line), dict), "log dump: %s" % line)
    for words in (["version"], ["config", "check", "--set", "listeners=PLAINTEXT://127.0.0.1:1"],
                  ["config", "list"], ["config", "explain", "log.dirs"], ["explain", "LVE-2101"]):
        out = subprocess.run([world.binary, *words, "--format", "json"], stdout=subprocess.PIPE,
                             text=True, timeout=SECONDS).stdout
        expect(out and all(isinstance(json.loads(line), dict) for line in out.splitlines()),
               "%s: %s" % (words, out))
    for words in (["topic", "list"], ["topic", "describe", topic], ["topic", "create", topic + "j"],
                  ["topic", "add-partitions", topic + "j", "-p", "2"],
                  ["topic", "alter-config", topic + "j", "-C", "retention.ms=5000"],
                  ["topic", "delete", topic + "j"], ["consume", topic, "-o", ":end"],
                  ["cluster", "info"], ["group", "list"]):
        out = world.good(*words, "--format", "json")
        for line in out.splitlines():
            expect(isinstance(json.loads(line), dict), "%s: %s" % (words, line))
        expect(out or words[0] == "group", "%s printed nothing" % words)
        expect("\x1b" not in out, "%s: an escape" % words)
    done = world.run("group", "delete", 'no"group', "--format", "json")
    expect(json.loads(done.stdout)["group"] == 'no"group', done.stdout)
    done = world.run("topic", "create", 'a"\x1b[31m', "--format", "json")
    expect(json.loads(done.stdout)["topic"] == 'a"\x1b[31m', done.stdout)
    done = world.run("topic", "create", "a\x1b[31m")
    expect("\x1b" not in done.stdout + done.stderr, repr(done.stderr))


def main():
    parser = argparse.ArgumentParser(description="the command line against a broker")
    parser.add_argument("--levee", required=True)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    world = World(str(pathlib.Path(args.levee).resolve()))
    failed = passed = 0
    try:
        for function in CHECKS:
            if args.names and function.__name__ not in args.names:
                continue
            try:
                function(world)
                passed += 1
                print("ok %s" % function.__name__, flush=True)
            except (AssertionError, subprocess.TimeoutExpired, ValueError, OSError) as error:
                failed += 1
                print("FAIL %s: %s" % (function.__name__, error), flush=True)
    finally:
        world.broker.stop()
        world.broker.remove()
    print("%d passed, %d failed" % (passed, failed))
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
