/* start_offset: the -o of consume: where to begin in each partition, and whether to stop at its
 * end.
 *
 * Text, as rpk has it: [start | end | N | +N | -N | @MS] [":end"]; nothing before ":end" is start.
 */
#ifndef LEVEE_TOOLS_START_OFFSET_H
#define LEVEE_TOOLS_START_OFFSET_H

#include <stdbool.h>
#include <stdint.h>

#define START_OFFSET_HELP                                                                         \
    "-o is start, end, an offset, +COUNT after the start, -COUNT before the end, @MS (the first " \
    "record at or after that timestamp); with :end behind it, stop at today's end"

enum start_offset_from {
    START_OFFSET_START, /* number records after it */
    START_OFFSET_END,   /* number records before it */
    START_OFFSET_AT,    /* number is the offset */
    START_OFFSET_TIME,  /* number is milliseconds since 1970 */
};

struct start_offset {
    enum start_offset_from from;
    int64_t number;
    bool stop_at_end;
};

/* false: the text is none of these. */
bool start_offset_parse(const char *text, struct start_offset *out);

/* The offset for a partition that holds start..end (end is the next offset); timed: what the broker
 * answered for the timestamp, -1 when there is no such record.  Never before start; an offset after
 * the end is left for the broker to refuse. */
int64_t start_offset_resolve(const struct start_offset *where, int64_t start, int64_t end,
                             int64_t timed);

#endif
