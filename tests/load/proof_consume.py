"""Consumers of a topic that is there, and brokers that go away for good."""
import signal
import time

from load_rig import broker_process, expect


def any_broker(proof):
    proof.any_broker = True
    return proof


@any_broker
def proof_a_topic_is_read(rig):
    run = rig.json("produce", "--topic", "kept", "--partitions", "3", "--rate", "max", "--records",
                   "5000", "--size", "500", "--warmup", "0", "--duration", "60", "--compression",
                   "zstd")
    expect(run.levee["stored_count"] == 5000, "%s", run.told())
    for words in ([], ["--consumers", "2"], ["--group", "--consumers", "2"]):
        run = rig.json("consume", "--topic", "kept", "--records", "5000", "--duration", "60", *words)
        expect(run.levee["read_count"] == 5000, "%d records read %s\n%s", run.levee["read_count"],
               words, run.told())
        expect(run.levee["read_bytes"] == 5000 * 500, "%d bytes", run.levee["read_bytes"])
        expect(run.levee["duration_ns"] < 40e9, "it went on")
    run = rig.json("consume", "--topic", "kept", "--from", "end", "--duration", "1")
    expect(run.levee["read_count"] == 0, "%s", run.told())


def proof_a_broker_that_dies_is_told(rig):
    """Every record has an end: stored, failed, or unknown; nothing hangs."""
    broker = broker_process.Levee(rig.binary)
    broker.start()
    try:
        proc = rig.start("e2e", "--rate", "500", "--duration", "3", "--warmup", "0", "--verify",
                         "--request-timeout", "1s", "--delivery-timeout", "2s", "--timeout", "3s",
                         "--format", "json", brokers=broker.bootstrap)
        time.sleep(2)
        broker.kill()
        run = rig.finish(proc, 60)
        # 7: what was stored last could not be read any more
        expect(run.code in (1, 7) and "records were not" in "".join(run.levee["errors"]), "%s",
               run.told())
        verdict = run.levee["verdict"]
        ends = verdict["stored_count"] + verdict["failed_count"] + verdict["unknown_count"]
        expect(verdict["sent_count"] == ends == 1500, "%d sent, %d with an end",
               verdict["sent_count"], ends)
        proc = rig.start("produce", "--rate", "500", "--duration", "60", "--warmup", "0",
                         brokers=rig.bootstrap)
        time.sleep(1.5)
        rig.broker.proc.send_signal(signal.SIGSTOP)
        try:  # who wants to stop is not held by a broker that is silent
            proc.send_signal(signal.SIGINT)
            began = time.monotonic()
            run = rig.finish(proc, 60)
        finally:
            rig.broker.proc.send_signal(signal.SIGCONT)
        expect(time.monotonic() - began < 15 and "(partial)" in run.out, "%s", run.told())
    finally:
        broker.remove()
