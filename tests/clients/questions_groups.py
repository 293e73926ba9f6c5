"""Consumer groups: coordinator, members, generations, offsets, listing and deleting."""
import struct
import time

from question import case


def subscription(*topics):
    data = struct.pack(">hi", 1, len(topics))
    for t in topics:
        data += struct.pack(">h", len(t)) + t.encode()
    return data + struct.pack(">ii", -1, 0)


def join_body(group, member="", protocols=("range",), kind="consumer", session=30000,
              rebalance=5000, instance=None, metadata=b"\0\1"):
    return {"GroupId": group, "SessionTimeoutMs": session, "RebalanceTimeoutMs": rebalance,
            "MemberId": member, "GroupInstanceId": instance, "ProtocolType": kind,
            "Protocols": [{"Name": p, "Metadata": metadata} for p in protocols]}


def join(q, group, version=9, on=None, note=None, **more):
    return q.ask("JoinGroup", version, join_body(group, **more), on=on, note=note)


def sync_body(group, member, generation, assignments=(), kind="consumer", protocol="range"):
    return {"GroupId": group, "GenerationId": generation, "MemberId": member,
            "ProtocolType": kind, "ProtocolName": protocol,
            "Assignments": [{"MemberId": m, "Assignment": a} for m, a in assignments]}


def sync(q, group, member, generation, assignments=(), version=5, on=None, note=None, **more):
    return q.ask("SyncGroup", version, sync_body(group, member, generation, assignments, **more),
                 on=on, note=note)


def beat(q, group, member, generation, version=4, note=None, instance=None, on=None):
    return q.ask("Heartbeat", version, {"GroupId": group, "GenerationId": generation,
                                        "MemberId": member, "GroupInstanceId": instance},
                 note=note, on=on)


def quiet_member(q, group, **more):
    """A group of one, stable; returns (member id, generation)."""
    first = q.quiet("JoinGroup", 9, join_body(group, **more))
    member = first["MemberId"]
    if first["ErrorCode"] == 79:
        first = q.quiet("JoinGroup", 9, join_body(group, member=member, **more))
    q.members.setdefault(member, "member %d" % (len(q.members) + 1))
    q.quiet("SyncGroup", 5, sync_body(group, member, first["GenerationId"], [(member, b"\1\2")]))
    return member, first["GenerationId"]


@case("groups/find_coordinator")
def _(q):
    group = q.group("g")
    for version in (0, 1, 3):
        q.ask("FindCoordinator", version, {"Key": group})
    for version in (4, 5, 6):
        q.ask("FindCoordinator", version, {"CoordinatorKeys": [group]})
    q.ask("FindCoordinator", 4, {"CoordinatorKeys": [group, q.name("h")]})
    q.ask("FindCoordinator", 4, {"CoordinatorKeys": []})
    q.ask("FindCoordinator", 4, {"CoordinatorKeys": [""]})
    q.ask("FindCoordinator", 3, {"Key": ""})
    q.ask("FindCoordinator", 4, {"KeyType": 9, "CoordinatorKeys": [group]})
    q.ask("FindCoordinator", 3, {"KeyType": 9, "Key": group})
    q.ask("FindCoordinator", 5, {"KeyType": 2, "CoordinatorKeys": [group]})


@case("groups/join_first")
def _(q):
    for version in range(10):
        group = q.group("v%d" % version)
        answer = join(q, group, version=version)
        if answer["ErrorCode"] == 79:
            answer = join(q, group, version=version, member=answer["MemberId"])
        sync(q, group, answer["MemberId"], answer["GenerationId"], [(answer["MemberId"], b"\7\7")],
             version=min(version, 5))
        beat(q, group, answer["MemberId"], answer["GenerationId"], version=min(version, 4))


