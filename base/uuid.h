/* uuid: 16 bytes that identify a topic, a directory or a cluster.
 *
 * Text is base64url without padding, 22 characters, as Kafka prints (RFC 4648 section 5). */
#ifndef LEVEE_BASE_UUID_H
#define LEVEE_BASE_UUID_H

#include "base/err.h"
#include "base/prng.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define UUID_TEXT_MAX 23 /* with the NUL */

struct uuid {
    uint8_t bytes[16]; /* in wire order, most significant first */
};

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* All zero: "no id" on the wire. */
bool uuid_is_zero(const struct uuid *uuid);

/* 22 characters and a NUL. */
void uuid_format(const struct uuid *uuid, char text[static UUID_TEXT_MAX]);

/* 22 characters, or 24 with "==" behind.  As in Java's decoder the four unused bits of the last
 * character are ignored.  ERR_MALFORMED. */
must_use enum err uuid_parse(const char *text, size_t size_bytes, struct uuid *out);

/* A version 4 UUID (RFC 9562) whose text does not begin with '-', so that it can be given on a
 * command line.  Version 4 also rules out zero and Kafka's reserved (0, 1). */
void uuid_random(struct prng *prng, struct uuid *out);

#endif
