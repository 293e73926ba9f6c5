#!/usr/bin/env python3
"""The attack stage: what hostile clients can do to a client that pays, and to the process.

    attack.py --levee build-release/tools/levee [--only NAME ...] [--memory-mib N] [--set KEY=VALUE]
              [--cgroup]

A broker with a small levee.memory.max.bytes serves one paying client (paying.py) while attacks.py
attacks it, one attack after the other.  Each attack is judged:

    lives    the process is the same one afterwards
    memory   its peak resident memory stays within levee.memory.max.bytes
    paid     the paying client gets every answer, without an error, and one soon after the attack
    p99      of its turns (produce with acks=all, then fetch) while the attack runs, and of those
             after it until they are TURNS_MIN, is at most three times that of a quiet broker, or
             P99_FLOOR_S, which a busy machine may cost, whichever is larger; attacks.BURSTS names
             those that do not keep this yet, and only they have worst alone
    worst    no turn takes longer than WORST_S
    answer   every request that was received whole is answered or its connection ends
    back     resident memory is near that before the attack within BACK_SECONDS of its end

A SIGTERM at the end must end the broker in order.

With --cgroup the broker is the default one in a memory cgroup of N MiB, as in a small container: it
finds its limit itself, and the kernel kills it where it passes that.  A machine on which no such
cgroup can be made is told, with what it lacks, and nothing is judged.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

import broker_process  # noqa: E402
import raw  # noqa: E402
from kafka_rig import RigError  # noqa: E402

import attacks  # noqa: E402
import cgroup  # noqa: E402
import sender as sending  # noqa: E402
import targets  # noqa: E402

MIB = 1 << 20
MEMORY_MIB = 512
P99_FLOOR_S = 0.25
P99_TIMES = 3
WORST_S = 5.0
QUIET_SECONDS = 3
BACK_SECONDS = 10
BACK_MIB = 64  # what the allocator may keep, and what is meant to stay: topics, groups
PAID_SECONDS = 30
TURNS_MIN = 110  # the worst of them is not their p99
STOP_SECONDS = 30
FILL_BATCHES = 12  # of 900 kB in each of the big topic's partitions: more than the tail cache holds


class Paying:
    """The turns of the paying client as (start, seconds, word) of the monotonic clock."""

    def __init__(self, address, topic):
        self.turns = []
        self.proc = subprocess.Popen([sys.executable, str(HERE / "paying.py"), address, topic],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.proc.stdout:
            start, seconds, word = line.split(" ", 2)
            self.turns.append((float(start), float(seconds), word.strip()))

    def wait_for_turn(self, begun_after, since=None):
        """True as soon as a turn that began after that moment was good, and since that one so many
        turns ended."""
        end = time.monotonic() + PAID_SECONDS
        while time.monotonic() < end:
            if any(t[0] >= begun_after and t[2] == "ok" for t in self.turns[-50:]) and (
                    since is None or len(self.between(since, time.monotonic())) >= TURNS_MIN):
                return True
            time.sleep(0.02)
        return False

    def between(self, start, end):
        return [t for t in list(self.turns) if t[0] + t[1] >= start and t[0] <= end]

    def stop(self):
        self.proc.stdin.close()
        self.proc.wait(10)


def p99(turns):
    times = sorted(t[1] for t in turns)
    return times[min(len(times) - 1, len(times) * 99 // 100)] if times else float("inf")


class Memory:
    """Resident memory of a process in MiB, as the kernel counts it."""

    def __init__(self, pid):
        self.directory = pathlib.Path("/proc/%d" % pid)

    def value(self, key):
        try:
            for line in (self.directory / "status").read_text().splitlines():
                if line.startswith(key + ":"):
                    return int(line.split()[1]) / 1024
        except OSError:
            pass
        return -1.0  # it has ended

    def now(self):
        return self.value("VmRSS")

    def peak(self):
        return self.value("VmHWM")

    def forget_peak(self):
        (self.directory / "clear_refs").write_text("5")  # proc(5)


def prepare(at):
    """The topics of the paying client and of the attacks; the tail cache is full afterwards."""
    c = raw.Connection(at, timeout_s=60)
    topics = [("paid", 1), (targets.BIG_TOPIC, targets.BIG_PARTITIONS),
              (targets.WIDE_TOPIC, targets.WIDE_PARTITIONS),
              (targets.RECODED_TOPIC, targets.RECODED_PARTITIONS)]
    topics += [(targets.many_name(n), 1) for n in range(targets.MANY_TOPICS)]
    settings = {targets.RECODED_TOPIC: [{"Name": "compression.type", "Value": "zstd"}]}
    for first in range(0, len(topics), 500):
        made = c.ask("CreateTopics", 7, {"TimeoutMs": 60000, "Topics": [
            {"Name": name, "NumPartitions": count, "ReplicationFactor": -1,
             "Configs": settings.get(name, [])}
            for name, count in topics[first:first + 500]]})["Topics"]
        if any(t["ErrorCode"] for t in made):
            raise RigError("cannot make the topics: %s" % made[0])
    batch = raw.batch((os.urandom(900000),))
    for _ in range(FILL_BATCHES):
        for n in range(targets.BIG_PARTITIONS):
            stored = c.ask("Produce", 8, {"Acks": -1, "TimeoutMs": 30000, "TopicData": [
                {"Name": targets.BIG_TOPIC, "PartitionData": [{"Index": n, "Records": batch}]}]})
            error = stored["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
            if error:
                raise RigError("cannot fill the topic: error %d" % error)
    for _ in range(100):  # the group coordinator's topic is made by the first who asks
        found = c.ask("FindCoordinator", 4, {"CoordinatorKeys": ["attack"]})["Coordinators"][0]
        if not found["ErrorCode"]:
            c.close()
            return
        time.sleep(0.1)
    raise RigError("no group coordinator: error %d" % found["ErrorCode"])


def wait_for_memory(memory, limit_mib):
    end = time.monotonic() + BACK_SECONDS
    while memory.now() > limit_mib and time.monotonic() < end:
        time.sleep(0.1)
    return memory.now()


def judge(attack, broker, paying, memory, bounds):
    """(the columns of the table, what is wrong)."""
    sender = sending.Sender(broker.port)
    wrong = []
    before = memory.now()
    memory.forget_peak()
    start = time.monotonic()
    try:
        attack(sender)
    except OSError as error:
        wrong.append("lives: the attacker cannot go on: %r" % error)
    end = time.monotonic()
    sender.close()
    paid = paying.wait_for_turn(end, start)
    turns = paying.between(start, end)
    if len(turns) < TURNS_MIN:
        turns = paying.between(start, time.monotonic())[:TURNS_MIN]
    if broker.proc.poll() is not None:
        return "", ["lives: exit code %s; last lines:\n%s" % (
            broker.proc.returncode, "".join(broker.lines[-5:]))]
    peak, after = memory.peak(), wait_for_memory(memory, before + BACK_MIB)
    slow, worst = p99(turns), max((t[1] for t in turns), default=float("inf"))
    errors = sorted({t[2] for t in turns if t[2] != "ok"})
    if peak > bounds["memory_mib"]:
        wrong.append("memory: %.0f MiB of %d" % (peak, bounds["memory_mib"]))
    if errors or not paid:
        wrong.append("paid: %s" % ("; ".join(errors[:3]) or "no answer any more"))
    if slow > bounds["p99_s"] and attack not in attacks.BURSTS:
        wrong.append("p99: %.3f s, at most %.3f" % (slow, bounds["p99_s"]))
    if worst > WORST_S:
        wrong.append("worst: %.1f s" % worst)
    if sender.silent:
        wrong.append("answer: none to %s" % ", ".join(sender.silent))
    if after > before + BACK_MIB:
        wrong.append("back: %.0f MiB before, %.0f after" % (before, after))
    return "%6.1f %7.0f %6.0f %6.0f %7d %8.1f %8.1f %9d %8d" % (
        end - start, before, peak, after, len(turns), slow * 1000, worst * 1000, sender.answered,
        sender.refused), wrong


def run(broker, chosen, memory_mib):
    """The number of faults."""
    broker.start()
    prepare(broker.bootstrap)
    memory = Memory(broker.proc.pid)
    paying = Paying(broker.bootstrap, "paid")
    failed = 0
    try:
        time.sleep(1)
        quiet_start = time.monotonic()
        time.sleep(QUIET_SECONDS)
        quiet = paying.between(quiet_start, time.monotonic())
        if not quiet:
            raise RigError("the paying client does nothing on a quiet broker")
        bounds = {"memory_mib": memory_mib, "p99_s": max(P99_TIMES * p99(quiet), P99_FLOOR_S)}
        print("quiet: %d turns, p99 %.1f ms, resident %.0f MiB; bounds: p99 %.0f ms, %d MiB" % (
            len(quiet), p99(quiet) * 1000, memory.now(), bounds["p99_s"] * 1000, memory_mib))
        print("%-46s %6s %7s %6s %6s %7s %8s %8s %9s %8s" % (
            "attack", "s", "before", "peak", "after", "turns", "p99 ms", "worst", "answered",
            "refused"), flush=True)
        for attack in chosen:
            row, wrong = judge(attack, broker, paying, memory, bounds)
            print("%-46s %s%s" % (attack.__name__, row, "".join("\n    FAIL " + w for w in wrong)),
                  flush=True)
            failed += bool(wrong)
            if wrong:  # the next one is judged by what it does itself
                stop(broker)
                broker.start()
                memory = Memory(broker.proc.pid)
                if not paying.wait_for_turn(time.monotonic()):
                    raise RigError("the paying client does nothing after a start")
    finally:
        paying.stop()
    return failed + stop(broker)


def stop(broker):
    """1 for a stop out of order."""
    ended = broker.proc.poll() is not None
    seconds = broker.stop()
    if ended or broker.proc.returncode == 0 and seconds <= STOP_SECONDS:
        return 0
    print("    FAIL stop: exit code %s after %.1f s; last lines:\n%s" % (
        broker.proc.returncode, seconds, "".join(broker.lines[-5:])))
    return 1


def main():
    parser = argparse.ArgumentParser(description="attacks beside a paying client")
    parser.add_argument("--levee", metavar="PATH", required=True)
    parser.add_argument("--only", metavar="NAME", nargs="+", help="attacks whose names hold this")
    parser.add_argument("--memory-mib", type=int, default=MEMORY_MIB)
    parser.add_argument("--cgroup", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    chosen = [a for a in attacks.ATTACKS
              if not args.only or any(part in a.__name__ for part in args.only)]
    group = None
    settings = ["auto.create.topics.enable=true", "group.initial.rebalance.delay.ms=0", *args.set]
    if args.cgroup:
        try:
            group = cgroup.make(args.memory_mib * MIB)
        except cgroup.Missing as missing:
            print("attack: NOT RUN in a cgroup of %d MiB: %s" % (args.memory_mib, missing))
            return 0
    else:
        settings.insert(0, "levee.memory.max.bytes=%d" % (args.memory_mib * MIB))
    broker = broker_process.Levee(args.levee, settings)
    broker.in_child = group.enter if group else None
    started = time.monotonic()
    try:
        failed = run(broker, chosen, args.memory_mib)
        if group:
            print("cgroup: %d processes killed, peak with page cache %d MiB" % (
                group.kills(), group.peak_bytes() // MIB))
            failed += group.kills() > 0
    except RigError as error:
        print("FAIL harness: %s" % error)
        failed = 1
    finally:
        broker.remove()
        if group:
            group.remove()
    print("attack: %d attacks, %d failed, %.0f s" % (
        len(chosen), failed, time.monotonic() - started))
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
