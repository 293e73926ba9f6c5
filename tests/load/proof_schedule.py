"""The schedule: it waits for nobody, and is kept."""
import time

from load_rig import expect, stop_for


def any_broker(proof):
    proof.any_broker = True
    return proof


def histogram_of(run, kind):
    """{"count", "max", "p50", ...} of a histogram of the result, times in ms."""
    return run.levee["histograms"][kind]


@any_broker
def proof_a_stopped_broker_shows(rig):
    """The broker stands still for two seconds: no record is left out, and each of those that were
    intended meanwhile has waited as long as it did."""
    rate, seconds, stopped = 1000, 8, 2.0
    proc = rig.start("produce", "--rate", str(rate), "--duration", str(seconds), "--warmup", "1",
                     "--partitions", "4", "--linger", "1", "--format", "json",
                     "--buffer", "512KiB")  # full after half a second: the others stay due
    time.sleep(4.5)
    stop_for(rig.broker.proc.pid, stopped)
    run = rig.finish(proc)
    expect(run.code == 0, "%s", run.told())
    stored = run.levee["stored_count"]
    expect(abs(stored - rate * seconds) <= 1, "%d records stored, not %d\n%s", stored,
           rate * seconds, run.told())
    produce = run.result
    slowest = produce["aggregatedPublishLatencyMax"]
    expect(slowest >= stopped * 1000, "the slowest took %.0f ms", slowest)
    # A quarter of the schedule was intended while it stood still, evenly: their latencies are even
    # from 0 to 2 s, so of all records an eighth waited more than a second (a tool that waits would
    # have a handful of slow ones).
    p90 = produce["aggregatedPublishLatency95pct"]
    expect(p90 >= 1000, "the 95th percentile is %.0f ms: late records are not counted from when "
           "they were intended", p90)


@any_broker
def proof_the_rate_is_kept(rig):
    """Each shape within a tenth of a percent of its integral."""
    shapes = [("5k", 5000), ("ramp:1k..5k/2s", 3000), ("sine:1k..3k/1s", 2000),
              ("bursts:2k/500ms/0.2", 2000)]
    for shape, mean in shapes:
        run = rig.json("produce", "--rate", shape, "--duration", "2", "--warmup", "0",
                       "--partitions", "4", "--size", "100", "--linger", "5")
        sent = run.levee["sent_count"]
        expect(abs(sent - 2 * mean) <= max(1, 0.001 * 2 * mean), "%s: %d records, not %d", shape,
               sent, 2 * mean)
        error = run.levee["rate_error"]
        expect(error <= 0.001, "%s: rate error %.5f\n%s", shape, error, run.told())


def proof_a_closed_loop_keeps_its_count(rig):
    """--records ends the run, --in-flight 1 has one latency after the other."""
    run = rig.json("produce", "--rate", "max", "--in-flight", "1", "--records", "200", "--linger",
                   "0", "--warmup", "0", "--duration", "60", "--partitions", "2")
    expect(run.levee["stored_count"] == 200, "%d records stored\n%s", run.levee["stored_count"],
           run.told())
