"""memory, start and recover: one levee process from outside."""
import pathlib
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import threading
import time
import zlib

DEADLINE_S = 120


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def produce_request(topic, partition=0):
    """Produce v3, acks=all, one batch of one empty record."""
    record = bytes([0, 0, 0, 1, 1, 0])  # attributes, deltas, null key, null value, no headers
    record = bytes([len(record) * 2]) + record
    tail = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + record
    batch = struct.pack(">qiibI", 0, 9 + len(tail), -1, 2, crc32c(tail)) + tail
    body = (struct.pack(">hhii", -1, -1, 10000, 1) + string(topic) +
            struct.pack(">iii", 1, partition, len(batch)) + batch)
    header = struct.pack(">hhi", 0, 3, 2) + string("bench")
    return struct.pack(">i", len(header) + len(body)) + header + body


API_VERSIONS_REQUEST = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def receive_exactly(sock, size_bytes):
    data = b""
    while len(data) < size_bytes:
        piece = sock.recv(size_bytes - len(data))
        if not piece:
            raise RuntimeError("the broker closed the connection")
        data += piece
    return data


def receive(sock):
    """One answer with its length in front."""
    length = receive_exactly(sock, 4)
    return length + receive_exactly(sock, struct.unpack(">i", length)[0])


def produce_error(answer, topic):
    """The error code of a Produce v3 answer for one partition."""
    at = 4 + 4 + 4 + 2 + len(topic) + 4 + 4
    return struct.unpack(">h", answer[at:at + 2])[0]


class Levee:
    """levee serve on a directory.  Used by all benchmarks of this file and by peer."""

    def __init__(self, binary, directory, settings=()):
        self.binary = str(binary)
        self.directory = pathlib.Path(directory)
        self.settings = list(settings)
        self.port = free_port()
        self.bootstrap = "127.0.0.1:%d" % self.port
        self.proc = None

    def command(self):
        argv = [self.binary, "serve"]
        for setting in ["log.dirs=%s" % self.directory, "levee.http.listener=",
                        "listeners=PLAINTEXT://" + self.bootstrap, *self.settings]:
            argv += ["--set", setting]
        return argv

    def spawn(self):
        self.proc = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.last_lines = []
        threading.Thread(target=self.read_log, args=(self.proc,), daemon=True).start()

    def read_log(self, proc):
        for line in proc.stderr:
            self.last_lines = self.last_lines[-20:] + [line.decode(errors="replace")]

    def connect(self):
        """A connection, as soon as there is one."""
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                sock = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            except OSError:
                if self.proc.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("levee did not start: " + "".join(self.last_lines)) from None
                time.sleep(0.0005)

    def start(self):
        self.spawn()
        self.ask_versions(self.connect()).close()
        return self

    @staticmethod
    def ask_versions(sock):
        sock.sendall(API_VERSIONS_REQUEST)
        receive(sock)
        return sock

    def run(self, *argv, **options):
        done = subprocess.run([self.binary, *argv, "-b", self.bootstrap], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S, **options)
        if done.returncode:
            raise RuntimeError("levee %s: %s" % (" ".join(argv), done.stdout.strip()))

    def rss_mib(self):
        for line in pathlib.Path("/proc/%d/status" % self.proc.pid).read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")

    def end(self, number=signal.SIGKILL):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(number)
            try:
                self.proc.wait(30)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()


def until_acknowledged(sock, topic):
    """Send a record until it is acknowledged; retriable refusals of a starting broker are those of
    its topic not being there yet."""
    request = produce_request(topic)
    end = time.monotonic() + DEADLINE_S
    while True:
        sock.sendall(request)
        code = produce_error(receive(sock), topic)
        if code == 0:
            return
        if time.monotonic() > end:
            raise RuntimeError("produce says error %d" % code)
        time.sleep(0.0005)


def memory(args, report):
    levee = Levee(args.levee, args.work / "memory")
    report.section("memory", " ".join(levee.command()) + "; VmRSS after 2 s")
    try:
        levee.start()
        time.sleep(2)
        value = levee.rss_mib()
        report.figure("idle RSS", value, "MiB", "<= 16", value <= 16)
        levee.run("topic", "create", "many", "-p", "1000")
        time.sleep(2)
        value = levee.rss_mib()
        report.figure("RSS with 1,000 empty partitions", value, "MiB", "<= 64", value <= 64)
        with levee.connect() as sock:
            sock.settimeout(DEADLINE_S)
            for partition in range(1000):
                sock.sendall(produce_request("many", partition))
                receive(sock)
        time.sleep(2)
        value = levee.rss_mib()
        report.figure("RSS with 1,000 partitions of one record", value, "MiB", "<= 64",
                      value <= 64)
    finally:
        levee.end(signal.SIGTERM)
        shutil.rmtree(levee.directory, ignore_errors=True)


