"""DescribeConfigs and IncrementalAlterConfigs."""
import time

from question import case

TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


def describe(q, kind, name, keys, version=4, note=None, keep=None, **more):
    q.ask("DescribeConfigs", version, dict({"Resources": [
        {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}]}, **more),
        note=note, keep=keep)


def alter(q, kind, name, *changes, note=None, validate=False, version=1):
    answer = q.ask("IncrementalAlterConfigs", version, {"ValidateOnly": validate, "Resources": [
        {"ResourceType": kind, "ResourceName": name, "Configs": [
            {"Name": k, "ConfigOperation": op, "Value": v} for k, op, v in changes]}]}, note=note)
    time.sleep(0.2)  # Kafka answers before the change shows
    return answer


@case("configs/describe_topic")
def _(q):
    name = q.topic("t", retention_ms="1000000", cleanup_policy="compact")
    keys = ["retention.ms", "cleanup.policy", "segment.bytes", "no.such.config"]
    for version in (1, 3, 4):
        describe(q, TOPIC, name, keys, version=version)
    describe(q, TOPIC, name, keys, IncludeSynonyms=True)
    describe(q, TOPIC, name, [], note="no keys",
             keep=lambda a: {"ErrorCode": a["Results"][0]["ErrorCode"],
                             "Names": sorted(c["Name"] for c in a["Results"][0]["Configs"])})
    describe(q, TOPIC, name, None, note="null keys",
             keep=lambda a: {"ErrorCode": a["Results"][0]["ErrorCode"],
                             "Names": sorted(c["Name"] for c in a["Results"][0]["Configs"])})
    describe(q, TOPIC, name, ["retention.ms", "retention.ms"], note="twice")
    describe(q, TOPIC, name, ["retention.ms"], IncludeDocumentation=True,
             keep=lambda a: {"HasDocumentation": bool(
                 a["Results"][0]["Configs"][0]["Documentation"])})


@case("configs/types_of_topic_configs")
def _(q):
    describe(q, TOPIC, q.topic("t"), None, keep=lambda a: {
        c["Name"]: [c["ConfigType"], c["ReadOnly"], c["IsSensitive"]]
        for c in sorted(a["Results"][0]["Configs"], key=lambda c: c["Name"])})


@case("configs/describe_what_is_not_there")
def _(q):
    describe(q, TOPIC, q.name("nothing"), None)
    describe(q, TOPIC, "bad name", None)
    describe(q, TOPIC, "", None)
    describe(q, BROKER, str(q.broker_id() + 1000), ["log.retention.ms"])
    describe(q, BROKER, "one", ["log.retention.ms"])
    describe(q, 0, "x", None)
    describe(q, 77, "x", None)
    q.ask("DescribeConfigs", 4, {"Resources": []})


@case("configs/describe_broker")
def _(q):
    keys = ["message.max.bytes", "log.retention.hours", "log.segment.bytes", "num.partitions",
            "auto.create.topics.enable", "no.such.config"]
    describe(q, BROKER, str(q.broker_id()), keys, keep=no_listeners)
    describe(q, BROKER, str(q.broker_id()), ["message.max.bytes"], IncludeSynonyms=True)
    describe(q, BROKER, "", ["message.max.bytes", "no.such.config"])


def no_listeners(answer):
    answer["Results"][0]["ResourceName"] = "broker"
    return answer


