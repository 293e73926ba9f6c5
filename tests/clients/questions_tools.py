"""What command line tools and user interfaces ask: log directories, producers, reassignments,
elections, the quorum, and what a broker without security says of users, quotas and ACLs."""
import raw
from question import case
from questions_idempotence import new_producer

def of_topics(q, *names):
    """Leave out what other cases made."""
    def keep(answer):
        for result in answer["Results"]:
            result["Topics"] = [t for t in result["Topics"] if t["Name"] in names]
            for topic in result["Topics"]:
                topic["Partitions"].sort(key=lambda p: p["PartitionIndex"])
        return answer
    return keep


def produce(q, topic, *batches, partition=0):
    for batch in batches:
        answer = q.quiet("Produce", 9, {"Acks": -1, "TimeoutMs": 10000, "TopicData": [
            {"Name": topic, "PartitionData": [{"Index": partition, "Records": batch}]}]})
        error = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
        assert error == 0, "produce failed: %d" % error


@case("tools/log_dirs")
def _(q):
    name = q.topic("sized", 2)
    other = q.topic("other")
    produce(q, name, raw.batch([b"v" * 100], timestamp=q.base))
    produce(q, name, raw.batch([b"w" * 200], timestamp=q.base), partition=1)
    keep = of_topics(q, name, other)
    for version in (1, 2, 3, 4, 5):
        q.ask("DescribeLogDirs", version, {"Topics": None}, keep=keep)
    q.ask("DescribeLogDirs", 4, {"Topics": [{"Topic": name, "Partitions": [0, 1]}]})
    q.ask("DescribeLogDirs", 4, {"Topics": [{"Topic": name, "Partitions": [1]}]})
    q.ask("DescribeLogDirs", 4, {"Topics": [{"Topic": name, "Partitions": [1, 7, -1]}]})
    q.ask("DescribeLogDirs", 4, {"Topics": [{"Topic": name, "Partitions": [1, 1]}]}, note="twice")
    q.ask("DescribeLogDirs", 4, {"Topics": [{"Topic": name, "Partitions": []}]})
    q.ask("DescribeLogDirs", 4, {"Topics": [{"Topic": q.name("nothing"), "Partitions": [0]}]})
    q.ask("DescribeLogDirs", 4, {"Topics": [{"Topic": "bad name", "Partitions": [0]}]})
    q.ask("DescribeLogDirs", 4, {"Topics": []})


def walk(q, *names, limit=2000, cursor=None, note=None):
    def keep(answer):
        if not names:  # what follows is another case's
            answer["Topics"] = [t for t in answer["Topics"] if t["Name"].startswith(q.tag)]
            answer["NextCursor"] = None
        return answer
    q.ask("DescribeTopicPartitions", 0, {
        "Topics": [{"Name": n} for n in names], "ResponsePartitionLimit": limit,
        "Cursor": cursor and {"TopicName": cursor[0], "PartitionIndex": cursor[1]}}, note=note, keep=keep)


@case("tools/topic_partitions")
def _(q):
    a, b, c = q.topic("a", 3), q.topic("b", 1), q.topic("c", 2)
    walk(q, a)
    walk(q, c, a, b)
    walk(q, a, a, note="twice")
    walk(q, q.name("nothing"))
    walk(q, q.name("aa"), c, b)
    for bad in ("", "bad name", "..", "x" * 250):
        walk(q, bad)


@case("tools/topic_partitions_in_pieces")
def _(q):
    a, b, c = q.topic("a", 3), q.topic("b", 1), q.topic("c", 2)
    for limit in (1, 2, 3, 4, 5, 6, 7):
        walk(q, a, b, c, limit=limit)
    walk(q, limit=6, cursor=(a, 0), note="all topics")
    walk(q, limit=3, cursor=(q.name("a0"), 2), note="all topics behind one that is not there")
    walk(q, a, b, c, limit=2, cursor=(a, 2))
    walk(q, a, b, c, limit=2, cursor=(b, 0))
    walk(q, a, b, c, limit=2, cursor=(b, 1))
    walk(q, a, b, c, limit=2, cursor=(c, 1))
    walk(q, a, b, c, cursor=(a, 3), note="behind the last one")
    walk(q, a, b, c, cursor=(q.name("bb"), 1), note="a topic that is not there")
    walk(q, a, b, c, cursor=(q.name("z"), 0), note="behind every topic")
    walk(q, a, b, cursor=(c, 0), note="a topic that is not asked for")
    walk(q, a, c, cursor=(b, 0), note="a topic that is not asked for")
    walk(q, a, cursor=(a, -1))
    walk(q, a, cursor=("", 0))
    walk(q, a, limit=0)
    walk(q, a, limit=-1)
    walk(q, a, limit=100000)
    walk(q, q.name("a0"), q.name("a1"), b, limit=1, note="errors count nothing")


def active(q, topic, *partitions, note=None):
    def keep(answer):
        for t in answer["Topics"]:
            for p in t["Partitions"]:
                p["ActiveProducers"].sort(key=lambda a: a["ProducerEpoch"])
        return answer
    q.ask("DescribeProducers", 0, {"Topics": [
        {"Name": topic, "PartitionIndexes": list(partitions)}]}, note=note, keep=keep)


