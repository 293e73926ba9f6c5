#!/usr/bin/env python3
"""rules_doc: the second part of docs/rules.md out of the headers.

usage: rules_doc.py [LEVEE] [--check]     --check: exit 1 when the committed file is not current

A rule is a line of a header's comment, ` *   LOG-1  what holds`, and the lines that follow it, as far
as they are indented more.  LEVEE is not used: each of the generators is called with it.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = ROOT / "docs" / "rules.md"
MARK = "## Rules of the sources\n"
RULE = re.compile(r"^ \*( +)([A-Z]+-\d+)  +(\S.*)$")
ROOMS = ("base", "net", "record", "storage", "broker", "replication", "tools", "bench", "tests")


def headers():
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", *ROOMS],
                            check=True, capture_output=True, text=True).stdout.split("\n")
    return [name for name in listed if name.endswith(".h") and (ROOT / name).is_file()]


def rules_of(text):
    """[(id, what holds)] in the order of the header."""
    found = []
    indent = None
    for line in text.split("\n"):
        rule = RULE.match(line)
        more = re.match(r"^ \*( +)(\S.*)$", line)
        if rule:
            indent = len(rule[1])
            found.append([rule[2], rule[3]])
        elif more and indent is not None and len(more[1]) > indent:
            found[-1][1] += " " + more[2]
        else:
            indent = None
        if found and "*/" in found[-1][1]:
            found[-1][1] = found[-1][1].split("*/")[0].rstrip()
            indent = None
    return found


def all_rules():
    """[(header, [(id, what holds)])], those of the product first."""
    order = {room: place for place, room in enumerate(ROOMS)}
    tables = [(name, rules_of((ROOT / name).read_text())) for name in headers()]
    return sorted((one for one in tables if one[1]), key=lambda one: (order[one[0].split("/")[0]], one[0]))


def durability_rules():
    """The ids of the first part."""
    return re.findall(r"^\| (DUR-[A-Z]\d+) \|", PATH.read_text(), re.M)


def text_of():
    kept = PATH.read_text().split(MARK)[0]
    out = [MARK, "Made by docs/rules_doc.py from the headers, where they are to be changed.", ""]
    for name, rules in all_rules():
        out += ["`%s`" % name, "", "| id | what holds |", "|---|---|"]
        out += ["| %s | %s |" % (rule, said.replace("|", "\\|")) for rule, said in rules] + [""]
    return kept + "\n".join(out).rstrip() + "\n"


def main():
    now = text_of()
    if "--check" in sys.argv:
        if PATH.read_text() != now:
            print("docs/rules.md is not current; run docs/rules_doc.py")
            return 1
        print("docs/rules.md is current")
        return 0
    PATH.write_text(now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