@case("groups/join_wrongly")
def _(q):
    group = q.group("g")
    join(q, "")
    join(q, group, session=1, note="session timeout below the broker's least")
    join(q, group, session=2000000, note="session timeout above the broker's most")
    join(q, group, member="nobody")
    join(q, group, protocols=())
    join(q, group, kind="")
    join(q, group, version=0, member="nobody")
    join(q, q.group("empty"), instance="")
    join(q, q.group("space"), instance="a b")
    join(q, q.group("long"), instance="x" * 250)
    join(q, group, rebalance=-1, note="rebalance timeout -1")
    join(q, group, version=3, protocols=())
    q.ask("DescribeGroups", 6, {"Groups": [group]}, note="what is left of it")


@case("groups/join_with_another_protocol")
def _(q):
    group = q.group("g")
    quiet_member(q, group, protocols=("range", "roundrobin"))
    join(q, group, version=3, kind="connect")
    join(q, group, version=3, protocols=("sticky",))
    join(q, group, version=9, protocols=("sticky",))


@case("groups/two_members_rebalance")
def _(q):
    group = q.group("g")
    one, generation = quiet_member(q, group, protocols=("range", "roundrobin"))
    beat(q, group, one, generation)
    c = q.open()
    body = join_body(group, protocols=("range", "sticky"))
    two = q.ask("JoinGroup", 9, body, on=c)["MemberId"]
    body["MemberId"] = two
    c.send("JoinGroup", 9, body)
    for _ in range(100):
        if q.quiet("Heartbeat", 4, {"GroupId": group, "GenerationId": generation,
                                    "MemberId": one})["ErrorCode"]:
            break
        time.sleep(0.02)
    beat(q, group, one, generation, note="while the group rebalances")
    q.ask("DescribeGroups", 6, {"Groups": [group]})
    sync(q, group, one, generation, note="while the group rebalances")
    q.ask("OffsetCommit", 9, {"GroupId": group, "GenerationIdOrMemberEpoch": generation,
                              "MemberId": one, "Topics": []}, note="while the group rebalances")
    mine = join(q, group, member=one, protocols=("range", "roundrobin"))
    q.receive(c, "JoinGroup", 9, body)
    now = mine["GenerationId"]
    beat(q, group, one, now, note="before any assignment")
    c.send("SyncGroup", 5, sync_body(group, two, now, protocol=mine["ProtocolName"]))
    sync(q, group, one, now, [(one, b"one"), (two, b"two")], protocol=mine["ProtocolName"])
    q.receive(c, "SyncGroup", 5, {})
    beat(q, group, two, now)
    sync(q, group, two, now, protocol=mine["ProtocolName"], note="again, when stable")
    beat(q, group, two, generation, note="the generation before")
    q.ask("DescribeGroups", 6, {"Groups": [group]}, keep=by_member(q))
    q.ask("LeaveGroup", 5, {"GroupId": group, "Members": [{"MemberId": two}]})
    beat(q, group, two, now)
    beat(q, group, one, now)
    mine = join(q, group, member=one, protocols=("range", "roundrobin"))
    sync(q, group, one, mine["GenerationId"], [(one, b"all")])


def by_member(q):
    def keep(answer):
        for g in answer["Groups"]:
            g["Members"].sort(key=lambda m: q.members.get(m["MemberId"], ""))
        return answer
    return keep


@case("groups/member_rejoins_a_stable_group")
def _(q):
    group = q.group("g")
    one, _ = quiet_member(q, group)
    again = join(q, group, member=one, note="the leader rejoins with what it had")
    sync(q, group, one, again["GenerationId"], [(one, b"x")])


@case("groups/sync_wrongly")
def _(q):
    group = q.group("g")
    one, generation = quiet_member(q, group)
    sync(q, "", one, generation)
    sync(q, q.group("unknown"), one, generation)
    sync(q, group, "nobody", generation)
    sync(q, group, one, generation + 1)
    sync(q, group, one, generation - 1)
    sync(q, group, one, generation, kind="connect")
    sync(q, group, one, generation, protocol="sticky")
    sync(q, group, one, generation, version=3)
    sync(q, group, one, generation, kind=None, protocol=None)


