"""Topics: create, delete, grow, describe; and the cluster."""
import time

from question import case, difference


def one(name, partitions=1, factor=1, **more):
    return dict({"Name": name, "NumPartitions": partitions, "ReplicationFactor": factor}, **more)


def own_configs(answer):
    """Leave out configs at their default: there are many, and a case of their own asks for them."""
    for topic in answer["Topics"]:
        if topic.get("Configs"):
            topic["Configs"] = [c for c in topic["Configs"] if c["ConfigSource"] == 1]
    return answer


def create(q, *topics, version=7, note=None, **more):
    return q.ask("CreateTopics", version, dict({"Topics": list(topics), "TimeoutMs": 10000}, **more),
                 note=note, keep=own_configs)


@case("admin/create_with_a_bad_name")
def _(q):
    for name in ("", ".", "..", "a b", "a/b", "a:b", "\u00e4", "x" * 250, "a\n", "a\0"):
        create(q, one(name))
    create(q, one("x" * 250), version=2, note="no messages in the answer of this version")


@case("admin/create_with_the_longest_name")
def _(q):
    create(q, one(q.tag + "x" * (249 - len(q.tag))))


@case("admin/create_names_that_collide_in_metrics")
def _(q):
    create(q, one(q.name("a.b")))
    create(q, one(q.name("a_b")))


@case("admin/create_with_bad_partitions")
def _(q):
    for count in (0, -1, -2, 10001, 2147483647):
        create(q, one(q.name("p%d" % count), count), ValidateOnly=True)


@case("admin/create_with_bad_replication_factor")
def _(q):
    for factor in (0, -1, -2, 2, 3, 32767):
        create(q, one(q.name("r%d" % factor), 1, factor))
    create(q, one(q.name("both"), -1, -1))
    create(q, one(q.name("old"), -1, -1), version=2, note="defaults came with version 4")
    create(q, one(q.name("old4"), -1, -1), version=4)


@case("admin/create_with_assignments")
def _(q):
    me = q.broker_id()

    def assigned(short, *lists, partitions=-1, factor=-1, indexes=None):
        create(q, one(q.name(short), partitions, factor, Assignments=[
            {"PartitionIndex": indexes[i] if indexes else i, "BrokerIds": brokers}
            for i, brokers in enumerate(lists)]))
    assigned("good", [me], [me])
    assigned("count-too", [me], partitions=1)
    assigned("factor-too", [me], factor=1)
    assigned("twice-the-same", [me, me])
    assigned("stranger", [me + 1000])
    assigned("empty", [])
    assigned("hole", [me], [me], indexes=[0, 2])
    assigned("not-from-zero", [me], indexes=[1])
    assigned("double", [me], [me], indexes=[0, 0])
    assigned("uneven", [me], [me, me + 1000])
    assigned("negative", [-1])


@case("admin/create_with_configs")
def _(q):
    def with_config(short, *pairs):
        create(q, one(q.name(short), Configs=[{"Name": k, "Value": v} for k, v in pairs]))
    with_config("good", ("retention.ms", "1000000"), ("cleanup.policy", "compact,delete"))
    with_config("unknown", ("no.such.config", "1"))
    with_config("not-a-number", ("retention.ms", "soon"))
    with_config("too-small", ("segment.bytes", "0"))
    with_config("below-new-minimum", ("segment.bytes", "1024"))
    with_config("too-large", ("segment.bytes", "99999999999"))
    with_config("bad-list", ("cleanup.policy", "destroy"))
    with_config("empty-list", ("cleanup.policy", ""))
    with_config("double-list", ("cleanup.policy", "delete,delete"))
    with_config("bad-enum", ("compression.type", "rar"))
    with_config("bad-bool", ("preallocate", "maybe"))
    with_config("bad-double", ("min.cleanable.dirty.ratio", "2"))
    with_config("null-value", ("retention.ms", None))
    with_config("empty-value", ("retention.ms", ""))
    with_config("spaces", ("retention.ms", " 5000 "))
    with_config("twice", ("retention.ms", "1"), ("retention.ms", "2"))
    with_config("lag", ("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5"))
    with_config("local", ("local.retention.ms", "10"), ("retention.ms", "5"))
    with_config("remote", ("remote.storage.enable", "true"))
    with_config("throttled", ("leader.replication.throttled.replicas", "x"))
    with_config("gzip-level", ("compression.gzip.level", "10"))
    with_config("timestamp-type", ("message.timestamp.type", "NoTime"))
    with_config("negative-retention", ("retention.ms", "-2"))
    with_config("isr", ("min.insync.replicas", "0"))
    with_config("removed", ("message.format.version", "3.0"))
    with_config("removed-2", ("message.timestamp.difference.max.ms", "5"))


