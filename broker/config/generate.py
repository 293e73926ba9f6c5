#!/usr/bin/env python3
"""Schema of the configuration -> ids, typed values, tables, docs/configuration.md.  The format is in
schema/README.md.

generate.py write SCHEMA_DIR OUT_DIR   config_id.h, config_values.h and config_tables.c
generate.py page [--check]             docs/configuration.md; --check: exit 1 when it is not current
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / 'docs' / 'configuration.md'

# scope -> prefix of its ids, title on the page, prefix of its struct of values or None
SCOPES = {
    'broker': ('config', 'Broker', 'config'),
    'topic': ('topic_config', 'Topic', 'topic_config'),
    'group': ('group_config', 'Group', None),
    'client_metrics': ('client_metrics_config', 'Client metrics', None),
}
NUMBERS = {'i16': 15, 'i32': 31, 'i64': 63}
TYPES = [*NUMBERS, 'bool', 'double', 'string', 'list', 'password', 'class']
UNITS = {'ms': 'ms', 'millis': 'ms', 'bytes': 'bytes', 'seconds': 'seconds', 'secs': 'seconds',
         'minutes': 'minutes', 'hours': 'hours'}
# effect -> what the page says, and the meaning of a key that says nothing itself
EFFECTS = {
    'acts': ('acts', None),
    'stored': ('stored, without effect yet',
               'Accepted, validated and echoed; the feature behind it does not exist here yet.'),
    'ignored': ('no effect here', 'No effect here: levee has no such thread, buffer or pool.'),
    'refused': ('refused', 'Asks for protection that does not exist here yet: setting it ends the '
                           'start.'),
}
RULES = ['gzip_level', 'not_zero', 'throttled_replicas', 'ip_overrides', 'offset_reset']
LINKS = ('then', 'from', 'min', 'max')


class SchemaError(Exception):
    pass


def symbol(text):
    return re.sub(r'[^a-z0-9]', '_', text.lower())


def c_text(text):
    if text is None:
        return 'NULL'
    return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"')


class Key:
    """One key.  where: FILE:LINE, for messages."""

    def __init__(self, words, scope, where):
        if len(words) < 4:
            raise SchemaError(f'{where}: NAME TYPE DEFAULT ... EFFECT')
        self.name, self.type, default = words[:3]
        self.scope, self.where = scope, where
        self.default = None if default == 'null' else '' if default == '""' else default
        self.symbol = symbol(self.name)
        self.id = f'{SCOPES[scope][0]}_{self.symbol}'.upper()
        self.range, self.choices, self.unit, self.effect = None, [], None, None
        self.rule, self.internal, self.listener = None, False, False
        self.doc, self.links = None, {}
        self.dynamic = scope != 'broker'
        self.read(words[3:])
        self.check()

    def fail(self, text):
        raise SchemaError(f'{self.where}: {self.name}: {text}')

    def read(self, rest):
        rest = list(rest)
        while rest:
            word = rest.pop(0)
            if re.fullmatch(r'(-?\d+)?\.\.(-?\d+)?', word):
                self.range = word.split('..')
            elif word in EFFECTS and self.effect is None:
                self.effect = word
            elif word == 'dynamic' and self.scope == 'broker':
                self.dynamic = True
            elif word in ('internal', 'listener'):
                setattr(self, word, True)
            elif word in ('of', 'unit', 'rule', *LINKS) and rest:
                value = rest.pop(0)
                if word == 'of':
                    self.choices = value.split(',')
                elif word in LINKS:
                    self.links[word] = value
                else:
                    setattr(self, word, value)
            else:
                self.fail(f'unknown word "{word}"')

    def check(self):
        if self.type not in TYPES:
            self.fail(f'unknown type "{self.type}"')
        if self.effect is None:
            self.fail(f'no effect: one of {", ".join(EFFECTS)}')
        if self.rule is not None and self.rule not in RULES:
            self.fail(f'unknown rule "{self.rule}"')
        if self.range and self.type != 'double' and self.type not in NUMBERS:
            self.fail('a range, but no number')
        if self.choices and self.type not in ('string', 'list'):
            self.fail('choices, but no text')
        expected = UNITS.get(self.name.split('.')[-1]) if self.type in NUMBERS else None
        if self.unit != expected:
            self.fail(f'the unit of a key of that name is {expected}, not {self.unit}')
        if ('then' in self.links) and self.scope != 'broker':
            self.fail('then is of a broker\'s key')
        if set(self.links) & {'from', 'min', 'max'} and self.scope == 'broker':
            self.fail('from, min and max are not of a broker\'s key')
        self.check_default()

    def check_default(self):
        if self.default is None:
            return
        low, high = self.bounds()
        if self.type in NUMBERS and not low <= int(self.default) <= high:
            self.fail('the default is out of range')
        if self.type == 'double' and not low <= float(self.default) <= (
                high if high < 2 ** 63 - 1 else float('inf')):
            self.fail('the default is out of range')
        if self.type == 'bool' and self.default not in ('true', 'false'):
            self.fail('the default is neither true nor false')
        words = [] if self.type == 'list' and not self.default else self.default.split(',')
        if self.choices and not set(words) <= set(self.choices):
            self.fail('the default is none of the choices')

    def bounds(self):
        if self.type == 'double':
            full = 0, 2 ** 63 - 1
        elif self.type in NUMBERS:
            full = -2 ** NUMBERS[self.type], 2 ** NUMBERS[self.type] - 1
        else:
            return 0, 0
        given = self.range or ['', '']
        return tuple(int(text) if text else whole for text, whole in zip(given, full))

    def meaning(self):
        return self.doc or EFFECTS[self.effect][1]

    def member_type(self):
        """The C type of its value, or None: it has none.  A number that may be null has none, for
        it is nothing until it is set; a text that may change at runtime neither, for it lives in
        the image; a secret is nobody's to keep."""
        if self.type in NUMBERS:
            return f'int{NUMBERS[self.type] + 1}_t' if self.default is not None else None
        if self.type in ('bool', 'double'):
            return self.type if self.default is not None else None
        if self.choices:
            return 'uint32_t' if self.type == 'list' else f'enum {self.choice_enum()}'
        if self.type == 'string' and not self.dynamic:
            return 'const char *'
        return None

    def choice_enum(self):
        return f'{SCOPES[self.scope][0]}_{self.symbol}'


