/* pattern_private: the program of a pattern, for the two files that make it and run it. */
#ifndef LEVEE_BASE_PATTERN_PRIVATE_H
#define LEVEE_BASE_PATTERN_PRIVATE_H

#include "base/pattern.h"
#include "base/text.h"

enum step_kind {
    STEP_SET,    /* one character of a class: first, count (ranges), negated */
    STEP_SPLIT,  /* goes on at both */
    STEP_JUMP,   /* at first */
    STEP_ASSERT, /* first: enum assertion */
    STEP_MATCH,
};

enum assertion { AT_BEGIN, AT_END, AT_LINE_BEGIN, AT_LINE_END, AT_WORD_EDGE, NOT_AT_WORD_EDGE };

struct step {
    uint8_t kind;
    bool negated;
    int16_t first;  /* relative; of a set: its first range */
    int16_t second; /* relative; of a set: how many */
};

struct range {
    uint32_t low, high; /* both included */
};

struct pattern {
    struct step steps[PATTERN_STEPS_MAX];
    struct range ranges[PATTERN_RANGES_MAX];
    uint32_t step_count;
    uint32_t range_count;
};

static inline bool pattern_is_letter(uint32_t c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

/* The next character and its bytes; of what is ill-formed one byte, as U+FFFD. */
static inline size_t pattern_next(const char *text, size_t size_bytes, uint32_t *out)
{
    size_t bytes = text_utf8_next(text, size_bytes, out);

    if (bytes > 0)
        return bytes;
    *out = 0xFFFD;
    return 1;
}

#endif
