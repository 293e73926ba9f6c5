#!/usr/bin/env python3
"""Schema files -> C structs and descriptor tables.  The format is in schema/README.md.

generate.py list  PREFIX SCHEMA_DIR...                       names of the headers to be written
generate.py write PREFIX INCLUDE_DIR OUT_DIR SCHEMA_DIR...   all headers and PREFIX_tables.c

INCLUDE_DIR is how the output is included: "net/protocol".

For each schema file FILE.schema there is msg_FILE.h; for each directory DIR that holds such files
all_DIR.h includes its headers.  PREFIX_tables.h lists every message, API and record type.
errors.tsv and enums.tsv, where present, become PREFIX_errors.h and PREFIX_enums.h.
"""

import os
import re
import sys

MAX = 32767
# C type, size on the wire or None where it depends on the flexible form
NUMBERS = {
    'bool': ('bool', 1), 'int8': ('int8_t', 1), 'int16': ('int16_t', 2),
    'uint16': ('uint16_t', 2), 'int32': ('int32_t', 4), 'uint32': ('uint32_t', 4),
    'int64': ('int64_t', 8), 'float64': ('double', 8), 'uvarint': ('uint32_t', 1),
    'varint': ('int32_t', 1), 'varlong': ('int64_t', 1),
}
OTHERS = {
    'uuid': ('struct uuid', 16), 'string': ('struct wire_string', None),
    'bytes': ('struct wire_bytes', None), 'records': ('struct wire_records', None),
    'vstring': ('struct wire_string', 1), 'vbytes': ('struct wire_bytes', 1),
}
KINDS = ['header', 'request', 'response', 'layout', 'control', 'protocol', 'data', 'group_key',
         'group_value', 'txn_key', 'txn_value', 'share_key', 'share_value', 'metadata']
C_WORDS = set('''auto break case char const continue default do double else enum extern float for
goto if inline int long register restrict return short signed sizeof static struct switch typedef
union unsigned void volatile while bool true false asm typeof'''.split())


class SchemaError(Exception):
    pass


def snake(name):
    name = name.replace('KRaft', 'Kraft')
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    return name.lower()


def parse_range(text):
    match = re.fullmatch(r'(\d+)(\+|-(\d+))?', text)
    if not match:
        raise SchemaError(f'bad version range "{text}"')
    low = int(match[1])
    high = low if not match[2] else MAX if match[2] == '+' else int(match[3])
    if high < low:
        raise SchemaError(f'empty version range "{text}"')
    return low, high


def has(version_range, version):
    return version_range is not None and version_range[0] <= version <= version_range[1]


class Struct:
    def __init__(self, name, c_name):
        self.name, self.c_name, self.fields = name, c_name, []
        self.holds_itself = False


class Field:
    def __init__(self, words, where):
        self.name, type_text = words[0], words[1]
        if not re.fullmatch(r'[a-z][a-z0-9_]*', self.name) or self.name in C_WORDS:
            raise SchemaError(f'{where}: bad field name "{self.name}"')
        self.array = type_text.startswith('[')
        self.varray = type_text.startswith('[v]')
        self.type = type_text.split(']')[-1]
        self.struct = None
        self.versions, self.null, self.tag, self.tagged = (0, MAX), None, 0, None
        self.default, self.flags = None, set()
        rest = words[2:]
        if rest and rest[0][0].isdigit():
            self.versions = parse_range(rest.pop(0))
        while rest:
            word = rest.pop(0)
            if word == 'null':
                self.null = parse_range(rest.pop(0))
            elif word == 'tag':
                self.tag, self.tagged = int(rest.pop(0)), parse_range(rest.pop(0))
            elif word == 'default':
                self.default = rest.pop(0)
            elif word in ('ignorable', 'key', 'noflex', 'zerocopy', 'secret'):
                self.flags.add(word)
            else:
                raise SchemaError(f'{where}: unknown word "{word}"')
        if self.default == 'null' and self.null is None:
            raise SchemaError(f'{where}: default null, but never nullable')
        if self.null and not self.array and self.type in NUMBERS:
            raise SchemaError(f'{where}: a number cannot be null')

    @property
    def is_pointer(self):
        return self.struct is not None and not self.array and self.null is not None


