#!/usr/bin/env python3
"""Figures, each beside its limit in the same run.  `./dev bench [NAME ...]` calls it.

    run.py --build DIR [--quick] [--json FILE] [NAME ...]

Names: append, partitions, peer, memory, start, recover, backends, io, txn, open, cleaner, load, compare, account;
without one, all of them.  Prints for each the command, the medians, the ratio, and its bar with "met"
or "not met"; never fails because of a figure.  --quick: fewer and shorter rounds (three minutes instead of fifteen).
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

import bench_account
import bench_cleaner
import bench_io
import bench_load
import bench_open_transactions
import bench_peer
import bench_process
import bench_storage
import bench_txn

BENCHES = {
    "append": bench_storage.append,
    "partitions": bench_storage.partitions,
    "memory": bench_process.memory,
    "start": bench_process.start,
    "recover": bench_process.recover,
    "peer": bench_peer.peer,
    "backends": bench_storage.backends,
    "io": bench_io.io,
    "txn": bench_txn.txn,
    "open": bench_open_transactions.open_transactions,
    "cleaner": bench_cleaner.cleaner,
    "load": bench_load.load,
    "compare": bench_load.compare,
    "account": bench_account.account,
}


class Report:
    """What was measured, as text now and as JSON at the end."""

    def __init__(self):
        self.rows = []

    def section(self, name, command):
        print("\n%s\n  $ %s" % (name, command), flush=True)

    def text(self, line):
        print("  " + line, flush=True)

    def figure(self, name, value, unit, bar=None, met=None, note=""):
        """bar: text such as "<= 30"; met: whether the value keeps it."""
        verdict = "" if bar is None else "bar %s: %s" % (bar, "met" if met else "not met")
        shown = ("%.3g" % value if abs(value) < 1000 else "%.0f" % value)
        print("  %-46s %10s %-8s %s  %s" % (name, shown, unit, verdict, note), flush=True)
        self.rows.append({"name": name, "value": value, "unit": unit, "bar": bar, "met": met,
                          "note": note})


def machine():
    cpu = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        cpu.setdefault(key.strip(), value.strip())
    flags = set(cpu.get("flags", cpu.get("Features", "")).split())
    known = ["sse4_2", "pclmulqdq", "avx2", "avx512f", "vpclmulqdq", "crc32", "pmull"]
    return {
        "kernel": os.uname().release,
        "processors": os.cpu_count(),
        "cpu": cpu.get("model name", os.uname().machine),
        "cpu_flags": [f for f in known if f in flags],
        "memory_mib": int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20),
        "load_average": list(os.getloadavg()),
    }


def print_machine(facts):
    print("kernel %(kernel)s, %(processors)d processors, %(cpu)s, %(memory_mib)d MiB" % facts)
    print("cpu flags %s; load average %s" % (
        " ".join(facts["cpu_flags"]), " ".join("%.2f" % x for x in facts["load_average"])))
    if facts["load_average"][0] > facts["processors"] / 2:
        print("others use this machine: where latencies are whole milliseconds, the figures tell of "
              "waiting for a processor and not of the device")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(BENCHES))
    parser.add_argument("--build", default="build-release", help="directory of the release build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--directory", help="where the files go: the disk that is measured")
    parser.add_argument("--log-gb", type=float, help="size of the log of recover")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    unknown = [n for n in args.names if n not in BENCHES]
    if unknown:
        parser.error("no benchmark %s; there are %s" % (unknown[0], " ".join(BENCHES)))
    args.build = pathlib.Path(args.build).resolve()
    args.levee = args.build / "tools" / "levee"
    args.work = pathlib.Path(tempfile.mkdtemp(prefix="levee-bench-", dir=args.directory))
    report = Report()
    facts = machine()
    print_machine(facts)
    begin = time.monotonic()
    try:
        for name in args.names or BENCHES:
            try:
                BENCHES[name](args, report)
            except (RuntimeError, OSError) as error:
                report.text("not measured: %s" % error)
                report.rows.append({"name": name, "error": str(error)})
    finally:
        shutil.rmtree(args.work, ignore_errors=True)
    facts["load_average_after"] = list(os.getloadavg())
    print("\n%.0f s; load average after: %s" % (
        time.monotonic() - begin, " ".join("%.2f" % x for x in facts["load_average_after"])))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"machine": facts, "rows": report.rows},
                                                      indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
