"""io: a whole broker on the plain I/O backend beside the same one on the ring."""
import pathlib
import shutil
import signal
import statistics
import time

import bench_peer
import bench_process

PINGS = 400
IDLE_S = 10


def wake_ups(pid):
    """Times that a thread of the process went to sleep and woke, all threads."""
    total = 0
    for status in pathlib.Path("/proc/%d/task" % pid).glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def idle(brokers, report):
    time.sleep(2)
    before = {name: wake_ups(broker.proc.pid) for name, broker in brokers.items()}
    time.sleep(IDLE_S)
    woke = {name: (wake_ups(broker.proc.pid) - before[name]) / IDLE_S
            for name, broker in brokers.items()}
    more = woke["plain"] - woke["ring"]
    report.figure("plain, idle wake-ups a second beyond the ring's", more, "", "<= 0.5", more <= 0.5,
                  "ring %.1f, plain %.1f" % (woke["ring"], woke["plain"]))
    more = brokers["plain"].rss_mib() - brokers["ring"].rss_mib()
    report.figure("plain, idle RSS beyond the ring's", more, "MiB", "<= 2", more <= 2)


def ping_us(broker):
    """Median of one small batch at a time over one connection, each durable when it is answered."""
    took = []
    with broker.connect() as sock:
        for _ in range(PINGS):
            begin = time.monotonic()
            sock.sendall(bench_process.produce_request("ping", 0))
            bench_process.receive(sock)
            took.append((time.monotonic() - begin) * 1e6)
    return statistics.median(took)


def bulk(broker, gb):
    """(CPU seconds a GB, MB/s) of batches of a megabyte."""
    before, begin = bench_peer.cpu_s(broker.proc.pid), time.monotonic()
    written = bench_process.fill(broker, "bulk", gb * 1e9, 6)
    seconds = time.monotonic() - begin
    return (bench_peer.cpu_s(broker.proc.pid) - before) / (written / 1e9), written / 1e6 / seconds


def io(args, report):
    blocks, gb = (2, 0.3) if args.quick else (5, 1)
    brokers = {name: bench_process.Levee(args.levee, args.work / ("io-" + name),
                                         ["levee.io=" + name]) for name in ("ring", "plain")}
    report.section("io", " ".join(brokers["plain"].command()) + "; beside levee.io=ring, %d blocks "
                   "of ring, plain, plain, ring" % blocks)
    pings, bulks = ({name: [] for name in brokers} for _ in range(2))
    try:
        for broker in brokers.values():
            broker.start()
        idle(brokers, report)
        for broker in brokers.values():
            broker.run("topic", "create", "ping")
            broker.run("topic", "create", "bulk", "-p", "6", "-C",
                       "message.timestamp.type=LogAppendTime", "-C", "retention.bytes=200000000")
            ping_us(broker)
        for name in ["ring", "plain", "plain", "ring"] * blocks:
            pings[name].append(ping_us(brokers[name]))
            bulks[name].append(bulk(brokers[name], gb))
    finally:
        for broker in brokers.values():
            broker.end(signal.SIGTERM)
            shutil.rmtree(broker.directory, ignore_errors=True)
    median = {name: (statistics.median(pings[name]), statistics.median(b[0] for b in bulks[name]),
                     statistics.median(b[1] for b in bulks[name])) for name in brokers}
    for name, (ping, cpu, rate) in median.items():
        report.text("%-6s ping p50 %5.0f us   bulk %6.1f MB/s, %5.2f s of CPU a GB" % (
            name, ping, rate, cpu))
    ping, cpu, rate = (median["plain"][i] / median["ring"][i] for i in range(3))
    report.figure("plain, durable ping over a socket p50 / ring", ping, "", "<= 1.5", ping <= 1.5)
    report.figure("plain, bulk produce MB/s / ring", rate, "", ">= 0.7", rate >= 0.7)
    report.figure("plain, CPU a GB produced / ring", cpu, "", "<= 1.6", cpu <= 1.6)
