"""append, partitions, backends: the storage layer beside the smallest honest durable loop, and on
the plain I/O backend beside the ring."""
import json
import shutil
import statistics
import subprocess

TIMEOUT_S = 400


def run(args, report, mode, blocks, slice_ms):
    program = args.build / "bench" / "bench_append"
    directory = args.work / mode
    argv = [str(program), mode, str(directory), str(blocks), str(slice_ms)]
    report.section("append" if mode == "floor" else mode, " ".join(argv))
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise RuntimeError("bench_append took longer than %d s" % TIMEOUT_S) from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or "exit code %d" % done.returncode)
    return [json.loads(line) for line in done.stdout.splitlines()]


def median(lines, field):
    return statistics.median(line[field] for line in lines)


def ratios(ours, theirs):
    """Acknowledgements per second, one ratio for each block of turns."""
    blocks = sorted({line["block"] for line in ours})
    return [sum(l["acks_per_s"] for l in ours if l["block"] == b) /
            sum(l["acks_per_s"] for l in theirs if l["block"] == b) for b in blocks]


def show(report, who, lines):
    report.text("%-18s %8.0f acks/s  %7.1f MB/s  p50 %7.0f us  p99 %8.0f us  cpu %6.1f us/ack" % (
        who, median(lines, "acks_per_s"), median(lines, "mb_per_s"), median(lines, "p50_us"),
        median(lines, "p99_us"), median(lines, "cpu_us_per_ack")))


def append(args, report):
    lines = run(args, report, "floor", 3 if args.quick else 5, 150 if args.quick else 500)
    for case in dict.fromkeys(line["case"] for line in lines):
        ours = [l for l in lines if l["case"] == case and l["who"] == "levee"]
        floor = [l for l in lines if l["case"] == case and l["who"] == "floor"]
        show(report, case + " levee", ours)
        show(report, " " * len(case) + " floor", floor)
        each = ratios(ours, floor)
        value = statistics.median(each)
        report.figure("append %s / floor" % case, value, "", ">= 0.8", value >= 0.8,
                      "%.2f to %.2f" % (min(each), max(each)))


def partitions(args, report):
    lines = run(args, report, "partitions", 2 if args.quick else 5, 700 if args.quick else 2000)
    one = [l for l in lines if l["case"] == "1"]
    for case in dict.fromkeys(line["case"] for line in lines):
        many = [l for l in lines if l["case"] == case]
        show(report, case + " partitions", many)
        if case == "1":
            continue
        each = ratios(many, one)
        value = statistics.median(each)
        bar = (">= 0.7", value >= 0.7) if case == "10000" else (None, None)
        report.figure("append to %s partitions / to one" % case, value, "", *bar,
                      note="%.2f to %.2f" % (min(each), max(each)))


def backends(args, report):
    lines = run(args, report, "backends", 3 if args.quick else 5, 300 if args.quick else 1000)
    for case in dict.fromkeys(line["case"] for line in lines):
        ring, plain = ([l for l in lines if l["case"] == case and l["who"] == who]
                       for who in ("ring", "plain"))
        show(report, case + " ring", ring)
        show(report, " " * len(case) + " plain", plain)
        if case == "1 x 1 KiB":
            value = median(plain, "p50_us") / median(ring, "p50_us")
            report.figure("plain, durable ping p50 / ring", value, "", "<= 1.5", value <= 1.5)
            continue
        each = ratios(plain, ring)
        value = statistics.median(each)
        report.figure("plain, %s / ring" % case, value, "", ">= 0.7", value >= 0.7,
                      "%.2f to %.2f" % (min(each), max(each)))
