"""Debian's kcat (librdkafka 2.0.2): the command line client people have at hand."""
import json
import os
import signal
import subprocess
import tempfile
import time

import raw
from checks import check, exit_with, main, name, need, same, until


class Client:
    """kcat cannot make topics with settings; the raw client does that."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def topic(self, short, partitions=1, **configs):
        c = raw.Connection(self.bootstrap)
        answer = c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [{
            "Name": name(short), "NumPartitions": partitions, "ReplicationFactor": -1, "Configs": [
                {"Name": k.replace("_", "."), "Value": v} for k, v in configs.items()]}]})
        c.close()
        same(answer["Topics"][0]["ErrorCode"], 0, "error of CreateTopics")
        return name(short)

    def argv(self, *args):
        return ["kcat", "-b", self.bootstrap, "-X", "topic.metadata.refresh.interval.ms=2000",
                *[str(a) for a in args]]

    def run(self, *args, stdin=b"", fails=False):
        done = subprocess.run(self.argv(*args), input=stdin, capture_output=True, timeout=60)
        if not fails:
            need(done.returncode == 0, lambda: done.stderr.decode(errors="replace"))
        return done

    def produce(self, topic, lines, *args, partition=0):
        self.run("-P", "-t", topic, "-p", partition, *args, stdin="".join(
            line + "\n" for line in lines).encode())

    def read(self, topic, *args, partition=0):
        done = self.run("-C", "-q", "-e", "-t", topic, "-p", partition, *args)
        return done.stdout.decode().splitlines()


    def committed(self, group, topic, partitions):
        c = raw.Connection(self.bootstrap)
        answer = c.ask("OffsetFetch", 7, {"GroupId": group, "Topics": [
            {"Name": topic, "PartitionIndexes": list(range(partitions))}]})
        c.close()
        return [p["CommittedOffset"] for p in answer["Topics"][0]["Partitions"]]


def numbers(start, end):
    return [str(n) for n in range(start, end)]


@check
def metadata(c):
    topic = c.topic("meta", 3)
    found = json.loads(c.run("-L", "-J", "-t", topic).stdout)
    same(len(found["brokers"]), 1, "brokers")
    same(len(found["topics"][0]["partitions"]), 3, "partitions")
    need(topic in [t["topic"] for t in json.loads(c.run("-L", "-J").stdout)["topics"]],
         "topic is not listed")


@check
def an_unknown_topic(c):
    done = c.run("-C", "-e", "-t", name("nothing"), "-X", "allow.auto.create.topics=false",
                 fails=True)
    need(done.returncode != 0 and b"nknown topic" in done.stderr, done.stderr.decode())


def codec_check(codec):
    def run(c):
        topic = c.topic(codec)
        c.produce(topic, numbers(0, 500), "-z", codec)
        same(c.read(topic), numbers(0, 500))
    run.__name__ = "produce_and_consume_" + codec
    check(run)


for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
    codec_check(codec)


@check
def headers_null_and_empty(c):
    topic = c.topic("shapes")
    c.produce(topic, ["k:v"], "-K", ":", "-H", "a=1", "-H", "a=2", "-H", "b=")
    c.produce(topic, ["k:"], "-K", ":", "-Z")
    c.produce(topic, [":v"], "-K", ":", "-Z")
    c.produce(topic, ["k:"], "-K", ":")
    got = [json.loads(line) for line in c.read(topic, "-J")]
    same([(m["key"], m["payload"]) for m in got],
         [("k", "v"), ("k", None), (None, "v"), ("k", "")])
    same(got[0]["headers"], ["a", "1", "a", "2", "b", ""])


@check
def sizes_from_1_byte_to_1_mib(c):
    topic = c.topic("sizes", max_message_bytes="2097152")
    sizes = [4 ** n for n in range(11)]
    for size in sizes:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x" * size)
            file.flush()
            c.run("-P", "-t", topic, "-p", 0, "-X", "message.max.bytes=4000000", file.name)
    got = c.read(topic, "-f", "%S\n")
    same([int(s) for s in got], sizes)


@check
def a_record_above_the_limit_is_refused(c):
    topic = c.topic("limit")
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x" * 1200000)
        file.flush()
        done = c.run("-P", "-t", topic, "-p", 0, "-X", "message.max.bytes=4000000", file.name,
                     fails=True)
    need(b"Message size too large" in done.stderr, done.stderr.decode())


def acks_check(acks):
    def run(c):
        topic = c.topic("acks" + acks)
        c.produce(topic, numbers(0, 100), "-X", "acks=" + acks)
        same(c.read(topic), numbers(0, 100))
    run.__name__ = "acks_" + acks
    check(run)


for acks in ("0", "1", "all"):
    acks_check(acks)


@check
def idempotent_producer(c):
    topic = c.topic("idempotent")
    c.produce(topic, numbers(0, 1000), "-X", "enable.idempotence=true",
              "-X", "batch.num.messages=10")
    same(c.read(topic), numbers(0, 1000))


class Member:
    """A kcat that is a member of a group; ends with a leave when told to."""

    def __init__(self, c, topic, group, *args):
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        self.proc = subprocess.Popen(
            c.argv("-G", group, "-u", "-f", "%p@%o\n", "-X", "auto.offset.reset=earliest",
                   "-X", "session.timeout.ms=10000", "-X", "heartbeat.interval.ms=300",
                   "-X", "auto.commit.interval.ms=200", *args, topic),
            stdout=self.out, stderr=self.err)

    @staticmethod
    def text(file):
        """Its bytes so far; never by a seek, because the writer has the same position."""
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()

    def seen(self):
        return self.text(self.out).split()

    def assigned(self):
        """Partitions of the last assignment, from what kcat says on its standard error."""
        lines = [x for x in self.text(self.err).splitlines() if "rebalanced" in x]
        if not lines or "assigned:" not in lines[-1]:
            return 0
        return lines[-1].split("assigned:")[1].count("[")

    def told(self):
        """What it says of itself, for the report of a failure."""
        return "%d records, exit code %s: %s" % (
            len(self.seen()), self.proc.poll(), self.text(self.err)[-600:])

    def stop(self):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGINT)
            self.proc.wait(20)


@check
def two_members_rebalance(c):
    topic, group = c.topic("rebalance", 4), name("rebalance")

    def produce(start, end):
        for partition in range(4):
            c.produce(topic, numbers(start, end), partition=partition)

    def all_committed(end):
        until("commits up to %d" % end, lambda: c.committed(group, topic, 4) == [end] * 4)
    produce(0, 50)
    one = Member(c, topic, group)
    two = None
    try:
        until("the first round", lambda: len(one.seen()) == 200)
        all_committed(50)
        two = Member(c, topic, group)
        until("two partitions for each", lambda: one.assigned() == 2 and two.assigned() == 2)
        produce(50, 100)
        until("the second round", lambda: len(one.seen()) + len(two.seen()) >= 400)
        all_committed(100)
        one.stop()
        produce(100, 150)
        until("the third round", lambda: len(one.seen()) + len(two.seen()) >= 600)
        all_committed(150)
        two.stop()
        seen, want = one.seen() + two.seen(), {"%d@%d" % (p, o) for p in range(4)
                                               for o in range(150)}
        same(sorted(want - set(seen)), [], "records not seen")
        same(sorted({x for x in seen if seen.count(x) > 1}), [], "records seen twice")
    except AssertionError as error:
        raise AssertionError("%s; %s" % (error, "; ".join(
            member.told() for member in (one, two) if member))) from error
    finally:
        for member in (one, two):
            if member:
                member.stop()


@check
def commit_and_resume(c):
    topic, group = c.topic("resume"), name("resume")
    c.produce(topic, numbers(0, 100))
    options = ("-X", "auto.offset.reset=earliest", "-f", "%o\n")
    done = c.run("-G", group, "-c", 40, *options, topic)
    same(done.stdout.decode().split(), numbers(0, 40))
    done = c.run("-G", group, "-c", 60, *options, topic)
    same(done.stdout.decode().split(), numbers(40, 100))


@check
def seek_by_time_and_ends(c):
    topic = c.topic("time")
    c.produce(topic, numbers(0, 5))
    time.sleep(0.5)
    middle = int(time.time() * 1000)
    time.sleep(0.5)
    c.produce(topic, numbers(5, 10))
    same(c.read(topic, "-o", "s@%d" % middle), numbers(5, 10))
    same(c.read(topic, "-o", "s@0", "-o", "e@%d" % middle), numbers(0, 5))
    same(c.read(topic, "-o", "beginning"), numbers(0, 10))
    same(c.read(topic, "-o", "end"), [])
    same(c.read(topic, "-o", "-3"), numbers(7, 10))
    same(c.read(topic, "-o", "4", "-c", "2"), numbers(4, 6))
    asked = c.run("-Q", "-t", "%s:0:%d" % (topic, middle)).stdout.decode()
    need("offset 5" in asked, asked)


if __name__ == "__main__":
    os.environ.pop("KCAT_CONFIG", None)
    exit_with(main(Client))
