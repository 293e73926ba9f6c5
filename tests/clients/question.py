"""One question to a broker: named steps, and answers made comparable between two brokers.

A case is a function marked @case("area/name"); it gets a Question and asks.  What differs between
two runs by nature is replaced: topic names carry a random tag (written T), topic ids become the
name they stand for, members and the producers of transactions are numbered, the broker's own id
and address become words, times become distances from `base`.  Everything else must be equal.
"""
import re
import secrets
import time

import raw

CASES = {}
AREAS = ("versions", "admin", "tools", "configs", "produce", "idempotence", "fetch", "offsets",
         "groups", "transactions", "transactional")

DROPPED = {"ThrottleTimeMs", "NodeEndpoints"}
ADDRESS = {"Host", "Port", "ClusterId", "Rack", "ClientHost", "LogDir"}
NODES = {"NodeId", "LeaderId", "ControllerId", "BrokerId", "ReplicaNodes", "IsrNodes", "BrokerIds",
         "ReplicaId", "Replicas", "OfflineReplicas"}
TIMES = {"Timestamp", "BaseTimestamp", "MaxTimestamp", "LastTimestamp", "TransactionStartTimeMs"}
SOME = {"ProducerId", "SessionId", "LogAppendTimeMs", "FinalizedFeaturesEpoch", "TotalBytes",
        "UsableBytes", "LastFetchTimestamp", "LastCaughtUpTimestamp"}
MEMBERS = {"MemberId", "Leader"}
MESSAGES = {"ErrorMessage", "BatchIndexErrorMessage"}


def case(name, compare=None):
    """compare(want, got) -> text of the first difference, or None; default: all must be equal."""
    def add(function):
        assert name not in CASES and name.split("/")[0] in AREAS, name
        CASES[name] = (function, compare)
        return function
    return add


