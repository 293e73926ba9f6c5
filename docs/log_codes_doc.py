#!/usr/bin/env python3
"""log_codes_doc: docs/log-codes.md out of base/log_codes.h, as `levee explain` prints it.

usage: log_codes_doc.py LEVEE [--check]     --check: exit 1 when the committed file is not current
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = ROOT / "docs" / "log-codes.md"
ROW = re.compile(r'^LOG_CODE\(\s*"(LVE-\d{4})"', re.M)


def text_of(levee):
    out = ["# Log codes", "", "Made by docs/log_codes_doc.py from base/log_codes.h; do not edit.", "",
           "Each log line carries a code that keeps its meaning. `levee explain CODE` prints the same.",
           "1xxx process, 2xxx storage, 3xxx network, 4xxx topics and metadata, 5xxx groups.", ""]
    for code in ROW.findall((ROOT / "base" / "log_codes.h").read_text()):
        told = subprocess.run([levee, "explain", code], check=True, stdout=subprocess.PIPE,
                              text=True, timeout=30).stdout.splitlines()
        out += ["## " + code, "", told[0].removeprefix(code + ": "), "", *told[1:], ""]
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
