#include "broker/pattern.h"

#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct pattern {
    pcre2_general_context *general; /* owned, as the others */
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

/* pcre2api(3): options. */
static const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                                PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY;

static void *take(size_t size_bytes, void *context)
{
    return mem_try_alloc(size_bytes);
}

static void give(void *memory, void *context)
{
    mem_free(memory);
}

static enum err compile(struct pattern *pattern, const char *text, size_t text_bytes)
{
    pcre2_compile_context *context = pcre2_compile_context_create(pattern->general);
    PCRE2_SIZE place;
    int code = 0;

    if (context == NULL)
        return ERR_NOMEM;
    pattern->code = pcre2_compile((PCRE2_SPTR)text, text_bytes, options, &code, &place, context);
    pcre2_compile_context_free(context);
    if (pattern->code != NULL)
        return OK;
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return ERR_NOMEM;
    return code == PCRE2_ERROR_PATTERN_TOO_LARGE ? ERR_TOO_LARGE : ERR_INVALID;
}

enum err pattern_create(const char *text, size_t text_bytes, struct pattern **out)
{
    struct pattern *pattern;
    enum err err = ERR_NOMEM;

    if (text_bytes > PATTERN_BYTES_MAX)
        return ERR_TOO_LARGE;
    pattern = mem_try_alloc(sizeof(*pattern));
    if (pattern == NULL)
        return ERR_NOMEM;
    pattern->general = pcre2_general_context_create(take, give, NULL);
    if (pattern->general != NULL)
        err = compile(pattern, text, text_bytes);
    if (err == OK) {
        pattern->data = pcre2_match_data_create_from_pattern(pattern->code, pattern->general);
        pattern->limits = pcre2_match_context_create(pattern->general);
        if (pattern->data == NULL || pattern->limits == NULL)
            err = ERR_NOMEM;
    }
    if (err != OK) {
        pattern_destroy(pattern);
        return err;
    }
    pcre2_set_depth_limit(pattern->limits, PATTERN_STEPS_MAX);
    pcre2_set_heap_limit(pattern->limits, PATTERN_HEAP_KIB_MAX);
    *out = pattern;
    return OK;
}

void pattern_destroy(struct pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_match_context_free(pattern->limits);
    pcre2_match_data_free(pattern->data);
    pcre2_code_free(pattern->code);
    pcre2_general_context_free(pattern->general);
    mem_free(pattern);
}

static uint32_t steps_for(size_t text_bytes)
{
    size_t steps = PATTERN_WORK_MAX / (text_bytes + 1);

    if (steps > PATTERN_STEPS_MAX)
        return PATTERN_STEPS_MAX;
    return steps < PATTERN_STEPS_LEAST ? PATTERN_STEPS_LEAST : (uint32_t)steps;
}

enum err pattern_match(struct pattern *pattern, const char *text, size_t text_bytes)
{
    int result;

    pcre2_set_match_limit(pattern->limits, steps_for(text_bytes));
    result = pcre2_match(pattern->code, (PCRE2_SPTR)text, text_bytes, 0, 0, pattern->data,
                         pattern->limits);

    if (result >= 0)
        return OK;
    if (result == PCRE2_ERROR_NOMATCH)
        return ERR_NOT_FOUND;
    return result == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_TOO_LARGE;
}
