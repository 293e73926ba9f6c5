/* checkpoint_lines: the shape that Kafka's small text files share, as lines of fields.
 *
 * A version, a count, then that many lines, each of fields with white space between.  Numbers are
 * decimal.  Any thread; holds nothing. */
#ifndef LEVEE_STORAGE_CHECKPOINT_LINES_H
#define LEVEE_STORAGE_CHECKPOINT_LINES_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct checkpoint_lines {
    const char *text; /* the caller's */
    size_t size_bytes;
    size_t pos;
    uint32_t left_count;
};

struct checkpoint_field {
    const char *text; /* not NUL-terminated */
    size_t size_bytes;
};

/* Read version (0) and count.  ERR_TRUNCATED: not even that is there; ERR_MALFORMED;
 * ERR_NEWER_FORMAT. */
must_use enum err checkpoint_lines_open(struct checkpoint_lines *lines, const char *text,
                                        size_t size_bytes);

/* The next line, which has exactly field_count fields.  ERR_NOT_FOUND: that was all;
 * ERR_TRUNCATED: fewer lines than the count says; ERR_MALFORMED: another number of fields, or lines
 * beyond the count. */
must_use enum err checkpoint_lines_next(struct checkpoint_lines *lines,
                                        struct checkpoint_field *fields, uint32_t field_count);

/* A text being put together: counts everything and keeps what fits. */
struct checkpoint_text {
    char *out; /* may be NULL when max_bytes is 0 */
    size_t max_bytes;
    size_t size_bytes; /* of the whole text */
};

/* Add formatted text of less than 320 bytes. */
void checkpoint_text_add(struct checkpoint_text *text, const char *format, ...) printf_like(2, 3);

#endif