@case("tools/producers")
def _(q):
    name = q.topic("written", 2)
    active(q, name, 0, note="nobody")
    pid = new_producer(q)
    produce(q, name, raw.batch([b"1", b"2"], producer_id=pid, producer_epoch=0, base_sequence=0,
                               timestamp=q.base))
    active(q, name, 0)
    produce(q, name, raw.batch([b"3"], producer_id=pid, producer_epoch=0, base_sequence=2,
                               timestamp=q.base + 5))
    active(q, name, 0)
    produce(q, name, raw.batch([b"4"], producer_id=new_producer(q), producer_epoch=3, base_sequence=0,
                               timestamp=q.base + 6))
    active(q, name, 0, 1)
    active(q, name, 7)
    active(q, name, -1)
    active(q, name)
    active(q, q.name("nothing"), 0)
    active(q, "bad name", 0)
    active(q, "", 0)
    q.ask("DescribeProducers", 0, {"Topics": []})


@case("tools/producers_of_a_partition_asked_twice")
def _(q):
    active(q, q.topic("written", 2), 0, 1, 0)


def by_type(answer):
    """Topics and brokers are many, and other cases made them."""
    answer["ConfigResources"] = sorted(
        (r for r in answer["ConfigResources"] if r.get("ResourceType", 16) not in (2, 4, 8)),
        key=lambda r: (r.get("ResourceType", 16), r["ResourceName"]))
    return answer


@case("tools/config_resources")
def _(q):
    name = q.topic("there")

    def ours(answer):
        answer["ConfigResources"] = [r for r in answer["ConfigResources"] if r["ResourceName"] == name]
        return answer

    def brokers(answer):
        for r in answer["ConfigResources"]:
            r["ResourceName"] = "broker" if r["ResourceName"] == str(q.broker_id()) else r["ResourceName"]
        answer["ConfigResources"].sort(key=lambda r: r["ResourceType"])
        return answer
    q.ask("ListConfigResources", 0, {}, keep=by_type)
    q.ask("ListConfigResources", 1, {"ResourceTypes": []}, keep=by_type)
    q.ask("ListConfigResources", 1, {"ResourceTypes": [2]}, keep=ours)
    q.ask("ListConfigResources", 1, {"ResourceTypes": [2, 2]}, keep=ours)
    for kind in (4, 8):
        q.ask("ListConfigResources", 1, {"ResourceTypes": [kind]}, keep=brokers)
    for kind in (16, 32, 0, 1, 77, -1):
        q.ask("ListConfigResources", 1, {"ResourceTypes": [kind]})
    q.ask("ListConfigResources", 1, {"ResourceTypes": [16, 77]})
    q.ask("ListConfigResources", 1, {"ResourceTypes": [4, 8, 16]}, keep=brokers)


@case("tools/list_reassignments")
def _(q):
    name = q.topic("still", 2)
    q.ask("ListPartitionReassignments", 0, {"Topics": None})
    q.ask("ListPartitionReassignments", 0, {"Topics": [{"Name": name, "PartitionIndexes": [0, 1, 9]}]})
    q.ask("ListPartitionReassignments", 0, {"Topics": [{"Name": q.name("nothing"), "PartitionIndexes": [0]}]})
    q.ask("ListPartitionReassignments", 0, {"Topics": []})


@case("tools/alter_reassignments")
def _(q):
    name, me = q.topic("stays", 2), q.broker_id()

    def move(replicas, topic=name, index=0, version=0, note=None, **more):
        q.ask("AlterPartitionReassignments", version, dict({"Topics": [{"Name": topic, "Partitions": [
            {"PartitionIndex": index, "Replicas": replicas}]}]}, **more), note=note)
    move([me], note="where it is")
    move([me], version=1, AllowReplicationFactorChange=False)
    move(None, note="cancel")
    move([])
    move([me, me])
    move([me + 1000])
    move([me, me + 1000])
    move([me, me + 1000], version=1, AllowReplicationFactorChange=False)
    move([-1])
    move([me], index=7)
    move(None, index=7)
    move([me], index=-1)
    move([me], topic=q.name("nothing"))
    move(None, topic=q.name("nothing"))
    move([me], topic="")
    q.ask("AlterPartitionReassignments", 0, {"Topics": [{"Name": name, "Partitions": [
        {"PartitionIndex": i, "Replicas": r} for i, r in ((0, [me]), (0, [me]), (1, [me + 1000]))]}]},
        note="twice")
    q.ask("AlterPartitionReassignments", 0, {"Topics": []})


def elect(q, kind, topics, version=2, note=None, keep=None):
    q.ask("ElectLeaders", version, {"ElectionType": kind, "TopicPartitions": topics and [
        {"Topic": n, "Partitions": p} for n, p in topics] if topics is not None else None},
        note=note, keep=keep)


