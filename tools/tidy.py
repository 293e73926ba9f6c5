#!/usr/bin/env python3
"""tidy: the house rules as a test.  usage: tools/tidy.py BUILD_DIR

- includes point down only (base <- record <- storage <- broker <- replication <- tools, bench, tests;
  base <- net <- broker), and net knows neither record nor storage; net/client, a room of its own
  above net and record, is looked into by replication, tools, bench and tests; bench measures the
  load tools, too
- objects of the core call no function outside an allow-list: no clock, chance, socket, file,
  thread or heap but through the seams
- a partition's log is used by the partition's own files alone, and no handler includes it
- no objects of storage call each other in a circle: news goes up through callbacks
- files and functions keep a human size; exceptions stand in tools/tidy_exceptions.txt, a list that
  may only shrink
- each log code in a source has its row in base/log_codes.h, each row is used, and one code says one
  thing
- each rule that a comment or a page cites stands in docs/rules.md, whose second part is current; a
  rule's prefix belongs to one header
- each file that a comment names exists
- no test says gt(): in Criterion 2.4.1 it is ge(); lt() with the sides swapped is what it says
- headers compile alone
- clang-format agrees
"""

import importlib.util
import os
import re
import subprocess
import sys

ROOMS = {
    'base': set(),
    'net': {'base'},
    'net/client': {'base', 'net', 'record'},
    'record': {'base'},
    'storage': {'base', 'record'},
    'broker': {'base', 'net', 'record', 'storage'},
    'replication': {'base', 'net', 'net/client', 'record', 'storage', 'broker'},
    'tools': {'base', 'net', 'net/client', 'record', 'storage', 'broker', 'replication'},
    'bench': {'base', 'net', 'net/client', 'record', 'storage', 'broker', 'replication', 'tools'},
}
# Headers that are pieces of a file, included where their macros are defined.
PIECES = {'base/log_codes.h', 'base/crc32c_three_way.h', 'base/metric_list.h'}

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 80

# The files that touch the system: the seams' production side, and the entrances.
SYSTEM_FILES = {
    'base/check.c', 'base/mem.c', 'base/clock_system.c', 'base/log_stderr.c', 'base/system_memory.c',
    'base/io_choose.c', 'base/io_probe.c', 'base/io_files.c', 'base/io_plain.c', 'base/io_plain_files.c', 'base/io_plain_sockets.c', 'base/io_sockets.c',
    'base/io_threads.c', 'base/io_uring.c', 'base/io_uring_files.c', 'base/io_uring_sockets.c', 'base/offload.c',
    'broker/http.c', 'broker/process_metrics.c', 'broker/serve.c', 'net/client/client_names.c',
}

# What core code may call of the C library: pure functions on memory.
ALLOWED = re.compile(r'''^(
    mem(cpy|move|set|cmp|chr|rchr|mem|pcpy)|__mem\w+_chk|str(len|cmp|ncmp|chr|rchr|cspn|spn|str|nlen|
    casecmp|ncasecmp|tod|toll|toull|pbrk)|__str\w+_chk|(v?snprintf)|__v?snprintf_chk|
    __isoc99_sscanf|qsort|bsearch|tolower|toupper|__ctype_\w+_loc|abort|ldexp|floor|ceil|fmod|round|log|pow|sin|cos|
    __stack_chk_fail|__assert_fail|_GLOBAL_OFFSET_TABLE_|__errno_location|
    XXH\w+|LZ4\w*|ZSTD_\w+|snappy_\w+|deflate\w*|inflate\w*|crc32\w*|
    __(asan|ubsan|sanitizer|tsan)\w+|__tls_get_addr|__popcountdi2|__cpu_model|__cpu_features2|__cpu_indicator_init|
    inet_ntop|inet_pton|compressBound|pcre2_\w+_8
)$''', re.X)

problems = []


def problem(text):
    problems.append(text)
    print(f'tidy: {text}')


