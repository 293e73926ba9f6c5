"""Kafka's own command line tools, as an operator runs them."""
import json
import tempfile

import kafka_rig
import raw_transaction
from checks import check, exit_with, main, name, need, same, until


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def try_tool(self, tool, *args, stdin=None, timeout=60):
        return kafka_rig.tool(tool, "--bootstrap-server", self.bootstrap, *args, stdin=stdin, timeout=timeout)

    def tool(self, tool, *args, **more):
        code, out, err = self.try_tool(tool, *args, **more)
        need(code == 0, "%s: exit code %d: %s" % (tool, code, (out + err)[-300:]))
        return out

    def topic(self, short, partitions=1, *args):
        self.tool("topics", "--create", "--topic", name(short), "--partitions", partitions, *args)
        return name(short)

    def produce(self, topic, lines, *args):
        self.tool("console-producer", "--topic", topic, *args,
                  stdin="".join(line + "\n" for line in lines))

    def read(self, topic, count, *args):
        out = self.tool("console-consumer", "--topic", topic, "--max-messages", count,
                        "--timeout-ms", 20000, *args)
        return out.splitlines()


@check
def broker_api_versions(c):
    out = c.tool("broker-api-versions")
    need("Produce(0): 0 to 13 [usable: 13]" in out, out[:500])


@check
def topics(c):
    topic = c.topic("t", 2, "--config", "retention.ms=1000000")
    out = c.tool("topics", "--describe", "--topic", topic)
    need("PartitionCount: 2" in out and "retention.ms=1000000" in out, out)
    need(topic in c.tool("topics", "--list").split(), "not listed")
    c.tool("topics", "--alter", "--topic", topic, "--partitions", 4)
    until("four partitions",
          lambda: "PartitionCount: 4" in c.tool("topics", "--describe", "--topic", topic), pause=1)
    code, out, err = c.try_tool("topics", "--create", "--topic", topic)
    need(code != 0 and "already exists" in out + err, out + err)
    code, out, err = c.try_tool("topics", "--create", "--topic", "bad name")
    need(code != 0, "a bad name was taken")
    code, out, err = c.try_tool("topics", "--describe", "--topic", name("nothing"))
    need(code != 0 and "does not exist" in out + err, out + err)
    c.tool("topics", "--delete", "--topic", topic)
    until("topic is gone", lambda: topic not in c.tool("topics", "--list").split(), pause=1)


@check
def configs(c):
    topic = c.topic("configs")
    at = ("--entity-type", "topics", "--entity-name", topic)
    c.tool("configs", *at, "--alter", "--add-config", "retention.ms=77000")
    until("the new value shows",
          lambda: "retention.ms=77000" in c.tool("configs", *at, "--describe"), pause=1)
    c.tool("configs", *at, "--alter", "--delete-config", "retention.ms")
    until("the value is gone",
          lambda: "retention.ms=77000" not in c.tool("configs", *at, "--describe"), pause=1)
    need("max.message.bytes" in c.tool("configs", *at, "--describe", "--all"), "not all configs")
    code, out, err = c.try_tool("configs", *at, "--alter", "--add-config", "retention.ms=soon")
    need(code != 0, "a bad value was taken")


def codec_check(codec):
    def run(c):
        topic = c.topic(codec)
        lines = ["%d" % n for n in range(100)]
        c.produce(topic, lines, "--compression-codec", codec)
        same(c.read(topic, 100, "--from-beginning"), lines)
    run.__name__ = "console_producer_and_consumer_" + codec
    check(run)


for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
    codec_check(codec)


@check
def console_keys_and_headers(c):
    topic = c.topic("keys")
    c.produce(topic, ["a:1,b:2\tkey\tvalue", "a:3\tkey\t"], "--reader-property", "parse.key=true",
              "--reader-property", "parse.headers=true")
    got = c.read(topic, 2, "--from-beginning", "--formatter-property", "print.key=true",
                 "--formatter-property", "print.headers=true",
                 "--formatter-property", "print.offset=true")
    same(got, ["Offset:0\ta:1,b:2\tkey\tvalue", "Offset:1\ta:3\tkey\t"])


