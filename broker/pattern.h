/* pattern: a regular expression of a client, held against whole texts.
 *
 * Kafka takes RE2's syntax (KIP-848, KIP-1152), which is linear in time.  Ours is PCRE2's, which
 * has that and more (back references, looking around); so a match has limits, of steps and of
 * memory, and what reaches them is refused.  A step may look at all of the text: of a longer text
 * fewer are allowed.  Memory comes from base/mem.h.  Constant once it is
 * made, but for the room of a match: one loop. */
#ifndef LEVEE_BROKER_PATTERN_H
#define LEVEE_BROKER_PATTERN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { PATTERN_BYTES_MAX = 4096, PATTERN_STEPS_MAX = 20000, PATTERN_HEAP_KIB_MAX = 256 };
enum { PATTERN_WORK_MAX = 2000000, PATTERN_STEPS_LEAST = 100 }; /* steps times bytes of the text */

struct pattern;

/* text: UTF-8.  ERR_INVALID: it is none; ERR_TOO_LARGE: longer than PATTERN_BYTES_MAX, or its
 * program is; ERR_NOMEM. */
must_use enum err pattern_create(const char *text, size_t text_bytes, struct pattern **out);

/* NULL is accepted. */
void pattern_destroy(struct pattern *pattern);

/* Does all of text match?  ERR_NOT_FOUND: no; ERR_TOO_LARGE: it takes more than a match may;
 * ERR_NOMEM. */
must_use enum err pattern_match(struct pattern *pattern, const char *text, size_t text_bytes);

#endif
