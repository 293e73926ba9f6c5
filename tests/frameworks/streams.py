#!/usr/bin/env python3
"""Kafka Streams, exactly once, through kills of broker and application.

    streams.py --levee build/levee [--kills 10]    (or --kafka, or --start-command)

java/StreamsJob.java counts words and joins two tables with exactly_once_v2.  Its input is made of
the package index; while it comes in, the broker and the application are killed (SIGKILL) in turn.
Then a read_committed consumer has to find for each word the counts 1, 2, 3, ... up to what a recount
says, each once and in order, and for each key of the join the last value of both sides.
`ok NAME` or `FAIL NAME: why`, at the end `N passed, N failed`.
"""
import argparse
import base64
import collections
import os
import pathlib
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

import broker_process  # noqa: E402
import dataset  # noqa: E402
import kafka_rig  # noqa: E402
import raw  # noqa: E402
import toolchains  # noqa: E402
from kafka_rig import RigError  # noqa: E402
from transactional_job import Copier  # noqa: E402

PARTITIONS = 3
SECONDS = 300


def application():
    """argv prefix that runs the classes of java/."""
    kafka_rig.need_programs("java", "javac")
    pom = HERE / "pom.xml"

    def fetch(where):
        kafka_rig.need_programs("mvn")
        toolchains.run(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
                        "-Dkafka.version=" + kafka_rig.KAFKA_VERSION, "-DincludeScope=runtime",
                        "-DoutputDirectory=" + str(where / "jars")], "mvn")
    jars = str(toolchains.installed("frameworks", [pom], fetch) / "jars") + "/*"
    sources = sorted((HERE / "java").glob("*.java"))

    def compile_them(where):
        toolchains.run(["javac", "-d", str(where / "classes"), "-cp", jars, *map(str, sources)],
                       "javac")
    classes = toolchains.installed("frameworks-java", sources, compile_them) / "classes"
    return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", "%s:%s" % (classes, jars)]


