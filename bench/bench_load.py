"""load: the load tool itself: what it costs (--verify: bench_account), how well it keeps its
schedule, whether others measure the same.  compare: levee beside Apache Kafka by `levee bench compare`."""
import json
import pathlib
import re
import shutil
import subprocess

import bench_peer
import bench_process

TOOL_TIMEOUT_S = 600
PERF = re.compile(r"([\d.]+) records/sec \([\d.]+ MB/sec\), ([\d.]+) ms avg latency")


def bench(args, levee, *words):
    """One `levee bench`: its result."""
    argv = [args.levee, "bench", *words, "-b", levee.bootstrap, "--format", "json"]
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=TOOL_TIMEOUT_S)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            return json.loads(line)["levee"]
    raise RuntimeError("levee bench %s: exit code %d: %s" % (" ".join(words), done.returncode,
                                                            done.stderr.strip()[-500:]))


def mean_ms(result, histogram):
    told = result["histograms"][histogram]
    return told["sum"] / told["count"] / 1e6


def generation(args, report, levee, seconds):
    words = ["produce", "--size", "100", "--rate", "max", "--producers", "4", "--batch", "128KiB",
             "--linger", "5ms", "--warmup", "1s", "--duration", "%ds" % seconds,
             "-C", "levee.durability=cache"]
    result = bench(args, levee, *words)
    value = result["stored_count"] / result["client_cpu_s"] / 1e6
    report.text("$ levee bench " + " ".join(words))
    report.figure("records of 100 bytes, a second of one core", value, "M", ">= 2", value >= 2,
                  "%.2f M/s stored" % (result["stored_count"] / result["duration_ns"] * 1e3))


def requests(args, report, levee, seconds):
    words = ["run", "swarm", "--warmup", "1s", "--duration", "%ds" % seconds]
    result = bench(args, levee, *words)
    ours = result["requests_count"] / result["client_cpu_s"]
    report.text("$ levee bench " + " ".join(words))
    if not result["broker"]["is_known"]:
        raise RuntimeError("the broker's process was not found")
    theirs = result["requests_count"] / result["broker"]["cpu_s"]
    report.figure("requests over 64 connections, tool beside broker", ours / theirs, "", ">= 1",
                  ours >= theirs, "a second of a core: tool %.0f, broker %.0f; %.0f/s" % (
                      ours, theirs, result["requests_count"] / result["duration_ns"] * 1e9))


def schedule(args, report, levee, seconds):
    words = ["e2e", "--rate", "20k", "--warmup", "1s", "--duration", "%ds" % seconds]
    result = bench(args, levee, *words)
    value = abs(result["rate_error"]) * 100
    report.text("$ levee bench " + " ".join(words))
    report.figure("rate error", value, "%", "<= 0.1", value <= 0.1,
                  "%d of %d late" % (result["late_count"], result["sent_count"]))


def closed_loop(args, report, levee, seconds):
    """Little's law: what is under way is the rate times the mean latency."""
    words = ["produce", "--producers", "16", "--in-flight", "1", "--rate", "max", "--linger", "0",
             "--warmup", "1s", "--duration", "%ds" % seconds]
    result = bench(args, levee, *words)
    rate = result["histograms"]["produce"]["count"] / result["duration_ns"] * 1e9
    value = rate * mean_ms(result, "produce") / 1e3 / 16
    report.text("$ levee bench " + " ".join(words))
    report.figure("closed loop: rate x latency / under way", value, "", "0.9 to 1.05",
                  0.9 <= value <= 1.05, "%.0f/s, %.3f ms" % (rate, mean_ms(result, "produce")))


def agreement(args, report, levee, seconds):
    """The same load by Kafka's own tool: a fixed rate, one producer, no linger beyond 5 ms."""
    rate, records = 5000, 5000 * seconds
    subprocess.run([str(args.levee), "topic", "create", "agreement", "-p", "6", "-b",
                    levee.bootstrap], check=True, stdout=subprocess.DEVNULL, timeout=60)
    # the first run of a JVM is of code that is not compiled yet
    for count in (records, records):
        out = bench_peer.run_tool(bench_peer.PRODUCER, "--topic", "agreement", "--num-records",
                                  count, "--record-size", 1024, "--throughput", rate,
                                  "--producer-props", "bootstrap.servers=" + levee.bootstrap,
                                  "acks=all")
    found = PERF.search(out.strip().splitlines()[-1])
    if not found:
        raise RuntimeError("the perf tool says " + out[-300:])
    words = ["produce", "--topic", "agreement", "--rate", rate, "--warmup", "1s", "--duration",
             "%ds" % seconds]
    words = [str(word) for word in words]
    result = bench(args, levee, *words)
    theirs, ours = float(found.group(2)), mean_ms(result, "produce")
    report.text("$ levee bench " + " ".join(words))
    report.figure("mean latency, ours over kafka-producer-perf-test's", ours / theirs, "", None,
                  None, "%.2f ms, %.2f ms at %s/s" % (ours, theirs, rate))


def load(args, report):
    seconds = 3 if args.quick else 10
    levee = bench_process.Levee(args.levee, args.work / "load")
    report.section("load", " ".join(levee.command()))
    try:
        levee.start()
        generation(args, report, levee, seconds)
        requests(args, report, levee, seconds)
        schedule(args, report, levee, seconds)
        closed_loop(args, report, levee, seconds)
        try:
            bench_peer.kafka_rig.jars()
        except bench_peer.kafka_rig.RigError as error:
            report.text("not measured: Kafka's perf tool: %s" % error)
        else:
            agreement(args, report, levee, seconds)
    finally:
        levee.end()
        shutil.rmtree(levee.directory, ignore_errors=True)


def compare(args, report):
    """Both durable: levee as it comes, Kafka with flush.messages=1."""
    page = pathlib.Path("compare.html").resolve()
    levee = bench_process.Levee(args.levee, args.work / "compare-levee")
    kafka = bench_peer.Kafka(args.work / "compare-kafka", {})
    words = ["compare", levee.bootstrap, kafka.bootstrap, "--rate", "10k", "--warmup", "2s",
             "--duration", "3s" if args.quick else "10s", "--blocks", "6", "--verify", "--limits",
             "-C", "flush.messages=1", "--report", str(page)]
    report.section("compare", "levee bench " + " ".join(words))
    try:
        levee.start()
        kafka.start()
        done = subprocess.run([str(args.levee), "bench", *words, "--format", "json"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=TOOL_TIMEOUT_S * 4)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if not lines:
            raise RuntimeError("exit code %d: %s" % (done.returncode, done.stderr[-500:]))
        for metric in json.loads(lines[-1])["metrics"]:
            report.figure("Kafka over levee, " + metric["metric"], metric["ratio"], "", None, None,
                          "%.3g to %.3g; %s" % (metric["ratio_min"], metric["ratio_max"],
                                                metric["finding"].replace("B", "Kafka")))
        report.text("page: %s" % page)
    finally:
        levee.end()
        kafka.remove()
