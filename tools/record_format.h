/* record_format: the -f of consume: how a record is printed.  Verbs and escapes are rpk's.
 *
 * %k key, %v value, %t topic, %p partition, %o offset, %d timestamp (ms), %e leader epoch, %K %V %T
 * lengths of key, value and topic, %H count of headers, %% a percent sign; \n \t \r \\ \xHH. */
#ifndef LEVEE_TOOLS_RECORD_FORMAT_H
#define LEVEE_TOOLS_RECORD_FORMAT_H

#include "storage/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define RECORD_FORMAT_HELP                                                                     \
    "formats are %k key, %v value, %t topic, %p partition, %o offset, %d timestamp in ms, %e " \
    "leader epoch, %K %V %T lengths, %H header count, %% a percent sign, \\n \\t \\r \\\\ \\xHH"

struct record_format_place {
    const char *topic;
    int32_t partition;
    int32_t leader_epoch;
    int64_t offset;
    int64_t timestamp_ms;
};

/* false: problem says which verb or escape is unknown. */
bool record_format_check(const char *format, char *problem, size_t problem_max);

/* format has passed the check.  The bytes of the record go out as they are. */
void record_format_print(FILE *file, const char *format, const struct record *record,
                         const struct record_format_place *place);

#endif