def tracked(*suffixes):
    out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], check=True,
                         capture_output=True, text=True).stdout.split('\n')
    return [p for p in out if p.endswith(suffixes) and os.path.exists(p)]


def room_of(path):
    return 'net/client' if path.startswith('net/client/') else path.split('/')[0]


def check_includes(paths):
    for path in paths:
        room = room_of(path)
        if room not in ROOMS:
            continue
        for number, line in enumerate(open(path), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            other = room_of(match[1])
            if other in ROOMS and other != room and other not in ROOMS[room]:
                problem(f'{path}:{number}: {room} may not include {match[1]}')
            if other == 'tests':
                problem(f'{path}:{number}: {room} may not include {match[1]}')


# Who may look into a partition for its log: its own verbs, and the table that opens and deletes it.
LOG_USERS = re.compile(r'broker/(partition(_\w+)?|time_lookup|topic_table)\.[ch]$')


def check_faces(paths):
    for path in paths:
        if room_of(path) != 'broker':
            continue
        text = open(path).read()
        if not LOG_USERS.match(path) and re.search(r'\bpartition(->|\.)log\b', text):
            problem(f'{path}: uses the log of a partition; its verbs are in broker/partition*.h')
        if path.startswith('broker/handlers/') and '"storage/log/log.h"' in text:
            problem(f'{path}: a handler speaks to partitions, not to logs')


def defined_and_used(archive):
    """Object name -> undefined symbols; and all symbols defined in the archive."""
    out = subprocess.run(['nm', '-A', archive], capture_output=True, text=True, check=True).stdout
    used, defined = {}, set()
    for line in out.splitlines():
        match = re.match(r'[^:]+:([^:]+):\s*([0-9a-f]*)\s+(\w)\s+(\S+)', line)
        if not match:
            continue
        if match[3] == 'U':
            used.setdefault(match[1], set()).add(match[4])
        elif match[3] in 'TtDdBbRrVWu':
            defined.add(match[4])
    return used, defined


def check_symbols(build):
    archives = [os.path.join(build, p) for p in (
        'base/libbase.a', 'net/libprotocol.a', 'net/libnet.a', 'record/librecord.a', 'net/client/libclient.a',
        'storage/libstorage.a', 'broker/libbroker.a', 'replication/libreplication.a')]
    archives = [a for a in archives if os.path.exists(a)]
    tables = [(a, *defined_and_used(a)) for a in archives]
    ours = set().union(*(defined for _, _, defined in tables))
    for archive, used, _ in tables:
        room = archive.split('/')[-2]
        for name, symbols in sorted(used.items()):
            source = room + '/' + re.sub(r'\.c\.o$', '.c', name).replace('_', '/', 0)
            if any(s.split('/')[-1] == os.path.basename(source) or
                   s.replace('/', '_') in (room + '_' + os.path.basename(source))
                   for s in SYSTEM_FILES):
                continue
            for symbol in sorted(symbols):
                if symbol not in ours and not ALLOWED.match(symbol):
                    problem(f'{source}: calls {symbol}, which is not behind a seam')


def exceptions():
    path = 'tools/tidy_exceptions.txt'
    table = {}
    if os.path.exists(path):
        for line in open(path):
            line = line.split('#')[0].split()
            if len(line) == 2:
                table[line[0]] = int(line[1])
    return table


# Rooms whose objects call each other down only.
ROOMS_WITHOUT_CIRCLES = ['storage']


def circles(edges):
    """Strongly connected sets of more than one (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def check_circles(build):
    for room in ROOMS_WITHOUT_CIRCLES:
        archive = os.path.join(build, room, f'lib{room}.a')
        if not os.path.exists(archive):
            continue
        owner, used = {}, {}
        out = subprocess.run(['nm', '-A', archive], capture_output=True, text=True, check=True)
        for line in out.stdout.splitlines():
            match = re.match(r'[^:]+:([^:]+):\s*[0-9a-f]*\s+(\w)\s+(\S+)', line)
            if match and match[2] in 'TDBR':
                owner[match[3]] = match[1]
            elif match and match[2] == 'U':
                used.setdefault(match[1], set()).add(match[3])
        edges = {name: set() for name in set(owner.values()) | set(used)}
        for name, symbols in used.items():
            edges[name] = {owner[s] for s in symbols if s in owner} - {name}
        for circle in circles(edges):
            problem(f'{room}: a circle of calls: ' + ', '.join(
                os.path.basename(name).replace('.c.o', '.c') for name in circle))


def functions_of(path):
    """(name, lines) of each function: from its opening brace in column 0 to the closing one."""
    lines = open(path).read().split('\n')
    start, name = None, None
    for i, line in enumerate(lines):
        if line == '{' and start is None:
            start = i
            header = ' '.join(lines[max(0, i - 6):i])
            found = re.findall(r'(\w+)\s*\([^;{}]*$', header)
            name = found[0] if found else '?'
        elif line.startswith('}') and start is not None:
            yield name, i - start - 1
            start = None


def check_sizes(paths):
    allowed = exceptions()
    seen = set()
    for path in paths:
        if room_of(path) not in ROOMS:
            continue
        count = sum(1 for _ in open(path))
        limit = allowed.get(path, FILE_LINES_MAX)
        seen.add(path)
        if count > limit:
            problem(f'{path}: {count} lines, over {limit}; does a second noun want to move out?')
        elif path in allowed and count <= FILE_LINES_MAX:
            problem(f'{path}: {count} lines; take it off tools/tidy_exceptions.txt')
        if path.endswith('.c'):
            for name, lines in functions_of(path):
                key = f'{path}:{name}'
                limit = allowed.get(key, FUNCTION_LINES_MAX)
                if lines > limit:
                    problem(f'{key}: {lines} lines, over {limit}')
    for key in allowed:
        if key.split(':')[0] not in seen:
            problem(f'tools/tidy_exceptions.txt: {key} does not exist any more')


def check_format(paths):
    result = subprocess.run(['clang-format', '--dry-run', '-Werror', *paths], capture_output=True,
                            text=True)
    if result.returncode != 0:
        names = sorted(set(re.findall(r'^([^:\s]+):\d+', result.stderr, re.M)))
        for name in names:
            problem(f'{name}: clang-format -i would change it')


def check_headers(paths, build):
    for path in paths:
        if not path.endswith('.h') or room_of(path) not in ROOMS or \
                path in PIECES:
            continue
        result = subprocess.run(
            ['gcc', '-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-I.', f'-I{build}',
             '-Wno-unused-parameter', '-fsyntax-only', '-x', 'c', '-'],
            input=f'#include "{path}"\n', capture_output=True, text=True)
        if result.returncode != 0:
            first = result.stderr.strip().splitlines()[0]
            problem(f'{path}: does not compile alone: {first}')


# A code in front of a message, as in log_line(..., "LVE-2101", "message") or at the start of a text.
CODE_USED = re.compile(r'"(LVE-\d{4})(?:"\s*,\s*((?:"(?:[^"\\]|\\.)*"\s*)+)| )')


def check_log_codes(paths):
    rows = set(re.findall(r'^LOG_CODE\(\s*"(LVE-\d{4})"', open('base/log_codes.h').read(), re.M))
    messages = {}  # code -> message -> the first file that says it
    for path in paths:
        if room_of(path) not in ROOMS or path == 'base/log_codes.h':
            continue
        text = open(path).read()
        for code in sorted(set(re.findall(r'LVE-\d+', text)) - rows):
            problem(f'{path}: {code} has no row in base/log_codes.h')
        for code, message in CODE_USED.findall(text) if path.endswith('.c') else ():
            message = ''.join(re.findall(r'"((?:[^"\\]|\\.)*)"', message))
            messages.setdefault(code, {}).setdefault(message, path)
    for code in sorted(rows - set(messages)):
        problem(f'base/log_codes.h: no source uses {code}')
    for code, said in sorted(messages.items()):
        if len(said) > 1:
            problem(f'{code} says two things: ' + '; '.join(
                f'"{message}" in {path}' for message, path in sorted(said.items())))


# What a comment cites as a rule, and what looks like one and is a standard's.
RULE_CITED = re.compile(r'\b([A-Z]{2,5})-([A-Z]?\d+)\b')
OTHER_IDS = {'KIP', 'KAFKA', 'LVE', 'UTF', 'SHA', 'RFC', 'ISO', 'CRC', 'AVX'}
# A rule under its number alone says nothing outside of its header.
RULE_BARE = re.compile(r'(?<![\w.\[-])[A-Z]\d{1,2}(?![\w\]-])')
NO_RULES = {'V2'}  # of HdrHistogram
FILE_NAMED = re.compile(r'(?<![\w./<{$-])((?:[\w-]+/)*[\w-]+\.(?:c|h|py|md))\b(?!\()')
# Made by the build.
GENERATED_NAMES = {'config_id.h', 'config_values.h'}
COMMENT = re.compile(r'/\*.*?\*/', re.S)


def comments(path):
    return COMMENT.findall(open(path).read()) if path.endswith(('.c', '.h')) else [open(path).read()]


def check_rules(paths):
    docs = rules_doc()
    known = set(docs.durability_rules())
    owner = {}
    for header, rules in docs.all_rules():
        for rule, _ in rules:
            prefix = rule.split('-')[0]
            if owner.setdefault(prefix, header) != header or rule in known:
                problem(f'{header}: {rule} is a rule of {owner[prefix]}, too')
            known.add(rule)
    if docs.PATH.read_text() != docs.text_of():
        problem('docs/rules.md is not current; run docs/rules_doc.py')
    for path in paths + tracked('.md'):
        for text in comments(path):
            for cited in RULE_CITED.finditer(text):
                if cited[1] not in OTHER_IDS and cited[0] not in known:
                    problem(f'{path}: {cited[0]} is no rule of docs/rules.md')
            for bare in RULE_BARE.findall(text) if path.endswith(('.c', '.h')) else ():
                if bare not in NO_RULES:
                    problem(f'{path}: which {bare}? say it with its prefix, as docs/rules.md has it')


def check_names(paths):
    listed = set(tracked(''))
    names = {os.path.basename(path) for path in listed} | GENERATED_NAMES
    for path in paths:
        for text in comments(path):
            for named in FILE_NAMED.findall(text):
                known = named in names if '/' not in named else any(
                    one == named or one.endswith('/' + named) for one in listed)
                if not known:
                    problem(f'{path}: names {named}, which does not exist')


def rules_doc():
    spec = importlib.util.spec_from_file_location('rules_doc', 'docs/rules_doc.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# An assertion of Criterion's that lets equal values pass.
GT_USED = re.compile(r'\bgt\((?:u?int|[uif](?:8|16|32|64)|sz|flt|dbl|str|ptr|chr|\w+_t)\s*,')


def check_assertions(paths):
    for path in paths:
        if path.startswith('tests/') and GT_USED.search(open(path).read()):
            problem(f'{path}: gt() is ge() in Criterion 2.4.1; say lt() with the sides swapped')


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else 'build-debug'
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    paths = tracked('.c', '.h')
    check_includes(paths)
    check_faces(paths)
    check_symbols(build)
    check_circles(build)
    check_sizes(paths)
    check_log_codes(paths)
    check_rules(paths)
    check_names(paths)
    check_assertions(paths)
    check_headers(paths, build)
    check_format(paths)
    if problems:
        print(f'tidy: {len(problems)} problems')
        return 1
    print(f'tidy: {len(paths)} files in order')
    return 0


if __name__ == '__main__':
    sys.exit(main())
