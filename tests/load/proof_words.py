"""Words, files, and brokers that are not there: a sentence and an exit code of docs/cli.md."""
import signal
import socket
import subprocess
import time

from load_rig import Run, expect


def refused(rig, code, text, *words, brokers=None):
    run = rig.bench(*words, brokers=brokers, seconds=60)
    expect(run.code == code and text in run.err, "levee bench %s: expected exit code %d and %r\n%s",
           " ".join(words), code, text, run.told())
    expect(run.err.count("\n") == 1, "one line tells it:\n%s", run.err)


def proof_wrong_words(rig):
    refused(rig, 2, "did you mean produce?", "prodcue")
    refused(rig, 2, "did you mean --partitions?", "produce", "--partition", "4")
    refused(rig, 2, "--rate takes", "produce", "--rate", "fast")
    refused(rig, 2, "--rate takes", "produce", "--rate", "-1")
    refused(rig, 2, "takes a time", "produce", "--duration", "soon")
    refused(rig, 2, "--size takes", "produce", "--size", "9..1")
    refused(rig, 2, "--keys takes", "produce", "--keys", "zip")
    refused(rig, 2, "--compression is", "produce", "--compression", "rar")
    refused(rig, 2, "--rate 0 sends nothing", "produce", "--rate", "0")
    refused(rig, 2, "name a topic by --topic", "consume", "--duration", "1")
    refused(rig, 2, "--txn-partitions is above", "txn", "-p", "3", "--txn-partitions", "4")
    refused(rig, 2, "exclude each other", "produce", "--rate", "1k", "--in-flight", "5")
    refused(rig, 2, "at least 64", "produce", "--verify", "--size", "63")
    refused(rig, 2, "something is missing", "run")
    refused(rig, 2, "one word too many", "produce", "topic")
    refused(rig, 3, "did you mean canonical?", "run", "canonicle")
    refused(rig, 3, "is not there", "consume", "--topic", "no-such-topic", "--duration", "1")


def proof_what_was_not_typed_gives_way(rig):
    run = rig.json("txn", "-p", "3", "--txn-records", "2", "--rate", "100", "--duration", "1",
                   "--warmup", "0")
    expect(run.levee["transactions_count"] > 0, "%s", run.told())


def verify(rig, *words):
    run = subprocess.run([rig.binary, "verify", *words], capture_output=True, text=True, timeout=60,
                         check=False)
    return Run(run.returncode, run.stdout, run.stderr)


def proof_wrong_words_of_verify(rig):
    for text, words in (("more than two -b", ["-b", "a:1", "-b", "b:1", "-b", "c:1", "t"]),
                        ("--ignore is of --compare", ["-b", rig.bootstrap, "--ignore", "key", "t"])):
        run = verify(rig, *words)
        expect(run.code == 2 and text in run.err, "%s", run.told())


def proof_help_is_the_table(rig):
    run = rig.bench("produce", "--help")
    expect(run.code == 0 and "--linger TIME" in run.out and "(5ms)" in run.out, "%s", run.told())
    run = rig.bench("list")
    expect(run.code == 0 and run.out.count("\n") >= 24 and "omb" in run.out, "%s", run.told())


def proof_files_are_tried_before_the_run(rig):
    began = time.monotonic()
    for option in ("--json", "--csv", "--hlog", "--report"):
        refused(rig, 3, "cannot be written", "produce", "--duration", "20", option,
                rig.path("no/such/file"))
    refused(rig, 2, "cannot be written", "produce", "--duration", "20", "--csv", rig.path("."))
    expect(time.monotonic() - began < 15, "it was run before it was told")
    refused(rig, 1, "no space", "produce", "--rate", "100", "--duration", "1", "--warmup", "0",
            "--csv", "/dev/full")


def proof_no_broker(rig):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    refused(rig, 1, "connection refused", "produce", "--duration", "1",
            brokers="127.0.0.1:%d" % port)
    refused(rig, 1, "unknown", "produce", "--duration", "1", brokers="no-such-host.invalid:9092")
    with socket.socket() as silent:  # it accepts, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        run = rig.bench("produce", "--timeout", "1500", "--duration", "1",
                        brokers="127.0.0.1:%d" % silent.getsockname()[1], seconds=30)
        expect(run.code in (1, 6) and run.err, "%s", run.told())


def proof_ctrl_c_keeps_what_was_measured(rig):
    began = time.monotonic()
    proc = rig.start("produce", "--rate", "1k", "--duration", "60", "--warmup", "0", "--json",
                     rig.path("partial.json"))
    time.sleep(3)
    proc.send_signal(signal.SIGINT)
    run = rig.finish(proc, 30)
    expect(run.code == 0, "%s", run.told())
    expect(time.monotonic() - began < 20, "it went on")
    expect("(partial)" in run.out and "records sent, " in run.out.splitlines()[-1], "%s",
           run.told())
    with open(rig.path("partial.json")) as file:
        text = file.read()
    expect('"is_partial"' in text, "partial.json does not say so")


def proof_files_of_openmessaging(rig):
    """A workload and a driver as they stand there."""
    with open(rig.path("w.yaml"), "w") as file:
        file.write("""
# a comment
name: 1 topic / 4 partitions / 100b

topics: 1
partitionsPerTopic: 4
keyDistributor: "NO_KEY"
messageSize: 100
payloadFile: "payload/payload-100b.data"
subscriptionsPerTopic: 1
consumerPerSubscription: 1
producersPerTopic: 1
producerRate: 1000
consumerBacklogSizeGB: 0
testDurationMinutes: 15
warmupDurationMinutes: 0
""")
    with open(rig.path("d.yaml"), "w") as file:
        file.write("""
name: Kafka
driverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver
replicationFactor: 1
topicConfig: |
  min.insync.replicas=1
commonConfig: |
  bootstrap.servers=%s
producerConfig: |
  acks=all
  linger.ms=1
  batch.size=131072
consumerConfig: |
  auto.offset.reset=earliest
  enable.auto.commit=false
""" % rig.bootstrap)
    (rig.directory / "payload").mkdir()
    with open(rig.path("payload/payload-100b.data"), "wb") as file:
        file.write(bytes(range(100)))
    run = rig.json("run", rig.path("w.yaml"), "--driver", rig.path("d.yaml"), "--duration", "2")
    expect(run.levee["stored_count"] == 2000 and run.levee["read_count"] == 2000, "%s", run.told())
    with open(rig.path("bad.yaml"), "w") as file:
        file.write("partitionsPerTopics: 3\n")
    refused(rig, 2, "did you mean partitionsPerTopic?", "run", rig.path("bad.yaml"))
    with open(rig.path("ours.yaml"), "w") as file:
        file.write("rate: poisson:1k\nkeys: zipf:1.1\ntxnRecords: 0\nverify: true\nsize: 100..200\n"
                   "duration: 1s\nwarmup: 0\nsubscriptions: 1\npartitions: 2\n")
    run = rig.json("run", rig.path("ours.yaml"))
    expect(run.levee["verdict"]["is_exactly_once"], "%s", run.told())
