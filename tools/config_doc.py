#!/usr/bin/env python3
"""The parts of docs/ that are made from the program: configuration.md and log-codes.md.

    config_doc.py --levee PATH            write them
    config_doc.py --levee PATH --check    exit code 1 and the first difference when one is not current

configuration.md comes from `levee config list --format json`, the table that the parser uses.
log-codes.md comes from the log lines in the sources and what `levee explain` knows about each.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROOMS = ("base", "net", "storage", "broker", "replication", "tools")
CODE = re.compile(r'"(LVE-\d{4})"\s*,\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')

CONFIGURATION_HEAD = """# Configuration

Made from the program: `tools/config_doc.py --levee build-release/tools/levee` writes this page again.

`levee serve -c FILE` reads a `server.properties` in Java's grammar. Later ones win: default, file, environment
(`KAFKA_LISTENERS` and `LEVEE_LISTENERS` both mean `listeners`; `_` is a dot, `__` an underscore, `___` a dash), `--set KEY=VALUE`.
An unknown key is an error that names the nearest key. `levee config check -c FILE` tries a configuration without starting,
`levee config explain KEY` prints one row of this page.

*dynamic*: may be changed while the broker runs (`kafka-configs.sh`, `levee topic alter-config`).
"""

EFFECTS = (
    ("acts", "acts", ""),
    ("stored, without effect yet", "stored without effect",
     "Accepted, validated and shown by DescribeConfigs. What they ask for does not exist here yet.\n"),
    ("no effect here", "accepted and ignored",
     "They size threads, buffers and pools of the JVM broker. One line at start says that they were ignored.\n"),
)


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def run(levee, *argv):
    return subprocess.run([levee, *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, timeout=30)


def configuration(levee):
    done = run(levee, "config", "list", "--format", "json")
    if done.returncode:
        raise SystemExit("levee config list failed")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    out = [CONFIGURATION_HEAD]
    for scope in ("broker", "topic"):
        for effect, title, text in EFFECTS:
            some = [r for r in rows if r["scope"] == scope and r["effect"] == effect]
            if not some:
                continue
            out.append("## %s keys: %s\n" % (scope.capitalize(), title))
            if text:
                out.append(text)
            if effect == "acts":
                out.append("| key | default | dynamic | meaning |\n|---|---|---|---|")
                out += ["| `%s` | %s | %s | %s |" % (
                    r["name"], "" if r["default"] is None else "`%s`" % cell(r["default"]),
                    "yes" if r["dynamic"] else "", cell(r["doc"])) for r in some]
            else:
                out.append(", ".join("`%s`" % r["name"] for r in some))
            out.append("")
    return "\n".join(out)


def codes_of_sources():
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.[ch]")):
            for code, text in CODE.findall(path.read_text()):
                text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
                if text not in found.setdefault(code, []):
                    found[code].append(text)
    return found


def log_codes(levee):
    out = ["# Log codes", "",
           "Made from the program: `tools/config_doc.py --levee build-release/tools/levee` writes this page again.",
           "",
           "Each log line carries a code that keeps its meaning. `levee explain CODE` prints the advice for those that have one.",
           "1xxx process, 2xxx storage, 3xxx network, 4xxx topics and metadata, 5xxx groups, 8xxx tools.", ""]
    for code, texts in sorted(codes_of_sources().items()):
        done = run(levee, "explain", code)
        out.append("## %s" % code)
        if done.returncode == 0:
            lines = done.stdout.strip().splitlines()
            first = lines[0].removeprefix(code).lstrip(": ")
            out += ["", first, "", *[line.strip() for line in lines[1:] if line.strip()]]
        else:
            out += ["", *["- " + text for text in texts]]
        out.append("")
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description="the generated pages of docs/")
    parser.add_argument("--levee", required=True)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    code = 0
    for name, make in (("configuration.md", configuration), ("log-codes.md", log_codes)):
        path = ROOT / "docs" / name
        text = make(args.levee).rstrip() + "\n"
        if not args.check:
            path.write_text(text)
            continue
        have = path.read_text().splitlines() if path.exists() else []
        want = text.splitlines()
        if have != want:
            at = next((i for i, pair in enumerate(zip(have, want)) if pair[0] != pair[1]),
                      min(len(have), len(want)))
            print("docs/%s is not current, from line %d: %s" % (
                name, at + 1, want[at] if at < len(want) else "(end)"))
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