def sources_aside(want, got):
    """min.insync.replicas of a new 4.3 cluster is a cluster-wide default, not a default."""
    for answer in (want, got):
        for topic in answer["Topics"] if isinstance(answer, dict) else []:
            for config in topic["Configs"] or []:
                if config["Name"] == "min.insync.replicas":
                    config["ConfigSource"] = None
    return difference(want, got)


@case("admin/create_answers_with_all_configs", compare=sources_aside)
def _(q):
    q.ask("CreateTopics", 7, {"TimeoutMs": 10000, "Topics": [one(q.name("all"), 3)]})


@case("admin/create_what_exists")
def _(q):
    name = q.topic("there")
    create(q, one(name))
    create(q, one(name), ValidateOnly=True)
    create(q, one(name, 0, 7), note="existence is asked first, or not")
    create(q, one(name), version=2)


@case("admin/create_the_same_twice_in_one_request")
def _(q):
    create(q, one(q.name("twice")), one(q.name("once")), one(q.name("twice"), 2))


@case("admin/create_some_good_some_bad")
def _(q):
    create(q, one(q.name("good")), one("bad name"), one(q.name("none"), 0))
    create(q)


@case("admin/create_validate_only")
def _(q):
    create(q, one(q.name("dry"), 4), ValidateOnly=True)
    metadata(q, q.name("dry"))


@case("admin/create_with_no_time")
def _(q):
    create(q, one(q.name("now")), TimeoutMs=0)


def metadata(q, *names, version=12, note=None, keep=None, **more):
    return q.ask("Metadata", version, dict(
        {"Topics": [{"Name": n} for n in names], "AllowAutoTopicCreation": False}, **more),
        note=note, keep=keep)


@case("admin/delete")
def _(q):
    def delete(version=6, note=None, **body):
        q.ask("DeleteTopics", version, dict(body, TimeoutMs=10000), note=note)
    a, b, c = q.topic("a"), q.topic("b"), q.topic("c")
    delete(Topics=[{"Name": a}])
    delete(Topics=[{"Name": a}], note="again")
    delete(Topics=[{"Name": None, "TopicId": q.id(b)}])
    delete(Topics=[{"Name": None, "TopicId": "5" * 32}])
    delete(Topics=[{"Name": None}], note="neither name nor id")
    delete(Topics=[{"Name": c, "TopicId": q.id(c)}], note="name and id")
    delete(Topics=[{"Name": c}, {"Name": c}], note="twice")
    delete(Topics=[{"Name": c}, {"Name": None, "TopicId": q.id(c)}], note="by name and by id")
    delete(Topics=[{"Name": ""}])
    delete(Topics=[{"Name": "bad name"}])
    delete(version=1, TopicNames=[q.name("nothing")])
    delete(version=5, TopicNames=[q.name("nothing"), c])
    delete(Topics=[])


@case("admin/deleted_topic_is_another_when_made_again")
def _(q):
    name = q.topic("again")
    first = q.id(name)
    q.quiet("DeleteTopics", 6, {"Topics": [{"Name": name}], "TimeoutMs": 10000})
    for _ in range(100):
        answer = q.quiet("Metadata", 12, {"Topics": [{"Name": name}],
                                          "AllowAutoTopicCreation": False})
        if answer["Topics"][0]["ErrorCode"] == 3:
            break
        time.sleep(0.05)
    q.topic("again")
    q.tell("the id", {"Same": q.id(name) == first})