class Message:
    def __init__(self, words, where):
        self.name, self.kind = words[1], words[2]
        self.c_name, self.structs, self.where = snake(self.name), {}, where
        self.key, self.flexible, self.header, self.unstable = -1, None, None, None
        self.versions = None
        if self.kind not in KINDS:
            raise SchemaError(f'{where}: unknown kind "{self.kind}"')
        rest = words[3:]
        while rest:
            word = rest.pop(0)
            if word == 'type':
                self.key = int(rest.pop(0))
            elif word == 'versions':
                self.versions = parse_range(rest.pop(0))
            elif word == 'flexible':
                self.flexible = parse_range(rest.pop(0))[0]
            elif word == 'header':
                self.header = int(rest.pop(0))
            elif word == 'unstable':
                self.unstable = parse_range(rest.pop(0))[0]
            else:
                raise SchemaError(f'{where}: unknown word "{word}"')
        if self.versions is None or self.versions[1] == MAX:
            raise SchemaError(f'{where}: a message needs a closed range of versions')
        self.body = Struct(self.name, self.c_name)

    def add_struct(self, name, where):
        if name in self.structs:
            raise SchemaError(f'{where}: struct {name} is there twice')
        short = name[len(self.name):] if name.startswith(self.name) else name
        if not short:
            raise SchemaError(f'{where}: struct {name} is named as its message')
        self.structs[name] = Struct(name, f'{self.c_name}_{snake(short)}')
        return self.structs[name]

    @property
    def stable_max(self):
        return self.versions[1] if self.unstable is None else self.unstable - 1


class Api:
    def __init__(self, words, where):
        self.name, self.key, self.where = words[1], int(words[2]), where
        self.advertised, self.served, self.flags = None, None, set()
        rest = words[3:]
        while rest:
            word = rest.pop(0)
            if word == 'advertised':
                text = rest.pop(0)
                self.advertised = None if text == 'none' else parse_range(text)
            elif word == 'served':
                self.served = parse_range(rest.pop(0))
            elif word == 'listeners':
                self.flags |= {f'{name}_listener' for name in rest.pop(0).split(',')}
            elif word in ('client', 'cluster_action', 'forwarded'):
                self.flags.add(word)
            else:
                raise SchemaError(f'{where}: unknown word "{word}"')
        self.served = self.served or self.advertised


class SchemaFile:
    def __init__(self, path):
        self.path = path
        self.stem = os.path.basename(path)[:-len('.schema')]
        self.dir = os.path.basename(os.path.dirname(path))
        self.api, self.messages = None, []
        with open(path, encoding='utf-8') as file:
            self.parse(file)
        for message in self.messages:
            resolve(message)
            if self.api and message.kind in ('request', 'response'):
                message.key = self.api.key

    def parse(self, file):
        message, stack = None, []
        for number, line in enumerate(file, 1):
            where = f'{self.path}:{number}'
            text = line.split('#')[0].rstrip()
            if not text:
                continue
            words, indent = text.split(), len(text) - len(text.lstrip())
            if indent % 4 or '\t' in text:
                raise SchemaError(f'{where}: indent by four spaces')
            depth = indent // 4
            try:
                if depth == 0 and words[0] == 'api':
                    self.api = Api(words, where)
                elif depth == 0 and words[0] == 'message':
                    message = Message(words, where)
                    self.messages.append(message)
                    stack = [message.body]
                elif depth < 1 or depth > len(stack) or message is None:
                    raise SchemaError(f'{where}: does not belong to anything')
                elif words[0] == 'struct' and depth == 1 and len(words) == 2:
                    stack = [message.body, message.add_struct(words[1], where)]
                else:
                    field = Field(words, where)
                    del stack[depth:]
                    if stack[-1] is None:
                        raise SchemaError(f'{where}: the field above is no struct of its own')
                    stack[-1].fields.append(field)
                    field.where = where
                    stack.append(self.open_struct(message, field, where))
            except IndexError as error:
                raise SchemaError(f'{where}: the line ends too early') from error
            except ValueError as error:
                raise SchemaError(f'{where}: {error}') from error

    @staticmethod
    def open_struct(message, field, where):
        """The struct that deeper lines would define: made when the first of them comes."""
        if field.type in NUMBERS or field.type in OTHERS:
            return None
        if not field.type[:1].isupper():
            raise SchemaError(f'{where}: unknown type "{field.type}"')
        return Pending(message, field.type, where)


