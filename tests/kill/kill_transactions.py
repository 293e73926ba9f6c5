#!/usr/bin/env python3
"""kill -9 under transactional load, many times; then every transaction is audited.

    kill_transactions.py --levee build/levee --cycles 50 [--seed N]     (or --kafka, --start-command)

Three producers (confluent-kafka, Java, franz-go) make transactions of six records over three
partitions, each fourth one aborted, and say how each ended.  The broker is killed (SIGKILL) after
0.3 to 1.5 seconds of load in each cycle and started again.  At the end the log is read whole, and
once more as a read_committed consumer reads it:

    committed: all of it is seen, each value once          nothing committed is lost or doubled
    aborted: nothing of it is seen                         nothing aborted is visible
    not known: all or nothing is seen                      a transaction is atomic over partitions
    the last stable offset is the high watermark           no transaction is left open
    markers and the broker's aborted list agree            a consumer filters what it should
    offsets have no holes                                  nor does a partition's log
"""
import collections
import sys
import time

import audit_main
import kill_audit
from kill_audit import PARTITIONS, TOPIC, RigError, raw, toolchains

IN_A_TRANSACTION = 6
OPEN_SECONDS = 75  # the transactions' own timeout, and the broker's look for it


class Client(kill_audit.ProducerProcess):
    """How each transaction ended, as the client said it; acks are the committed ones."""

    def __init__(self, name, argv):
        self.outcome = {}
        super().__init__(name, argv)

    def read(self):
        for line in self.proc.stdout:
            words = line.decode(errors="replace").split(None, 2)
            if words[:1] == ["end"]:
                self.sent = int(words[1])
            elif len(words) > 1 and words[0] in ("begin", "committed", "aborted", "unknown"):
                self.outcome[int(words[1])] = words[0]
                if words[0] == "committed":
                    self.acks[int(words[1])] = True
                elif words[0] == "unknown":
                    self.failed.append(" ".join(words))


def clients_of(at):
    here = kill_audit.HERE.parent / "clients"
    return [
        Client("librdkafka", [toolchains.python(), str(here / "load.py"), "transact", at, TOPIC,
                              "librdkafka"]),
        Client("java", toolchains.java_classes() + ["Transact", "produce", at, "topic=" + TOPIC,
                                                    "name=java"]),
        Client("go", [toolchains.go_program(), "transact", at, "-topic", TOPIC, "-name", "go"]),
    ]


def end_of(c, partition, isolation):
    answer = c.ask("ListOffsets", 7, {"ReplicaId": -1, "IsolationLevel": isolation, "Topics": [
        {"Name": TOPIC, "Partitions": [{"PartitionIndex": partition, "Timestamp": -1}]}]})
    found = answer["Topics"][0]["Partitions"][0]
    if found["ErrorCode"]:
        raise RigError("ListOffsets of partition %d: error %d" % (partition, found["ErrorCode"]))
    return found["Offset"]


def batches_of(c, partition, isolation, faults):
    """(batch, aborted list of its answer) up to the end that this isolation has."""
    offset, end = 0, end_of(c, partition, isolation)
    while offset < end:
        part = c.ask("Fetch", 11, {"MaxWaitMs": 500, "MinBytes": 1, "IsolationLevel": isolation,
                                   "Topics": [{"Topic": TOPIC, "Partitions": [{
                                       "Partition": partition, "FetchOffset": offset,
                                       "PartitionMaxBytes": 4096}]}]})
        part = part["Responses"][0]["Partitions"][0]
        found = raw.read_batches(part["Records"])
        if part["ErrorCode"] or not found:
            faults.append("partition %d: fetch at %d of %d: error %d, %d batches" % (
                partition, offset, end, part["ErrorCode"], len(found)))
            return
        for batch in found:
            if batch["BaseOffset"] != offset or not batch["CrcOk"]:
                faults.append("partition %d: at %d is a batch of %d, crc %s" % (
                    partition, offset, batch["BaseOffset"], batch["CrcOk"]))
            yield batch, part["AbortedTransactions"]
            offset = batch["BaseOffset"] + batch["LastOffsetDelta"] + 1


def is_commit(batch):
    return batch["Keys"][0][:4] == b"\0\0\0\1"


def by_markers(c, partition, faults, sent_as):
    """[value] that commit markers make visible, and how many transactions no marker ends.  sent_as:
    of each value the producer id and epoch of its batch, as its checksum has them."""
    seen, under_way = [], collections.defaultdict(list)
    for batch, _ in batches_of(c, partition, 0, faults):
        if not batch["Attributes"] & 0x20:
            under_way[batch["ProducerId"]] += batch["Values"]
            for value in batch["Values"]:
                sent_as[value.decode()] = (batch["ProducerId"], batch["ProducerEpoch"])
        else:
            values = under_way.pop(batch["ProducerId"], [])
            seen += values if is_commit(batch) else []
    return [v.decode() for v in seen], len(under_way)


def as_a_consumer(c, partition, faults):
    """[value] that a consumer sees with the broker's aborted list, by the consumer's own rule."""
    seen, aborted = [], set()
    for batch, listed in batches_of(c, partition, 1, faults):
        for one in listed or []:
            if one["FirstOffset"] <= batch["BaseOffset"] + batch["LastOffsetDelta"]:
                if (one["ProducerId"], one["FirstOffset"]) not in aborted:
                    aborted.add((one["ProducerId"], one["FirstOffset"]))
                    aborted.add(one["ProducerId"])
        if batch["Attributes"] & 0x20:
            if not is_commit(batch):
                aborted.discard(batch["ProducerId"])
        elif batch["ProducerId"] not in aborted:
            seen += batch["Values"]
    return [v.decode() for v in seen]


