#!/usr/bin/env python3
"""The generator of the configuration: what a schema may not say, what comes out, and that a key that
is misspelt, or that has no value to be read, does not compile.

usage: run.py
"""
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = ROOT / 'broker' / 'config' / 'schema'

spec = importlib.util.spec_from_file_location('generate', ROOT / 'broker/config/generate.py')
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)

# file, a text of it, what stands there instead, what is said
REFUSED = (
    ('broker', 'num.partitions i32 1 1..', 'num.partitions i32 0 1..', 'the default is out of range'),
    ('broker', 'num.partitions i32', 'num.partitions int', 'unknown type "int"'),
    ('broker', 'log.roll.hours i32 168 1.. unit hours', 'log.roll.hours i32 168 1.. unit ms',
     'the unit of a key of that name is hours, not ms'),
    ('broker', 'log.roll.hours i32 168 1.. unit hours', 'log.roll.hours i32 168 1..',
     'the unit of a key of that name is hours, not None'),
    ('broker', 'then log.roll.hours', 'then log.roll.hour', 'the broker has no such key'),
    ('broker', 'then log.roll.hours', 'then listeners', 'the types do not fit'),
    ('broker', 'delete.topic.enable bool true acts\n    Whether topics may be deleted.\n',
     'delete.topic.enable bool true acts\n', 'it acts: say what it means'),
    ('broker', 'delete.topic.enable bool true acts', 'delete.topic.enable bool yes acts',
     'the default is neither true nor false'),
    ('broker', 'delete.topic.enable bool true acts', 'delete.topic.enable bool true dynamic',
     'no effect: one of'),
    ('broker', 'delete.topic.enable bool true acts', 'delete.topic.enable bool true often acts',
     'unknown word "often"'),
    ('broker', 'add.partitions.to.txn.retry.backoff.ms', 'zzz.ms', 'not by rising name'),
    ('topic', 'compression.type string producer of', 'compression.type string rar of',
     'the default is none of the choices'),
    ('topic', 'rule gzip_level', 'rule gzip', 'unknown rule "gzip"'),
    ('group', 'min group.consumer.min.session.timeout.ms', 'min log.roll.ms', 'may be null'),
)

# a statement over `const struct config_values *c` and `const struct topic_config_values *t`
COMPILES = ('return c->log_segment_bytes;',
            'return CONFIG_LOG_SEGMENT_BYTES;',
            'return t->compression_type == TOPIC_CONFIG_COMPRESSION_TYPE_ZSTD;')
DOES_NOT = ('return c->log_segment_byte;',
            'return CONFIG_LOG_SEGMENT_BYTE;',
            'return t->compression_type == TOPIC_CONFIG_COMPRESSION_TYPE_RAR;',
            'return c->log_retention_ms > 0;',        # null until it is set
            'return c->ssl_key_password != 0;',       # a secret
            'return c->cordoned_log_dirs != 0;')      # a text that changes, in the image

failures = []


def refused(scope, old, new, said):
    with tempfile.TemporaryDirectory() as directory:
        schema = pathlib.Path(directory) / 'schema'
        shutil.copytree(SCHEMA, schema)
        path = schema / f'{scope}.keys'
        text = path.read_text()
        if old not in text:
            failures.append(f'{scope}: there is no "{old}"')
            return
        path.write_text(text.replace(old, new, 1))
        try:
            generate.read_schema(schema)
            failures.append(f'{new!r}: nothing was said')
        except generate.SchemaError as error:
            if said not in str(error):
                failures.append(f'{new!r}: {error}')


def compiles(directory, statement):
    source = ('#include "config_id.h"\n#include "config_values.h"\n'
              'int f(const struct config_values *c, const struct topic_config_values *t);\n'
              'int f(const struct config_values *c, const struct topic_config_values *t)\n'
              '{\n    (void)c, (void)t;\n    %s\n}\n' % statement)
    return subprocess.run(['gcc', '-std=gnu11', '-fsyntax-only', '-I', directory, '-x', 'c', '-'],
                          input=source, text=True, capture_output=True).returncode == 0


def main():
    for case in REFUSED:
        refused(*case)
    with tempfile.TemporaryDirectory() as directory:
        generate.write(SCHEMA, directory)
        for statement in COMPILES:
            if not compiles(directory, statement):
                failures.append(f'{statement}: does not compile')
        for statement in DOES_NOT:
            if compiles(directory, statement):
                failures.append(f'{statement}: compiles')
    for failure in failures:
        print(failure)
    print('%d cases, %d failed' % (len(REFUSED) + len(COMPILES) + len(DOES_NOT), len(failures)))
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