class Pending(Struct):
    """A struct whose fields may follow its first use.  Registers itself with the first field."""

    class Fields(list):
        def __init__(self, owner):
            super().__init__()
            self.owner = owner

        def append(self, field):
            owner = self.owner
            if owner.real is None:
                owner.real = owner.message.add_struct(owner.name, owner.where)
            owner.real.fields.append(field)

    def __init__(self, message, name, where):
        super().__init__(name, '')
        self.message, self.where, self.real = message, where, None
        self.fields = Pending.Fields(self)


def resolve(message):
    """Ties field types to structs, and puts the structs into an order that C accepts."""
    order, state = [], {}

    def visit(struct):
        if state.get(struct.name) == 'open':
            raise SchemaError(f'{message.where}: struct {struct.name} holds itself')
        if struct.name in state:
            return
        state[struct.name] = 'open'
        names, tags = set(), set()
        for field in struct.fields:
            if field.name in names:
                raise SchemaError(f'{field.where}: field {field.name} is there twice')
            names.add(field.name)
            if field.tagged:
                if field.tag in tags:
                    raise SchemaError(f'{field.where}: tag {field.tag} is there twice')
                tags.add(field.tag)
                if message.flexible is None or field.tagged[0] < message.flexible:
                    raise SchemaError(f'{field.where}: tagged before the message is flexible')
            if field.type not in NUMBERS and field.type not in OTHERS:
                if field.type not in message.structs:
                    raise SchemaError(f'{field.where}: no struct {field.type}')
                field.struct = message.structs[field.type]
                visit(field.struct)
        state[struct.name] = 'done'
        order.append(struct)

    visit(message.body)
    unused = set(message.structs) - {struct.name for struct in order}
    if unused:
        raise SchemaError(f'{message.where}: unused struct {", ".join(sorted(unused))}')
    message.order = order


# -- C ------------------------------------------------------------------------------------------

def element_type(field):
    if field.struct:
        return f'struct {field.struct.c_name}'
    return (NUMBERS.get(field.type) or OTHERS[field.type])[0]


def member(field):
    c_type = element_type(field)
    gap = '' if c_type.endswith('*') else ' '
    if field.array:
        text = f'struct {{\n        {c_type} *items;\n        int32_t count;\n    }} {field.name};'
    elif field.is_pointer:
        text = f'const {c_type} *{field.name};'
    else:
        text = f'{c_type}{gap}{field.name};'
    return '    ' + text


def versions_text(version_range):
    low, high = version_range
    return f'{low}+' if high == MAX else str(low) if low == high else f'{low}-{high}'


def member_comment(field):
    parts = []
    if field.versions != (0, MAX):
        parts.append(versions_text(field.versions))
    if field.null:
        parts.append(f'null {versions_text(field.null)}')
    if field.tagged:
        parts.append(f'tag {field.tag}')
    if field.default is not None:
        parts.append(f'default {field.default}')
    parts += sorted(field.flags & {'ignorable', 'secret'})
    return f' /* {", ".join(parts)} */' if parts else ''


def guard(name):
    return 'LEVEE_GENERATED_' + re.sub(r'[^A-Z0-9]', '_', name.upper())


GENERATED = '/* Generated by net/protocol/generate.py; do not edit. */\n'


def header(name, body, includes):
    lines = [GENERATED + f'#ifndef {guard(name)}', f'#define {guard(name)}', '']
    lines += [f'#include {include}' for include in includes] + ['', '']
    return '\n'.join(lines) + body + '\n#endif\n'


def message_header(file):
    out = []
    for message in file.messages:
        for struct in message.order:
            if struct is message.body:
                flexible = '' if message.flexible is None else f', flexible {message.flexible}+'
                out.append(f'/* {message.name}: versions {versions_text(message.versions)}'
                           f'{flexible} */')
            out.append(f'struct {struct.c_name} {{')
            out += [member(field) + member_comment(field) for field in struct.fields]
            if not struct.fields:
                out.append('    char no_fields; /* C wants a member */')
            out.append('};\n')
        for struct in message.order:
            if struct is not message.body:
                out.append(f'extern const struct struct_desc {struct.c_name}_struct;')
        out.append(f'extern const struct message_desc {message.c_name}_desc;\n')
    return header(f'msg_{file.stem}.h', '\n'.join(out), ['"net/protocol/codec.h"'])


