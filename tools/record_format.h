/* record_format: templates of records.  Verbs and escapes are rpk's.
 *
 * How consume prints one: %k key, %v value, %t topic, %p partition, %o offset, %d timestamp (ms),
 * %e leader epoch, %K %V %T lengths of key, value and topic, %H count of headers, %h{...} each
 * header
 * (%k %v %K %V inside), %% %{ %} these signs; \n \t \r \\ \xHH.
 *
 * How produce reads one: %v\n, or %kTEXT%v\n: a line is a value, or a key, this text, a value. */
#ifndef LEVEE_TOOLS_RECORD_FORMAT_H
#define LEVEE_TOOLS_RECORD_FORMAT_H

#include "record/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define RECORD_FORMAT_HELP                                                                         \
    "formats are json, or a template of %k key, %v value, %t topic, %p partition, %o offset, %d "  \
    "timestamp in ms, %e leader epoch, %K %V %T lengths, %H header count, %h{%k=%v } headers, %% " \
    "%{ %} these signs, \\n \\t \\r \\\\ \\xHH"
#define RECORD_FORMAT_INPUT_HELP \
    "templates of input are %v\\n and %kTEXT%v\\n: a line is a value, or a key, TEXT and a value"

enum { RECORD_FORMAT_DELIMITER_MAX = 64 };

struct record_format_place {
    const char *topic;
    int32_t partition;
    int32_t leader_epoch;
    int64_t offset;
    int64_t timestamp_ms;
};

/* false: problem says which verb or escape is unknown. */
bool record_format_check(const char *format, char *problem, size_t problem_max);

/* A template of input: delimiter_out is what stands between key and value, "" when there is no key.
 * false: problem says why not. */
bool record_format_read(const char *format, char delimiter_out[RECORD_FORMAT_DELIMITER_MAX],
                        char *problem, size_t problem_max);

/* format has passed the check.  The bytes of the record go out as they are. */
void record_format_print(FILE *file, const char *format, const struct record *record,
                         const struct record_format_place *place);

#endif