@check
def consumer_groups(c):
    topic, group = c.topic("groups"), name("groups")
    c.produce(topic, ["%d" % n for n in range(10)])
    same(len(c.read(topic, 4, "--from-beginning", "--group", group)), 4)
    same(c.read(topic, 6, "--group", group), ["%d" % n for n in range(4, 10)])
    at = ("--group", group)
    need(group in c.tool("consumer-groups", "--list").split(), "not listed")
    out = c.tool("consumer-groups", *at, "--describe")
    row = [x for x in out.splitlines() if topic in x][0].split()
    same(row[2:6], ["0", "10", "10", "0"], "partition, offset, end and lag")
    need("Empty" in c.tool("consumer-groups", *at, "--describe", "--state"), "state")
    c.tool("consumer-groups", *at, "--reset-offsets", "--to-offset", 7, "--topic", topic,
           "--execute")
    same(c.read(topic, 3, "--group", group), ["7", "8", "9"])
    c.tool("consumer-groups", *at, "--delete")
    need(group not in c.tool("consumer-groups", "--list").split(), "still listed")


@check
def get_offsets(c):
    topic = c.topic("offsets")
    c.produce(topic, ["%d" % n for n in range(10)])
    for when, want in (("-1", 10), ("-2", 0), ("earliest", 0), ("latest", 10),
                       ("max-timestamp", None), ("0", 0)):
        out = c.tool("get-offsets", "--topic", topic, "--time", when).strip()
        need(out.startswith(topic + ":0:"), out)
        if want is not None:
            same(out, "%s:0:%d" % (topic, want))


@check
def delete_records(c):
    topic = c.topic("cut")
    c.produce(topic, ["%d" % n for n in range(10)])
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"version": 1, "partitions": [
            {"topic": topic, "partition": 0, "offset": 6}]}, file)
        file.flush()
        out = c.tool("delete-records", "--offset-json-file", file.name)
    need("low_watermark: 6" in out, out)
    same(c.read(topic, 4, "--from-beginning"), ["6", "7", "8", "9"])


def perf_check(acks, idempotence):
    def run(c):
        topic = c.topic("perf-" + acks, 3)
        out = kafka_rig.tool(
            "producer-perf-test", "--topic", topic, "--num-records", 20000, "--record-size", 200,
            "--throughput", -1, "--bootstrap-server", c.bootstrap, "--command-property",
            "acks=" + acks, "enable.idempotence=" + idempotence, timeout=80)
        need(out[0] == 0 and "20000 records sent" in out[1], out[1] + out[2])
        out = c.tool("consumer-perf-test", "--topic", topic, "--num-records", 20000,
                     "--timeout", 20000, timeout=80)
        need(", 20000," in out, out)
    run.__name__ = "producer_and_consumer_perf_test_acks_" + acks
    check(run)


perf_check("all", "true")
perf_check("1", "false")


@check
def describe_the_cluster(c):
    out = kafka_rig.tool("cluster", "cluster-id", "--bootstrap-server", c.bootstrap)[1]
    need("Cluster ID: " in out, out)


# ---- transactions

class Open:
    """A transaction with two records in partition 0 of a topic of its own, open inside of `with`."""

    def __init__(self, c, short):
        self.topic = c.topic("txn-" + short)
        self.producer = raw_transaction.Producer(c.bootstrap, name(short))

    def __enter__(self):
        self.start = self.producer.send(self.topic, b"1", b"2")
        return self

    def __exit__(self, *_):
        self.producer.close()


def row(out, word):
    """The words of the line of a table that has this word; None: no line."""
    for line in out.splitlines():
        if word in line.split():
            return line.split()
    return None


def open_of(c, topic):
    """describe-producers: the row of the transaction that is open in partition 0."""
    out = c.tool("transactions", "describe-producers", "--topic", topic, "--partition", 0)
    for line in out.splitlines()[1:]:
        words = line.split()
        if words and words[-1] != "None":
            return words
    return None