def is_flexible(message, version):
    return message.flexible is not None and version >= message.flexible


def min_size(message, struct, version):
    """The least number of bytes that a value of this struct takes on the wire."""
    flexible = is_flexible(message, version)
    total = 1 if flexible else 0
    for field in struct.fields:
        if not has(field.versions, version) or has(field.tagged, version):
            continue
        if field.varray:
            total += 1
        elif field.array:
            total += 1 if flexible else 4
        elif field.struct:
            total += 1 if has(field.null, version) else min_size(message, field.struct, version)
        else:
            size = (NUMBERS.get(field.type) or OTHERS[field.type])[1]
            if size is None:
                compact = flexible and 'noflex' not in field.flags
                size = 1 if compact else 2 if field.type == 'string' else 4
            total += size
    return total


def range_text(version_range):
    low, high = version_range or (1, 0)
    return f'{{{low}, {"INT16_MAX" if high == MAX else high}}}'


def number_default(field):
    if field.default in (None, 'null', 'false'):
        return '0'
    if field.default == 'true':
        return '1'
    if field.type == 'float64':
        raise SchemaError(f'{field.where}: a float64 has default 0 only')
    value = int(field.default)
    return 'INT64_MIN' if value == -2 ** 63 else f'INT64_C({value})'


def zero_default(field):
    if field.default == 'null':
        # a null string or bytes is zeroes; a null array or records is not
        return field.is_pointer or (not field.array and field.type not in ('records',))
    if field.array:
        return True
    if field.struct:
        return not field.is_pointer and all(zero_default(inner) for inner in field.struct.fields)
    if field.type in NUMBERS:
        return number_default(field) in ('0', 'INT64_C(0)')
    return field.type in ('uuid', 'records')


def field_flags(field):
    flags = []
    for word in ('ignorable', 'noflex', 'secret'):
        if word in field.flags:
            flags.append('FIELD_' + word.upper())
    if field.array:
        flags.append('FIELD_ARRAY')
    if field.varray:
        flags.append('FIELD_VARRAY')
    if field.is_pointer:
        flags.append('FIELD_POINTER')
    if field.default == 'null':
        flags.append('FIELD_NULL_DEFAULT')
    if zero_default(field):
        flags.append('FIELD_ZERO_DEFAULT')
    return ' | '.join(flags) or '0'


def initializer(struct):
    """A C initializer of a struct with its defaults."""
    parts = []
    for field in struct.fields:
        if zero_default(field):
            continue
        if field.default == 'null':
            value = '{.is_null = true}' if field.type == 'records' else '{.count = -1}'
        elif field.is_pointer:
            value = f'&{field.struct.c_name}_default'
        elif field.struct:
            value = initializer(field.struct)
        elif field.type in NUMBERS:
            value = number_default(field)
        else:
            value = '{.text = ""}' if 'string' in field.type else '{.bytes = no_bytes}'
        parts.append(f'.{field.name} = {value}')
    return '{' + ', '.join(parts or ['0']) + '}'


def needs_default(struct, message):
    """Whether some pointer field defaults to a struct of this type."""
    return any(field.is_pointer and field.struct is struct and field.default != 'null'
               for owner in message.order for field in owner.fields)


