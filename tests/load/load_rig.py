"""What the proofs of `levee bench` share: a broker of their own, and the tool run against it."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "clients"))
import broker_process  # noqa: E402


class Failed(Exception):
    pass


def expect(condition, text, *args):
    if not condition:
        raise Failed(text % args if args else text)


class Run:
    """One finished `levee bench`: its exit code, its JSON result (None without one), its texts."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.result = None
        for line in out.splitlines():
            if line.startswith("{"):
                self.result = json.loads(line)

    @property
    def levee(self):
        return self.result["levee"]

    def told(self):
        return "exit code %d\n%s%s" % (self.code, self.out[-3000:], self.err[-3000:])


class Rig:
    def __init__(self, binary, broker, is_required=False):
        self.binary, self.broker, self.is_required = binary, broker, is_required
        self.bootstrap = broker.bootstrap
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="levee-load-"))

    def start(self, *words, brokers=None, is_complete=False):
        """The tool as a process; finish() waits for it.  is_complete: the words name the brokers."""
        argv = [self.binary, "bench", *words]
        if words and words[0] not in ("list",) and "--help" not in words and not is_complete:
            argv += ["-b", brokers or self.bootstrap]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def finish(self, proc, seconds=120):
        try:
            out, err = proc.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            proc.kill()
            out, err = proc.communicate()
            raise Failed("the tool did not end within %d s\n%s%s" % (seconds, out[-2000:], err[-2000:]))
        return Run(proc.returncode, out, err)

    def bench(self, *words, seconds=120, brokers=None):
        return self.finish(self.start(*words, brokers=brokers), seconds)

    def bench_words(self, *words, seconds=300):
        """The same where the words say the brokers, or none are needed."""
        return self.finish(subprocess.Popen([self.binary, "bench", *words], text=True,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE), seconds)

    def json(self, *words, code=0, seconds=120):
        """The same with --format json; the exit code is expected."""
        run = self.bench(*words, "--format", "json", seconds=seconds)
        expect(run.code == code, "levee bench %s: expected exit code %d\n%s", " ".join(words), code,
               run.told())
        return run

    def path(self, name):
        return str(self.directory / name)


def stop_for(pid, seconds):
    """SIGSTOP, so long, SIGCONT."""
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
