"""Transactions at their coordinator: ids, partitions and offsets of a transaction, its end."""
import time

import raw
from question import case, difference

NOT_YET = (14, 15, 16, 51)  # loading, not available, not the coordinator, concurrent transactions
COMPLETE = ("Empty", "Ongoing", "CompleteCommit", "CompleteAbort")
INTERNAL = "__consumer_offsets"


def stricter(code):
    """Kafka's answer, or this error in its place: the case says why."""
    def compare(want, got):
        return None if error_of(got) == code else difference(want, got)
    return compare


def error_of(answer):
    return answer.get("ErrorCode") if isinstance(answer, dict) else None


class Txn:
    """A transactional id of the case, and the (P, E) that it has; every answer is remembered."""

    def __init__(self, q, short="tx"):
        self.q, self.id = q, q.name(short)
        self.pid = self.epoch = None
        coordinator_is_up(q, self.id)

    def init(self, version=5, note=None, **more):
        answer = self.q.ask("InitProducerId", version, dict(
            {"TransactionalId": self.id, "TransactionTimeoutMs": 60000}, **more),
            note=note, keep=self.learn)
        if isinstance(answer, dict) and not answer["ErrorCode"]:
            self.pid, self.epoch = answer["ProducerId"], answer["ProducerEpoch"]
        return answer

    def learn(self, answer):
        """A producer id that an answer gives is one that the case knows."""
        if not answer["ErrorCode"] and answer.get("ProducerId", -1) >= 0:
            self.q.number_producer(answer["ProducerId"])
        return answer

    def again(self, version=5, note=None, pid=0, epoch=0, **more):
        """InitProducerId with (P + pid, E + epoch)."""
        return self.init(version, note, ProducerId=self.pid + pid, ProducerEpoch=self.epoch + epoch,
                         **more)

    def me(self, pid=0, epoch=0):
        return {"TransactionalId": self.id, "ProducerId": self.pid + pid,
                "ProducerEpoch": self.epoch + epoch}

    def add(self, *topics, version=3, note=None, id=None, pid=0, epoch=0):
        """AddPartitionsToTxn as a client: (topic, partition...) each."""
        return self.q.ask("AddPartitionsToTxn", version, {
            "V3AndBelowTransactionalId": self.id if id is None else id,
            "V3AndBelowProducerId": self.pid + pid, "V3AndBelowProducerEpoch": self.epoch + epoch,
            "V3AndBelowTopics": [{"Name": t, "Partitions": list(p)} for t, *p in topics]},
            note=note)

    def offsets(self, group, version=4, note=None, id=None, pid=0, epoch=0):
        body = dict(self.me(pid, epoch), GroupId=group)
        if id is not None:
            body["TransactionalId"] = id
        return self.q.ask("AddOffsetsToTxn", version, body, note=note)

    def begin(self, *topics):
        """A transaction over these partitions is open; not part of the answer."""
        body = {"V3AndBelowTransactionalId": self.id, "V3AndBelowProducerId": self.pid,
                "V3AndBelowProducerEpoch": self.epoch,
                "V3AndBelowTopics": [{"Name": t, "Partitions": list(p)} for t, *p in topics]}
        for _ in range(200):
            codes = {p["PartitionErrorCode"]
                     for t in self.q.quiet("AddPartitionsToTxn", 3, body)["ResultsByTopicV3AndBelow"]
                     for p in t["ResultsByPartition"]}
            if codes == {0}:
                return
            time.sleep(0.02)
        raise raw.Malformed("transaction does not begin: %s" % codes)

    def end(self, committed=True, version=5, note=None, id=None, pid=0, epoch=0):
        """EndTxn; (P, E) move on when the answer names the next ones."""
        body = dict(self.me(pid, epoch), Committed=committed)
        if id is not None:
            body["TransactionalId"] = id
        words = "commit" if committed else "abort"
        answer = self.q.ask("EndTxn", version, body, note="%s, %s" % (words, note) if note else words,
                            keep=self.learn)
        if version >= 5 and isinstance(answer, dict) and not answer["ErrorCode"]:
            self.pid, self.epoch = answer["ProducerId"], answer["ProducerEpoch"]
        self.settled()
        return answer

    def settled(self):
        """Wait until markers are written: what follows finds no transition going on."""
        for _ in range(400):
            state = self.q.quiet("DescribeTransactions", 0, {"TransactionalIds": [self.id]})
            found = state["TransactionStates"][0]
            if found["ErrorCode"] not in NOT_YET and found["TransactionState"] in COMPLETE + ("",):
                return
            time.sleep(0.01)
        raise raw.Malformed("transaction does not complete: %s" % found)

    def describe(self, note=None):
        return self.q.ask("DescribeTransactions", 0, {"TransactionalIds": [self.id]}, note=note,
                          keep=sorted_states)