@case("groups/heartbeat_wrongly")
def _(q):
    group = q.group("g")
    one, generation = quiet_member(q, group)
    beat(q, "", one, generation)
    beat(q, q.group("unknown"), one, generation)
    beat(q, group, "nobody", generation)
    beat(q, group, one, generation + 1)
    beat(q, group, one, -1)
    beat(q, group, one, generation, instance="stranger")
    beat(q, group, one, generation)


@case("groups/leave")
def _(q):
    group = q.group("g")
    one, _ = quiet_member(q, group)

    def leave(*members, version=5, name=group, note=None):
        q.ask("LeaveGroup", version, {"GroupId": name, "Members": [
            {"MemberId": m, "GroupInstanceId": i} for m, i in members]}, note=note)
    leave(("nobody", None))
    leave(("nobody", None), name=q.group("unknown"))
    leave(("nobody", None), name="")
    leave(("", "stranger"))
    leave((one, "stranger"))
    leave()
    leave((one, None), ("nobody", None))
    leave((one, None), note="again")
    q.ask("LeaveGroup", 0, {"GroupId": group, "MemberId": "nobody"})
    two, _ = quiet_member(q, group)
    q.ask("LeaveGroup", 2, {"GroupId": group, "MemberId": two})
    q.ask("DescribeGroups", 6, {"Groups": [group]})


@case("groups/static_members")
def _(q):
    group = q.group("g")
    first = join(q, group, instance="i1", note="no member id is asked for")
    one, generation = first["MemberId"], first["GenerationId"]
    sync(q, group, one, generation, [(one, b"a")])
    second = join(q, group, instance="i1", note="the same instance comes back, same subscription")
    two = second["MemberId"]
    q.tell("member id", {"Differs": one != two})
    beat(q, group, one, generation, instance="i1", note="the old member")
    beat(q, group, one, generation, note="the old member, instance not named")
    beat(q, group, two, second["GenerationId"], instance="i1")
    sync(q, group, one, generation, note="the old member")
    sync(q, group, two, second["GenerationId"])
    q.ask("OffsetCommit", 9, {"GroupId": group, "GenerationIdOrMemberEpoch": generation,
                              "MemberId": one, "GroupInstanceId": "i1", "Topics": [
                                  {"Name": q.topic("t"), "Partitions": [
                                      {"PartitionIndex": 0, "CommittedOffset": 1}]}]},
          note="the old member")
    join(q, group, member=one, instance="i1", note="the old member")
    third = join(q, group, instance="i1", metadata=b"\0\2", note="back with another subscription")
    q.ask("DescribeGroups", 6, {"Groups": [group]})
    q.ask("LeaveGroup", 5, {"GroupId": group, "Members": [
        {"MemberId": one, "GroupInstanceId": "i1"}]}, note="the old member")
    q.ask("LeaveGroup", 5, {"GroupId": group, "Members": [
        {"MemberId": "", "GroupInstanceId": "i1"}]}, note="by instance alone")
    beat(q, group, third["MemberId"], third["GenerationId"], instance="i1")


@case("groups/first_version_without_static_members")
def _(q):
    join(q, q.group("g"), version=5, instance="i1")


def commit(q, group, topic, offset, member="", generation=-1, index=0, metadata="", version=9,
           note=None, epoch=-1, instance=None):
    to = {"TopicId": q.ids.get(topic, topic)} if version >= 10 else {"Name": topic}
    to["Partitions"] = [{"PartitionIndex": index, "CommittedOffset": offset,
                         "CommittedLeaderEpoch": epoch, "CommittedMetadata": metadata}]
    q.ask("OffsetCommit", version, {"GroupId": group, "GenerationIdOrMemberEpoch": generation,
                                    "MemberId": member, "GroupInstanceId": instance,
                                    "Topics": [to]}, note=note)


