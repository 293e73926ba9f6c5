"""open: a start after kill -9 with many open transactions."""
import json
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time

import bench_process

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "clients"))
import raw  # noqa: E402

PARTITIONS = 16
IN_FLIGHT = 64  # Requests sent before the first answer is read.
TIMEOUT_MS = 40000  # Of each transaction: all of them are open when the broker is killed.
RETRIED = {14, 15, 16, 51}


def pipelined(connection, requests, code):
    """Answers, in order; what passes by itself is asked again."""
    answers, left = [None] * len(requests), list(range(len(requests)))
    end = time.monotonic() + 60
    while left:
        again = []
        for first in range(0, len(left), IN_FLIGHT):
            part = left[first:first + IN_FLIGHT]
            for i in part:
                connection.send(*requests[i])
            for i in part:
                answers[i] = connection.receive()
                if code(answers[i]) in RETRIED:
                    again.append(i)
                elif code(answers[i]):
                    raise RuntimeError("%s: error %d" % (requests[i][0], code(answers[i])))
        if again and time.monotonic() > end:
            raise RuntimeError("%s: refused for a minute" % requests[0][0])
        left = again
    return answers


def begin(levee, topic, count, prefix):
    """That many producers, each with one record in a transaction that nobody ends."""
    connection = raw.Connection(levee.bootstrap, timeout_s=60)
    pipelined(connection, [("FindCoordinator", 4, {
        "KeyType": 1, "CoordinatorKeys": [prefix + "0"]})],
        lambda a: a["Coordinators"][0]["ErrorCode"])
    given = pipelined(connection, [("InitProducerId", 5, {
        "TransactionalId": "%s%d" % (prefix, n), "TransactionTimeoutMs": TIMEOUT_MS})
        for n in range(count)], lambda a: a["ErrorCode"])
    now = int(time.time() * 1000)
    pipelined(connection, [("Produce", 12, {
        "TransactionalId": "%s%d" % (prefix, n), "Acks": -1, "TimeoutMs": 30000, "TopicData": [
            {"Name": topic, "PartitionData": [{"Index": n % PARTITIONS, "Records": raw.batch(
                [b"open"], timestamp=now, attributes=0x10, producer_id=one["ProducerId"],
                producer_epoch=one["ProducerEpoch"], base_sequence=0)}]}]})
        for n, one in enumerate(given)],
        lambda a: a["Responses"][0]["PartitionResponses"][0]["ErrorCode"])
    connection.close()


def open_count(levee):
    """Transactions that are not complete, as `levee txn list` has them."""
    done = subprocess.run([levee.binary, "txn", "list", "--format", "json", "-b", levee.bootstrap],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError("txn list: %s" % done.stderr.strip())
    return sum(1 for line in done.stdout.splitlines() if json.loads(line)["state"] not in (
        "Empty", "CompleteCommit", "CompleteAbort", "Dead"))


def first_answer(levee):
    """A connection that answers.  Ends of the killed process's ring may hold its socket for a moment:
    who meets that one is reset."""
    end = time.monotonic() + bench_process.DEADLINE_S
    while True:
        try:
            return levee.ask_versions(levee.connect())
        except ConnectionError:
            if time.monotonic() > end:
                raise


def one_run(args, levee, count):
    """Seconds to ready and to the first durable acknowledgement, MiB then, seconds from the start to
    the last transaction that ended."""
    shutil.rmtree(levee.directory, ignore_errors=True)
    levee.start()
    levee.run("topic", "create", "txn", "-p", str(PARTITIONS))
    levee.run("topic", "create", "beside")
    if count:
        begin(levee, "txn", count, "open-")
        found = open_count(levee)
        if found != count:
            raise RuntimeError("%d of %d transactions are open" % (found, count))
    begun = time.monotonic()
    before_mib = levee.rss_mib()
    levee.end(signal.SIGKILL)
    started = time.monotonic()
    levee.spawn()
    sock = first_answer(levee)
    ready = time.monotonic() - started
    with sock:
        bench_process.until_acknowledged(sock, "beside")
        acknowledged = time.monotonic() - started
    after_mib = levee.rss_mib()
    while count and open_count(levee):
        if time.monotonic() > begun + TIMEOUT_MS / 1000 + 120:
            raise RuntimeError("%d are open still" % open_count(levee))
        time.sleep(0.5)
    resolved = time.monotonic() - started if count else 0.0
    levee.end(signal.SIGTERM)
    return ready, acknowledged, before_mib, after_mib, resolved


def open_transactions(args, report):
    count, runs = (1000, 1) if args.quick else (10000, 3)
    levee = bench_process.Levee(args.levee, args.work / "open")
    report.section("open", " ".join(levee.command()) + "; %d transactional ids with one record "
                   "each in %d partitions, timeout %d s, SIGKILL, %d runs; beside it with none" % (
                       count, PARTITIONS, TIMEOUT_MS / 1000, runs))
    found = {n: [] for n in (0, count)}
    try:
        for _ in range(runs):
            for n in (0, count):
                found[n].append(one_run(args, levee, n))
    finally:
        levee.end()
        shutil.rmtree(levee.directory, ignore_errors=True)

    def figure(name, n, field, unit, limit=None):
        values = [run[field] for run in found[n]]
        value = statistics.median(values)
        report.figure(name, value, unit, limit and "<= %g" % limit, limit and value <= limit,
                      "%.3g to %.3g" % (min(values), max(values)))

    for n in (0, count):
        figure("kill -9 with %d open: to the first ApiVersions answer" % n, n, 0, "s")
        figure("kill -9 with %d open: to the first durable ack" % n, n, 1, "s", 1 if n else None)
        figure("RSS with %d open, before the kill" % n, n, 2, "MiB")
        figure("RSS with %d open, after the first ack" % n, n, 3, "MiB")
    figure("start to the last of them resolved", count, 4, "s", TIMEOUT_MS / 1000 + 10)
