"""levee probe: a canary that goes on whatever becomes of its topic."""
import re
import signal
import subprocess
import time

from load_rig import expect


def levee(rig, *words):
    return subprocess.run([rig.binary, *words, "-b", rig.bootstrap], capture_output=True, text=True,
                          timeout=60, check=True).stdout


def counts(out):
    found = re.search(r"(\d+) records produced, (\d+) received, (\d+) failed, (\d+) lost", out)
    expect(found is not None, "no summary: %r", out)
    return [int(count) for count in found.groups()]


def proof_a_deleted_topic_is_made_again(rig):
    proc = subprocess.Popen([rig.binary, "probe", "-b", rig.bootstrap, "--topic", "canary",
                             "--rate", "50", "--http", "-"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    levee(rig, "topic", "delete", "canary")
    time.sleep(12)
    there = "canary" in levee(rig, "topic", "list")
    proc.send_signal(signal.SIGINT)
    out, err = proc.communicate(timeout=30)
    expect(there, "it was not made again\n%s%s", out, err)
    expect(err.count("records go round") == 2, "records do not go round again\n%s%s", out, err)
    expect(counts(out)[1] > 150, "%s%s", out, err)


def proof_ctrl_c_of_a_healthy_cluster_is_ok(rig):
    proc = subprocess.Popen([rig.binary, "probe", "-b", rig.bootstrap, "--topic", "healthy",
                             "--rate", "2000", "--http", "-"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    time.sleep(4)
    proc.send_signal(signal.SIGINT)
    out, err = proc.communicate(timeout=30)
    expect(proc.returncode == 0 and out.startswith("ok: "), "%s%s", out, err)