def fetch_offsets(q, group, topics, version=9, note=None, stable=False, **more):
    """topics: {name: [partitions]} or None for all."""
    if version >= 8:
        named = None if topics is None else [
            dict({"TopicId": q.ids.get(t, t)} if version >= 10 else {"Name": t}, PartitionIndexes=p)
            for t, p in topics.items()]
        body = {"Groups": [dict({"GroupId": group, "Topics": named}, **more)],
                "RequireStable": stable}
    else:
        body = {"GroupId": group, "Topics": None if topics is None else [
            {"Name": t, "PartitionIndexes": p} for t, p in topics.items()]}
    q.ask("OffsetFetch", version, body, note=note)


@case("groups/commit_without_members")
def _(q):
    group, name = q.group("g"), q.topic("t", 2)
    fetch_offsets(q, group, {name: [0, 1]}, note="of a group that never was")
    fetch_offsets(q, group, None, note="of a group that never was")
    commit(q, group, name, 5, metadata="note", epoch=3)
    fetch_offsets(q, group, {name: [0, 1]})
    fetch_offsets(q, group, None)
    for version in (2, 3, 5, 6, 7, 8, 10):
        commit(q, group, name, 10 + version, version=version)
    for version in (1, 2, 3, 5, 6, 7, 8, 9, 10):
        fetch_offsets(q, group, {name: [0]}, version=version)
    for version in (2, 7, 8):
        fetch_offsets(q, group, None, version=version, note="all topics")
    q.ask("DescribeGroups", 6, {"Groups": [group]})
    q.ask("ListGroups", 5, {}, keep=only(group))


def only(*groups):
    def keep(answer):
        answer["Groups"] = sorted((g for g in answer["Groups"] if g["GroupId"] in groups),
                                  key=lambda g: g["GroupId"])
        return answer
    return keep


@case("groups/commit_wrongly")
def _(q):
    group, name = q.group("g"), q.topic("t")
    commit(q, "", name, 1)
    commit(q, group, q.name("nothing"), 1)
    commit(q, group, "5" * 32, 1, version=10)
    commit(q, group, name, 1, index=9)
    commit(q, group, name, 1, index=-1)
    commit(q, group, name, -1)
    commit(q, group, name, -5)
    commit(q, group, name, 1 << 62, note="far beyond the end")
    commit(q, group, name, 1, metadata=None)
    commit(q, group, name, 1, metadata="x" * 4096)
    commit(q, group, name, 1, metadata="x" * 4097)
    commit(q, group, name, 1, member="nobody", generation=1, note="member of an empty group")
    commit(q, group, name, 1, member="nobody", generation=-1)
    commit(q, group, name, 1, generation=3)
    commit(q, q.group("new"), name, 1, member="nobody", generation=1, note="of a group that never was")
    commit(q, q.group("new"), name, 1, generation=0, note="of a group that never was")
    q.ask("OffsetCommit", 9, {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "Topics": []})
    fetch_offsets(q, group, {name: [0]})


@case("groups/commit_as_a_member")
def _(q):
    group, name = q.group("g"), q.topic("t")
    one, generation = quiet_member(q, group)
    commit(q, group, name, 5, one, generation)
    commit(q, group, name, 6, one, generation + 1)
    commit(q, group, name, 6, one, generation - 1)
    commit(q, group, name, 6, "nobody", generation)
    commit(q, group, name, 6, note="without a member")
    commit(q, group, name, 6, "", generation)
    commit(q, group, name, 6, one, -1)
    commit(q, group, name, 6, one, generation, version=2)
    commit(q, group, name, 7, one, generation, instance="stranger")
    fetch_offsets(q, group, {name: [0]})