def start(args, report):
    runs = 11
    versions_ms, first_ms, again_ms, ack_ms = [], [], [], []
    levee = Levee(args.levee, args.work / "start")
    report.section("start", " ".join(levee.command()) + "; %d runs, empty directory, then again "
                   "after SIGTERM with one topic" % runs)
    for _ in range(runs):
        shutil.rmtree(levee.directory, ignore_errors=True)
        for first in (True, False):
            try:
                begin = time.monotonic()
                levee.spawn()
                sock = levee.ask_versions(levee.connect())
                answered = time.monotonic()
                if first:
                    versions_ms.append((answered - begin) * 1e3)
                    levee.run("topic", "create", "one")
                    with sock:
                        until_acknowledged(sock, "one")
                    first_ms.append((time.monotonic() - begin) * 1e3)
                else:
                    again_ms.append((answered - begin) * 1e3)
                    with sock:
                        until_acknowledged(sock, "one")
                    ack_ms.append((time.monotonic() - begin) * 1e3)
            finally:
                levee.end(signal.SIGTERM)
    shutil.rmtree(levee.directory, ignore_errors=True)
    for name, values, limit in (
            ("exec to first ApiVersions answer, new directory", versions_ms, 30),
            ("exec to first ApiVersions answer, again", again_ms, 30),
            ("exec to first durable ack, new, with topic create", first_ms, 50),
            ("exec to first durable ack, again", ack_ms, 50)):
        value = statistics.median(values)
        report.figure(name, value, "ms", "<= %d" % limit, value <= limit,
                      "%.1f to %.1f" % (min(values), max(values)))


def fill(levee, topic, size_bytes, partitions):
    """Write size_bytes as batches of about 1 MB that cost nothing to make: one batch, sent again
    and again over one connection with a few requests in flight."""
    value = zlib.compress(bytes(range(256)) * 64) * 40
    value = (value * (1000000 // len(value) + 1))[:1000000]
    body = bytes([0, 0, 0, 1]) + varint(len(value)) + value + bytes([0])
    record = varint(len(body)) + body
    tail = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + record
    batch = struct.pack(">qiibI", 0, 9 + len(tail), -1, 2, crc32c(tail)) + tail
    with levee.connect() as sock:
        count = int(size_bytes / len(batch)) + 1
        for i in range(count + 4):
            if i < count:
                body = (struct.pack(">hhii", -1, -1, 30000, 1) + string(topic) +
                        struct.pack(">iii", 1, i % partitions, len(batch)))
                header = struct.pack(">hhi", 0, 3, i) + string("bench")
                sock.sendall(struct.pack(">i", len(header) + len(body) + len(batch)) + header +
                             body)
                sock.sendall(batch)
            if i >= 4:
                code = produce_error(receive(sock), topic)
                if code:
                    raise RuntimeError("produce says error %d" % code)
    return count * len(batch)


def varint(value):
    value *= 2
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def recover(args, report):
    size_gb = args.log_gb or (1 if args.quick else 10)
    runs = 3 if args.quick else 5
    levee = Levee(args.levee, args.work / "recover")
    report.section("recover", " ".join(levee.command()) + "; %g GB in 16 partitions of one topic, "
                   "SIGKILL while more is being written, %d runs" % (size_gb, runs))
    free = shutil.disk_usage(args.work).free
    if free < (size_gb + 4) * 1e9:
        raise RuntimeError("%.0f GB are free, %.0f are needed" % (free / 1e9, size_gb + 4))
    try:
        levee.start()
        # the broker stamps: batches that are sent again and again need times that grow
        levee.run("topic", "create", "log", "-p", "16", "-C",
                  "message.timestamp.type=LogAppendTime")
        begin = time.monotonic()
        written = fill(levee, "log", size_gb * 1e9, 16)
        report.text("%.1f GB written in %.1f s" % (written / 1e9, time.monotonic() - begin))
        values = []
        for _ in range(runs):
            writer = threading.Thread(target=fill_until_killed, args=(levee,), daemon=True)
            writer.start()
            time.sleep(1.5)
            levee.end(signal.SIGKILL)
            writer.join(10)
            begin = time.monotonic()
            levee.spawn()
            with levee.connect() as sock:
                until_acknowledged(sock, "log")
            values.append(time.monotonic() - begin)
        value = statistics.median(values)
        report.figure("kill -9 with %g GB to first durable ack" % size_gb, value, "s", "<= 1",
                      value <= 1, "%.2f to %.2f" % (min(values), max(values)))
    finally:
        levee.end()
        shutil.rmtree(levee.directory, ignore_errors=True)


def fill_until_killed(levee):
    try:
        fill(levee, "log", 5e9, 16)
    except (OSError, RuntimeError):
        pass  # that is what was waited for