def struct_tables(message, struct):
    out, name = [], struct.c_name
    if needs_default(struct, message):
        out.append(f'static const struct {name} {name}_default = {initializer(struct)};')
    if struct.fields:
        out.append(f'static const struct field_desc {name}_fields[] = {{')
    for field in struct.fields:
        parts = [f'.name = "{field.name}"', f'.offset = offsetof(struct {name}, {field.name})',
                 f'.type = FIELD_{"STRUCT" if field.struct else field.type.upper()}',
                 f'.flags = {field_flags(field)}', f'.present = {range_text(field.versions)}',
                 f'.nullable = {range_text(field.null)}', f'.tagged = {range_text(field.tagged)}']
        if field.tagged:
            parts.append(f'.tag = {field.tag}')
        if field.struct:
            parts.append(f'.element = &{field.struct.c_name}_struct')
        if field.is_pointer and field.default != 'null':
            parts.append(f'.default_struct = &{field.struct.c_name}_default')
        if field.type in NUMBERS and not field.array and number_default(field) != '0':
            parts.append(f'.default_number = {number_default(field)}')
        out.append('    {' + ', '.join(parts) + '},')
    if struct.fields:
        out.append('};')
    tagged = sorted((field.tag, index) for index, field in enumerate(struct.fields) if field.tagged)
    if tagged:
        out.append(f'static const uint8_t {name}_tagged[] = '
                   f'{{{", ".join(str(index) for _, index in tagged)}}};')
    low, high = message.versions
    sizes = ', '.join(str(min_size(message, struct, version)) for version in range(low, high + 1))
    out.append(f'static const uint16_t {name}_min_size[] = {{{sizes}}};')
    static = 'static ' if struct is message.body else ''
    out.append(f'{static}const struct struct_desc {name}_struct = {{')
    out.append(f'    .name = "{struct.name}",')
    if struct.fields:
        out.append(f'    .fields = {name}_fields,')
        out.append(f'    .field_count = {len(struct.fields)},')
    if tagged:
        out.append(f'    .tagged = {name}_tagged,\n    .tagged_count = {len(tagged)},')
    out.append(f'    .min_size_bytes = {name}_min_size,')
    out.append(f'    .size_bytes = sizeof(struct {name}),\n}};')
    return out


def message_tables(message):
    out = []
    for struct in message.order:
        out += struct_tables(message, struct)
    flexible = 'INT16_MAX' if message.flexible is None else message.flexible
    out.append(f'''const struct message_desc {message.c_name}_desc = {{
    .name = "{message.name}",
    .body = &{message.c_name}_struct,
    .key = {message.key},
    .min_version = {message.versions[0]},
    .max_version = {message.versions[1]},
    .stable_max_version = {message.stable_max},
    .flexible_min = {flexible},
    .kind = MESSAGE_{message.kind.upper()},
}};
''')
    return out


def find(files, kind, key):
    for file in files:
        for message in file.messages:
            if message.kind == kind and message.key == key:
                return message
    return None


def api_table(files):
    out, apis = [], sorted((file for file in files if file.api), key=lambda file: file.api.key)
    for file in apis:
        api = file.api
        request, response = find([file], 'request', api.key), find([file], 'response', api.key)
        if request is None or response is None:
            raise SchemaError(f'{api.where}: an api needs a request and a response')
        if api.served and api.served[1] > min(request.stable_max, response.stable_max):
            raise SchemaError(f'{api.where}: serves a version that is not stable')
        if api.served and api.served[0] < request.versions[0]:
            raise SchemaError(f'{api.where}: serves a version without a layout')
        advertised, served = api.advertised or (0, -1), api.served or (0, -1)
        flags = ' | '.join(f'API_{flag.upper()}' for flag in sorted(api.flags)) or '0'
        header_max = 1 if response.header is None else response.header
        out.append(f'''    {{
        .name = "{api.name}",
        .request = &{request.c_name}_desc,
        .response = &{response.c_name}_desc,
        .key = {api.key},
        .advertised_min = {advertised[0]},
        .served_min = {served[0]},
        .max = {served[1]},
        .response_header_max = {header_max},
        .flags = {flags},
    }},''')
    return out, [file.api for file in apis]


def record_table(files):
    """Rows {family, type, key, value} of every record type, and the enums of the types."""
    rows, enums = [], {}
    for file in files:
        for message in file.messages:
            family, _, part = message.kind.partition('_')
            if message.kind == 'metadata':
                rows.append(('metadata', message.key, None, message))
            elif part == 'key' and family in ('group', 'txn', 'share'):
                value = find([file], f'{family}_value', message.key)
                if value is None:
                    raise SchemaError(f'{message.where}: a key needs a value')
                rows.append((family, message.key, message, value))
    order = ['group', 'txn', 'share', 'metadata']
    rows.sort(key=lambda row: (order.index(row[0]), row[1]))
    out = []
    for family, number, key, value in rows:
        name = re.sub('_(value|record)$', '', value.c_name).upper()
        enums.setdefault(family, []).append(f'    RECORD_{name} = {number},')
        key_text = f'&{key.c_name}_desc' if key else 'NULL'
        out.append(f'    {{RECORD_{family.upper()}, {number}, {key_text}, &{value.c_name}_desc}},')
    return out, enums


