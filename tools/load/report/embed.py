#!/usr/bin/env python3
"""embed: text files as arrays of C.   usage: embed.py OUT.c FILE..."""
import pathlib
import sys

out = ['#include "tools/load/load_report_assets.h"', '']
for name in sys.argv[2:]:
    path = pathlib.Path(name)
    data = path.read_bytes()
    symbol = "load_report_assets_" + path.suffix[1:]
    out.append("const char %s[] = {" % symbol)
    for pos in range(0, len(data), 20):
        out.append("    " + " ".join("%d," % (byte - 256 if byte > 127 else byte) for byte in data[pos:pos + 20]))
    out.append("    0};")
pathlib.Path(sys.argv[1]).write_text("\n".join(out) + "\n")