class Question:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.tag = "c" + secrets.token_hex(4)
        self.base = (int(time.time()) - 7200) * 1000
        self.steps = []
        self.ids = {}
        self.members = {}
        self.producers = {}
        self.connections = []
        self.broker = None
        self.open()

    # -- connections

    def open(self):
        c = raw.Connection(self.bootstrap)
        self.connections.append(c)
        return c

    @property
    def main(self):
        return self.connections[0]

    def close(self):
        for c in self.connections:
            c.close()

    def broker_id(self):
        if self.broker is None:
            with_id = raw.Connection(self.bootstrap)
            self.broker = with_id.ask("Metadata", 1, {"Topics": []})["Brokers"][0]["NodeId"]
            with_id.close()
        return self.broker

    # -- names

    def name(self, short):
        return "%s.%s" % (self.tag, short)

    def topic(self, short, partitions=1, **configs):
        """Make a topic that takes records when this returns; not part of the answer."""
        name = self.name(short)
        c = raw.Connection(self.bootstrap)
        answer = c.ask("CreateTopics", 7, {"TimeoutMs": 10000, "Topics": [{
            "Name": name, "NumPartitions": partitions, "ReplicationFactor": -1, "Configs": [
                {"Name": k.replace("_", "."), "Value": v} for k, v in configs.items()]}]})
        made = answer["Topics"][0]
        if made["ErrorCode"]:
            raise raw.Malformed("cannot make topic %s: %s" % (short, made))
        self.ids[name] = made["TopicId"]
        ask = {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": [
            {"PartitionIndex": i, "Timestamp": -1} for i in range(partitions)]}]}
        for _ in range(200):
            parts = c.ask("ListOffsets", 7, ask)["Topics"][0]["Partitions"]
            if not any(p["ErrorCode"] for p in parts):
                c.close()
                return name
            time.sleep(0.05)
        raise raw.Malformed("topic %s does not come up: %s" % (short, parts))

    def group(self, short):
        """A group name whose coordinator is up when this returns."""
        name = self.name(short)
        c = raw.Connection(self.bootstrap)
        for _ in range(400):
            found = c.ask("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [name]})
            if not found["Coordinators"][0]["ErrorCode"]:
                beat = {"GroupId": name, "GenerationId": 0, "MemberId": "nobody"}
                if c.ask("Heartbeat", 3, beat)["ErrorCode"] not in (14, 15, 16):
                    c.close()
                    return name
            time.sleep(0.05)
        raise raw.Malformed("no coordinator for group %s" % short)

    def id(self, name):
        return self.ids[name]

    def learn_id(self, name):
        c = raw.Connection(self.bootstrap)
        topic = c.ask("Metadata", 12, {"Topics": [{"Name": name}],
                                       "AllowAutoTopicCreation": False})["Topics"][0]
        c.close()
        self.ids[name] = topic["TopicId"]

    def number_producer(self, producer):
        """From here on this producer id is told from others."""
        self.producers.setdefault(producer, "producer %d" % (len(self.producers) + 1))

    # -- asking

    def ask(self, api, version, body, on=None, note=None, keep=None):
        """Ask, remember the step, return the answer as it came.  keep(answer) cuts it down."""
        c = on or self.main
        try:
            answer = c.ask(api, version, body)
        except raw.Closed:
            answer, keep = "connection closed", None
            self.reopen(c)
        except TimeoutError:
            answer, keep = "no answer", None
            self.reopen(c)
        self.remember("%s v%d" % (api, version), body, answer, note, keep)
        return answer

    def reopen(self, c):
        c.close()
        fresh = raw.Connection(self.bootstrap)
        c.socket, c.sent = fresh.socket, []

    def quiet(self, api, version, body, on=None):
        """Ask for what the case needs; not part of the answer."""
        return (on or self.main).ask(api, version, body)

    def receive(self, c, api, version, body, note=None, keep=None):
        """The answer to something sent with c.send() before."""
        try:
            answer = c.receive()
        except raw.Closed:
            answer, keep = "connection closed", None
            self.reopen(c)
        self.remember("%s v%d" % (api, version), body, answer, note, keep)
        return answer

    def tell(self, what, answer, request=None):
        """Remember an answer that was found in another way."""
        self.remember(what, request or {}, answer, None, None)

    def remember(self, what, request, answer, note, keep):
        if keep:
            answer = keep(answer)
        step = {"ask": what}
        if note:
            step["note"] = note
        if request:
            step["request"] = self.plain(request)
        step["answer"] = in_order(self.plain(answer))
        self.steps.append(step)

    # -- making answers comparable

    def text(self, s):
        for name, topic_id in self.ids.items():
            s = s.replace(topic_id, "id of " + name)
            s = s.replace(short_id(topic_id), "id of " + name)
        for member, label in self.members.items():
            s = s.replace(member, label)
        return re.sub(r"-?\d{13,}", "(time)", s.replace(self.tag, "T"))

    def plain(self, value, field=None):
        if isinstance(value, dict):
            out = {}
            for k, v in value.items():
                if k not in DROPPED:
                    out[k] = self.plain(v, k)
            return out
        if field == "TopicId":
            if value == raw.NO_ID or value in self.ids.values():
                return self.text(value) if value != raw.NO_ID else "no id"
            return "some id"
        if isinstance(value, (list, tuple)):
            return [self.plain(v, field) for v in value]
        if isinstance(value, bytes):
            return value.hex() if len(value) <= 96 else "%d bytes" % len(value)
        if field in ADDRESS and value not in (None, "", -1):
            return "its " + field
        if field in NODES and value == self.broker_id():
            return "broker"
        if field == "ProducerId" and value in self.producers:
            return self.producers[value]
        if field in SOME and isinstance(value, int) and value > 0:
            return "some"
        if field == "ProducerId" and value == 0:
            return "some"
        if field in TIMES and isinstance(value, int) and value > 0:
            return "base+%d" % (value - self.base) if 0 <= value - self.base < 600000 else "some"
        if field in MEMBERS and value:
            if value not in self.members and value != "nobody":
                self.members[value] = "member %d" % (len(self.members) + 1)
            return self.members.get(value, value)
        return self.text(value) if isinstance(value, str) else value


def in_order(value):
    """Topics, partitions and groups by name: the order in which they are answered means nothing."""
    if isinstance(value, dict):
        return {k: in_order(v) for k, v in value.items()}
    if isinstance(value, list):
        value = [in_order(v) for v in value]
        for key in ("Name", "ResourceName", "GroupId", "Key", "MemberId", "Index", "PartitionIndex",
                    "TransactionalId"):
            if value and all(isinstance(v, dict) and isinstance(v.get(key), (str, int))
                             for v in value):
                return sorted(value, key=lambda v: v[key])
    return value


def short_id(topic_id):
    """An id as Kafka prints it: URL-safe base64 without padding."""
    import base64
    return base64.urlsafe_b64encode(bytes.fromhex(topic_id)).decode().rstrip("=")


def difference(want, got, path=""):
    """The first place where two answers differ, in words; None if they do not."""
    if isinstance(want, dict) and isinstance(got, dict):
        for k in list(want) + [k for k in got if k not in want]:
            if k not in got or k not in want:
                return "%s.%s: only %s has it" % (path, k, "Kafka" if k in want else "this broker")
            found = difference(want[k], got[k], "%s.%s" % (path, k))
            if found:
                return found
        return None
    if isinstance(want, list) and isinstance(got, list):
        for i, (w, g) in enumerate(zip(want, got)):
            found = difference(w, g, "%s[%d]" % (path, i))
            if found:
                return found
        if len(want) != len(got):
            return "%s: %d elements, not %d" % (path, len(got), len(want))
        return None
    return None if want == got else "%s: %r, not %r" % (path, got, want)


def without_messages(value):
    """The same answer, with texts of errors reduced to whether there is one."""
    if isinstance(value, dict):
        return {k: (v is not None) if k in MESSAGES else without_messages(v)
                for k, v in value.items()}
    if isinstance(value, list):
        return [without_messages(v) for v in value]
    return value
