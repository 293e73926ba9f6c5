"""`levee bench agent`: several machines (here: processes) run one load, and their results add up."""
import json
import signal
import socket
import struct
import subprocess
import time

from load_rig import expect

MAGIC, VERSION = 0x4C564147, 1
HELLO, WORKLOAD, READY, PING, PONG, START, STOP, RESULT, PROBLEM = range(1, 10)


def any_broker(proof):
    proof.any_broker = True
    return proof


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Agent:
    def __init__(self, rig):
        self.address = "127.0.0.1:%d" % free_port()
        self.proc = subprocess.Popen([rig.binary, "bench", "agent", self.address], stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True)
        expect(self.proc.stdout.readline().startswith("listening"), "the agent does not listen")

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGINT)
        try:
            self.proc.wait(20)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        if not failed:
            expect(self.proc.returncode == 0, "an agent ended with exit code %d\n%s", self.proc.returncode,
                   "" if self.proc.stdout.closed else self.proc.stdout.read()[-3000:])


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=30)


def send(connection, kind, data=b""):
    connection.sendall(struct.pack(">IB", len(data) + 1, kind) + data)


def take(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        expect(part, "the agent closed the connection")
        data += part
    return data


def receive(connection):
    size, kind = struct.unpack(">IB", take(connection, 5))
    return kind, take(connection, size - 1)


def prepared(rig, agent, number, settings):
    """A connection to an agent whose clients are ready."""
    connection = connect(agent.address)
    send(connection, HELLO, struct.pack(">II", MAGIC, VERSION))
    kind, data = receive(connection)
    expect(kind == HELLO and struct.unpack(">II", data[:8]) == (MAGIC, VERSION), "hello: %s", data)
    lines = "".join("%s=%s\n" % pair for pair in {"brokers": rig.bootstrap, **settings}.items())
    send(connection, WORKLOAD, struct.pack(">II", number, 2) + lines.encode())
    kind, data = receive(connection)
    expect(kind == READY, "not ready: %s", data)
    return connection


@any_broker
def proof_agents_add_up(rig):
    with Agent(rig) as one, Agent(rig) as two:
        run = rig.json("e2e", "--rate", "4k", "--duration", "3", "--warmup", "1", "--partitions", "2",
                       "--verify", "--agents", one.address + "," + two.address)
        result = run.levee
        expect(result["verdict"]["is_exactly_once"], run.told())
        expect(abs(result["intended_rate"] - 4000) < 8, "intended %s a second", result["intended_rate"])
        expect(11900 <= result["sent_count"] <= 12100, "sent %s", result["sent_count"])
        expect(result["sent_count"] == result["stored_count"] == result["read_count"], run.told())
        verdict = result["verdict"]
        expect(verdict["sent_count"] == verdict["read_count"] >= 15800, run.told())
        expect("agent 2" in run.out, "the agents are not named\n%s", run.told())
        # and again: an agent is there for the next
        run = rig.json("produce", "--rate", "1k", "--duration", "1", "--warmup", "0", "--agents",
                       two.address)
        expect(990 <= run.levee["sent_count"] <= 1010, run.told())


@any_broker
def proof_agents_begin_together(rig):
    """Told one moment, two agents begin within a millisecond of it, by what they stamp."""
    with Agent(rig) as one, Agent(rig) as two:
        agents = [one, two]
        settings = {"topics": "1", "partitions": "1", "rate": "1000", "duration": "1s", "warmup": "0s",
                    "subscriptions": "0"}
        begin = time.monotonic_ns()
        connections = [prepared(rig, agent, i, settings) for i, agent in enumerate(agents)]
        for connection in connections:
            for _ in range(8):
                asked = time.monotonic_ns()
                send(connection, PING, struct.pack(">Q", asked))
                kind, data = receive(connection)
                told, clock = struct.unpack(">QQ", data)
                expect(kind == PONG and told == asked, "pong: %s", data)
                expect(asked <= clock <= time.monotonic_ns(), "its clock is %d, ours %d", clock, asked)
        start = time.monotonic_ns() + 300_000_000
        for connection in connections:
            send(connection, START, struct.pack(">Q", start))
        for connection in connections:
            kind, data = receive(connection)
            expect(kind == RESULT, "no result: %s", data)
            result = json.loads(data)["levee"]
            # half of 1000 a second each; intended times are those of the schedule from the start
            expect(499 <= result["sent_count"] <= 501, "sent %s", result["sent_count"])
        expect(time.monotonic_ns() - begin > 1_300_000_000, "they did not wait for the start")


@any_broker
def proof_agents_end_with_their_driver(rig):
    with Agent(rig) as agent:
        settings = {"rate": "100", "duration": "600s", "warmup": "0s", "subscriptions": "0"}
        connection = prepared(rig, agent, 0, settings)
        send(connection, START, struct.pack(">Q", time.monotonic_ns()))
        time.sleep(0.5)
        connection.close()
        # the next one is served; busy would be no answer
        connection = prepared(rig, agent, 0, settings)
        send(connection, START, struct.pack(">Q", time.monotonic_ns()))
        time.sleep(0.5)
        send(connection, STOP)
        kind, data = receive(connection)
        expect(kind == RESULT and json.loads(data)["levee"]["is_partial"], "%s %s", kind, data[:500])
        # Ctrl-C at the driver: what was measured is told
        proc = rig.start("produce", "--rate", "100", "--duration", "600", "--warmup", "0", "--format", "json",
                         "--agents", agent.address)
        time.sleep(2)
        proc.send_signal(signal.SIGINT)
        run = rig.finish(proc, 30)
        expect(run.code == 0 and run.levee["is_partial"] and run.levee["sent_count"] > 50, run.told())


@any_broker
def proof_agents_refuse(rig):
    with Agent(rig) as agent:
        for data in (b"GET / HTTP/1.1\r\n\r\n", struct.pack(">IB", 2**32 - 1, HELLO), b"\0\0\0\0\0",
                     struct.pack(">IBII", 9, HELLO, MAGIC, 99), struct.pack(">IBII", 9, HELLO, 1, VERSION)):
            with connect(agent.address) as connection:
                try:
                    connection.sendall(data)
                    connection.shutdown(socket.SHUT_WR)
                    answer = connection.recv(1)
                except OSError: # closed already, or with something unread
                    answer = b""
                expect(answer == b"", "answered %s", data)
        for text in (b"size=@/etc/passwd\n", b"payload-file=/etc/passwd\n", b"rate=trace:/etc/passwd\n",
                     b"json=/tmp/x\n", b"state=/tmp/x\n", b"nonsense=1\n", b"rate=many\n", b"x"):
            with connect(agent.address) as connection:
                send(connection, HELLO, struct.pack(">II", MAGIC, VERSION))
                receive(connection)
                send(connection, WORKLOAD, struct.pack(">II", 0, 1) + text)
                kind, data = receive(connection)
                expect(kind == PROBLEM, "%s: %s", text, data)
        with open(rig.path("sizes"), "w") as sizes:
            sizes.write("100 1\n")
        run = rig.bench("produce", "--size", "@" + rig.path("sizes"), "--agents", agent.address)
        expect(run.code == 2 and "can't be used with agents" in run.err, run.told())
        run = rig.bench("produce", "--find-max", "p99=10ms", "--agents", agent.address)
        expect(run.code == 2 and "find-max" in run.err, run.told())
        run = rig.bench("produce", "--agents", "127.0.0.1:%d" % free_port())
        expect(run.code != 0 and "agent 127.0.0.1" in run.err, run.told())
        run = rig.bench("produce", "--agents", agent.address, "--rate", "10", "--duration", "1",
                        brokers="127.0.0.1:%d" % free_port())
        expect(run.code != 0 and "agent 127.0.0.1" in run.err, run.told())


@any_broker
def proof_agents_compare(rig):
    """A comparison whose runs happen on an agent: of a broker with itself there is no difference."""
    with Agent(rig) as agent:
        run = rig.bench("compare", rig.bootstrap, rig.bootstrap, "--agents", agent.address, "--rate", "500",
                        "--duration", "1", "--warmup", "0", "--blocks", "1", seconds=180)
        expect(run.code == 0 and "no difference shown" in run.out, run.told())
        agent.proc.send_signal(signal.SIGINT)
        told = agent.proc.communicate(timeout=10)[0]
        expect(told.count("records sent") >= 4, "its agent ran %s", told)