@case("admin/create_partitions")
def _(q):
    name = q.topic("grow", 2)
    me = q.broker_id()

    def grow(count, assignments=None, topic=name, validate=False, version=3, note=None):
        q.ask("CreatePartitions", version, {"TimeoutMs": 10000, "ValidateOnly": validate, "Topics": [
            {"Name": topic, "Count": count, "Assignments": assignments}]}, note=note)
    grow(1)
    grow(2)
    grow(0)
    grow(-1)
    grow(3, validate=True)
    grow(3)
    grow(4, [{"BrokerIds": [me]}])
    grow(6, [{"BrokerIds": [me]}], note="one assignment for two partitions")
    grow(5, [{"BrokerIds": [me]}, {"BrokerIds": [me]}], note="two assignments for one partition")
    grow(5, [{"BrokerIds": [me + 1000]}])
    grow(5, [{"BrokerIds": []}])
    grow(5, [{"BrokerIds": [me, me]}])
    grow(5, [{"BrokerIds": [me, me + 1000]}])
    grow(5, [])
    grow(5, topic=q.name("nothing"))
    grow(5, topic="bad name")
    grow(5, version=0)
    q.ask("CreatePartitions", 3, {"TimeoutMs": 10000, "Topics": [
        {"Name": name, "Count": 7, "Assignments": None},
        {"Name": name, "Count": 8, "Assignments": None}]}, note="twice")


@case("admin/metadata")
def _(q):
    name = q.topic("seen", 2)
    metadata(q, name)
    for version in (0, 1, 4, 5, 7, 8, 9, 10, 11, 12, 13):
        metadata(q, name, version=version)
    metadata(q, q.name("nothing"))
    metadata(q, q.name("nothing"), name, q.name("more"))
    metadata(q, name, name, note="twice")
    for bad in ("", "bad name", "..", "x" * 250):
        metadata(q, bad)
    metadata(q, note="no topics")
    metadata(q, version=1, note="no topics")
    q.ask("Metadata", 12, {"Topics": [{"Name": None, "TopicId": q.id(name)}]})
    q.ask("Metadata", 12, {"Topics": [{"Name": None, "TopicId": "5" * 32}]})
    q.ask("Metadata", 12, {"Topics": [{"Name": name, "TopicId": q.id(name)}]}, note="name and id")
    q.ask("Metadata", 12, {"Topics": [{"Name": None}]}, note="neither")
    q.ask("Metadata", 10, {"Topics": [{"Name": "", "TopicId": q.id(name)}]})
    metadata(q, name, IncludeTopicAuthorizedOperations=True)
    metadata(q, version=8, IncludeClusterAuthorizedOperations=True)


@case("admin/metadata_of_all_topics")
def _(q):
    names = {q.topic("x"), q.topic("y")}

    def ours(answer):
        answer["Topics"] = [t for t in answer["Topics"] if t["Name"] in names]
        answer["Topics"].sort(key=lambda t: t["Name"])
        return answer
    q.ask("Metadata", 12, {"Topics": None}, keep=ours)
    q.ask("Metadata", 1, {"Topics": None}, keep=ours)
    q.ask("Metadata", 0, {"Topics": []}, keep=ours)


@case("admin/metadata_creates_topics")
def _(q):
    name = q.name("auto")
    metadata(q, name, AllowAutoTopicCreation=True, note="first")
    for _ in range(100):
        answer = q.quiet("Metadata", 12, {"Topics": [{"Name": name}],
                                          "AllowAutoTopicCreation": False})
        if not answer["Topics"][0]["ErrorCode"]:
            break
        time.sleep(0.05)
    q.learn_id(name)
    metadata(q, name, note="afterwards")
    metadata(q, "bad name", AllowAutoTopicCreation=True)
    metadata(q, q.name("v3"), version=3, note="always allowed below version 4")


@case("admin/describe_cluster")
def _(q):
    for version, kind in ((0, 1), (1, 1), (2, 1), (1, 2), (1, 0), (1, 3)):
        q.ask("DescribeCluster", version, {"EndpointType": kind} if version else {})
    q.ask("DescribeCluster", 2, {"IncludeClusterAuthorizedOperations": True,
                                 "IncludeFencedBrokers": True})
