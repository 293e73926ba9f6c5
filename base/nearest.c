#include "base/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { NAME_MAX_CHARS = 128 }; /* longer words and names are not compared */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau and Levenshtein's edits, in the variant where no letter is edited twice ("optimal string
 * alignment").  Three rows: this one and the two above. */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    uint8_t rows[3][NAME_MAX_CHARS + 1];

    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= a_size; i++) {
        uint8_t *row = rows[i % 3];
        const uint8_t *above = rows[(i + 2) % 3];
        const uint8_t *above2 = rows[(i + 1) % 3];
        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= b_size; j++) {
            bool same = lower(a[i - 1]) == lower(b[j - 1]);
            size_t best = above[j - 1] + (same ? 0U : 1U);
            best = least(best, above[j] + 1U);
            best = least(best, row[j - 1] + 1U);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                best = least(best, above2[j - 2] + 1U);
            row[j] = (uint8_t)best;
        }
    }
    return rows[a_size % 3][b_size];
}

const char *nearest_name(const char *word, const char *const *names, size_t count)
{
    size_t word_size = strlen(word);
    size_t best = (word_size < 3 ? 1 : word_size / 3) + 1;
    const char *best_name = NULL;

    if (word_size == 0 || word_size > NAME_MAX_CHARS)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        size_t distance;
        if (size > NAME_MAX_CHARS ||
            (size > word_size ? size - word_size : word_size - size) >= best)
            continue; /* the distance is at least what the lengths differ by */
        distance = edit_distance(word, word_size, names[i], size);
        /* replacing every letter is no nearness */
        if (distance < best && distance < word_size) {
            best = distance;
            best_name = names[i];
        }
    }
    return best_name;
}
