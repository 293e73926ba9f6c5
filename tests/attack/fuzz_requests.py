"""Requests for live_fuzz.py: well formed by the schema, odd in their values; then cut and bent.

Every choice comes from the random.Random that the caller gives, so a seed names the requests (what
the broker answers feeds the pools of known ids, so two runs differ as far as its answers do).
"""
import struct

import fuzz_schema
import raw

TOPICS = ["fa", "fb", "fc", "fd.x", "fd_x"]
ODD_TOPICS = TOPICS * 3 + ["__consumer_offsets", "nope", "", "x" * 249, "y" * 300, "a/b", "..",
                           "fa\0", "\u00fc"]
GROUPS = ["g1", "g2", "g3"]
ODD_GROUPS = GROUPS * 4 + ["", "g\0", "\u20ac", "G" * 300]
CONFIG_NAMES = [
    "retention.ms", "retention.bytes", "cleanup.policy", "segment.bytes", "segment.ms",
    "max.message.bytes", "compression.type", "message.timestamp.type", "min.insync.replicas", "foo",
    "", "log.retention.ms", "follower.replication.throttled.replicas", "min.compaction.lag.ms",
    "max.compaction.lag.ms", "levee.durability", "index.interval.bytes", "flush.messages"]
CONFIG_VALUES = [
    "1", "0", "-1", "1000", "delete", "compact", "compact,delete", "", None, "abc", "gzip",
    "9223372036854775807", "CreateTime", "LogAppendTime", "*", "0:1,1:1", "1048576", "cache",
    "sync", " 5 "]
I32 = [0, 0, 1, 1, 2, 3, 5, -1, -1, -2, 7, 100, 2147483647, -2147483648, 65536]
I64 = [0, 0, 1, 2, 5, -1, -1, -2, -3, -4, -5, -6, -7, 10, 1000, 1 << 40, (1 << 63) - 1, -(1 << 63)]
PARTITIONS = [0, 0, 0, 0, 1, 2, 3, 49, -1, 2147483647]
CHOICES = {  # by the name of a field
    "Acks": [-1, -1, -1, 1, 1, 0, 2, -2],
    "MaxWaitMs": [0, 0, 1, 10, -1, 50, 500, 3000, 30000],
    "TimeoutMs": [0, 1, 100, 500, 500, -1],
    "SessionTimeoutMs": [6000, 6000, 6000, 10000, 5999, -1, 2147483647],
    "RebalanceTimeoutMs": [0, 1, 100, 500, 3000, -1],
    "NumPartitions": [1, 1, 2, 3, -1, 0, 2147483647, 9],
    "Count": [1, 1, 2, 3, -1, 0, 2147483647, 9],
    "ReplicationFactor": [1, 1, -1, -1, 0, 3, 32767],
    "Partition": PARTITIONS, "PartitionIndex": PARTITIONS, "Index": PARTITIONS,
    "PartitionIndexes": PARTITIONS, "Partitions": PARTITIONS,
    "BrokerIds": [1, 1, 0, 2, -1],
    "ResourceType": [2, 2, 2, 4, 4, 0, 8, 16, 32, -1],
    "ConfigOperation": [0, 0, 1, 2, 3, -1],
    "IsolationLevel": [0, 0, 1, 2, -1],
    "MemberId": ["", "", "m"],
    "GroupInstanceId": [None, None, "i1", "i2", "", "i\0"],
    "ProtocolType": ["consumer"] * 8 + ["connect", ""],
    "ProtocolName": ["range", "range", None, "rr"],
    "CommittedMetadata": ["", "x", None, "z" * 5000],
    "StatesFilter": ["Stable", "empty", "classic", "Consumer", "", "x"],
    "TypesFilter": ["classic", "consumer", "", "x"],
    "TransactionalId": [None] * 6 + ["", "t"],
    "ClusterId": [None, "", "x"],
    "ConfigurationKeys": CONFIG_NAMES,
    "Value": CONFIG_VALUES,
}
GROUP_FIELDS = {"GroupId", "Groups", "GroupsNames", "CoordinatorKeys", "Key"}
TOPIC_FIELDS = {"Topic", "TopicNames"}
LEARNT = {"MemberId": str, "TopicId": str, "SessionId": int, "ProducerId": int, "GenerationId": int}
POOL_MAX = 40
WEIGHTS = {0: 5, 1: 7, 2: 2, 8: 4, 9: 3, 11: 7, 12: 2, 14: 4, 19: 2, 22: 2, 44: 2}
SPECIAL = bytes([0, 1, 2, 0x7F, 0x80, 0xFF, 0xFE, 0x40])