def tables(prefix, include_dir, files):
    upper = prefix.upper()
    apis, api_list = api_table(files)
    records, record_enums = record_table(files)
    messages = [message for file in files for message in file.messages]

    text = []
    text.append(f'/* Every message of the schema, ending with NULL. */\n'
                f'extern const struct message_desc *const {prefix}_messages[];\n')
    includes = ['"net/protocol/descriptor.h"']
    if api_list:
        includes.append('"net/protocol/api.h"')
        text.append('enum api_key {')
        text += [f'    API_{snake(api.name).upper()} = {api.key},' for api in api_list]
        text.append('};\n')
        text.append(f'/* By ascending key. */\nextern const struct api_desc {prefix}_apis[];\n'
                    f'enum {{ {upper}_API_COUNT = {len(api_list)} }};\n')
    if records:
        includes.append('"net/protocol/record_types.h"')
        for family, lines in record_enums.items():
            text += [f'enum {family}_record_type {{'] + lines + ['};\n']
        text.append('/* By family, then by ascending type. */\n'
                    f'extern const struct record_desc {prefix}_records[];\n'
                    f'enum {{ {upper}_RECORD_COUNT = {len(records)} }};\n')
    declarations = header(f'{prefix}_tables.h', '\n'.join(text), includes)

    code = [GENERATED + f'#include "{include_dir}/{prefix}_tables.h"\n']
    code += [f'#include "{include_dir}/msg_{file.stem}.h"' for file in files]
    code.append('\n#include <stddef.h>\n')
    if any('no_bytes' in initializer(struct) for message in messages for struct in message.order
           if needs_default(struct, message)):
        code.append('static const uint8_t no_bytes[1];\n')
    for message in messages:
        code += message_tables(message)
    code.append(f'const struct message_desc *const {prefix}_messages[] = {{')
    code += [f'    &{message.c_name}_desc,' for message in messages] + ['    NULL,', '};\n']
    if api_list:
        code += [f'const struct api_desc {prefix}_apis[] = {{'] + apis + ['};\n']
    if records:
        code += [f'const struct record_desc {prefix}_records[] = {{'] + records + ['};\n']
    return declarations, '\n'.join(code)


# -- errors and enums ----------------------------------------------------------------------------

def read_tsv(path):
    with open(path, encoding='utf-8') as file:
        rows = [line.rstrip('\n').split('\t') for line in file
                if line.strip() and not line.startswith('#')]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def symbol(text):
    return re.sub(r'[^A-Za-z0-9]+', '_', snake(re.sub(r'\(.*', '', text))).strip('_').upper()


def errors_header(prefix, rows):
    upper, rows = prefix.upper(), sorted(rows, key=lambda row: int(row['code']))
    out = ['/* Kafka\'s error codes, as they stand in responses. */', f'enum {prefix}_error {{']
    out += [f'    {upper}_{row["name"]} = {row["code"]},' for row in rows] + ['};\n']
    out.append(f'''/* "OFFSET_OUT_OF_RANGE"; an unknown code is "UNKNOWN". */
const char *{prefix}_error_name(int16_t code);

/* Whether a client that sees the code may try the same request again. */
bool {prefix}_error_is_retriable(int16_t code);

/* Whether a client that sees the code fetches metadata before it goes on. */
bool {prefix}_error_refreshes_metadata(int16_t code);
''')
    code = []
    code.append(f'const char *{prefix}_error_name(int16_t code)\n{{\n    switch (code) {{')
    code += [f'    case {upper}_{row["name"]}:\n        return "{row["name"]}";' for row in rows]
    code.append('    default:\n        return "UNKNOWN";\n    }\n}\n')
    for function, column in (('is_retriable', 'retriable'),
                             ('refreshes_metadata', 'metadata_refresh')):
        code.append(f'bool {prefix}_error_{function}(int16_t code)\n{{\n    switch (code) {{')
        code += [f'    case {upper}_{row["name"]}:' for row in rows if row[column] == 'yes']
        code.append('        return true;\n    default:\n        return false;\n    }\n}\n')
    return (header(f'{prefix}_errors.h', '\n'.join(out), ['<stdbool.h>', '<stdint.h>']),
            '\n'.join(code))