def read_scope(schema_dir, scope):
    path = pathlib.Path(schema_dir) / f'{scope}.keys'
    keys = []
    for number, line in enumerate(path.read_text().split('\n'), 1):
        where = f'{path}:{number}'
        if not line.strip() or line.startswith('#'):
            continue
        if not line.startswith(' '):
            keys.append(Key(line.split(), scope, where))
        elif not keys or keys[-1].doc is not None:
            raise SchemaError(f'{where}: a meaning, but no key above it')
        else:
            keys[-1].doc = line.strip()
    names = [key.name for key in keys]
    if names != sorted(set(names)):
        raise SchemaError(f'{path}: not by rising name, each once')
    return keys


def read_schema(schema_dir):
    schema = {scope: read_scope(schema_dir, scope) for scope in SCOPES}
    broker = {key.name: key for key in schema['broker']}
    for key in (key for keys in schema.values() for key in keys):
        if key.effect == 'acts' and key.doc is None:
            key.fail('it acts: say what it means')
        for word, name in key.links.items():
            if name not in broker:
                key.fail(f'{word} {name}: the broker has no such key')
            other = broker[name]
            if (other.type in NUMBERS) != (key.type in NUMBERS):
                key.fail(f'{word} {name}: the types do not fit')
            if word in ('min', 'max') and other.member_type() is None:
                key.fail(f'{word} {name}: may be null')
    return schema


# -- C -------------------------------------------------------------------------------------------

HEAD = '/* Generated by broker/config/generate.py from broker/config/schema; do not edit. */'


def guarded(name, body):
    guard = f'LEVEE_BROKER_CONFIG_{symbol(name).upper()}'
    return f'{HEAD}\n#ifndef {guard}\n#define {guard}\n\n{body}\n#endif\n'


def id_header(schema):
    out = ['/* The number of each key is its row in the table of its scope. */']
    for scope, keys in schema.items():
        prefix = SCOPES[scope][0]
        out += [f'enum {prefix}_id {{']
        if scope == 'broker':
            out += ['    CONFIG_NO_KEY = -1,']
        out += [f'    {key.id},' for key in keys] + [f'    {prefix.upper()}_ID_COUNT', '};', '']
    return guarded('config_id.h', '\n'.join(out))


def choice_enums(keys):
    out = []
    for key in keys:
        if not key.choices or key.member_type() is None:
            continue
        name = key.choice_enum()
        out.append(f'enum {name} {{' + (' /* bits of a list */' if key.type == 'list' else ''))
        for i, choice in enumerate(key.choices):
            value = f'1 << {i}' if key.type == 'list' else str(i)
            out.append(f'    {name.upper()}_{symbol(choice).upper()} = {value},')
        out += ['};', '']
    return out


