"""--verify finds whatever a broker does wrong: each kind of fault, planted on the wire between the
tool and the broker, is found, and found where it was planted."""
import fault_proxy
from load_rig import expect

DEGRADED = 7


def any_broker(proof):
    proof.any_broker = True
    return proof


def verified(rig, fault, *words, skip=3, verb="e2e"):
    """A run through the proxy: its verdict, and what was planted."""
    with fault_proxy.FaultProxy(rig.bootstrap, fault, skip=skip) as proxy:
        run = rig.finish(rig.start(
            verb, "--rate", "2k", "--duration", "3", "--warmup", "0", "--size", "100",
            "--partitions", "2", "--linger", "5", "--verify", "--format", "json", *words,
            brokers=proxy.address))
        expect(proxy.planted, "the fault found no occasion\n%s", told(run))
        expect(run.result is not None, "no result\n%s", told(run))
        expect(run.code == DEGRADED, "exit code %d\n%s", run.code, told(run))
        expect(not run.levee["verdict"]["is_exactly_once"], told(run))
        return run, run.levee["verdict"], proxy.planted


def told(run):
    verdict = run.levee["verdict"] if run.result else run.out[-2000:]
    return "exit code %d\n%s\n%s" % (run.code, verdict, run.err[-2000:])


def counts(verdict):
    return {kind: count for kind, count in verdict["counts"].items() if count > 0}


def places(verdict, kind):
    return {(finding["partition"], finding["offset"]) for finding in verdict["findings"]
            if finding["kind"] == kind}


def planted_places(planted):
    return {(partition, offset) for _, partition, offset in planted}


def expect_found(run, verdict, wanted):
    expect(counts(verdict) == wanted, "expected %s, found %s\n%s", wanted, counts(verdict), told(run))


def expect_places(run, verdict, kind, planted):
    expect(places(verdict, kind) == planted_places(planted), "%s: planted at %s, found at %s\n%s", kind,
           planted_places(planted), places(verdict, kind), told(run))


@any_broker
def proof_fault_lost_record(rig):
    run, verdict, planted = verified(rig, fault_proxy.lose_record())
    expect_found(run, verdict, {"lost": 1})
    expect_places(run, verdict, "lost", planted)


@any_broker
def proof_fault_lost_batch(rig):
    run, verdict, planted = verified(rig, fault_proxy.lose_batch())
    expect_found(run, verdict, {"lost": len(planted)})
    expect(places(verdict, "lost") <= planted_places(planted), told(run))


@any_broker
def proof_fault_swallowed_request(rig):
    run, verdict, planted = verified(rig, fault_proxy.swallow_request(), "--no-idempotent")
    expect_found(run, verdict, {"lost": len(planted)})


@any_broker
def proof_fault_doubled_batch(rig):
    run, verdict, planted = verified(rig, fault_proxy.double_batch(), "--no-idempotent")
    expect_found(run, verdict, {"doubled": len(planted)})


@any_broker
def proof_fault_repeated_record(rig):
    """A copy stands where another record was: the one is doubled, the other lost."""
    run, verdict, planted = verified(rig, fault_proxy.repeat_record())
    expect_found(run, verdict, {"doubled": 1, "lost": 1})
    expect_places(run, verdict, "doubled", planted)
    expect_places(run, verdict, "lost", planted)


@any_broker
def proof_fault_swapped_records(rig):
    run, verdict, planted = verified(rig, fault_proxy.swap_records())
    expect_found(run, verdict, {"out of order": 1})
    expect_places(run, verdict, "out of order", planted)


@any_broker
def proof_fault_swapped_batches(rig):
    # read in pieces that hold several batches: the reader is behind
    run, verdict, planted = verified(rig, fault_proxy.swap_batches(), "--fetch-wait", "200ms",
                                     "--fetch-min", "100k", skip=0)
    expect_found(run, verdict, {"out of order": len(planted)})
    expect_places(run, verdict, "out of order", planted)


@any_broker
def proof_fault_corrupt_record(rig):
    """It is not what was sent, so what was sent is lost."""
    run, verdict, planted = verified(rig, fault_proxy.corrupt_record())
    expect_found(run, verdict, {"corrupt": 1, "lost": 1})
    expect_places(run, verdict, "corrupt", planted)
    expect_places(run, verdict, "lost", planted)


@any_broker
def proof_fault_refused_and_stored(rig):
    """The producer was told that it surely is not stored."""
    run, verdict, planted = verified(rig, fault_proxy.refuse_request(), "--no-idempotent")
    expect_found(run, verdict, {"ghost": len(planted)})
    expect(verdict["failed_count"] == len(planted), told(run))


@any_broker
def proof_fault_aborted_shown(rig):
    run, verdict, _ = verified(rig, fault_proxy.show_aborted(), "--txn-records", "10",
                               "--txn-partitions", "1", "--abort-share", "0.3", verb="txn")
    visible = verdict["counts"]["visible aborted"]
    expect(visible >= 5 and counts(verdict) == {"visible aborted": visible}, "%s\n%s", counts(verdict),
           told(run))
    expect(verdict["aborted_transactions"] > 0, told(run))


@any_broker
def proof_fault_torn_transaction(rig):
    """One record of a committed transaction is missing, the others are there."""
    run, verdict, planted = verified(rig, fault_proxy.tear_transaction(), "--txn-records", "10",
                                     "--txn-partitions", "1", verb="txn")
    expect_found(run, verdict, {"torn": 1, "lost": 1})
    expect_places(run, verdict, "torn", planted)
    expect_places(run, verdict, "lost", planted)
