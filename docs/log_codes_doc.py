#!/usr/bin/env python3
"""log_codes_doc: docs/log-codes.md out of the log lines in the sources and `levee explain`.

usage: log_codes_doc.py LEVEE [--check]     --check: exit 1 when the committed file is not current
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = ROOT / "docs" / "log-codes.md"
ROOMS = ("base", "net", "storage", "broker", "replication", "tools")
CODE = re.compile(r'"(LVE-\d{4})"\s*,\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')


def codes_of_sources():
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.[ch]")):
            for code, text in CODE.findall(path.read_text()):
                text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
                if text not in found.setdefault(code, []):
                    found[code].append(text)
    return found


def text_of(levee):
    out = ["# Log codes", "", "Made by docs/log_codes_doc.py from the sources; do not edit.", "",
           "Each log line carries a code that keeps its meaning. `levee explain CODE` prints the advice for those that have one.",
           "1xxx process, 2xxx storage, 3xxx network, 4xxx topics and metadata, 5xxx groups, 8xxx tools.", ""]
    for code, texts in sorted(codes_of_sources().items()):
        out.append("## " + code)
        done = subprocess.run([levee, "explain", code], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=30)
        if done.returncode == 0:
            lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
            out += ["", lines[0].removeprefix(code).lstrip(": "), "", *lines[1:]]
        else:
            out += ["", *["- " + text for text in texts]]
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def main():
    now = text_of(sys.argv[1])
    if "--check" in sys.argv:
        if PATH.read_text() != now:
            print("docs/log-codes.md is not current; run docs/log_codes_doc.py %s" % sys.argv[1])
            return 1
        print("docs/log-codes.md is current")
        return 0
    PATH.write_text(now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
