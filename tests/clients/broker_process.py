"""A broker that a harness may kill: levee, Apache Kafka, or any command.

add_options(parser) and from_options(args) give every harness the same options:

    --levee PATH                 `PATH serve --set ...` on a temporary directory
    --kafka                      Apache Kafka, for trying out the harness itself
    --start-command COMMAND      any other; with --bootstrap HOST:PORT for where it listens
"""
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import kafka_rig

READY_SECONDS = 60


class BrokerProcess:
    """start() returns when clients are accepted; kill() is SIGKILL; stop() is SIGTERM."""

    def __init__(self, port):
        self.port = port
        self.bootstrap = "127.0.0.1:%d" % port
        self.proc = None

    def start(self):
        raise NotImplementedError

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self):
        """Seconds that a clean stop took."""
        started = time.monotonic()
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
        return time.monotonic() - started

    def remove(self):
        if self.proc and self.proc.poll() is None:
            self.kill()


class Levee(BrokerProcess):
    def __init__(self, binary, settings=(), directory=None):
        super().__init__(kafka_rig.free_port())
        self.binary = binary
        self.settings = list(settings)
        self.own = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="levee-kill-"))
        self.lines = []
        self.in_child = None  # runs in the child before the broker does

    def start(self):
        argv = [self.binary, "serve"]
        for setting in ["log.dirs=%s" % (self.directory / "data"),
                        "listeners=PLAINTEXT://127.0.0.1:%d" % self.port,
                        "levee.http.listener=127.0.0.1:0", *self.settings]:
            argv += ["--set", setting]
        ready = threading.Event()
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE, text=True, errors="replace",
                                     preexec_fn=self.in_child)
        threading.Thread(target=self.read_log, args=(self.proc, ready), daemon=True).start()
        end = time.monotonic() + READY_SECONDS
        while not ready.wait(0.02):
            if self.proc.poll() is not None or time.monotonic() > end:
                code = self.proc.poll()
                self.remove_process()
                raise kafka_rig.RigError("levee did not get ready (exit code %s); last lines:\n%s" % (
                    code, "".join(self.lines[-20:])))

    def read_log(self, proc, ready):
        for line in proc.stderr:
            self.lines = self.lines[-500:] + [line]
            if "LVE-1100" in line and "ready" in line:
                ready.set()

    def remove_process(self):
        if self.proc.poll() is None:
            self.kill()

    def remove(self):
        super().remove()
        if self.own:
            shutil.rmtree(self.directory, ignore_errors=True)


class Kafka(BrokerProcess):
    def __init__(self):
        super().__init__(kafka_rig.free_port())
        self.rig = kafka_rig.Broker(self.port)

    def start(self):
        self.rig.start()
        self.proc = self.rig.proc

    def remove(self):
        self.rig.remove()


class Command(BrokerProcess):
    def __init__(self, command, bootstrap):
        super().__init__(int(bootstrap.rsplit(":", 1)[1]))
        self.argv = shlex.split(command)

    def start(self):
        self.proc = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, start_new_session=True)
        if not kafka_rig.wait_for_port(self.port, READY_SECONDS, lambda: self.proc.poll() is None):
            self.remove()
            raise kafka_rig.RigError("the start command opened no port %d" % self.port)

    def kill(self):
        os.killpg(self.proc.pid, signal.SIGKILL)  # the command may be a shell: its own group only
        self.proc.wait()


def add_options(parser):
    parser.add_argument("--levee", metavar="PATH")
    parser.add_argument("--kafka", action="store_true")
    parser.add_argument("--start-command", metavar="COMMAND")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="with --start-command")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="a setting for levee")


def from_options(parser, args):
    if args.levee:
        return Levee(args.levee, args.set)
    if args.kafka:
        return Kafka()
    if args.start_command and args.bootstrap:
        return Command(args.start_command, args.bootstrap)
    parser.error("--levee, --kafka, or --start-command with --bootstrap is needed")
    return None