def sorted_states(answer):
    """A transaction's partitions are a set."""
    return dict(answer, TransactionStates=[dict(s, Topics=sorted(
        ({"Topic": t["Topic"], "Partitions": sorted(t["Partitions"])} for t in s["Topics"]),
        key=lambda t: t["Topic"])) for s in answer["TransactionStates"]])


def coordinator_is_up(q, name):
    """Both brokers make the log of transactions when it is first asked for."""
    probe = {"TransactionalId": "conformance probe", "TransactionTimeoutMs": 1000}
    for _ in range(400):
        found = q.quiet("FindCoordinator", 4, {"KeyType": 1, "CoordinatorKeys": [name]})
        if not found["Coordinators"][0]["ErrorCode"]:
            if q.quiet("InitProducerId", 4, probe)["ErrorCode"] not in NOT_YET:
                described = q.quiet("DescribeTransactions", 0, {"TransactionalIds": [name]})
                if described["TransactionStates"][0]["ErrorCode"] not in NOT_YET:
                    return
        time.sleep(0.05)
    raise raw.Malformed("no coordinator for transactional id %s" % name)


# ---- FindCoordinator, InitProducerId

@case("transactions/find_coordinator")
def _(q):
    t = Txn(q)
    for version in range(1, 4):
        q.ask("FindCoordinator", version, {"KeyType": 1, "Key": t.id})
    for version in (4, 5, 6):
        q.ask("FindCoordinator", version, {"KeyType": 1, "CoordinatorKeys": [t.id, q.name("u")]})
    q.ask("FindCoordinator", 4, {"KeyType": 1, "CoordinatorKeys": [""]})
    q.ask("FindCoordinator", 4, {"KeyType": 1, "CoordinatorKeys": []})


@case("transactions/init_every_version")
def _(q):
    for version in range(6):
        t = Txn(q, "v%d" % version)
        t.init(version)
        t.init(version, note="nothing given: the next epoch")
    t.init(6, note="a version that is not released")


@case("transactions/init_wrongly")
def _(q):
    t = Txn(q)
    for timeout in (0, -1, -2147483648, 900001, 2147483647):
        t.init(TransactionTimeoutMs=timeout, note="timeout %d" % timeout)
    t.init(TransactionalId="", note="empty id")
    t.init(TransactionalId="", TransactionTimeoutMs=0, note="empty id, timeout 0")
    t.init(ProducerId=5, note="an id without an epoch")
    t.init(ProducerEpoch=5, note="an epoch without an id")
    t.describe(note="none of them made it")
    t.init(TransactionTimeoutMs=900000, note="the longest timeout")
    t.init(TransactionTimeoutMs=1, note="the shortest")
    t.init(ProducerId=t.pid, note="its id without an epoch")


@case("transactions/init_of_an_unknown_id_with_a_producer")
def _(q):
    t = Txn(q)
    t.init(ProducerId=123456, ProducerEpoch=3)
    t.init(note="nothing given")


@case("transactions/init_with_the_current_producer")
def _(q):
    t = Txn(q)
    t.init()
    t.again(note="(P, E): the next epoch")
    t.again(epoch=-1, note="(P, E - 1) again: its answer was lost")
    t.again(epoch=-1, note="(P, E - 1) once more")
    t.again(note="(P, E)")
    t.again(epoch=-2, note="(P, E - 2) is fenced")
    t.again(epoch=1, note="(P, E + 1) is fenced")
    t.again(pid=1000, note="(another P, E) is fenced")
    t.again(version=3, epoch=-2, note="fenced, in the words of old clients")
    t.init(note="nothing given")
    t.again(epoch=-1, note="(P, E - 1) after nothing was given is fenced")
    t.describe()