def enums_header(prefix, rows):
    upper, enums = prefix.upper(), {}
    for row in rows:
        enums.setdefault(row['enum'], []).append(row)
    out = ['/* Each _name function: as Kafka writes it; "unknown" for other numbers. */', '']
    code = []
    for name, values in enums.items():
        where = values[0]['where']
        out.append(f'/* {where} */')
        if values[0]['value'] == '-':
            out += [f'#define {upper}_{name.upper()}_{symbol(row["name"])} "{row["name"]}"'
                    for row in values] + ['']
            continue
        out.append(f'enum {prefix}_{name} {{')
        out += [f'    {upper}_{name.upper()}_{symbol(row["name"])} = {row["value"]},'
                for row in values] + ['};']
        out += [f'const char *{prefix}_{name}_name(int64_t value);', '']
        code.append(f'const char *{prefix}_{name}_name(int64_t value)\n{{\n    switch (value) {{')
        for row in values:
            text = re.sub(r'\(.*', '', row['name'])
            code.append(f'    case {row["value"]}:\n        return "{text}";')
        code.append('    default:\n        return "unknown";\n    }\n}\n')
    return (header(f'{prefix}_enums.h', '\n'.join(out), ['<stdint.h>']), '\n'.join(code))


# -- files ---------------------------------------------------------------------------------------

def schema_paths(dirs):
    paths = []
    for top in dirs:
        for root, _, names in os.walk(top):
            paths += [os.path.join(root, name) for name in names if name.endswith('.schema')]
    return sorted(paths)


def tsv_path(dirs, name):
    for top in dirs:
        path = os.path.join(top, name)
        if os.path.exists(path):
            return path
    return None


def header_names(prefix, dirs):
    names = [f'{prefix}_tables.h']
    for name in ('errors', 'enums'):
        if tsv_path(dirs, f'{name}.tsv'):
            names.append(f'{prefix}_{name}.h')
    paths = schema_paths(dirs)
    names += sorted({f'all_{os.path.basename(os.path.dirname(path))}.h' for path in paths})
    names += [f'msg_{os.path.basename(path)[:-len(".schema")]}.h' for path in paths]
    if len(set(names)) != len(names):
        raise SchemaError('two schema files have the same name')
    return names


def write(out_dir, name, text):
    with open(os.path.join(out_dir, name), 'w', encoding='utf-8') as file:
        file.write(text)


def main():
    if sys.argv[1] == 'list':
        print('\n'.join(header_names(sys.argv[2], sys.argv[3:])))
        return
    prefix, include_dir, out_dir, dirs = sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]
    files = [SchemaFile(path) for path in schema_paths(dirs)]
    header_names(prefix, dirs)
    for file in files:
        write(out_dir, f'msg_{file.stem}.h', message_header(file))
    for name in {file.dir for file in files}:
        includes = [f'"{include_dir}/msg_{file.stem}.h"' for file in files if file.dir == name]
        write(out_dir, f'all_{name}.h', header(f'all_{name}.h', '', includes))
    declarations, code = tables(prefix, include_dir, files)
    write(out_dir, f'{prefix}_tables.h', declarations)
    for name, generate in (('errors', errors_header), ('enums', enums_header)):
        path = tsv_path(dirs, f'{name}.tsv')
        if path:
            text, more = generate(prefix, read_tsv(path))
            write(out_dir, f'{prefix}_{name}.h', text)
            include = f'#include "{include_dir}/{prefix}_{name}.h"\n'
            code = code.replace('\n#include <stddef.h>', include + '\n#include <stddef.h>', 1)
            code += '\n' + more
    write(out_dir, f'{prefix}_tables.c', code)


if __name__ == '__main__':
    try:
        main()
    except SchemaError as error:
        sys.exit(f'generate.py: {error}')
