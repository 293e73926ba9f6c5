"""--state: the account of --verify is carried over a restart of the tool, and a kill of it."""
import os
import signal
import time

from load_rig import expect


def any_broker(proof):
    proof.any_broker = True
    return proof


def words(rig, topic, *more):
    return ["e2e", "--rate", "2k", "--duration", "2", "--warmup", "0", "--size", "100", "--partitions",
            "2", "--topic", topic, "--verify", "--state", rig.path("state"), *more]


def clean(run, sent):
    verdict = run.levee["verdict"]
    expect(verdict["is_exactly_once"] and verdict["sent_count"] == sent, "sent %d of %d\n%s",
           verdict["sent_count"], sent, run.told()[-3000:])
    return verdict


@any_broker
def proof_state_goes_on(rig):
    run = rig.json(*words(rig, "state-goes-on"))
    first = run.levee["sent_count"]
    clean(run, first)
    run = rig.json(*words(rig, "state-goes-on", "--consumers", "2"))
    verdict = clean(run, first + run.levee["sent_count"])
    expect(verdict["read_count"] == verdict["stored_count"], run.told()[-3000:])
    expect(verdict["redelivered_count"] == 0, "it read again what was read\n%s", run.told()[-3000:])
    run = rig.bench(*words(rig, "another-topic"))
    expect(run.code == 2 and "other topics" in run.err, run.told())


@any_broker
def proof_state_after_a_kill(rig):
    """What a killed tool sent is unknown, not a ghost, and nothing of the next run is taken for it."""
    run = rig.json(*words(rig, "state-kill"))
    first = run.levee["sent_count"]
    proc = rig.start(*words(rig, "state-kill", "--linger", "0"))
    time.sleep(1.5)
    os.kill(proc.pid, signal.SIGKILL)
    proc.communicate()
    run = rig.json(*words(rig, "state-kill"))
    verdict = clean(run, first + run.levee["sent_count"])
    expect(verdict["unknown_count"] > 100, "what was killed was not seen\n%s", run.told()[-3000:])