@case("transactions/init_fences_an_open_transaction_tv1")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init(4)
    t.begin((name, 0))
    t.init(4, note="while it is open")
    t.settled()
    t.describe()
    t.add((name, 0), note="the old epoch")
    t.end(version=4, note="the old epoch")
    t.init(4, note="after the abort")
    t.add((name, 0))
    t.end(version=4)


@case("transactions/init_with_its_epoch_while_open")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    t.begin((name, 0))
    t.again(note="(P, E) while it is open")
    t.settled()
    t.describe()
    t.again(note="(P, E) once more")
    t.describe()


@case("transactions/init_after_the_end")
def _(q):
    name = q.topic("t")
    for version in (4, 5):
        for committed in (True, False):
            t = Txn(q, "v%d%s" % (version, committed))
            t.init(version)
            t.begin((name, 0))
            t.end(committed, version=version)
            t.init(version, note="nothing given, after the end")
            t.describe()
            t.begin((name, 0))
            t.end(committed, version=version)
            t.again(version, note="(P, E), after the end")
            t.describe()


@case("transactions/init_of_a_stale_epoch_while_open", compare=stricter(90))
def _(q):
    # Kafka checks the producer id only, so a zombie aborts a live transaction.  Here it is fenced.
    t = Txn(q)
    name = q.topic("t")
    t.init()
    t.init()
    t.begin((name, 0))
    t.again(epoch=-1, note="(P, E - 1), while (P, E) has a transaction open")


@case("transactions/timeout_of_the_last_init_counts")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init(TransactionTimeoutMs=1000)
    t.begin((name, 0))
    t.describe()
    t.end()
    t.init(TransactionTimeoutMs=2000)
    t.describe()


# ---- AddPartitionsToTxn, AddOffsetsToTxn

@case("transactions/add_partitions")
def _(q):
    t = Txn(q)
    name, other = q.topic("t", 3), q.topic("u")
    t.init()
    for version in range(4):
        t.add((name, version % 3), version=version)
    t.describe()
    t.add((name, 0, 1, 2), (other, 0), note="some are there already")
    t.add((name, 0), (other, 0), note="all are there already")
    t.add(note="none")
    t.describe()
    t.end()
    t.describe()
    t.add((name, 0), note="the next transaction")
    t.describe()
    t.end(False)
    t.describe()


@case("transactions/add_partitions_wrongly")
def _(q):
    t = Txn(q)
    name = q.topic("t", 2)
    t.init()
    t.init()
    for version in (0, 1, 2, 3):
        t.add((name, 0), version=version, epoch=-1, note="epoch before")
    t.add((name, 0), epoch=1, note="epoch after")
    t.add((name, 0), pid=1000, note="another producer")
    t.add((name, 0), id=q.name("nobody"), note="unknown id")
    t.add((name, 0), id="", note="empty id")
    t.add((name, 0), (q.name("nothing"), 0, 1), note="a topic that is not there")
    t.add((name, 0, 7), note="a partition that is not there")
    t.add((name, 0, -1), note="a negative partition")
    t.add((name, 0), (INTERNAL, 0), note="an internal topic")
    t.add(("bad name", 0), note="a name that cannot be")
    t.describe(note="nothing was added")
    t.add((name, 0, 0, 1), note="one partition twice")
    t.describe()


