"""bench restart: the downtime that it tells is the one that there was."""
import os
import time

from load_rig import expect

HANDSHAKE = "touch %s; while [ ! -e %s ]; do sleep 0.02; done"


def any_broker(proof):
    proof.any_broker = True
    return proof


def settings(run):
    """What was told of the command, as numbers where they are numbers."""
    found = {}
    for key, value in run.levee["settings"].items():
        if key.split(".")[0] in ("command", "downtime", "errors"):
            try:
                found[key] = float(value)
            except ValueError:
                found[key] = value
    return found


def restart(rig, name, fault, *words, verb="restart"):
    """A run in whose middle fault() happens: the command asks for it, and waits."""
    asked, done = rig.path(name + ".asked"), rig.path(name + ".done")
    proc = rig.start(verb, "-b", rig.bootstrap, "--rate", "500", "--duration", "4", "--warmup", "0",
                     "--partitions", "4", "--format", "json", *words, "--", "sh", "-c",
                     HANDSHAKE % (asked, done), is_complete=True)
    end = time.monotonic() + 30
    while not os.path.exists(asked) and proc.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    expect(os.path.exists(asked), "the command did not run")
    fault()
    open(done, "w").close()
    return rig.finish(proc)


def kill_and_start(rig):
    def fault():
        rig.broker.kill()
        time.sleep(0.7)
        rig.broker.start()
    return fault


@any_broker
def proof_restart_of_a_broker(rig):
    began = time.monotonic()
    down = [0.0]

    def fault():
        nonlocal began
        began = time.monotonic()
        kill_and_start(rig)()
        down[0] = time.monotonic() - began

    run = restart(rig, "kill", fault)
    found = settings(run)
    expect(run.code == 0, "%s", run.told())
    expect(run.levee["verdict"]["is_exactly_once"], "%s", run.told())
    expect(run.levee["verdict"]["sent_count"] == 2000, "%s", run.told())
    expect(found["command.result"] == "exit code 0", "%s", found)
    expect(1.5 < found["command.at_s"] < 3, "%s", found)
    # a reconnect comes behind the broker, with back-off
    for kind in ("stored", "read"):
        expect(0.6 < found["downtime.%s_s" % kind] < down[0] + 3, "down for %.3f s: %s", down[0],
               found)
        expect(found["downtime.%s_from_s" % kind] > found["command.at_s"] - 0.5, "%s", found)
    expect(found["errors.seen"] > 0, "%s", found)
    expect(found["command.at_s"] - 0.1 <= found["errors.first_s"] <= found["errors.last_s"], "%s",
           found)


@any_broker
def proof_restart_in_transactions(rig):
    run = restart(rig, "txn", kill_and_start(rig), "--txn-records", "5", "--producers", "2",
                  "--isolation", "read_committed", "--abort-share", "10%", verb="failover")
    found = settings(run)
    expect(run.code == 0, "%s", run.told())
    expect(run.levee["verdict"]["is_exactly_once"], "%s", run.told())
    expect(run.levee["verdict"]["counts"]["torn"] == 0
           if "counts" in run.levee["verdict"] else True, "%s", run.told())
    expect(found["downtime.committed_s"] > 0.6, "%s", found)


@any_broker
def proof_a_command_that_does_nothing(rig):
    run = restart(rig, "nothing", lambda: None)
    found = settings(run)
    expect(run.code == 0, "%s", run.told())
    expect(found["downtime.stored_s"] < 0.5 and found["errors.seen"] == 0, "%s", found)


def proof_commands_that_fail(rig):
    words = ["restart", "-b", rig.bootstrap, "--rate", "100", "--duration", "1", "--warmup", "0"]
    run = rig.bench_words(*words, "--", "sh", "-c", "exit 3")
    expect(run.code == 1 and "exit code 3" in run.err, "%s", run.told())
    run = rig.bench_words(*words, "--", "/no/such/command")
    expect(run.code == 1 and "No such file" in run.err, "%s", run.told())
    run = rig.bench_words(*words)
    expect(run.code == 2 and "-- COMMAND" in run.err, "%s", run.told())
