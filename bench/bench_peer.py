"""peer: levee beside Apache Kafka, driven by Kafka's own perf tools: same jars, same settings."""
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys

import bench_process

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "clients"))
import kafka_rig  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
PARTITIONS = 6
RECORD_BYTES = 1024
TOOL_TIMEOUT_S = 240

# As Kafka's start script has them: heap of 1 GiB, G1.
SERVER_JVM = ["-Xms1G", "-Xmx1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
              "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]
TOOL_JVM = ["-Xmx512M", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]


def java(jvm, main, *args):
    return ["java", *jvm, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
            str(kafka_rig.jars()) + "/*", main, *[str(a) for a in args]]


class Kafka(kafka_rig.Broker):
    """A node with the options of Kafka's own start script instead of the rig's small ones."""

    def __init__(self, directory, settings):
        super().__init__(bench_process.free_port(), directory, settings)
        self.bootstrap = "127.0.0.1:%d" % self.port

    def start(self, timeout_s=90):
        self.directory.mkdir(parents=True, exist_ok=True)
        properties = self.directory / "server.properties"
        properties.write_text("".join("%s=%s\n" % kv for kv in self.settings.items()))
        code, out, err = kafka_rig.tool("storage", "format", "--config", properties,
                                        "--cluster-id", "bGV2ZWUtcmVmZXJlbmNlLQ")
        if code:
            raise RuntimeError("storage format failed: " + out + err)
        self.log = open(self.directory / "broker.log", "a")
        self.proc = subprocess.Popen(java(SERVER_JVM, "kafka.Kafka", properties),
                                     stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                     start_new_session=True)
        if not kafka_rig.wait_for_port(self.port, timeout_s, lambda: self.proc.poll() is None):
            self.kill()
            raise RuntimeError("Kafka did not start; see " + str(self.directory))
        return self


def cpu_s(pid):
    """User and system time of a process, seconds.  Work that the kernel does in its own threads
    (completing synced writes, writing back the page cache) is not in it."""
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def kernel_cpu_s():
    """Of all kernel threads of the machine."""
    total = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[1] == "2":
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def rss_mib(pid):
    text = pathlib.Path("/proc/%d/status" % pid).read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024


def run_tool(main, *args):
    done = subprocess.run(java(TOOL_JVM, main, *args), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=TOOL_TIMEOUT_S)
    if done.returncode:
        raise RuntimeError("%s: %s" % (main, done.stdout[-1000:]))
    return done.stdout


PRODUCED = re.compile(r"(\d+) records sent, .*\(([\d.]+) MB/sec\).*?(\d+) ms 50th.*?(\d+) ms 99th")


def produce_args(bootstrap, topic, records):
    return ["--topic", topic, "--num-records", records, "--record-size", RECORD_BYTES,
            "--throughput", "-1", "--producer-props", "bootstrap.servers=" + bootstrap, "acks=all"]


def consume_args(bootstrap, topic, records):
    return ["--bootstrap-server", bootstrap, "--topic", topic, "--messages", records, "--timeout",
            "60000"]


PRODUCER = kafka_rig.TOOLS["producer-perf-test"]
CONSUMER = kafka_rig.TOOLS["consumer-perf-test"]


def measure(levee_binary, bootstrap, pid, topic, records):
    def admin(*argv):
        subprocess.run([str(levee_binary), "topic", *argv, "-b", bootstrap], check=True,
                       stdout=subprocess.DEVNULL, timeout=60)

    admin("create", topic, "-p", str(PARTITIONS), "-C", "file.delete.delay.ms=1000")
    gb = records * RECORD_BYTES / 1e9
    figures = {}
    for what, main, argv in (("produce", PRODUCER, produce_args),
                             ("consume", CONSUMER, consume_args)):
        before, kernel = cpu_s(pid), kernel_cpu_s()
        out = run_tool(main, *argv(bootstrap, topic, records))
        figures[what + "_cpu"] = (cpu_s(pid) - before) / gb
        figures[what + "_kernel"] = (kernel_cpu_s() - kernel) / gb
        if what == "produce":
            found = PRODUCED.findall(out)
            if not found or int(found[-1][0]) != records:
                raise RuntimeError("the producer did not send everything: " + out[-500:])
            figures.update(produce_mb=float(found[-1][1]), p50=float(found[-1][2]),
                           p99=float(found[-1][3]))
        else:
            values = [v.strip() for v in out.strip().splitlines()[-1].split(",")]
            if int(values[4]) < records:
                raise RuntimeError("the consumer did not read everything: " + out[-500:])
            figures["consume_mb"] = float(values[8])  # while fetching, without joining the group
    figures["rss"] = rss_mib(pid)
    admin("delete", topic)
    return figures


def show(report, name, runs):
    def mid(field):
        return statistics.median(run[field] for run in runs)

    report.text("%-34s produce %6.1f MiB/s p50 %4.0f p99 %5.0f ms, consume %6.1f MiB/s, "
                "RSS %5.0f MiB" % (name, mid("produce_mb"), mid("p50"), mid("p99"),
                                   mid("consume_mb"), mid("rss")))
    report.text("%-34s cpu s/GB: produce %5.2f (kernel threads %5.2f), consume %5.2f (%5.2f)" % (
        "", mid("produce_cpu"), mid("produce_kernel"), mid("consume_cpu"), mid("consume_kernel")))
    for field, unit in (("produce_mb", "MiB/s"), ("p99", "ms"), ("consume_mb", "MiB/s"),
                        ("rss", "MiB")):
        report.rows.append({"name": "%s %s" % (name, field), "value": mid(field), "unit": unit})


def peer(args, report):
    records = 150000 if args.quick else 600000
    blocks = 1 if args.quick else 2
    report.section("peer", "java %s %s; then %s %s; %d partitions" % (
        PRODUCER, " ".join(map(str, produce_args("HOST", "T", records))), CONSUMER,
        " ".join(map(str, consume_args("HOST", "T", records))), PARTITIONS))
    try:
        kafka_rig.jars()
    except kafka_rig.RigError as error:
        raise RuntimeError(str(error)) from None
    levee = bench_process.Levee(args.levee, args.work / "peer-levee",
                                ["group.initial.rebalance.delay.ms=0"])  # as the rig sets it
    kafka = Kafka(args.work / "peer-kafka", {})
    synced = Kafka(args.work / "peer-kafka-synced", {"log.flush.interval.messages": "1"})
    brokers = [("levee (durable)", levee, records),
               ("Apache Kafka %s as it comes" % kafka_rig.KAFKA_VERSION, kafka, records),
               ("Apache Kafka, flush.messages=1", synced, records // 4)]
    runs = {name: [] for name, _, _ in brokers}
    try:
        for _, broker, _ in brokers:
            broker.start()
        for name, broker, count in brokers:  # warm: code is compiled, files are there
            measure(args.levee, broker.bootstrap, broker.proc.pid, "warm", min(count, 100000))
        for block in range(blocks):
            order = brokers + brokers[::-1]
            for turn, (name, broker, count) in enumerate(order):
                runs[name].append(measure(args.levee, broker.bootstrap, broker.proc.pid,
                                          "bench-%d-%d" % (block, turn), count))
        for name, _, _ in brokers:
            show(report, name, runs[name])
        compare(report, runs[brokers[0][0]], runs[brokers[1][0]])
    finally:
        levee.end(signal.SIGTERM)
        kafka.kill()
        synced.kill()
        for directory in ("peer-levee", "peer-kafka", "peer-kafka-synced"):
            shutil.rmtree(args.work / directory, ignore_errors=True)


def compare(report, ours, theirs):
    def ratios(of):
        return [of(a) / of(b) for a, b in zip(ours, theirs)]

    for name, of in (
            ("produce", lambda run: run["produce_cpu"]),
            ("consume", lambda run: run["consume_cpu"]),
            ("produce and consume", lambda run: run["produce_cpu"] + run["consume_cpu"]),
            ("the same with kernel threads", lambda run: run["produce_cpu"] + run["consume_cpu"] +
             run["produce_kernel"] + run["consume_kernel"])):
        each = ratios(of)
        value = statistics.median(each)
        report.figure("broker CPU per GB, %s: levee / Kafka" % name, value, "", "<= 0.25",
                      value <= 0.25, "%.2f to %.2f" % (min(each), max(each)))