@case("transactions/add_partitions_as_a_broker")
def _(q):
    one, two = Txn(q, "one"), Txn(q, "two")
    name = q.topic("t", 2)
    one.init()
    two.init()
    one.begin((name, 0))

    def ask(version, *transactions, note=None):
        q.ask("AddPartitionsToTxn", version, {"Transactions": [dict(
            t.me(**more), VerifyOnly=only, Topics=[{"Name": n, "Partitions": list(p)}
                                                   for n, *p in topics])
            for t, only, topics, more in transactions]}, note=note)
    for version in (4, 5):
        ask(version, (one, True, [(name, 0)], {}), note="verify what is in it")
        ask(version, (one, True, [(name, 0, 1)], {}), note="verify one that is not in it")
        ask(version, (two, True, [(name, 0)], {}), note="verify, no transaction open")
        ask(version, (one, True, [(name, 0)], {"epoch": -1}), note="verify, epoch before")
        ask(version, (one, True, [(name, 0)], {"epoch": 1}), note="verify, epoch after")
        ask(version, (one, True, [(name, 0)], {"pid": 1000}), note="verify, another producer")
        ask(version, (one, True, [(q.name("nothing"), 0)], {}), note="verify, unknown topic")
    ask(4, (one, True, [], {}), note="verify nothing")
    ask(4, (one, True, [(name, 0)], {}), (two, True, [(name, 1)], {}), note="two ids")
    ask(4, (one, False, [(name, 0, 1)], {}), (two, False, [(name, 1)], {}), note="add")
    one.describe()
    two.describe()
    ask(5, (one, False, [(name, 1)], {"epoch": 1}), (two, False, [(name, 0)], {"pid": 1000}),
        note="add, wrongly")


@case("transactions/add_partitions_of_no_transaction_as_a_broker")
def _(q):
    q.ask("AddPartitionsToTxn", 4, {"Transactions": []})


@case("transactions/add_offsets")
def _(q):
    t = Txn(q)
    group = q.group("g")
    t.init()
    t.init()
    for version in range(5):
        t.offsets(group, version)
    t.end()
    for version in (0, 1, 2, 4):
        t.offsets(group, version, epoch=-1, note="epoch before")
    t.offsets(group, epoch=1, note="epoch after")
    t.offsets(group, pid=1000, note="another producer")
    t.offsets(group, id=q.name("nobody"), note="unknown id")
    t.offsets(group, id="", note="empty id")
    t.offsets("", note="empty group")
    t.settled()
    t.end(False)


# ---- EndTxn

@case("transactions/end_every_version")
def _(q):
    name = q.topic("t")
    for version in range(6):
        for committed in (True, False):
            t = Txn(q, "v%d%s" % (version, committed))
            t.init(min(version, 5))
            t.begin((name, 0))
            t.end(committed, version=version)
            t.describe()


@case("transactions/end_wrongly")
def _(q):
    t = Txn(q)
    name = q.topic("t")
    t.init()
    t.init()
    t.begin((name, 0))
    for version in range(6):
        t.end(version=version, epoch=-1, note="epoch before")
        t.end(version=version, epoch=1, note="epoch after")
        t.end(version=version, pid=1000, note="another producer")
        t.end(version=version, id=q.name("nobody"), note="unknown id")
        t.end(version=version, id="", note="empty id")
    t.describe()
    t.end()


def ends(q, version):
    name = q.topic("t")
    for first in (True, False):
        for second in (True, False):
            t = Txn(q, "%s%s" % (first, second))
            t.init(version)
            t.end(first, version=version, note="nothing is open")
            t.describe()
            t.begin((name, 0))
            before = t.epoch
            t.end(first, version=version)
            t.describe()
            t.end(second, version=version, epoch=before - t.epoch, note="again, with the epoch before")
            t.describe()
            t.end(second, version=version, note="with the current epoch")
            t.describe()
            t.begin((name, 0))
            t.end(first, version=version, note="the next transaction")
            t.describe()


@case("transactions/end_by_state_tv1")
def _(q):
    ends(q, 4)


@case("transactions/end_by_state_tv2")
def _(q):
    ends(q, 5)


@case("transactions/end_of_the_other_protocol")
def _(q):
    name = q.topic("t")
    t = Txn(q)
    t.init()
    t.begin((name, 0))
    t.end(version=4, note="begun as either, ended by the old one")
    t.begin((name, 0))
    t.end(version=5)
    t.begin((name, 0))
    t.end(False, version=3)
    t.end(False, version=3, note="again")
    t.end(False, version=5, note="empty, by the new one")
    t.describe()
    t.end(version=4, note="by the old one, after the empty one")
    t.end(False, version=4, note="by the old one, after the empty one")