class Job:
    def __init__(self, broker, kills, seed):
        self.broker, self.kills, self.chance = broker, kills, random.Random(seed)
        self.name = "streams" + secrets.token_hex(3)
        self.passed = self.failed = 0
        _, records = dataset.load()
        self.input = self.make_input(records)

    def report(self, name, why=None, note=""):
        self.passed += not why
        self.failed += bool(why)
        print("FAIL %s: %s" % (name, why) if why else "ok %s%s" % (name, note), flush=True)

    def make_input(self, records):
        """{topic: [(key, value)]}: lines of words, and two tables whose keys change some times."""
        lines, left, right = [], [], []
        for n, (key, value) in enumerate(records[:9000]):
            text = re.search(rb'"Description":"([^"]{0,60})', value)
            if text and n % 3 == 0:
                lines.append((key, re.sub(rb"[^a-z ]+", b" ", text[1].lower())))
            side = left if n % 2 else right
            side.append((b"key-%d" % (n % 1701), b"%d" % n))
        return {"words": lines, "left": left, "right": right}

    def make_topics(self):
        c = raw.Connection(self.broker.bootstrap, timeout_s=30)
        made = c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [
            {"Name": "%s-%s" % (self.name, t), "NumPartitions": PARTITIONS, "ReplicationFactor": -1}
            for t in ("words", "counts", "left", "right", "joined")]})["Topics"]
        c.close()
        if any(m["ErrorCode"] for m in made):
            raise RigError("cannot make the topics: %s" % made)

    def feed(self, topic, records, seconds):
        """A producer with its default settings, which are idempotent, over about so many seconds."""
        proc = subprocess.Popen(toolchains.java_classes() + [
            "Load", "pipe", self.broker.bootstrap, "topic=%s-%s" % (self.name, topic)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        per_turn = max(1, len(records) // max(1, int(seconds * 10)))
        try:
            for n, (key, value) in enumerate(records):
                proc.stdin.write(key + b"\t" + value + b"\n")
                if n % per_turn == 0:
                    proc.stdin.flush()
                    time.sleep(0.1)
        except BrokenPipeError:
            pass
        said = proc.communicate(timeout=SECONDS)[0].decode(errors="replace")
        self.report("feed/" + topic, None if proc.returncode == 0 else said[-300:])

    def kill_in_turn(self, app):
        for n in range(self.kills):
            time.sleep(self.chance.uniform(1.5, 4))
            if n % 2:
                app.kill()
                time.sleep(6)  # until the group has forgotten it
            else:
                self.broker.kill()
                time.sleep(0.3)
                self.broker.start()

    def committed(self, topic):
        """[(key, value)] that a read_committed consumer finds, in the order of their partition."""
        argv = [toolchains.go_program(), "consume", self.broker.bootstrap, "-topic", "%s-%s" % (
            self.name, topic), "-group", "check-%s-%s" % (self.name, secrets.token_hex(3)),
            "-idle", "8", "-committed"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=SECONDS)
        found = []
        for line in done.stdout.splitlines():
            words = line.split(b" ")
            found.append((base64.b64decode(words[2]).decode(), base64.b64decode(words[3]).decode()))
        return found

    def until_committed(self, topic, done):
        """Reads again until done(records) or the time is over: the application works on."""
        end = time.monotonic() + 120
        while True:
            found = self.committed(topic)
            if done(found) or time.monotonic() > end:
                return found

    def check_counts(self):
        want = collections.Counter(w for _, line in self.input["words"]
                                   for w in re.split(r"\W+", line.decode()) if w)
        total = sum(want.values())
        found = self.until_committed("counts", lambda f: len(f) >= total)
        counts = collections.defaultdict(list)
        for word, count in found:
            counts[word].append(int(count))
        wrong = ["%s: %s, should be 1 to %d" % (w, counts[w][:8], n) for w, n in want.items()
                 if counts[w] != list(range(1, n + 1))]
        wrong += ["%s is no word" % w for w in counts if w not in want]
        self.report("word count", "%d records, %d wrong words: %s" % (len(found), len(wrong), wrong[:3])
                    if wrong else None, ": %d words, %d records" % (len(want), total))

    def check_join(self):
        left, right = dict(self.input["left"]), dict(self.input["right"])
        want = {k.decode(): (left[k] + b"|" + right[k]).decode() for k in left if k in right}
        found = self.until_committed("joined", lambda f: dict(f) == want)
        last = dict(found)
        wrong = ["%s: %s, should be %s" % (k, last.get(k), v) for k, v in want.items()
                 if last.get(k) != v]
        wrong += ["%s has no pair" % k for k in last if k not in want]
        self.report("join", "%d wrong keys: %s" % (len(wrong), wrong[:3]) if wrong else None,
                    ": %d keys, %d records" % (len(want), len(found)))

    def run(self):
        self.broker.start()
        self.make_topics()
        state = tempfile.mkdtemp(prefix="levee-streams-")
        app = Copier(application() + ["StreamsJob", self.broker.bootstrap, self.name, state])
        try:
            seconds = 6 * self.kills + 5
            feeders = [threading.Thread(target=self.feed, args=(t, r, seconds))
                       for t, r in self.input.items()]
            for feeder in feeders:
                feeder.start()
            self.kill_in_turn(app)
            for feeder in feeders:
                feeder.join()
            self.check_counts()
            self.check_join()
            print("the application was started %d times" % app.starts, flush=True)
            if self.failed:
                print("it said: " + app.said())
        finally:
            app.end()
            shutil.rmtree(state, ignore_errors=True)
        seconds = self.broker.stop()
        self.report("stop", None if seconds < 10 else "SIGTERM took %.1f s" % seconds)


def main():
    parser = argparse.ArgumentParser(description="Kafka Streams, exactly once, under kill -9")
    broker_process.add_options(parser)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    args = parser.parse_args()
    broker = broker_process.from_options(parser, args)
    job = None
    try:
        job = Job(broker, args.kills, args.seed)
        print("seed %d" % args.seed, flush=True)
        job.run()
    except RigError as error:
        print("FAIL streams: %s" % error)
        return 1
    finally:
        broker.remove()
    print("streams: %d passed, %d failed" % (job.passed, job.failed))
    return 1 if job.failed else 0


if __name__ == "__main__":
    sys.exit(main())