@case("groups/fetch_offsets_wrongly")
def _(q):
    group, name = q.group("g"), q.topic("t")
    commit(q, group, name, 5)
    fetch_offsets(q, "", {name: [0]})
    fetch_offsets(q, "", {name: [0]}, version=7)
    fetch_offsets(q, group, {name: [9], q.name("nothing"): [0]})
    fetch_offsets(q, group, {"5" * 32: [0]}, version=10)
    fetch_offsets(q, group, {})
    fetch_offsets(q, group, {name: []})
    fetch_offsets(q, group, {name: [0]}, stable=True)
    fetch_offsets(q, group, {name: [0]}, MemberId="nobody", MemberEpoch=1)
    fetch_offsets(q, group, {name: [0]}, MemberId="nobody")
    q.ask("OffsetFetch", 9, {"Groups": []})
    q.ask("OffsetFetch", 9, {"Groups": [{"GroupId": g, "Topics": None} for g in (group, q.group("h"))]})


@case("groups/offsets_of_a_deleted_topic")
def _(q):
    group, name = q.group("g"), q.topic("t")
    commit(q, group, name, 5)
    q.quiet("DeleteTopics", 6, {"Topics": [{"Name": name}], "TimeoutMs": 5000})
    time.sleep(1)
    fetch_offsets(q, group, {name: [0]})
    fetch_offsets(q, group, None)


@case("groups/describe")
def _(q):
    group = q.group("g")
    one, _ = quiet_member(q, group, metadata=subscription("a", "b"))
    for version in range(7):
        q.ask("DescribeGroups", version, {"Groups": [group]})
    q.ask("DescribeGroups", 6, {"Groups": [group, q.group("unknown")],
                                "IncludeAuthorizedOperations": True})
    q.ask("DescribeGroups", 5, {"Groups": [q.group("unknown")]})
    q.ask("DescribeGroups", 6, {"Groups": [""]})
    q.ask("DescribeGroups", 6, {"Groups": []})


@case("groups/list")
def _(q):
    group, other = q.group("g"), q.group("h")
    quiet_member(q, group)
    commit(q, other, q.topic("t"), 1)
    keep = only(group, other)
    for version in range(6):
        q.ask("ListGroups", version, {}, keep=keep)
    for states in (["Stable"], ["Empty"], ["stable"], ["Dead"], ["NoState"], ["Stable", "Empty"]):
        q.ask("ListGroups", 5, {"StatesFilter": states}, keep=keep)
    for types in (["classic"], ["Classic"], ["consumer"], ["share"], ["notype"]):
        q.ask("ListGroups", 5, {"TypesFilter": types}, keep=keep)


@case("groups/delete")
def _(q):
    group, other = q.group("g"), q.group("h")
    one, _ = quiet_member(q, group)
    commit(q, other, q.topic("t"), 1)
    q.ask("DeleteGroups", 2, {"GroupsNames": [group]}, note="has a member")
    q.ask("DeleteGroups", 2, {"GroupsNames": [other, q.group("unknown")]})
    q.ask("DeleteGroups", 2, {"GroupsNames": [other]}, note="again")
    q.ask("DeleteGroups", 2, {"GroupsNames": [""]})
    q.ask("DeleteGroups", 2, {"GroupsNames": []})
    q.quiet("LeaveGroup", 5, {"GroupId": group, "Members": [{"MemberId": one}]})
    q.ask("DeleteGroups", 0, {"GroupsNames": [group]}, note="has no member any more")
    fetch_offsets(q, other, None)


@case("groups/session_expires")
def _(q):
    group = q.group("g")
    one, generation = quiet_member(q, group, session=6000)
    for _ in range(120):
        state = q.quiet("DescribeGroups", 6, {"Groups": [group]})["Groups"][0]
        if not state["Members"]:
            break
        time.sleep(0.1)
    beat(q, group, one, generation)
    q.ask("DescribeGroups", 6, {"Groups": [group]})


@case("groups/pending_member_that_never_comes")
def _(q):
    group = q.group("g")
    join(q, group, note="gets an id, does not come back")
    q.ask("DescribeGroups", 6, {"Groups": [group]})
    beat(q, group, next(iter(q.members)), 0)
