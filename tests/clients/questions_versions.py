"""ApiVersions, requests that do not exist, and frames that are wrong."""
import struct

import raw
from question import case, difference

CLIENT = {"ClientSoftwareName": "conformance", "ClientSoftwareVersion": "1.0"}
NEEDED = {0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
          30, 31, 32, 35, 37, 42, 43, 44, 45, 46, 48, 50, 55, 57, 60, 61, 64, 65, 66, 74, 75}
AHEAD = {28: 6, 42: 3}  # TxnOffsetCommit and DeleteGroups of Kafka 4.4


def ranges_fit(want, got):
    """A broker may serve fewer APIs and features than Kafka, with another range where AHEAD says so."""
    if not isinstance(got, dict) or not isinstance(want, dict):
        return difference(want, got)
    if got["ErrorCode"] != want["ErrorCode"]:
        return difference(want, got)
    theirs = {k["ApiKey"]: k for k in want["ApiKeys"]}
    ours = {k["ApiKey"]: k for k in got["ApiKeys"]}
    for key, entry in ours.items():
        if entry["MaxVersion"] == AHEAD.get(key):
            entry = dict(entry, MaxVersion=theirs[key]["MaxVersion"])
        found = difference(theirs.get(key), entry, "key %d" % key)
        if found:
            return found
    missing = (NEEDED & set(theirs)) - set(ours)
    if missing:
        return "keys not advertised: %s" % sorted(missing)
    theirs = {f["Name"]: f for f in want.get("SupportedFeatures", [])}
    for feature in got.get("SupportedFeatures", []):
        known = theirs.get(feature["Name"])
        if known is None or feature["MaxVersion"] > known["MaxVersion"] \
                or feature["MinVersion"] != known["MinVersion"]:
            return "feature %s, Kafka has %s" % (feature, known)
    return None


for number in range(5):
    @case("versions/api_versions_v%d" % number, compare=ranges_fit)
    def _(q, version=number):
        answer = q.ask("ApiVersions", version, CLIENT if version >= 3 else {}, keep=tidy)
        assert answer


def tidy(answer):
    for name in ("ApiKeys", "SupportedFeatures", "FinalizedFeatures"):
        if name in answer:
            answer[name].sort(key=lambda e: e.get("ApiKey", e.get("Name")))
    return answer


def ask_frame(q, what, frame, size=None):
    """Send bytes; what comes back is bytes, or the connection closes."""
    c = q.open()
    try:
        c.socket.settimeout(5)
        if size is None:
            c.send_frame(frame)
        else:
            c.socket.sendall(struct.pack(">i", size) + frame)
        q.tell(what, {"Frame": c.receive_frame()})
    except raw.Closed:
        q.tell(what, "connection closed")
    except TimeoutError:
        q.tell(what, "no answer")


@case("versions/api_versions_newer_than_known")
def _(q):
    body = b"\x0cconformance\x041.0\0"
    for version in (5, 6, 99, 32767):
        ask_frame(q, "ApiVersions v%d" % version,
                  raw.request_header(18, version, 7, "c", True) + body)
    ask_frame(q, "ApiVersions v99 with another body",
              raw.request_header(18, 99, 7, "c", True) + b"\xff" * 20)
    ask_frame(q, "ApiVersions v99 without tags in the header",
              raw.request_header(18, 99, 7, "c", False))


@case("versions/api_versions_of_a_strange_client")
def _(q):
    for name, version in (("bad name", "1"), ("", "1"), ("x", ""), ("-x", "1"), ("x-", "1"),
                          ("a.b-c", "1.0-rc.1"), ("x", "1_0")):
        q.ask("ApiVersions", 3, {"ClientSoftwareName": name, "ClientSoftwareVersion": version},
              on=q.open(), keep=lambda a: {"ErrorCode": a["ErrorCode"],
                                           "HasKeys": bool(a["ApiKeys"])})


@case("versions/versions_that_do_not_exist")
def _(q):
    for key, version in ((0, 2), (0, 14), (1, 3), (1, 19), (2, 0), (3, 14), (3, -1), (8, 1),
                         (9, 0), (9, 11), (19, 1), (22, 7), (18, -1)):
        flexible = key in raw.APIS and version >= raw.APIS[key].flexible_from
        ask_frame(q, "key %d v%d" % (key, version),
                  raw.request_header(key, version, 7, "c", flexible) + b"\0" * 16)


@case("versions/keys_that_do_not_exist")
def _(q):
    for key in (4, 52, 63, 67, 1000, -1):
        ask_frame(q, "key %d v0" % key, raw.request_header(key, 0, 7, "c", False) + b"\0" * 16)


@case("versions/frames_that_are_wrong")
def _(q):
    group = q.group("g").encode()
    beat = struct.pack(">h%dsih6s" % len(group), len(group), group, 1, 6, b"nobody")
    ask_frame(q, "empty frame", b"", size=0)
    ask_frame(q, "negative size", b"", size=-1)
    ask_frame(q, "larger than socket.request.max.bytes", b"", size=104857601)
    ask_frame(q, "header cut short", struct.pack(">hhi", 18, 0, 1)[:6])
    ask_frame(q, "client id longer than the frame", struct.pack(">hhih", 3, 1, 1, 100) + b"abc")
    ask_frame(q, "Metadata v1 cut short", raw.request_header(3, 1, 7, "c", False) + b"\0\0")
    ask_frame(q, "Metadata v1 with too many topics",
              raw.request_header(3, 1, 7, "c", False) + struct.pack(">i", 1 << 30))
    ask_frame(q, "Heartbeat v0 with a null group",
              raw.request_header(12, 0, 7, "c", False) + struct.pack(">hih", -1, 1, 0))
    ask_frame(q, "Heartbeat v0 of nobody and four bytes more",
              raw.request_header(12, 0, 7, "c", False) + beat + b"\0\0\0\0")
    ask_frame(q, "Heartbeat v0 with a null client id",
              raw.request_header(12, 0, 7, None, False) + beat)
    ask_frame(q, "Heartbeat v4 with an unknown tag in header and body",
              raw.request_header(12, 4, 7, "c", False) + b"\1\x63\2ab" + raw.uvarint(len(group) + 1) +
              group + struct.pack(">i", 1) + b"\7nobody" + b"\0" + b"\1\x64\3abc")


@case("versions/answers_come_in_order")
def _(q):
    name = q.topic("order")
    fetch = {"MaxWaitMs": 500, "MinBytes": 1, "Topics": [{"Topic": name, "Partitions": [
        {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1000}]}]}
    q.main.send("Fetch", 11, fetch)
    q.main.send("Heartbeat", 0, {"GroupId": q.group("g"), "GenerationId": 1, "MemberId": "nobody"})
    q.main.send("ApiVersions", 0, {})
    q.receive(q.main, "Fetch", 11, {}, note="waits half a second")
    q.receive(q.main, "Heartbeat", 0, {})
    q.receive(q.main, "ApiVersions", 0, {}, keep=lambda a: {"ErrorCode": a["ErrorCode"]})
