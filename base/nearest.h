/* nearest: the name that somebody probably meant. */
#ifndef LEVEE_BASE_NEAREST_H
#define LEVEE_BASE_NEAREST_H

#include <stddef.h>

/* The one of names with the fewest edits from word (a letter added, lost, changed, or two
 * neighbours swapped; case does not count); the first of equals.  NULL when none is near: more
 * edits than a third of word's length (at least 1 is allowed). */
const char *nearest_name(const char *word, const char *const *names, size_t count);

#endif
