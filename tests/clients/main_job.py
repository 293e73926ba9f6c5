#!/usr/bin/env python3
"""The main job: a real data set in, through kills, and the same records out.

    main_job.py --levee build/levee            (or --kafka, or --start-command with --bootstrap)

The package index (dataset.py) goes into one topic through kcat and into another through the Java
producer with its default settings; the broker is killed (SIGKILL) in the middle of each.  Then a
Java, a Go and a Python consumer group each read both topics whole: they stop half way and are
started again, and the broker is killed once more while they read.  What comes out of each
topic has to be the data set: the same count, the same hash.  Lines `ok NAME` or `FAIL NAME: why`,
at the end `N passed, N failed`.
"""
import argparse
import base64
import os
import secrets
import subprocess
import sys
import threading
import time

import broker_process
import dataset
import raw
import toolchains
from kafka_rig import RigError, need_programs

PARTITIONS = 4
STEP_SECONDS = 240
DOWN_SECONDS = 0.5


class Job:
    def __init__(self, broker, records, kills):
        self.broker, self.records, self.kills = broker, records, kills
        self.want = dataset.canonical_hash(records)
        self.passed = self.failed = 0
        self.tag = secrets.token_hex(3)

    def report(self, name, why=None, note=""):
        if why:
            self.failed += 1
            print("FAIL %s: %s" % (name, why), flush=True)
        else:
            self.passed += 1
            print("ok %s%s" % (name, note), flush=True)

    def make_topic(self, name):
        c = raw.Connection(self.broker.bootstrap, timeout_s=30)
        made = c.ask("CreateTopics", 7, {"TimeoutMs": 20000, "Topics": [{
            "Name": name, "NumPartitions": PARTITIONS, "ReplicationFactor": -1}]})["Topics"][0]
        c.close()
        if made["ErrorCode"]:
            raise RigError("cannot make topic %s: %s" % (name, made))

    def kill_and_restart(self):
        if not self.kills:
            return 0.0
        self.broker.kill()
        time.sleep(DOWN_SECONDS)
        started = time.monotonic()
        self.broker.start()
        return time.monotonic() - started

    # ---- production

    def produce(self, name, argv):
        """Feed the data set to a producer; kill the broker when half of it is fed."""
        proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        timer = threading.Timer(STEP_SECONDS, proc.kill)
        timer.start()
        said = []
        readers = [threading.Thread(target=lambda f=f: said.append(f.read()))
                   for f in (proc.stdout, proc.stderr)]
        for reader in readers:
            reader.start()
        killer = threading.Thread(target=self.kill_and_restart)
        try:
            for n, (key, value) in enumerate(self.records):
                if n == len(self.records) // 2:
                    killer.start()
                if n % 500 == 0:
                    time.sleep(0.03)  # a few seconds in all, so that the kill falls among them
                proc.stdin.write(key + b"\t" + value + b"\n")
            proc.stdin.close()
        except BrokenPipeError:
            pass
        proc.wait()
        timer.cancel()
        if killer.ident:
            killer.join()
        for reader in readers:
            reader.join()
        text = b" ".join(said).decode(errors="replace")
        self.report(name, None if proc.returncode == 0 else "exit code %d: %s" % (
            proc.returncode, " ".join(text.split())[-300:]))

    # ---- consumption

    def consume_some(self, argv, found, until, kill_at=None):
        """Run a consumer until it ends; its lines go to found.  Returns records that came again."""
        again = 0
        proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        timer = threading.Timer(STEP_SECONDS, proc.kill)
        timer.start()
        noise = []
        reader = threading.Thread(target=lambda: noise.append(proc.stderr.read()))
        reader.start()
        killer = threading.Thread(target=self.kill_and_restart)
        for line in proc.stdout:
            partition, offset, key, value = line.rstrip(b"\n").split(b" ")
            place = (int(partition), int(offset))
            record = (base64.b64decode(key), base64.b64decode(value))
            if place in found:
                again += 1
                if found[place] != record:
                    raise RigError("offset %d of partition %d changed" % (place[1], place[0]))
            found[place] = record
            if kill_at and len(found) >= kill_at and not killer.ident:
                killer.start()
            if len(found) >= until:
                break
        if len(found) >= until:
            proc.stdout.close()
            proc.terminate()
        proc.wait()
        timer.cancel()
        if killer.ident:
            killer.join()
        reader.join()
        return again, b"".join(noise).decode(errors="replace")

    def consume(self, name, command, topic):
        """Half, stop, resume, and a kill in the second half."""
        group = "%s-%s" % (name.replace("/", "-"), self.tag)
        found, total, noises = {}, len(self.records), []
        try:
            again, noise = self.consume_some(command(topic, group, total // 2, 15), found, total + 1)
            half = len(found)
            if half < total // 3 or half >= total:
                return self.report(name, "first half was %d of %d records: %s" % (
                    half, total, " ".join(noise.split())[-300:]))
            first = set(found)
            for attempt in range(3):  # a member that dies with the broker is waited for
                more, noise = self.consume_some(command(topic, group, total, 60), found, total,
                                                kill_at=0 if attempt else total * 3 // 4)
                again += more
                if len(found) >= total:
                    break
                noises.append(noise)
        except RigError as error:
            return self.report(name, str(error))
        if len(found) != total:
            return self.report(name, "%d records, not %d: %s" % (len(found), total,
                                                                " ".join("".join(noises).split())[-300:]))
        if dataset.canonical_hash(found.values()) != self.want:
            return self.report(name, "the hash differs")
        holes = [p for p in range(PARTITIONS)
                 if sorted(o for q, o in found if q == p) != list(range(
                     sum(1 for q, _ in found if q == p)))]
        if holes:
            return self.report(name, "offsets with holes in partitions %s" % holes)
        return self.report(name, note=": %d records, %d before the stop, %d came again, sha256 %s" % (
            total, len(first), again, self.want[:16]))


def consumers(job):
    """{language: command(topic, group, count, idle)}"""
    java, go, python = toolchains.java_classes(), toolchains.go_program(), toolchains.python()
    at = job.broker.bootstrap
    here = os.path.dirname(os.path.abspath(__file__))
    return {
        "java": lambda t, g, n, i: java + ["Load", "consume", at, "topic=" + t, "group=" + g,
                                           "count=%d" % n, "idle=%d" % i],
        "go": lambda t, g, n, i: [go, "consume", at, "-topic", t, "-group", g, "-count", str(n),
                                  "-idle", str(i)],
        "python": lambda t, g, n, i: [python, os.path.join(here, "load.py"), "consume", at, t, g,
                                      str(n), str(i)],
    }


def run(job):
    readers = consumers(job)
    at = job.broker.bootstrap
    job.broker.start()
    topics = {"kcat": "packages-kcat-" + job.tag, "java-producer": "packages-java-" + job.tag}
    for topic in topics.values():
        job.make_topic(topic)
    job.produce("produce/kcat", [
        "kcat", "-P", "-b", at, "-t", topics["kcat"], "-K", "\t", "-X", "enable.idempotence=true",
        "-E", "-X", "reconnect.backoff.max.ms=500"])
    job.produce("produce/java", toolchains.java_classes() + [
        "Load", "pipe", at, "topic=" + topics["java-producer"]])
    for language, command in readers.items():
        for source, topic in topics.items():
            job.consume("consume/%s/from-%s" % (language, source), command, topic)
    seconds = job.broker.stop()
    job.report("stop", None if seconds < 10 else "SIGTERM took %.1f s" % seconds)


def main():
    parser = argparse.ArgumentParser(description="the main job on a real data set")
    broker_process.add_options(parser)
    parser.add_argument("--no-kill", action="store_true", help="without killing the broker")
    args = parser.parse_args()
    broker = broker_process.from_options(parser, args)
    job = None
    try:
        need_programs("kcat")
        path, records = dataset.load()
        job = Job(broker, records, not args.no_kill)
        print("data set: %d records, sha256 %s" % (len(records), job.want), flush=True)
        run(job)
    except RigError as error:
        print("FAIL main job: %s" % error)
        return 1
    finally:
        broker.remove()
    print("main job: %d passed, %d failed" % (job.passed, job.failed))
    return 1 if job.failed else 0


if __name__ == "__main__":
    sys.exit(main())