@case("tools/elect_leaders")
def _(q):
    name = q.topic("led", 2)
    for version in (0, 1, 2):
        elect(q, 0, [(name, [0, 1])], version=version)
    elect(q, 1, [(name, [0])])
    elect(q, 2, [(name, [0])])
    elect(q, -1, [(name, [0])])
    elect(q, 0, [(name, [7, -1])])
    elect(q, 0, [(name, [0, 0])], note="twice")
    elect(q, 0, [(name, [])])
    elect(q, 0, [(q.name("nothing"), [0])])
    elect(q, 0, [("", [0])])
    elect(q, 0, [])

    def ours(answer):
        answer["ReplicaElectionResults"] = [t for t in answer["ReplicaElectionResults"]
                                            if t["Topic"] == name]
        return answer
    elect(q, 0, None, note="all", keep=ours)
    elect(q, 1, None, note="all", keep=ours)


def no_progress(answer):
    """Offsets of the metadata log move on."""
    for topic in answer["Topics"]:
        for p in topic["Partitions"]:
            p["LeaderEpoch"] = "some" if p["LeaderEpoch"] > 0 else p["LeaderEpoch"]
            p["HighWatermark"] = "some" if p["HighWatermark"] > 0 else p["HighWatermark"]
            for r in p["CurrentVoters"] + p["Observers"]:
                r["LogEndOffset"] = "some" if r["LogEndOffset"] > 0 else r["LogEndOffset"]
                if "ReplicaDirectoryId" in r:
                    r["ReplicaDirectoryId"] = "its own"
    for node in answer.get("Nodes", []):
        node["Listeners"] = len(node["Listeners"])
    return answer


@case("tools/quorum")
def _(q):
    def quorum(*asked, version=2):
        q.ask("DescribeQuorum", version, {"Topics": [
            {"TopicName": n, "Partitions": [{"PartitionIndex": i} for i in indexes]}
            for n, indexes in asked]}, keep=no_progress)
    for version in (0, 1, 2):
        quorum(("__cluster_metadata", [0]), version=version)
    quorum(("__cluster_metadata", [1]))
    quorum(("__cluster_metadata", [0, 1]))
    quorum(("__cluster_metadata", []))
    quorum((q.topic("other"), [0]))
    quorum(("__cluster_metadata", [0]), (q.name("other"), [0]))
    quorum()


ANY = {"ResourceTypeFilter": 1, "ResourceNameFilter": None, "PatternTypeFilter": 1,
       "PrincipalFilter": None, "HostFilter": None, "Operation": 1, "PermissionType": 1}
ACL = {"ResourceType": 2, "ResourceName": "t", "ResourcePatternType": 3, "Principal": "User:a",
       "Host": "*", "Operation": 3, "PermissionType": 3}


@case("tools/acls_without_an_authorizer")
def _(q):
    for version in (1, 2, 3):
        q.ask("DescribeAcls", version, ANY if version > 1 else dict(ANY, PatternTypeFilter=3))
        q.ask("CreateAcls", version, {"Creations": [ACL]})
        q.ask("DeleteAcls", version, {"Filters": [dict(ANY, PatternTypeFilter=3)]})
    q.ask("DescribeAcls", 3, dict(ANY, ResourceTypeFilter=77))
    q.ask("CreateAcls", 3, {"Creations": [ACL, dict(ACL, ResourceName="")]})
    q.ask("CreateAcls", 3, {"Creations": []})
    q.ask("DeleteAcls", 3, {"Filters": [ANY, ANY]})
    q.ask("DeleteAcls", 3, {"Filters": []})


@case("tools/quotas_of_nobody")
def _(q):
    def quotas(*components, strict=False, version=1):
        q.ask("DescribeClientQuotas", version, {"Strict": strict, "Components": [
            {"EntityType": t, "MatchType": m, "Match": v} for t, m, v in components]})
    quotas()
    quotas(version=0)
    quotas(strict=True)
    quotas(("user", 0, "nobody"))
    quotas(("user", 0, None))
    quotas(("user", 1, None))
    quotas(("user", 1, "x"))
    quotas(("user", 2, None), ("client-id", 2, None))
    quotas(("user", 2, "x"))
    quotas(("user", 9, None))
    quotas(("ip", 2, None))
    quotas(("ip", 2, None), ("user", 2, None))
    quotas(("shoe", 2, None))
    quotas(("", 2, None))
    quotas(("user", 2, None), ("user", 2, None))


@case("tools/scram_users_of_a_broker_without_any")
def _(q):
    def by_name(answer):
        answer["Results"].sort(key=lambda r: r["User"])
        return answer

    def users(names):
        q.ask("DescribeUserScramCredentials", 0, {"Users": names and [{"Name": n} for n in names]},
              keep=by_name)
    users(None)
    users([])
    users(["nobody"])
    users(["nobody", "else"])
    users(["nobody", "nobody"])
    users(["nobody", "nobody", "else"])
    users([""])


@case("tools/unregister_a_broker")
def _(q):
    for broker in (q.broker_id() + 1000, -1):
        q.ask("UnregisterBroker", 0, {"BrokerId": broker})