@case("transactions/empty_aborts")
def _(q):
    t = Txn(q)
    t.init()
    for n in range(3):
        t.end(False)
        t.describe()
    t.end(False, epoch=-1, note="the epoch before, again")
    t.end(True, epoch=-1, note="the epoch before")
    t.end(True)


@case("transactions/over_a_deleted_topic")
def _(q):
    t = Txn(q)
    name, gone = q.topic("t"), q.topic("gone", 2)
    t.init()
    t.begin((name, 0), (gone, 0, 1))
    q.quiet("DeleteTopics", 3, {"TopicNames": [gone], "TimeoutMs": 10000})
    time.sleep(1)
    t.end()
    t.describe()


# ---- what is told about them

def mine(q):
    def keep(answer):
        """Other cases have transactions, too."""
        return dict(answer, TransactionStates=sorted(
            (t for t in answer["TransactionStates"] if q.tag in t["TransactionalId"]),
            key=lambda t: t["TransactionalId"]))
    return keep


def four(q):
    """One id in each state in which it may stay."""
    name = q.topic("t")
    empty, opened, done, undone = (Txn(q, n) for n in ("empty", "open", "done", "undone"))
    for t in (empty, opened, done, undone):
        t.init()
    for t in (opened, done, undone):
        t.begin((name, 0))
    done.end()
    undone.end(False)
    return empty, opened, done, undone


@case("transactions/list_by_pattern")
def _(q):
    four(q)
    q.steps.clear()
    for pattern in (q.tag + ".*done", ".*" + q.tag + ".*open", q.tag, "", "no such", "[", None):
        q.ask("ListTransactions", 2, {"TransactionalIdPattern": pattern}, keep=mine(q))
    q.ask("ListTransactions", 2, {"TransactionalIdPattern": q.tag + ".*",
                                  "StateFilters": ["Ongoing", "Empty"]}, keep=mine(q))


@case("transactions/list_by_a_pattern_of_java")
def _(q):
    four(q)
    q.steps.clear()
    for pattern in ("(?i)" + q.tag.upper() + ".EMPTY", q.tag + ".(?!empty).*", q.tag + "\\.\\w+"):
        q.ask("ListTransactions", 2, {"TransactionalIdPattern": pattern}, keep=mine(q))


@case("transactions/list")
def _(q):
    empty, opened, done, undone = four(q)

    def ask(version, note=None, **body):
        q.ask("ListTransactions", version, body, note=note, keep=mine(q))
    for version in range(3):
        ask(version)
        ask(version, StateFilters=["Ongoing"])
        ask(version, StateFilters=["CompleteCommit", "CompleteAbort"])
        ask(version, StateFilters=["Empty", "NoSuchState", "ongoing", ""])
        ask(version, StateFilters=["NoSuchState"])
        ask(version, ProducerIdFilters=[opened.pid, empty.pid, 987654321])
        ask(version, ProducerIdFilters=[-1])
        ask(version, ProducerIdFilters=[opened.pid], StateFilters=["Empty"])
    for version in (1, 2):
        for least in (0, 3600000, -5):
            ask(version, DurationFilter=least, note="running for %d ms" % least)
@case("transactions/describe")
def _(q):
    one, two = Txn(q, "one"), Txn(q, "two")
    name, other = q.topic("t", 3), q.topic("u")
    one.init()
    two.init(TransactionTimeoutMs=12345)
    two.begin((name, 2, 0))

    def ask(*names, note=None):
        q.ask("DescribeTransactions", 0, {"TransactionalIds": list(names)}, note=note,
              keep=sorted_states)
    ask(one.id, two.id)
    ask(q.name("nobody"))
    ask(one.id, q.name("nobody"))
    ask("")
    ask()
    two.begin((other, 0))
    ask(two.id, note="two topics")


@case("transactions/describe_one_id_twice")
def _(q):
    t = Txn(q)
    t.init()
    q.ask("DescribeTransactions", 0, {"TransactionalIds": [t.id, t.id]})
