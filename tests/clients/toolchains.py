"""What the suites need beyond the distribution's packages, installed into the cache on demand.

Each function returns what a caller runs, and raises kafka_rig.RigError with what is missing and
how to get it.  Nothing here writes outside the cache.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import kafka_rig
from kafka_rig import RigError, cache_dir, cache_lock, need_programs

HERE = pathlib.Path(__file__).resolve().parent


def digest(*paths):
    """What an install was made from: it is made again when this changes."""
    h = hashlib.sha256()
    for path in paths:
        h.update(path.name.encode() + b"\0" + path.read_bytes())
    return h.hexdigest()[:16]


def run(argv, what, timeout=900, **more):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL, **more)
    if done.returncode:
        raise RigError("%s failed:\n%s" % (what, done.stdout[-2000:]))
    return done.stdout


def installed(name, sources, install):
    """The directory cache/NAME-DIGEST, made by install(directory) if it is not there."""
    where = cache_dir() / ("%s-%s" % (name, digest(*sources)))
    if not (where / "complete").exists():
        with cache_lock(name):
            if not (where / "complete").exists():
                shutil.rmtree(where, ignore_errors=True)
                where.mkdir(parents=True)
                install(where)
                (where / "complete").touch()
    return where


def python():
    """A Python with the client libraries of requirements.txt."""
    def install(where):
        try:
            run([sys.executable, "-m", "venv", str(where / "venv")], "python3 -m venv")
        except RigError as error:
            raise RigError("%s\ninstall with: apt-get install python3-venv" % error)
        run([str(where / "venv/bin/pip"), "install", "-q", "--disable-pip-version-check",
             "-r", str(HERE / "requirements.txt")], "pip install")
    where = installed("python-%d.%d" % sys.version_info[:2], [HERE / "requirements.txt"], install)
    return str(where / "venv/bin/python")


def node_modules():
    need_programs("node", "npm")

    def install(where):
        shutil.copy(HERE / "node" / "package.json", where)
        run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"],
            "npm install", cwd=where)
    return str(installed("node", [HERE / "node" / "package.json"], install) / "node_modules")


def go_program():
    """The program of go/, built."""
    if not shutil.which("go"):
        raise RigError("missing go 1.21 or newer (it fetches the newer one that franz-go wants)")
    version = re.search(r"go(\d+)\.(\d+)", run(["go", "version"], "go version"))
    if (int(version[1]), int(version[2])) < (1, 21):
        raise RigError("go %s is too old, 1.21 or newer is needed" % version[0])

    def install(where):
        run(["go", "build", "-o", str(where / "clients"), "."], "go build", cwd=HERE / "go",
            env=dict(os.environ, GOFLAGS="-mod=readonly"))
    sources = sorted((HERE / "go").iterdir())
    return str(installed("go", sources, install) / "clients")


def java_classes():
    """argv prefix that runs one of the classes of java/."""
    need_programs("java", "javac")
    jars = str(kafka_rig.jars()) + "/*"

    def install(where):
        run(["javac", "-d", str(where / "classes"), "-cp", jars,
             *[str(p) for p in sorted((HERE / "java").glob("*.java"))]], "javac")
    where = installed("java", sorted((HERE / "java").glob("*.java")), install)
    return ["java", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
            "-cp", "%s:%s" % (where / "classes", jars)]
