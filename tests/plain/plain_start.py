#!/usr/bin/env python3
"""A broker where io_uring is refused: it starts, says so in one line, and keeps what it acknowledged.

    plain_start.py --levee build/levee --refuse build/refuse_io_uring

The kernel's refusals are made by a seccomp filter: of the three calls together and one by one, as
EPERM (Docker's default) and as ENOSYS (an old kernel).  In each, records go in through `levee
produce`, the broker is killed, started again, and the records come out.  `ok NAME` or `FAIL NAME:
why`, at the end `N passed, N failed`.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

import kafka_rig  # noqa: E402

READY_SECONDS = 30
# A kernel that has this (6.6) has rings, and with 0 it allows them: who refuses them is a filter.
ALLOWED = pathlib.Path("/proc/sys/kernel/io_uring_disabled")
KNOWS_RINGS = ALLOWED.exists() and ALLOWED.read_text().strip() == "0"
RECORDS = ["record-%05d" % n for n in range(2000)]
REFUSALS = [("EPERM", "setup,enter,register"), ("ENOSYS", "setup,enter,register"),
            ("EPERM", "setup"), ("EPERM", "enter"), ("EPERM", "register"), ("ENOSYS", "enter")]


class Broker:
    """`levee dev` behind a prefix of the command line; its log lines."""

    def __init__(self, levee, prefix, settings=()):
        self.levee, self.prefix, self.settings = levee, prefix, settings
        self.port = kafka_rig.free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="levee-plain-"))
        self.directory.chmod(0o777)
        self.lines = []
        self.proc = None

    def start(self):
        argv = [*self.prefix, self.levee, "dev", "--dir", str(self.directory / "data")]
        for setting in ["listeners=PLAINTEXT://127.0.0.1:%d" % self.port,
                        "levee.http.listener=127.0.0.1:0", *self.settings]:
            argv += ["--set", setting]
        self.lines = []
        ready = threading.Event()
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                     text=True, errors="replace")
        self.reader = threading.Thread(target=self.read, args=(self.proc, ready), daemon=True)
        self.reader.start()
        if not ready.wait(READY_SECONDS):
            raise kafka_rig.RigError("not ready: %s" % "".join(self.lines[-5:]))

    def read(self, proc, ready):
        for line in proc.stderr:
            self.lines.append(line)
            if "LVE-1100" in line or "LVE-1101" in line:
                ready.set()
        ready.set()

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self):
        self.proc.terminate()
        return self.proc.wait(30)

    def remove(self):
        if self.proc and self.proc.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def told(self, code):
        return [line for line in self.lines if code in line]

    def metrics(self):
        port = re.search(r"port=(\d+)", self.told("LVE-1104")[0]).group(1)
        with urllib.request.urlopen("http://127.0.0.1:%s/metrics" % port, timeout=10) as answer:
            return answer.read().decode()

    def command(self, *words, given=None):
        done = subprocess.run([self.levee, *words, "-b", "127.0.0.1:%d" % self.port], input=given,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        if done.returncode != 0:
            raise kafka_rig.RigError("levee %s: %s" % (" ".join(words), done.stderr))
        return done.stdout


def through_a_kill(broker, backend, why):
    """None, or what went wrong."""
    broker.start()
    lines = broker.told("LVE-1113")
    if len(lines) != (1 if backend == "plain" else 0):
        return "%d lines say that it is plain: %s" % (len(lines), lines)
    if why and why not in lines[0]:
        return "the line does not say %s: %s" % (why, lines[0])
    if why.startswith("E") and KNOWS_RINGS and "seccomp filter" not in lines[0]:
        return "the line does not say what refuses it: %s" % lines[0]
    if 'levee_io_backend_info{backend="%s"} 1' % backend not in broker.metrics():
        return "/metrics does not say %s" % backend
    broker.command("topic", "create", "t", "-p", "1")
    broker.command("produce", "t", given="".join(r + "\n" for r in RECORDS))
    broker.kill()
    broker.start()
    got = broker.command("consume", "t", "-o", "start:end").split()
    if got != RECORDS:
        return "%d records of %d came back in order" % (len(got), len(RECORDS))
    code = broker.stop()
    return None if code == 0 else "exit code %d at the stop" % code


def ring_is_demanded(broker):
    broker.start()
    code = broker.proc.wait(30)
    broker.reader.join(10)
    if code != 1 or not broker.told("LVE-1103"):
        return "exit code %s: %s" % (code, "".join(broker.lines[-3:]))
    return None


def a_start_is_refused(broker, code, *words):
    """None when it ends with exit code 1 and one line of that code, which says words."""
    broker.start()
    exit_code = broker.proc.wait(30)
    broker.reader.join(10)
    lines = broker.told(code)
    if exit_code != 1 or len(lines) != 1 or any(word not in lines[0] for word in words):
        return "exit code %s: %s" % (exit_code, "".join(broker.lines[-3:]))
    return None


def nobodys(levee, directory):
    """levee as a user without threads: root has no such limit."""
    own = shutil.copy(levee, directory)
    os.chmod(directory, 0o777)
    prefix = ["prlimit", "--nproc=1"]
    if os.getuid() == 0:
        prefix += ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    return own, prefix


def doctor(levee, prefix, backends, directory):
    done = subprocess.run([*prefix, levee, "doctor", "io", "--format", "json", "--dir", directory],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    measured = {row["backend"] for row in rows if "p50_us" in row}
    if done.returncode != 0 or measured != set(backends):
        return "exit code %d, measured %s: %s" % (done.returncode, measured, done.stderr)
    broken = [row for row in rows if row.get("state", "works") != "works"]
    if broken:
        return "does not work: %s" % broken
    left = list(pathlib.Path(directory).iterdir())
    return "left behind: %s" % left if left else None


def main():
    parser = argparse.ArgumentParser(description="a broker where io_uring is refused")
    parser.add_argument("--levee", required=True)
    parser.add_argument("--refuse", required=True)
    args = parser.parse_args()
    levee, refuse = (str(pathlib.Path(p).resolve()) for p in (args.levee, args.refuse))
    everything = [refuse, "EPERM", "setup,enter,register"]
    passed = failed = 0

    def report(name, why):
        nonlocal passed, failed
        failed, passed = failed + bool(why), passed + (not why)
        print("FAIL %s: %s" % (name, why) if why else "ok %s" % name, flush=True)

    def with_broker(name, prefix, check, *rest, settings=(), binary=levee):
        broker = Broker(binary, prefix, settings)
        try:
            report(name, check(broker, *rest))
        except (kafka_rig.RigError, subprocess.TimeoutExpired, OSError) as error:
            report(name, "%s\n%s" % (error, "".join(broker.lines[-10:])))
        finally:
            broker.remove()

    ring = subprocess.run([levee, "doctor", "io", "--format", "json", "--dir", "/tmp"],
                          stdout=subprocess.PIPE, text=True, timeout=120).stdout
    ring = json.loads(ring.splitlines()[0])["io_uring"]
    print("io_uring is %s here" % ("allowed" if ring else "refused"), flush=True)
    for name, calls in REFUSALS:
        with_broker("%s of %s" % (name, calls), [refuse, name, calls], through_a_kill, "plain",
                    name)
    with_broker("levee.io=plain", [], through_a_kill, "plain", "levee.io=plain",
                settings=["levee.io=plain"])
    with_broker("nothing refused", [], through_a_kill, "io_uring" if ring else "plain", "")
    with_broker("levee.io=ring where it is refused", everything, ring_is_demanded,
                settings=["levee.io=ring"])
    for backend in ("auto", "plain"):
        with_broker("too few descriptors for eight shards, levee.io=%s" % backend,
                    ["prlimit", "--nofile=12"], a_start_is_refused, "LVE-1103", "too few",
                    "ulimit -n", settings=["levee.io=%s" % backend, "levee.shards=8"])
    for shards in (1, 2):
        with tempfile.TemporaryDirectory(prefix="levee-nobody-") as directory:
            own, prefix = nobodys(levee, directory)
            with_broker("no threads, %d shards" % shards, prefix, a_start_is_refused, "LVE-1114",
                        "ulimit -u", binary=own, settings=["levee.http.listener=",
                        "levee.io=plain", "levee.shards=%d" % shards])
    with tempfile.TemporaryDirectory(prefix="levee-doctor-") as directory:
        report("doctor io", doctor(levee, [], ["ring", "plain"] if ring else ["plain"], directory))
        report("doctor io where it is refused", doctor(levee, everything, ["plain"], directory))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
