/* text: small questions to characters with a length. */
#ifndef LEVEE_BASE_TEXT_H
#define LEVEE_BASE_TEXT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Are these size_bytes the same as the NUL-terminated other? */
static inline bool text_equal(const char *text, size_t size_bytes, const char *other)
{
    return strlen(other) == size_bytes && memcmp(text, other, size_bytes) == 0;
}

/* As text_equal; ASCII letters also match their other case. */
bool text_equal_nocase(const char *text, size_t size_bytes, const char *other);

/* As strcmp(text, other), where other has so many bytes, none of which is NUL. */
static inline int text_compare(const char *text, const char *other, size_t other_bytes)
{
    int order = strncmp(text, other, other_bytes);

    return order != 0 || text[other_bytes] == '\0' ? order : 1;
}

static inline bool text_starts_with(const char *text, size_t size_bytes, const char *prefix)
{
    size_t prefix_bytes = strlen(prefix);

    return size_bytes >= prefix_bytes && memcmp(text, prefix, prefix_bytes) == 0;
}

/* Move *text and *size_bytes past the blanks at both ends: whatever is not above a space, as Java's
 * String.trim has it. */
void text_trim(const char **text, size_t *size_bytes);

/* A decimal number with an optional sign and nothing around it.  ERR_MALFORMED when it is none,
 * ERR_INVALID when it is outside min..max. */
must_use enum err text_parse_i64(const char *text, size_t size_bytes, int64_t min, int64_t max,
                                 int64_t *out);

/* "true" or "false" in any case, as Kafka's configuration has it.  ERR_MALFORMED. */
must_use enum err text_parse_bool(const char *text, size_t size_bytes, bool *out);

/* Bytes of the well-formed UTF-8 sequence (RFC 3629) at the front of text: 1..4; 0 when there is
 * none.  *out is its code point. */
size_t text_utf8_next(const char *text, size_t size_bytes, uint32_t *out);

/* Is it well-formed UTF-8 from its begin to its end? */
bool text_is_utf8(const char *text, size_t size_bytes);

/* A copy in which each ill-formed piece is U+FFFD, the pieces being those that Java's decoder has.
 * out: room for three times size_bytes.  The bytes written. */
size_t text_utf8_mend(const char *text, size_t size_bytes, char *out);

/* Writes code_point (not a surrogate, at most 0x10ffff) as UTF-8; 1..4 bytes. */
size_t text_utf8_put(char out[static 4], uint32_t code_point);

#endif
