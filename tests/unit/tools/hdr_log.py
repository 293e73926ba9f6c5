#!/usr/bin/env python3
"""hdr_log against HdrHistogram's own Python library, both ways.  usage: hdr_log.py HDR_LOG_TOOL

The library is hdrhistogram of PyPI (tests/clients/requirements.txt); without it the test is skipped
(exit code 77).
"""
import glob
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
# where tests/clients installs it (kafka_rig.cache_dir)
CACHES = os.path.join(os.environ.get("LEVEE_CACHE") or os.path.join(ROOT, ".cache"),
                      "python-*", "venv/bin/python")
HIGHEST = 1 << 40


def library():
    try:
        import hdrh.histogram  # noqa: F401
        return
    except ImportError:
        pass
    for python in sorted(glob.glob(CACHES)):
        if os.path.realpath(sys.prefix) == os.path.realpath(os.path.dirname(os.path.dirname(python))):
            continue
        if subprocess.run([python, "-c", "import hdrh"], capture_output=True).returncode == 0:
            os.execv(python, [python] + sys.argv)
    print("hdrhistogram is not installed: skipped")
    sys.exit(77)


library()
from hdrh.histogram import HdrHistogram  # noqa: E402
from hdrh.log import HistogramLogReader  # noqa: E402

TOOL = sys.argv[1]


def values(rng, kind):
    """{value: count}"""
    if kind == 0:
        return {}
    if kind == 1:
        return {0: 3}
    if kind == 2:
        return {HIGHEST: 1, 1: (1 << 31) - 1}
    if kind == 3:
        return {i: 1 for i in range(3000)}
    return {int(2 ** rng.uniform(0, 40)): rng.choice([1, 1, 1, 7, 300, 100000])
            for _ in range(rng.randrange(1, 2000))}


def theirs(pairs, digits):
    histogram = HdrHistogram(1, HIGHEST, digits)
    for value, count in pairs.items():
        histogram.record_value(value, count)
    return histogram


def buckets(histogram):
    """{highest value of the bucket: count}"""
    found = {}
    for item in histogram.get_recorded_iterator():
        found[item.value_iterated_to] = item.count_added_in_this_iter_step
    return found


def check(what, ours, wanted):
    if ours != wanted:
        print("%s:\n  is     %s\n  wanted %s" % (what, str(ours)[:2000], str(wanted)[:2000]))
        sys.exit(1)


def they_read_ours(rng, digits, path):
    wanted = [(["-", "produce", "e2e"][i % 3], values(rng, i)) for i in range(40)]
    text = "".join("%s %d %d %s\n" % (tag, i * 10**9, 10**9 + i * 10**6,
                                      " ".join("%d:%d" % pair for pair in pairs.items()))
                   for i, (tag, pairs) in enumerate(wanted))
    subprocess.run([TOOL, "write", path, "1700000000123", str(digits)], input=text, text=True, check=True)
    reader = HistogramLogReader(path, HdrHistogram(1, HIGHEST, digits))
    for i, (tag, pairs) in enumerate(wanted):
        read = reader.get_next_interval_histogram()
        check("there is histogram %d" % i, read is not None, True)
        expected = theirs(pairs, digits)
        check("counts of %d" % i, buckets(read), buckets(expected))
        check("total of %d" % i, read.get_total_count(), sum(pairs.values()))
        for percentile in (0, 50, 90, 99, 99.9, 99.999, 100):
            check("%g of %d" % (percentile, i), read.get_value_at_percentile(percentile),
                  expected.get_value_at_percentile(percentile))
        check("begin of %d" % i, round(read.get_start_time_stamp()), 1700000000123 + i * 1000)
        check("end of %d" % i, round(read.get_end_time_stamp()), 1700000001123 + i * 1001)
        check("tag of %d" % i, read.get_tag(), None if tag == "-" else tag)
    check("no more", reader.get_next_interval_histogram(), None)
    reader.close()


def we_read_theirs(rng, digits, path):
    wanted = [values(rng, i) for i in range(40)]
    with open(path, "w") as log: # their writer of the head fails in 0.10.8
        log.write('#[theirs]\n#[Histogram log format version 1.2]\n#[BaseTime: 0.0]\n'
                  '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n')
        for i, pairs in enumerate(wanted):
            log.write("%f,%f,%f,%s\n" % (i, 1, 0, theirs(pairs, digits).encode().decode()))
    lines = subprocess.run([TOOL, "read"], stdin=open(path), capture_output=True, text=True,
                           check=True).stdout.splitlines()
    check("head", set(lines[:4]), {"ERR_NOT_FOUND"})
    check("lines", len(lines), 4 + len(wanted))
    for i, (line, pairs) in enumerate(zip(lines[4:], wanted)):
        words = line.split()
        expected = theirs(pairs, digits)
        check("count of %d" % i, int(words[4]), expected.get_total_count())
        check("digits of %d" % i, int(words[7]), digits)
        counts = {}
        for word in words[8:]:
            value, count = word.split(":")
            counts[int(value)] = int(count)
        check("counts of %d" % i, counts, buckets(expected))


def damage_is_an_error(rng, path):
    """No line of a log, however damaged, is read as something else or stops the tool."""
    line = [one for one in open(path).read().splitlines() if one and one[0] not in '#"'][-1]
    damaged = [line[:cut] for cut in range(1, len(line), 7)]
    damaged += ["", "Tag=", "Tag=a", "1,2,3", "1,2,3,", "1,2,x,AAAA", "," * 10, line + "A", line + "===="]
    for _ in range(500):
        at = rng.randrange(len(line))
        damaged.append(line[:at] + rng.choice("AZ/+=,x ") + line[at + 1:])
    read = subprocess.run([TOOL, "read"], input="\n".join(damaged) + "\n", capture_output=True, text=True,
                          check=True).stdout.splitlines()
    check("a line for each", len(read), len(damaged))
    good = subprocess.run([TOOL, "read"], input=line + "\n", capture_output=True, text=True,
                          check=True).stdout.split()[4:]
    for text, said in zip(damaged, read):
        if not said.startswith("ERR_"):
            # a time before the histogram, or a byte that is the same
            check("histogram of a damaged line " + text[:60], said.split()[4:], good)


def main():
    rng = random.Random(9)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log.hlog")
        for digits in (1, 2, 3):
            they_read_ours(rng, digits, path)
            we_read_theirs(rng, digits, path)
        damage_is_an_error(rng, path)
    print("hdr_log: ok")


main()
