/* pattern: regular expressions as RE2 has them, in time that is linear in the text.
 *
 * What is asked is whether the whole text matches, so nothing is remembered but the set of places
 * in the program that a prefix of the text leads to (Thompson 1968; https://swtch.com/~rsc/regexp).
 * Syntax: RE2's, which Kafka takes for texts of clients (KIP-848, KIP-1152): alternation, groups
 * (also named ones and those with flags i, m, s, U), * + ? {n,m} and their lazy forms, ., classes
 * with ranges, escapes and [:names:], ^ $ \A \z \b \B, \d \s \w and their opposites, \Q..\E,
 * escaped characters and code points.  Not here: \pX (Unicode classes) and \C.  Flag i folds ASCII
 * alone.
 *   PAT-1  a program has at most PATTERN_STEPS_MAX steps */
#ifndef LEVEE_BASE_PATTERN_H
#define LEVEE_BASE_PATTERN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATTERN_STEPS_MAX = 1000, PATTERN_RANGES_MAX = 1000 };

struct pattern; /* constant once it is made: any thread */

/* ERR_INVALID: it is none; ERR_UNSUPPORTED: \p or \C; ERR_TOO_LARGE: PAT-1, or nested too deeply;
 * ERR_NOMEM.  text: UTF-8; what is ill-formed in it is U+FFFD. */
must_use enum err pattern_create(const char *text, size_t text_bytes, struct pattern **out);

/* NULL is accepted. */
void pattern_destroy(struct pattern *pattern);

/* Does all of text match?  *cost_out (may be NULL): how many steps it took. */
bool pattern_matches(const struct pattern *pattern, const char *text, size_t text_bytes,
                     uint64_t *cost_out);

#endif
