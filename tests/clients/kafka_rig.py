#!/usr/bin/env python3
"""Apache Kafka beside levee: the reference broker, its command line tools, and its jars.

    kafka_rig.py jars                         fetch the jars, print their directory
    kafka_rig.py serve --port 9192 [--set k=v ...] [--dir DIR]
                                              run one KRaft node until SIGTERM or SIGINT
    kafka_rig.py tool NAME ARGUMENT ...       run a tool of Kafka's (topics, configs, dump-log, ...)
    kafka_rig.py tools                        list the tools

The version is $LEVEE_KAFKA_VERSION, by default the one whose answers tests/golden has.  Downloads go to
$LEVEE_CACHE (default: .cache in the checkout), never into git.  Servers listen on
127.0.0.1 only.  As a module: jars(), Broker, tool().
"""
import argparse
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
POM = ROOT / "tests" / "support" / "kafka_rig" / "pom.xml"
KAFKA_VERSION = os.environ.get("LEVEE_KAFKA_VERSION") or "4.3.1"  # of the recorded answers

TOOLS = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "configs": "kafka.admin.ConfigCommand",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "transactions": "org.apache.kafka.tools.TransactionsCommand",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "features": "org.apache.kafka.tools.FeatureCommand",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "storage": "kafka.tools.StorageTool",
}


class RigError(Exception):
    """The rig itself cannot work here; the text says what is missing."""


def cache_dir():
    path = pathlib.Path(os.environ.get("LEVEE_CACHE") or ROOT / ".cache").resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


class cache_lock:
    """One installer at a time: two runs may start together on an empty cache."""

    def __init__(self, name):
        self.path = cache_dir() / (name + ".lock")

    def __enter__(self):
        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def need_programs(*names):
    missing = [n for n in names if not shutil.which(n)]
    if missing:
        packages = {"java": "default-jre-headless", "javac": "default-jdk-headless", "mvn": "maven"}
        raise RigError("missing %s; install with: apt-get install %s" % (
            " ".join(missing), " ".join(packages.get(n, n) for n in missing)))


def jars():
    """The directory with Kafka's jars; fetched with Maven the first time."""
    need_programs("java")
    where = cache_dir() / ("kafka-" + KAFKA_VERSION)
    if (where / "complete").exists():
        return where / "jars"
    need_programs("mvn")
    with cache_lock("kafka"):
        if not (where / "complete").exists():
            run = subprocess.run(
                ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
                 "-Dkafka.version=" + KAFKA_VERSION, "-DincludeScope=runtime",
                 "-DoutputDirectory=" + str(where / "jars")],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
            if run.returncode:
                raise RigError("mvn could not fetch Kafka %s:\n%s" % (KAFKA_VERSION, run.stdout[-2000:]))
            (where / "complete").touch()
    return where / "jars"


def java_command(main, *args, heap_mb=256, log_level="error", log_file=None):
    """argv that runs a class of Kafka's; log lines go to log_file, or stderr."""
    argv = ["java", "-Xmx%dm" % heap_mb, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-Xshare:auto", "-Dorg.slf4j.simpleLogger.defaultLogLevel=" + log_level,
            "-Dorg.slf4j.simpleLogger.showDateTime=true"]
    if log_file:
        argv.append("-Dorg.slf4j.simpleLogger.logFile=" + str(log_file))
    return argv + ["-cp", str(jars()) + "/*", main, *[str(a) for a in args]]


def tool(name, *args, stdin=None, timeout=60, heap_mb=256):
    """Run a tool to its end.  Returns (exit code, stdout, stderr); exit code 124 means that the
    time ran out and the tool was stopped."""
    argv = java_command(TOOLS[name], *args, heap_mb=heap_mb)
    proc = subprocess.Popen(argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = proc.communicate(stdin, timeout=timeout)
        return proc.returncode, out, err
    except subprocess.TimeoutExpired:
        proc.kill()
        out, err = proc.communicate()
        return 124, out, err


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, timeout_s, alive=lambda: True):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if not alive():
            return False
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


class Broker:
    """One Apache Kafka node, broker and controller in one process, on 127.0.0.1."""

    def __init__(self, port, directory=None, settings=None, heap_mb=640, advertised_port=None):
        self.port = port
        self.own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="levee-kafka-"))
        self.heap_mb = heap_mb
        self.proc = None
        self.settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": "PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d" % (port, free_port()),
            "advertised.listeners": "PLAINTEXT://127.0.0.1:%d" % (advertised_port or port),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self.directory / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "10",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }
        controller = self.settings["listeners"].rsplit("/", 1)[1]
        self.settings["controller.quorum.voters"] = "1@" + controller
        self.settings.update(settings or {})

    def format(self):
        """The directory as Kafka's storage tool leaves it, once; returns the path of the properties."""
        self.directory.mkdir(parents=True, exist_ok=True)
        properties = self.directory / "server.properties"
        properties.write_text("".join("%s=%s\n" % kv for kv in self.settings.items()))
        if not (self.directory / "data" / "meta.properties").exists():
            code, out, err = tool("storage", "format", "--config", properties,
                                  "--cluster-id", "bGV2ZWUtcmVmZXJlbmNlLQ", timeout=60)
            if code:
                raise RigError("storage format failed: " + out + err)
        return properties

    def start(self, timeout_s=90):
        """Start, or start again after stop() or kill(); returns when clients are accepted."""
        properties = self.format()
        self.log = open(self.directory / "broker.log", "a")
        self.proc = subprocess.Popen(
            java_command("kafka.Kafka", properties, heap_mb=self.heap_mb, log_level="info"),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        if not wait_for_port(self.port, timeout_s, lambda: self.proc.poll() is None):
            self.kill()
            tail = (self.directory / "broker.log").read_text(errors="replace")[-2000:]
            raise RigError("Kafka did not start; end of its log:\n" + tail)
        return self

    def stop(self, timeout_s=30):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.proc:
            self.log.close()
            self.proc = None

    def kill(self):
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()

    def remove(self):
        self.stop()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_):
        self.remove()


def serve(args):
    settings = dict(s.split("=", 1) for s in args.set)
    broker = Broker(args.port, args.dir, settings, advertised_port=args.advertised_port)
    stopping = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(1))
    try:
        broker.start()
        print("ready: Apache Kafka %s on 127.0.0.1:%d, pid %d, files in %s" % (
            KAFKA_VERSION, args.port, broker.proc.pid, broker.directory), flush=True)
        while not stopping and broker.proc.poll() is None:
            time.sleep(0.2)
        return 0 if stopping else 1
    finally:
        broker.remove()


def main():
    parser = argparse.ArgumentParser(description="Apache Kafka %s on loopback" % KAFKA_VERSION)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("jars", help="fetch the jars, print their directory")
    commands.add_parser("tools", help="list the tools")
    one = commands.add_parser("serve", help="run one node until SIGTERM")
    one.add_argument("--port", type=int, default=9192)
    one.add_argument("--advertised-port", type=int, help="when a proxy stands in front")
    one.add_argument("--dir", help="keep files here; default: a temporary directory")
    one.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    one = commands.add_parser("tool", help="run a tool of Kafka's")
    one.add_argument("name", choices=sorted(TOOLS))
    one.add_argument("arguments", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    try:
        if args.command == "jars":
            print(jars())
        elif args.command == "tools":
            for name in sorted(TOOLS):
                print("%-20s %s" % (name, TOOLS[name]))
        elif args.command == "serve":
            return serve(args)
        else:
            argv = java_command(TOOLS[args.name], *args.arguments)
            os.execvp(argv[0], argv)
    except RigError as error:
        print("kafka_rig: %s" % error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