class Requests:
    def __init__(self, chance, advertised):
        """advertised: {key: (least, greatest version)} as the broker says."""
        self.chance = chance
        self.advertised = advertised
        self.apis = fuzz_schema.apis(advertised)  # by key: all of them
        self.known = {name: [] for name in LEARNT}
        self.batches = [self.make_batch() for _ in range(80)] + [None, b""]
        self.keys = [key for key in advertised for _ in range(WEIGHTS.get(key, 1))]
        self.spoken = {(key, version) for key, (low, high) in advertised.items()
                       for version in range(low, high + 1)}
        self.old = []  # payloads for splices

    def learn(self, body):
        """Take the ids out of an answer's body, so that later requests reach what they name."""
        for name, value in body.items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    self.learn(one)
            if isinstance(value, LEARNT.get(name, ())) and value not in self.known[name]:
                self.known[name] = self.known[name][-POOL_MAX:] + [value]

    def make_batch(self):
        chance = self.chance
        odd = {
            "values": [b"v" * chance.choice((0, 1, 100, 5000))] * chance.choice((1, 1, 2, 5)),
            "producer_id": chance.choice((-1, -1, 0, 1, 2, 1000)),
            "producer_epoch": chance.choice((-1, 0, 0, 1)),
            "base_sequence": chance.choice((-1, 0, 0, 1, 2, 2147483647)),
            "timestamp": chance.choice((0, 1000, -1, 1 << 62, -(1 << 63))),
            "attributes": chance.choice((0, 0, 0, 8, 16, 32, 64, 1, 2, 3, 4, 5, 7)),
            "magic": chance.choice((2, 2, 2, 2, 1, 0, 3))}
        for name, share, values in (
                ("count", .2, (0, -1, 2147483647, 3)), ("key", .2, (None,)), ("crc", .1, (5,)),
                ("last_offset_delta", .2, (-1, 2147483647, 7)), ("codec", .2, ("gzip",)),
                ("length", .1, (0, -1, 2147483647, 48, 49)),
                ("max_timestamp", .2, (0, -1, (1 << 63) - 1))):
            if chance.random() < share:
                odd[name] = chance.choice(values)
        made = raw.batch(**odd)
        twice = made * 2 if chance.random() < .1 else made
        return twice[:chance.randrange(len(twice))] if chance.random() < .1 else twice

    def value(self, field, parent, version, key):
        if not field.is_array:
            return self.one(field, parent, version, key)
        part = self.chance.random()
        if part < .004:
            return None
        count = self.chance.choice((0, 1, 1, 1, 1, 2, 2, 3)) if part < .985 else 40
        return [self.one(field, parent, version, key) for _ in range(count)]

    def one(self, field, parent, version, key):
        value = self.pick(field, parent, version, key)
        if value is None and isinstance(field.default, (str, bytes)) and self.chance.random() < .9:
            return field.default  # a null where none belongs ends most connections: seldom
        return value

    def pick(self, field, parent, version, key):
        chance, name, kind = self.chance, field.name, field.kind
        if kind == "struct":
            return {f.name: self.value(f, name, version, key) for f in field.fields
                    if f.in_version(version) and (f.tag is None or chance.random() < .2)}
        known = self.known.get("GenerationId" if name.startswith("GenerationId") else name)
        if known and chance.random() < .6:
            return chance.choice(known)
        if name == "Records":
            return chance.choice(self.batches)
        if kind == "string" and (name in TOPIC_FIELDS or name in ("Name", "ResourceName")):
            return self.name(name, parent, key)
        if name in GROUP_FIELDS and kind == "string":
            return chance.choice(ODD_GROUPS)
        if name in CHOICES and (kind == "string") == any(
                isinstance(value, str) for value in CHOICES[name]):
            return chance.choice(CHOICES[name])
        return {"bool": lambda: chance.random() < .4,
                "i8": lambda: chance.choice((0, 0, 0, 1, 2, 3, 4, -1, 127, -128)),
                "i16": lambda: chance.choice((0, 1, 1, -1, -1, 2, 32767, -32768)),
                "u16": lambda: chance.choice((0, 1, 9092, 65535)),
                "f64": lambda: chance.choice((0.0, 1.5, -1.0, 1e300, float("inf"), float("nan"))),
                "i32": lambda: chance.choice(I32), "i64": lambda: chance.choice(I64),
                "uuid": lambda: chance.choice((raw.NO_ID, "00" * 15 + "01", "ab" * 16)),
                "bytes": lambda: chance.choice((b"", b"m", b"m", b"\0" * 50, b"m" * 3000, None)),
                "string": lambda: chance.choice(("", "a", None, "zz", "1.0"))}[kind]()

    def name(self, field, parent, key):
        chance = self.chance
        if parent in ("Configs", "ConfigurationKeys"):
            return chance.choice(CONFIG_NAMES)
        if key == 11:  # JoinGroup's protocols
            return chance.choice(("range", "range", "rr", ""))
        if field == "ResourceName" and chance.random() < .4:
            return chance.choice(("", "1", "0", "x", "+1", " 1"))
        return chance.choice(ODD_TOPICS) if chance.random() > .02 else None

    def payload(self, correlation_id):
        """(key, version, bytes after the size) of a request as its schema says."""
        chance = self.chance
        key = chance.choice(self.keys)
        low, high = self.advertised[key]
        version = chance.choice((high, high, chance.randint(low, high)))
        if chance.random() < .005:  # what is not advertised: small numbers
            key, version = chance.choice((key, chance.randrange(-1, 100))), chance.randint(-1, 20)
        if (key, version) not in self.spoken:
            body = bytes(chance.choice((0, 0, 0, 1, 1, 2, 3, 0xFF)) for _ in range(
                chance.randrange(60)))
            return key, version, raw.request_header(key, version, correlation_id, "fuzz",
                                                    chance.random() < .7) + body
        api = self.apis[key]
        flexible = version >= api.flexible_from
        root = {f.name: self.value(f, "", version, key) for f in api.request
                if f.in_version(version) and (f.tag is None or chance.random() < .2)}
        client = chance.choice(("fuzz", "fuzz", "", None))
        made = raw.request_header(key, version, correlation_id, client, flexible)
        return key, version, made + raw.encode_fields(api.request, root, version, flexible)

    def bend(self, payload):
        """(bytes, size to claim, whether anything was changed)."""
        chance, data = self.chance, bytearray(payload)
        how = chance.random()
        if how < .55 or len(data) < 14:
            self.old = self.old[-200:] + [payload]
            return payload, len(payload), False
        at = 8 + chance.randrange(len(data) - 8)
        if how < .80:
            for _ in range(chance.randint(1, 3)):
                where = chance.randrange(8, len(data)) if chance.random() < .9 else (
                    chance.randrange(len(data)))
                data[where] = chance.choice(SPECIAL) if chance.random() < .5 else (
                    chance.randrange(256))
        elif how < .85:
            del data[at]
        elif how < .90:
            data.insert(at, chance.randrange(256))
        elif how < .93:
            del data[at:]
        elif how < .97 and self.old:
            other = chance.choice(self.old)
            data[at:] = other[chance.randrange(len(other)):][:60000]
        else:  # the frame lies about its size
            size = len(data) + chance.randint(-20, 20)
            if chance.random() < .4:
                size = struct.unpack(">i", chance.randbytes(4))[0]
            return bytes(data), size, True
        return bytes(data), len(data), True