@check
def transactions_list_and_describe(c):
    with Open(c, "list") as t:
        of = t.producer.id
        found = row(c.tool("transactions", "list"), of)
        need(found and found[-1] == "Ongoing" and str(t.producer.pid) in found, "list: %s" % found)
        need(row(c.tool("transactions", "list", "--transactional-id-pattern", of[:-1] + "."), of),
             "not listed by a pattern")
        need(not row(c.tool("transactions", "list", "--duration-filter", 3600000), of),
             "listed as older than an hour")
        out = c.tool("transactions", "describe", "--transactional-id", of)
        need("Ongoing" in out and t.topic + "-0" in out, out)
        code, out, err = c.try_tool("transactions", "describe", "--transactional-id", name("no"))
        need(code != 0, "an unknown id is described: " + out)
        t.producer.end(True)
        until("CompleteCommit", lambda: "CompleteCommit" in c.tool(
            "transactions", "describe", "--transactional-id", of), pause=1)


@check
def transactions_describe_producers_and_abort(c):
    with Open(c, "abort") as t:
        found = open_of(c, t.topic)
        need(found and found[0] == str(t.producer.pid) and found[-1] == "0", "producers: %s" % found)
        code, out, err = c.try_tool("transactions", "abort", "--topic", t.topic, "--partition", 0,
                                    "--start-offset", t.start)
        if code:  # levee refuses it while the coordinator has the transaction open
            need("in an invalid state" in out + err, out + err)
            c.tool("transactions", "forceTerminateTransaction", "--transactionalId", t.producer.id)
        until("nothing is open", lambda: open_of(c, t.topic) is None, pause=1)
        same(c.try_tool("console-consumer", "--topic", t.topic, "--from-beginning", "--timeout-ms",
                        3000, "--isolation-level", "read_committed")[1], "")


@check
def transactions_find_hanging(c):
    with Open(c, "hanging") as t:
        for where in (("--topic", t.topic), ("--topic", t.topic, "--partition", 0)):
            out = c.tool("transactions", "find-hanging", *where, "--max-transaction-timeout", 0)
            need(not row(out, t.topic), "a transaction that its coordinator knows hangs: " + out)
        t.producer.end(False)


@check
def transactions_force_terminate(c):
    with Open(c, "terminate") as t:
        c.tool("transactions", "forceTerminateTransaction", "--transactionalId", t.producer.id)
        until("nothing is open", lambda: open_of(c, t.topic) is None, pause=1)
        same(t.producer.state(), "Empty", "state")


def log_of(c, transactional_id):
    """The records of an id; the formatter puts one JSON value behind the other."""
    text = c.try_tool("console-consumer", "--topic", "__transaction_state", "--from-beginning",
                      "--timeout-ms", 4000, "--formatter",
                      "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter")[1].strip()
    found, decoder = [], json.JSONDecoder()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    return [f for f in found if f["key"]["data"]["transactionalId"] == transactional_id]


@check
def the_log_of_transactions(c):
    with Open(c, "log") as t:
        t.producer.end(True)
        until("its end", lambda: t.producer.state() == "CompleteCommit")
        found = until("records of the id", lambda: log_of(c, t.producer.id), pause=1)
        # 0 empty, 1 ongoing, 2 prepare commit, 4 complete commit
        same([f["value"]["data"]["transactionStatus"] for f in found], [0, 1, 2, 4], "states")
        same([f["key"]["data"]["transactionalId"] for f in found], [t.producer.id] * 4, "ids")
        same([f["value"]["version"] for f in found], [1] * 4, "versions")
        ongoing = found[1]["value"]["data"]["transactionPartitions"]
        same([(p["topic"], p["partitionIds"]) for p in ongoing], [(t.topic, [0])], "partitions")


@check
def console_consumer_of_both_levels(c):
    topic = c.topic("levels")
    producer = raw_transaction.Producer(c.bootstrap, name("levels"))
    for n in range(6):
        producer.send(topic, b"%d" % n)
        producer.end(n % 2 == 0)
    until("its end", lambda: producer.state() == "CompleteAbort")
    same(c.read(topic, 3, "--from-beginning", "--isolation-level", "read_committed"),
         ["0", "2", "4"])
    same(c.read(topic, 6, "--from-beginning"), ["0", "1", "2", "3", "4", "5"])
    out = c.tool("get-offsets", "--topic", topic, "--time", "latest").strip()
    same(out, topic + ":0:12", "end, with the markers")


if __name__ == "__main__":
    exit_with(main(Client, seconds=180))
