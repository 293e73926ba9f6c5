#!/usr/bin/env python3
"""The commands of the documentation, run.

usage: run.py --levee PATH [--require]

Takes each ```sh block behind a line `<!-- run -->` of the pages and runs it with sh -e in an empty
directory, `levee` in PATH, against a broker started for its page; 127.0.0.1:9092 and :9644 in the
text become that broker's addresses, and :9645 (of a probe) a free port.  Then: are the pages that are made from the
program current, and is the table of docs/compatibility.md what the broker advertises?  Prints `ok`
or `FAIL` for each and `N passed, N failed`.  A block whose programs are not installed is skipped
aloud; with --require it fails.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/quickstart.md", "docs/operations.md")
GENERATED = ("broker/config/generate.py page", "docs/log_codes_doc.py", "docs/metrics_doc.py")
BLOCK = re.compile(r"<!-- run -->\n+```sh\n(.*?)```", re.S)
BLOCK_SECONDS = 30
PROGRAMS = ("kcat", "curl")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Broker:
    def __init__(self, levee, directory):
        self.port = free_port()
        self.http_port = free_port()
        self.log = open(directory / "broker.log", "w+")
        self.proc = subprocess.Popen(
            [levee, "serve", "--set", "log.dirs=%s" % (directory / "data"),
             "--set", "listeners=PLAINTEXT://127.0.0.1:%d" % self.port,
             "--set", "levee.http.listener=127.0.0.1:%d" % self.http_port],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def wait(self):
        end = time.monotonic() + 20
        while time.monotonic() < end and self.proc.poll() is None:
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/readyz" % self.http_port,
                                       timeout=2).close()
                return
            except OSError:
                time.sleep(0.05)
        self.log.seek(0)
        raise SystemExit("levee did not get ready:\n" + self.log.read()[-2000:])

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        try:
            return self.proc.wait(15)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            return -1

    def advertised(self):
        """{API key: (first version, last version)}"""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            sock.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))
            data = b""
            while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
                piece = sock.recv(65536)
                if not piece:
                    raise SystemExit("levee closed the connection of ApiVersions")
                data += piece
        count = struct.unpack(">i", data[10:14])[0]
        rows = [struct.unpack(">hhh", data[14 + 6 * i:20 + 6 * i]) for i in range(count)]
        return {key: (first, last) for key, first, last in rows}


def run_block(text, broker, levee, directory):
    """None, or what went wrong."""
    script = text.replace("127.0.0.1:9092", "127.0.0.1:%d" % broker.port)
    script = script.replace("127.0.0.1:9644", "127.0.0.1:%d" % broker.http_port)
    script = script.replace("127.0.0.1:9645", "127.0.0.1:%d" % free_port())
    script = script.replace("./build-release/tools/levee", "levee")
    # commands that need no -b in the text need one here, because the port is another
    script = re.sub(r"\blevee (topic \S+|group \S+|bench \S+|produce|consume|verify|probe)", r"\g<0> -b 127.0.0.1:%d" %
                    broker.port, script)
    binaries = directory / "bin"
    binaries.mkdir(exist_ok=True)
    if not (binaries / "levee").exists():
        (binaries / "levee").symlink_to(levee)
    work = pathlib.Path(tempfile.mkdtemp(dir=directory))
    environment = dict(os.environ, PATH="%s:%s" % (binaries, os.environ["PATH"]))
    proc = subprocess.Popen(["sh", "-e", "-c", script], cwd=work, env=environment,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        out, _ = proc.communicate(timeout=BLOCK_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(proc.pid, signal.SIGKILL)
        out, _ = proc.communicate()
        return "no end within %d s:\n%s" % (BLOCK_SECONDS, out)
    return None if proc.returncode == 0 else "exit code %d:\n%s" % (proc.returncode, out)


def compatibility_problem(broker):
    text = (ROOT / "docs" / "compatibility.md").read_text()
    told = {int(key): (int(first), int(last)) for key, first, last in
            re.findall(r"^\| (\d+) \| \w+ \| (\d+)-(\d+) \|", text, re.M)}
    served = broker.advertised()
    wrong = [key for key in sorted(set(told) | set(served)) if told.get(key) != served.get(key)]
    return "key %d: page says %s, broker says %s" % (
        wrong[0], told.get(wrong[0]), served.get(wrong[0])) if wrong else None


def generated_problem(script, levee):
    script, *words = script.split()
    done = subprocess.run([sys.executable, ROOT / script, *words, levee, "--check"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return None if done.returncode == 0 else done.stdout.strip()


class Results:
    def __init__(self, require):
        self.require = require
        self.passed = 0
        self.failed = 0

    def note(self, name, problem):
        if problem is None:
            self.passed += 1
            print("ok %s" % name, flush=True)
        else:
            self.failed += 1
            print("FAIL %s: %s" % (name, problem), flush=True)

    def skip(self, name, why):
        if self.require:
            self.note(name, why)
        else:
            print("SKIP %s: %s" % (name, why), flush=True)


def run_page(page, broker, levee, directory, results):
    text = (ROOT / page).read_text()
    found = list(BLOCK.finditer(text))
    if not found:
        results.note(page, "no block to run")
    for match in found:
        name = "%s line %d" % (page, text[:match.start(1)].count("\n") + 1)
        missing = [p for p in PROGRAMS if re.search(r"\b%s\b" % p, match[1])
                   and not shutil.which(p)]
        if missing:
            results.skip(name, "%s is not installed" % missing[0])
        else:
            results.note(name, run_block(match[1], broker, levee, directory))


def with_broker(name, levee, results, work):
    """work(broker, directory) beside a broker of its own on an empty directory."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="levee-docs-"))
    broker = Broker(levee, directory)
    try:
        broker.wait()
        work(broker, directory)
        code = broker.stop()
        results.note("%s: orderly stop" % name, None if code == 0 else "exit code %d" % code)
    finally:
        if broker.proc.poll() is None:
            broker.stop()
        broker.log.close()
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="the commands of the documentation")
    parser.add_argument("--levee", required=True)
    parser.add_argument("--require", action="store_true")
    args = parser.parse_args()
    levee = str(pathlib.Path(args.levee).resolve())
    results = Results(args.require)
    for page in PAGES:
        with_broker(page, levee, results,
                    lambda broker, directory: run_page(page, broker, levee, directory, results))
    with_broker("versions", levee, results, lambda broker, _: results.note(
        "docs/compatibility.md", compatibility_problem(broker)))
    for script in GENERATED:
        results.note(script, generated_problem(script, levee))
    print("%d passed, %d failed" % (results.passed, results.failed))
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
