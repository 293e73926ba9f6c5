"""--verify: an honest broker has nothing to answer for."""
import time

from load_rig import broker_process, expect


def any_broker(proof):
    proof.any_broker = True
    return proof


@any_broker
def proof_an_honest_broker(rig):
    for words in (["--keys", "uniform", "--compression", "lz4:1,zstd:1,none:1", "--headers", "2",
                   "--producers", "3", "--consumers", "2"],
                  ["--acks", "1", "--no-idempotent"],
                  ["--threads", "2", "--producers", "4", "--consumers", "2", "--topics", "2"]):
        run = rig.json("e2e", "--rate", "4k", "--duration", "2", "--warmup", "1", "--size",
                       "100..2000", "--partitions", "4", "--linger", "1", "--verify", *words)
        verdict = run.levee["verdict"]
        expect(verdict["is_exactly_once"], "%s\n%s", words, run.told())
        expect(verdict["sent_count"] == verdict["stored_count"] == verdict["read_count"] >= 11900,
               "%s\n%s", words, run.told())
        expect(run.levee["read_count"] == run.levee["stored_count"], "%s\n%s", words, run.told())


@any_broker
def proof_transactions(rig):
    """Aborted records are not seen, committed ones are; who lost his id is fenced."""
    run = rig.json("txn", "--rate", "500", "--duration", "3", "--warmup", "0", "--producers", "3",
                   "--partitions", "4", "--abort-share", "20%", "--zombie-share", "10%", "--verify")
    verdict = run.levee["verdict"]
    expect(verdict["is_exactly_once"] and verdict["aborted_count"] > 0, "%s", run.told())
    expect(verdict["sent_count"] == 1500, "%d records sent", verdict["sent_count"])
    expect(verdict["read_count"] == verdict["stored_count"], "%s", run.told())
    commits = run.levee["transactions_count"]
    expect(commits + run.levee["aborted_count"] == 150, "%d transactions committed", commits)
    expect(run.levee["histograms"]["commit"]["count"] >= commits, "%s", run.told())


def proof_groups(rig):
    """Members come and go: what was committed is not read again, nothing is left out."""
    run = rig.json("groups", "--rate", "500", "--duration", "4", "--warmup", "1", "--partitions", "6",
                   "--consumers", "3", "--member-churn", "0.7", "--verify")
    verdict = run.levee["verdict"]
    expect(verdict["is_exactly_once"], "%s", run.told())
    expect(verdict["read_count"] == verdict["stored_count"] == 2500, "%s", run.told())
    expect(run.levee["histograms"]["rejoin"]["count"] > 0, "nobody came again\n%s", run.told())


def proof_the_highest_rate_is_found(rig):
    run = rig.bench("produce", "--rate", "2k", "--duration", "500ms", "--warmup", "0",
                    "--partitions", "2", "--find-max", "p50=400us")
    expect(run.code in (0, 7), "%s", run.told())
    run = rig.bench("produce", "--rate", "100", "--duration", "1", "--warmup", "0", "--find-max",
                    "p50=1ns")
    expect(run.code == 7 and "no rate keeps p50=1ns" in run.err, "%s", run.told())


@any_broker
def proof_a_pipeline(rig):
    """Read, process, write: what is aborted is read again, and each record comes out once."""
    run = rig.json("run", "pipeline", "--rate", "1k", "--duration", "3", "--warmup", "0",
                   "--abort-share", "15%", "--verify")
    verdict = run.levee["verdict"]
    expect(verdict["is_exactly_once"], "%s", run.told())
    expect(verdict["sent_count"] == verdict["read_count"] == 3000, "%s", run.told())
    expect(run.levee["aborted_count"] > 0 and run.levee["transactions_count"] > 0, "%s", run.told())


def proof_a_backlog_is_read_cold(rig):
    """Consumers begin when so much is written; what they are given is all of it."""
    run = rig.json("e2e", "--backlog", "3MB", "--rate", "2k", "--duration", "3", "--partitions", "4",
                   "--verify", "--idle-connections", "50", "--churn", "2", "--producers", "2")
    expect(run.levee["verdict"]["is_exactly_once"], "%s", run.told())
    told = run.levee["environment"]
    expect("records read in" in told.get("backlog", ""), "%s", told)


def proof_consumers_stay_behind(rig):
    run = rig.json("e2e", "--lag", "1000", "--rate", "2k", "--duration", "4", "--warmup", "1",
                   "--partitions", "4", "--linger", "1", "--verify")
    expect(run.levee["verdict"]["is_exactly_once"], "%s", run.told())
    lags = run.levee["samples"]["lag_count"][1:4]
    expect(all(700 <= lag <= 1500 for lag in lags), "lags of %s records, not about 1000", lags)


def proof_what_nobody_could_read_is_not_lost(rig):
    """The broker is killed while consumers are behind: nobody knows of what they did not read."""
    broker = broker_process.Levee(rig.binary)
    broker.start()
    try:
        proc = rig.start("e2e", "--rate", "4k", "--duration", "4", "--warmup", "0", "--lag", "3000",
                         "--timeout", "3s", "--verify", "--format", "json", brokers=broker.bootstrap)
        time.sleep(2.5)
        broker.kill()
        run = rig.finish(proc)
    finally:
        broker.kill()
        broker.remove()
    verdict = run.levee["verdict"]
    expect(verdict["counts"]["lost"] == 0 and verdict["unread_count"] > 500, "%s", run.told())
    expect(not verdict["is_exactly_once"] and run.levee["is_partial"], "%s", run.told())
    expect(run.code == 1 and "could not be read" in run.err, "%s", run.told())