@case("configs/alter_topic")
def _(q):
    name = q.topic("t")
    show = ["retention.ms", "cleanup.policy", "max.message.bytes"]
    alter(q, TOPIC, name, ("retention.ms", SET, "5000"), ("max.message.bytes", SET, "2000"))
    describe(q, TOPIC, name, show)
    alter(q, TOPIC, name, ("retention.ms", DELETE, None))
    alter(q, TOPIC, name, ("retention.ms", DELETE, "5"), note="nothing to delete, with a value")
    alter(q, TOPIC, name, ("cleanup.policy", APPEND, "compact"))
    describe(q, TOPIC, name, show)
    alter(q, TOPIC, name, ("cleanup.policy", APPEND, "compact"), note="again")
    alter(q, TOPIC, name, ("cleanup.policy", SUBTRACT, "delete"))
    describe(q, TOPIC, name, show)
    alter(q, TOPIC, name, ("cleanup.policy", SUBTRACT, "delete"), note="again")
    alter(q, TOPIC, name, ("cleanup.policy", SUBTRACT, "compact"), note="leaves none")
    alter(q, TOPIC, name, ("cleanup.policy", APPEND, "destroy"))
    alter(q, TOPIC, name, ("retention.ms", APPEND, "7"))
    alter(q, TOPIC, name, ("retention.ms", SUBTRACT, "7"))
    alter(q, TOPIC, name, ("retention.ms", SET, "7"), validate=True)
    describe(q, TOPIC, name, show)
    alter(q, TOPIC, name)
    alter(q, TOPIC, name, ("retention.ms", SET, "8"), version=0)


@case("configs/alter_topic_wrongly")
def _(q):
    name = q.topic("t")
    alter(q, TOPIC, name, ("retention.ms", SET, "soon"))
    alter(q, TOPIC, name, ("retention.ms", SET, ""))
    alter(q, TOPIC, name, ("retention.ms", SET, None))
    alter(q, TOPIC, name, ("segment.bytes", SET, "1"))
    alter(q, TOPIC, name, ("max.message.bytes", SET, "-1"))
    alter(q, TOPIC, name, ("no.such.config", SET, "1"))
    alter(q, TOPIC, name, ("no.such.config", DELETE, None))
    alter(q, TOPIC, name, ("", SET, "1"))
    alter(q, TOPIC, name, ("compression.type", SET, "rar"))
    alter(q, TOPIC, name, ("retention.ms", 9, "1"))
    alter(q, TOPIC, name, ("retention.ms", SET, "1"), ("retention.ms", SET, "2"), note="twice")
    alter(q, TOPIC, name, ("retention.ms", SET, "1"), ("segment.ms", SET, "x"),
          note="one good, one bad")
    describe(q, TOPIC, name, ["retention.ms"])
    alter(q, TOPIC, q.name("nothing"), ("retention.ms", SET, "1"))
    alter(q, TOPIC, "bad name", ("retention.ms", SET, "1"))
    alter(q, TOPIC, "", ("retention.ms", SET, "1"))
    alter(q, 0, "x", ("retention.ms", SET, "1"))
    alter(q, 77, "x", ("retention.ms", SET, "1"))
    q.ask("IncrementalAlterConfigs", 1, {"Resources": [
        {"ResourceType": TOPIC, "ResourceName": name, "Configs": [
            {"Name": "retention.ms", "ConfigOperation": SET, "Value": v}]} for v in "12"]},
        note="the same resource twice")
    q.ask("IncrementalAlterConfigs", 1, {"Resources": []})


@case("configs/alter_broker")
def _(q):
    me = str(q.broker_id())
    alter(q, BROKER, me, ("log.retention.ms", SET, "soon"))
    alter(q, BROKER, me, ("log.dirs", SET, "/elsewhere"))
    alter(q, BROKER, me, ("no.such.config", SET, "1"), validate=True)
    alter(q, BROKER, str(q.broker_id() + 1000), ("log.retention.ms", SET, "60000000"))
    alter(q, BROKER, "one", ("log.retention.ms", SET, "60000000"))
    alter(q, BROKER, me, ("log.cleaner.backoff.ms", SET, "16000"))
    describe(q, BROKER, me, ["log.cleaner.backoff.ms"], IncludeSynonyms=True)
    alter(q, BROKER, "", ("log.cleaner.backoff.ms", SET, "17000"))
    describe(q, BROKER, me, ["log.cleaner.backoff.ms"], IncludeSynonyms=True)
    alter(q, BROKER, me, ("log.cleaner.backoff.ms", DELETE, None))
    describe(q, BROKER, me, ["log.cleaner.backoff.ms"], IncludeSynonyms=True)
    alter(q, BROKER, "", ("log.cleaner.backoff.ms", DELETE, None))
    describe(q, BROKER, me, ["log.cleaner.backoff.ms"], IncludeSynonyms=True)
