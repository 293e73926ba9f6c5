"""The frame of a suite written in Python: named checks, one line of output each.

A suite program is called with `--bootstrap HOST:PORT` (and maybe `--only NAME`), prints `ok NAME`,
`FAIL NAME: why` or `skip NAME: why` per check, and exits with 1 if a check failed.
"""
import argparse
import secrets
import signal
import sys
import time


class Skip(Exception):
    """This client cannot do it; the text says why."""


class Late(Exception):
    """A check took longer than it may."""


CHECKS = []
TAG = "s" + secrets.token_hex(4)


def check(function):
    CHECKS.append(function)
    return function


def name(short):
    """A topic or group name that no other run uses."""
    return "%s-%s" % (short, TAG)


def need(condition, why="not so"):
    if not condition:
        raise AssertionError(why() if callable(why) else why)


def same(got, want, what="value"):
    if got != want:
        raise AssertionError("%s is %.300r, should be %.300r" % (what, got, want))


def until(what, question, seconds=30, pause=0.1):
    """Ask until the answer is true; returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(pause)


def on_alarm(*_):
    raise Late("took longer than a check may")


def main(start, seconds=90):
    """start(bootstrap) prepares what the checks share, as attributes of what it returns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--only", action="append", default=[])
    args = parser.parse_args()
    signal.signal(signal.SIGALRM, on_alarm)
    client = start(args.bootstrap)
    failed = 0
    for function in CHECKS:
        if args.only and function.__name__ not in args.only:
            continue
        signal.alarm(seconds)
        try:
            function(client)
            print("ok %s" % function.__name__, flush=True)
        except Skip as reason:
            print("skip %s: %s" % (function.__name__, reason), flush=True)
        except Exception as error:  # whatever a client throws is a failed check
            failed += 1
            text = " ".join(str(error).split())
            print("FAIL %s: %s: %s" % (function.__name__, type(error).__name__, text), flush=True)
        finally:
            signal.alarm(0)
    return 1 if failed else 0


def records_of_all_shapes():
    """(key, value, headers): null, empty, binary, repeated headers; then 1 byte to 1 MiB."""
    yield None, None, []
    yield b"", b"", []
    yield b"k", None, []
    yield None, b"v", [("h", b"x")]
    yield b"\x00\xff", b"\xfe\x00", [("a", b"1"), ("a", b"2"), ("", b""), ("nil", None)]
    size = 1
    while size <= 1 << 20:
        yield b"size", bytes(i * 31 % 251 for i in range(min(size, 251))) * (size // 251 + 1), []
        size *= 4


def exit_with(code):
    sys.stdout.flush()
    sys.exit(code)