def wait_for_the_end(at):
    """Seconds until every last stable offset is the high watermark; a fault when it is never."""
    started, open_ones = time.monotonic(), None
    c = raw.Connection(at, timeout_s=30)
    while time.monotonic() - started < OPEN_SECONDS:
        open_ones = ["partition %d: last stable offset %d, high watermark %d" % (
            p, end_of(c, p, 1), end_of(c, p, 0)) for p in range(PARTITIONS)
            if end_of(c, p, 1) != end_of(c, p, 0)]
        if not open_ones:
            break
        time.sleep(0.2)
    c.close()
    return time.monotonic() - started, open_ones


def audit(at, clients):
    """{name of a check: list of what is wrong}"""
    faults = {name: [] for name in (
        "committed_is_seen_once", "aborted_is_not_seen", "transactions_are_atomic",
        "markers_and_aborted_list_agree", "no_holes", "nothing_unknown")}
    waited, faults["no_orphan"] = wait_for_the_end(at)
    c = raw.Connection(at, timeout_s=60)
    seen, sent_as = collections.Counter(), {}
    for partition in range(PARTITIONS):
        visible, left = by_markers(c, partition, faults["no_holes"], sent_as)
        consumed = as_a_consumer(c, partition, faults["no_holes"])
        seen.update(consumed)
        if sorted(visible) != sorted(consumed):
            faults["markers_and_aborted_list_agree"].append(
                "partition %d: %d values by markers, %d by the list, %s" % (
                    partition, len(visible), len(consumed),
                    sorted(set(visible) ^ set(consumed))[:3]))
        if left:
            faults["no_orphan"].append("partition %d: %d without a marker" % (partition, left))
    listed = c.ask("ListTransactions", 0, {"StateFilters": [
        "Ongoing", "PrepareCommit", "PrepareAbort"]})["TransactionStates"]
    faults["no_orphan"] += ["%s is %s" % (t["TransactionalId"], t["TransactionState"])
                            for t in listed]
    c.close()
    for client in clients:
        check_client(client, seen, sent_as, faults)
    known = {"%s-%d-%d" % (client.name, n, i) for client in clients for n in client.outcome
             for i in range(IN_A_TRANSACTION)}
    faults["nothing_unknown"] += [v for v in seen if v not in known]
    return faults, waited


def sent_with_the_next(client, n, sent_as):
    """Did the client put what it had aborted into its next transaction?  Kafka's Java client does so
    now and then: records that it had not sent yet at the abort leave in the next transaction's
    batches, with its epoch.  In version 2 each transaction has an epoch of its own, which the
    batch's checksum covers, so no broker can have done that."""
    def epochs(number):
        values = ("%s-%d-%d" % (client.name, number, i) for i in range(IN_A_TRANSACTION))
        return {sent_as[v] for v in values if v in sent_as}
    return client.name == "java" and len(epochs(n)) == 1 and epochs(n) == epochs(n + 1)


def check_client(client, seen, sent_as, faults):
    for n, outcome in client.outcome.items():
        counts = [seen["%s-%d-%d" % (client.name, n, i)] for i in range(IN_A_TRANSACTION)]
        what = "%s-%d, which is %s: seen %s" % (client.name, n, outcome, counts)
        if outcome == "committed" and counts != [1] * IN_A_TRANSACTION:
            faults["committed_is_seen_once"].append(what)
        elif outcome == "aborted" and any(counts) and sent_with_the_next(client, n, sent_as):
            print("the client itself sent %s-%d, aborted, in its next transaction" % (
                client.name, n), flush=True)
        elif outcome == "aborted" and any(counts):
            faults["aborted_is_not_seen"].append(what)
        elif counts not in ([0] * IN_A_TRANSACTION, [1] * IN_A_TRANSACTION):
            faults["transactions_are_atomic"].append(what)


def run(broker, cycles, chance):
    broker.start()
    kill_audit.make_topic(broker.bootstrap)
    clients = clients_of(broker.bootstrap)
    results, idle = {}, []
    slowest = 0.0
    try:
        end = time.monotonic() + 60
        while not all(c.acks for c in clients) and time.monotonic() < end:
            time.sleep(0.1)
        for cycle in range(cycles):
            before = [len(c.acks) for c in clients]
            load = chance.uniform(0.3, 1.5)
            kill_audit.wait_for_load(clients, before)
            time.sleep(load)
            broker.kill()
            started = time.monotonic()
            broker.start()
            slowest = max(slowest, time.monotonic() - started)
            gained = [len(c.acks) - b for c, b in zip(clients, before)]
            print("cycle %d: %.2f s of load, committed %s" % (
                cycle + 1, load, " ".join("%s %d" % (c.name, g) for c, g in zip(clients, gained))),
                flush=True)
            if not any(gained):
                idle.append("cycle %d" % (cycle + 1))
        results["every_cycle_had_load"] = idle
        for client in clients:
            why = client.finish()
            results["producer_%s_ends_well" % client.name] = [why] if why else []
        faults, waited = audit(broker.bootstrap, clients)
        results.update(faults)
    finally:
        for client in clients:
            client.kill()
    counts = collections.Counter(o for c in clients for o in c.outcome.values())
    print("%d kills, transactions: %s; slowest start %.2f s; the last stable offset was at the end "
          "after %.1f s" % (cycles, " ".join("%s %d" % x for x in sorted(counts.items())), slowest,
                            waited))
    for client in clients:
        if client.failed:
            print("%s did not learn the end of %d: %s" % (client.name, len(client.failed),
                                                          client.failed[0]))
    return results


if __name__ == "__main__":
    sys.exit(audit_main.main("kill -9 under transactional load, audited", run))