def values_header(schema):
    out = ['#include <stdbool.h>', '#include <stdint.h>', '']
    for scope, keys in schema.items():
        struct = SCOPES[scope][2]
        if struct is None:
            continue
        out += choice_enums(keys)
        out += [f'/* The values of the {scope}\'s keys; what may be null or is text that changes has '
                'none. */', f'struct {struct}_values {{']
        for key in keys:
            kind = key.member_type()
            if kind is not None:
                out.append(f'    {kind}{"" if kind.endswith("*") else " "}{key.symbol};')
        out += ['};', '']
    return guarded('config_values.h', '\n'.join(out))


def c_number(value):
    return {2 ** 63 - 1: 'INT64_MAX', -2 ** 63: 'INT64_MIN'}.get(value, str(value))


def row(key):
    struct = SCOPES[key.scope][2]
    low, high = key.bounds()
    fields = [('name', c_text(key.name)), ('type', f'CONFIG_{key.type.upper()}'),
              ('effect', f'CONFIG_{key.effect.upper()}'), ('default_text', c_text(key.default))]
    if key.dynamic:
        fields.append(('dynamic', 'true'))
    if key.internal:
        fields.append(('internal', 'true'))
    if key.listener:
        fields.append(('listener', 'true'))
    if (low, high) != (0, 0):
        fields += [('min', c_number(low)), ('max', c_number(high))]
    if key.choices:
        fields.append(('choices', c_text(','.join(key.choices))))
    if key.unit:
        fields.append(('unit', f'CONFIG_UNIT_{key.unit.upper()}'))
    if key.rule:
        fields.append(('rule', f'CONFIG_RULE_{key.rule.upper()}'))
    fields.append(('doc', c_text(key.meaning())))
    for field, words in (('behind', ('then', 'from')), ('least', ('min',)), ('most', ('max',))):
        name = next((key.links[word] for word in words if word in key.links), None)
        fields.append((field, 'CONFIG_NO_KEY' if name is None
                       else f'CONFIG_{symbol(name).upper()}'))
    fields.append(('value_pos', f'offsetof(struct {struct}_values, {key.symbol})'
                   if struct and key.member_type() else 'CONFIG_NO_VALUE'))
    return '    {' + ', '.join(f'.{name} = {value}' for name, value in fields) + '},'


def tables(schema):
    out = [HEAD, '#include "broker/config/config_key.h"', '#include "broker/config/config_values.h"',
           '', '#include <stddef.h>', '']
    for scope, keys in schema.items():
        prefix = SCOPES[scope][0]
        out += [f'const struct config_key config_tables_{scope}[{prefix.upper()}_ID_COUNT] = {{']
        out += [row(key) for key in keys] + ['};', '']
    return '\n'.join(out)


def write(schema_dir, out_dir):
    schema = read_schema(schema_dir)
    out = pathlib.Path(out_dir)
    for name, text in (('config_id.h', id_header(schema)),
                       ('config_values.h', values_header(schema)),
                       ('config_tables.c', tables(schema))):
        (out / name).write_text(text)
    return 0


# -- the page ------------------------------------------------------------------------------------

def page(schema):
    lines = ['# Configuration', '',
             'Made by broker/config/generate.py from broker/config/schema, as the table that the '
             'parser uses; do not edit.', '']
    for scope, keys in schema.items():
        lines += ['## ' + SCOPES[scope][1], '', '| key | default | changeable | effect | meaning |',
                  '|---|---|---|---|---|']
        for key in keys:
            default = '' if key.default is None else '`%s`' % key.default
            lines.append('| `%s` | %s | %s | %s | %s |' % (
                key.name, default, 'yes' if key.dynamic else '', EFFECTS[key.effect][0],
                key.meaning()))
        lines.append('')
    return '\n'.join(lines)


def write_page(is_check):
    now = page(read_schema(HERE / 'schema'))
    if not is_check:
        PAGE.write_text(now)
        return 0
    if PAGE.read_text() != now:
        print('docs/configuration.md is not current; run broker/config/generate.py page')
        return 1
    print('docs/configuration.md is current')
    return 0


def main(args):
    if len(args) == 3 and args[0] == 'write':
        return write(args[1], args[2])
    if args[:1] == ['page']:
        return write_page('--check' in args)
    print(__doc__)
    return 2


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except SchemaError as error:
        sys.exit(str(error))
