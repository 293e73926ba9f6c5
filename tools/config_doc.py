#!/usr/bin/env python3
"""config_doc: docs/configuration.md out of `levee config list --format json`.

usage: config_doc.py LEVEE [--check]     --check: exit 1 when the committed file is not current
"""
import json
import pathlib
import subprocess
import sys

PATH = pathlib.Path(__file__).resolve().parent.parent / 'docs' / 'configuration.md'


def text(levee):
    out = subprocess.run([levee, 'config', 'list', '--format', 'json'], check=True,
                         capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    lines = ['# Configuration', '',
             'Made by tools/config_doc.py from the table that the parser uses; do not edit.', '']
    for scope, title in (('broker', 'Broker'), ('topic', 'Topic')):
        lines += ['## ' + title, '', '| key | default | changeable | effect | meaning |',
                  '|---|---|---|---|---|']
        for row in rows:
            if row['scope'] == scope:
                default = '' if row['default'] is None else '`%s`' % row['default']
                lines.append('| `%s` | %s | %s | %s | %s |' % (
                    row['name'], default, 'yes' if row['dynamic'] else '', row['effect'],
                    row['doc']))
        lines.append('')
    return '\n'.join(lines)


def main():
    now = text(sys.argv[1])
    if '--check' in sys.argv:
        if PATH.read_text() != now:
            print('docs/configuration.md is not current; run tools/config_doc.py %s' % sys.argv[1])
            return 1
        print('docs/configuration.md is current')
        return 0
    PATH.write_text(now)
    return 0


if __name__ == '__main__':
    sys.exit(main())
