/* text → parse_alternation ▸ parse_sequence ▸ parse_repeated ▸ parse_atom: each emits its program
 * behind that of the others.  Jumps are relative, so that a piece may be moved and copied. */
#include "base/check.h"
#include "base/mem.h"
#include "base/pattern_private.h"

#include <string.h>

enum { NESTING_MAX = 100, REPEAT_MAX = 1000 };

struct parser {
    struct pattern *pattern;
    const char *at;
    const char *end;
    uint32_t depth;
    bool folds;      /* flag i */
    bool is_dot_all; /* s */
    bool has_lines;  /* m */
    bool is_quoted;  /* \Q */
    enum err err;
};

static enum err parse_alternation(struct parser *parser);

/* ---- emitting */

static bool fail(struct parser *parser, enum err err)
{
    if (parser->err == OK)
        parser->err = err;
    return false;
}

static void emit(struct parser *parser, enum step_kind kind, int32_t first, int32_t second)
{
    struct pattern *pattern = parser->pattern;

    if (pattern->step_count == PATTERN_STEPS_MAX - 1) /* one is for the end */
        fail(parser, ERR_TOO_LARGE);
    else
        pattern->steps[pattern->step_count++] = (struct step){
            .kind = (uint8_t)kind, .first = (int16_t)first, .second = (int16_t)second};
}

/* A step before what was emitted from `from` on. */
static void insert(struct parser *parser, uint32_t from, int32_t first, int32_t second)
{
    struct pattern *pattern = parser->pattern;

    emit(parser, STEP_SPLIT, 0, 0);
    if (parser->err != OK)
        return;
    memmove(&pattern->steps[from + 1], &pattern->steps[from],
            (pattern->step_count - 1 - from) * sizeof(struct step));
    pattern->steps[from] =
        (struct step){.kind = STEP_SPLIT, .first = (int16_t)first, .second = (int16_t)second};
}

static int32_t length_from(const struct parser *parser, uint32_t from)
{
    return (int32_t)(parser->pattern->step_count - from);
}

static void add_range(struct parser *parser, uint32_t low, uint32_t high)
{
    struct pattern *pattern = parser->pattern;

    if (pattern->range_count == PATTERN_RANGES_MAX)
        fail(parser, ERR_TOO_LARGE);
    else
        pattern->ranges[pattern->range_count++] = (struct range){low, high};
}

/* A range of a class, and with flag i its letters in both cases. */
static void add_folded(struct parser *parser, uint32_t low, uint32_t high)
{
    add_range(parser, low, high);
    for (uint32_t c = low; parser->folds && c <= high && c <= 'z'; c++)
        if (pattern_is_letter(c))
            add_range(parser, c ^ 32, c ^ 32);
}

static void emit_set(struct parser *parser, uint32_t first_range, bool negated)
{
    emit(parser, STEP_SET, (int32_t)first_range,
         (int32_t)(parser->pattern->range_count - first_range));
    if (parser->err == OK)
        parser->pattern->steps[parser->pattern->step_count - 1].negated = negated;
}

static void emit_character(struct parser *parser, uint32_t c)
{
    uint32_t first = parser->pattern->range_count;

    add_folded(parser, c, c);
    emit_set(parser, first, false);
}

/* ---- reading */

static bool has_more(const struct parser *parser)
{
    return parser->err == OK && parser->at < parser->end;
}

static bool take(struct parser *parser, char c)
{
    if (!has_more(parser) || *parser->at != c)
        return false;
    parser->at++;
    return true;
}

static bool take_text(struct parser *parser, const char *text)
{
    size_t bytes = strlen(text);

    if ((size_t)(parser->end - parser->at) < bytes || memcmp(parser->at, text, bytes) != 0)
        return false;
    parser->at += bytes;
    return true;
}

static uint32_t take_character(struct parser *parser)
{
    uint32_t c;

    parser->at += pattern_next(parser->at, (size_t)(parser->end - parser->at), &c);
    return c;
}

static int32_t hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind \x. */
static uint32_t take_code_point(struct parser *parser)
{
    bool is_braced = take(parser, '{');
    uint32_t code = 0;
    uint32_t digits = 0;

    while (has_more(parser) && hex_of(*parser->at) >= 0 && (is_braced || digits < 2)) {
        code = code * 16 + (uint32_t)hex_of(*parser->at++);
        digits++;
        if (code > 0x10FFFF)
            fail(parser, ERR_INVALID);
    }
    if (digits == 0 || (is_braced ? !take(parser, '}') : digits != 2))
        fail(parser, ERR_INVALID);
    return code;
}

/* ---- classes */

static void add_all(struct parser *parser, const char *pairs, bool negated)
{
    uint32_t next = 0;

    for (; *pairs != '\0'; pairs += 2) { /* rising */
        uint32_t low = (unsigned char)pairs[0];
        uint32_t high = (unsigned char)pairs[1];
        if (!negated)
            add_range(parser, low, high);
        else if (next < low)
            add_range(parser, next, low - 1);
        next = high + 1;
    }
    if (negated)
        add_range(parser, next, 0x10FFFF);
}

/* \d and the like, behind the backslash.  False: c is none of them. */
static bool add_perl_class(struct parser *parser, uint32_t c)
{
    switch (c) {
    case 'd':
    case 'D':
        add_all(parser, "09", c == 'D');
        return true;
    case 's':
    case 'S':
        add_all(parser, "\t\n\f\r  ", c == 'S');
        return true;
    case 'w':
    case 'W':
        add_all(parser, "09AZ__az", c == 'W');
        return true;
    default:
        return false;
    }
}

/* A character behind a backslash that means itself, or one that cannot be written. */
static uint32_t escaped(struct parser *parser, uint32_t c)
{
    static const char names[] = "afnrtv";
    static const char values[] = "\a\f\n\r\t\v";
    const char *name = c < 128 && c != 0 ? strchr(names, (int)c) : NULL;

    if (c == 'x')
        return take_code_point(parser);
    if (name != NULL)
        return (unsigned char)values[name - names];
    if (c == 'p' || c == 'P' || c == 'C')
        fail(parser, ERR_UNSUPPORTED);
    else if (c < 128 && (pattern_is_letter(c) || (c >= '0' && c <= '9')))
        fail(parser, ERR_INVALID); /* also \1: nothing is remembered */
    return c;
}

static bool add_named_class(struct parser *parser)
{
    static const struct {
        const char *name;
        const char *pairs;
    } classes[] = {
        {"alnum:]", "09AZaz"},
        {"alpha:]", "AZaz"},
        {"ascii:]", "\001\177"},
        {"blank:]", "\t\t  "},
        {"cntrl:]", "\001\037\177\177"},
        {"digit:]", "09"},
        {"graph:]", "!~"},
        {"lower:]", "az"},
        {"print:]", " ~"},
        {"punct:]", "!/:@[`{~"},
        {"space:]", "\t\r  "},
        {"upper:]", "AZ"},
        {"word:]", "09AZ__az"},
        {"xdigit:]", "09AFaf"},
    };
    bool negated = take(parser, '^');

    for (size_t i = 0; i < array_count(classes); i++) {
        if (!take_text(parser, classes[i].name))
            continue;
        add_all(parser, classes[i].pairs, negated);
        return true;
    }
    return fail(parser, ERR_INVALID);
}

/* One end of a range in a class.  False: it was a class in the class, or nothing. */
static bool take_class_character(struct parser *parser, uint32_t *out)
{
    if (take_text(parser, "[:"))
        return add_named_class(parser) && false;
    *out = take_character(parser);
    if (*out != '\\')
        return true;
    if (!has_more(parser))
        return fail(parser, ERR_INVALID);
    *out = take_character(parser);
    if (add_perl_class(parser, *out))
        return false;
    *out = escaped(parser, *out);
    return true;
}

/* Behind the bracket. */
static void parse_class(struct parser *parser)
{
    uint32_t first = parser->pattern->range_count;
    bool negated = take(parser, '^');
    bool is_first = true;

    while (has_more(parser) && (is_first || *parser->at != ']')) {
        uint32_t low;
        uint32_t high;
        is_first = false;
        if (!take_class_character(parser, &low))
            continue;
        high = low;
        if (parser->end - parser->at >= 2 && parser->at[0] == '-' && parser->at[1] != ']') {
            parser->at++;
            if (!take_class_character(parser, &high) || high < low)
                fail(parser, ERR_INVALID);
        }
        add_folded(parser, low, high);
    }
    if (!take(parser, ']'))
        fail(parser, ERR_INVALID);
    emit_set(parser, first, negated);
}

/* ---- atoms */

/* Behind "(?": flags, a name, or neither.  True: a group follows; false: the flags count from here
 * on, to the end of the group around them. */
static bool parse_flags(struct parser *parser)
{
    bool value = true;

    if (take_text(parser, "P<") || take(parser, '<')) {
        const char *begin = parser->at;
        while (has_more(parser) && *parser->at != '>') {
            char c = *parser->at++;
            if (!pattern_is_letter((unsigned char)c) && c != '_' && !(c >= '0' && c <= '9'))
                return fail(parser, ERR_INVALID);
        }
        return parser->at > begin && take(parser, '>') ? true : fail(parser, ERR_INVALID);
    }
    while (has_more(parser)) {
        switch (*parser->at++) {
        case 'i':
            parser->folds = value;
            break;
        case 'm':
            parser->has_lines = value;
            break;
        case 's':
            parser->is_dot_all = value;
            break;
        case 'U': /* which of several ways is taken does not matter */
            break;
        case '-':
            value = false;
            break;
        case ':':
            return true;
        case ')':
            return false;
        default:
            return fail(parser, ERR_INVALID);
        }
    }
    return fail(parser, ERR_INVALID);
}

/* Behind the parenthesis. */
static void parse_group(struct parser *parser)
{
    struct parser around = *parser;

    if (take(parser, '?') && !parse_flags(parser))
        return;
    if (++parser->depth > NESTING_MAX)
        fail(parser, ERR_TOO_LARGE);
    if (parser->err == OK)
        (void)parse_alternation(parser);
    if (!take(parser, ')'))
        fail(parser, ERR_INVALID);
    parser->depth--;
    parser->folds = around.folds;
    parser->has_lines = around.has_lines;
    parser->is_dot_all = around.is_dot_all;
}

/* Behind the backslash. */
static void parse_escape(struct parser *parser)
{
    static const char names[] = "AzbB";
    static const enum assertion assertions[] = {AT_BEGIN, AT_END, AT_WORD_EDGE, NOT_AT_WORD_EDGE};
    uint32_t first = parser->pattern->range_count;
    const char *name;
    uint32_t c;

    if (!has_more(parser)) {
        fail(parser, ERR_INVALID);
        return;
    }
    c = take_character(parser);
    name = c < 128 && c != 0 ? strchr(names, (int)c) : NULL;
    if (name != NULL)
        emit(parser, STEP_ASSERT, assertions[name - names], 0);
    else if (c == 'Q')
        parser->is_quoted = true;
    else if (add_perl_class(parser, c))
        emit_set(parser, first, false);
    else
        emit_character(parser, escaped(parser, c));
}

static void parse_atom(struct parser *parser)
{
    uint32_t first = parser->pattern->range_count;
    uint32_t c = take_character(parser);

    if (parser->is_quoted) {
        emit_character(parser, c);
        return;
    }
    switch (c) {
    case '(':
        parse_group(parser);
        break;
    case '[':
        parse_class(parser);
        break;
    case '\\':
        parse_escape(parser);
        break;
    case '.':
        if (!parser->is_dot_all)
            add_range(parser, '\n', '\n');
        emit_set(parser, first, true);
        break;
    case '^':
        emit(parser, STEP_ASSERT, parser->has_lines ? AT_LINE_BEGIN : AT_BEGIN, 0);
        break;
    case '$':
        emit(parser, STEP_ASSERT, parser->has_lines ? AT_LINE_END : AT_END, 0);
        break;
    case '*':
    case '+':
    case '?':
        fail(parser, ERR_INVALID); /* nothing to repeat */
        break;
    default:
        emit_character(parser, c);
    }
}

/* ---- repetition */

static void repeat_any(struct parser *parser, uint32_t from)
{
    int32_t length = length_from(parser, from);

    insert(parser, from, 1, length + 2);
    emit(parser, STEP_JUMP, -(length + 1), 0);
}

static void make_optional(struct parser *parser, uint32_t from)
{
    insert(parser, from, 1, length_from(parser, from) + 1);
}

static void copy(struct parser *parser, uint32_t from, int32_t length)
{
    for (int32_t i = 0; i < length && parser->err == OK; i++) {
        struct step step = parser->pattern->steps[from + (uint32_t)i];
        emit(parser, (enum step_kind)step.kind, step.first, step.second);
        if (parser->err == OK)
            parser->pattern->steps[parser->pattern->step_count - 1].negated = step.negated;
    }
}

/* max -1: none. */
static void repeat(struct parser *parser, uint32_t from, int32_t min, int32_t max)
{
    int32_t length = length_from(parser, from);
    int32_t copies = max < 0 ? (min == 0 ? 1 : min) : max;
    uint32_t last = from;

    if (copies == 0) {
        parser->pattern->step_count = from;
        return;
    }
    for (int32_t i = 1; i < copies && parser->err == OK; i++) {
        last = parser->pattern->step_count;
        copy(parser, from, length);
        if (max >= 0 && i >= min)
            make_optional(parser, last);
    }
    if (max < 0 && min == 0) {
        repeat_any(parser, from);
    } else if (max < 0) { /* the last one again and again */
        emit(parser, STEP_SPLIT, -length, 1);
    } else if (min == 0) {
        make_optional(parser, from);
    }
}

static bool take_number(struct parser *parser, int32_t *out)
{
    const char *begin = parser->at;

    *out = 0;
    while (has_more(parser) && *parser->at >= '0' && *parser->at <= '9' && *out <= REPEAT_MAX)
        *out = *out * 10 + (*parser->at++ - '0');
    return parser->at > begin;
}

/* "{2,3}"; what does not look like it is text.  False: it is not. */
static bool take_bounds(struct parser *parser, int32_t *min, int32_t *max)
{
    const char *begin = parser->at;

    if (take(parser, '{') && take_number(parser, min)) {
        *max = *min;
        if (take(parser, ',') && !take_number(parser, max))
            *max = -1;
        if (take(parser, '}')) {
            if (*min > REPEAT_MAX || *max > REPEAT_MAX || (*max >= 0 && *max < *min))
                fail(parser, ERR_INVALID);
            return true;
        }
    }
    parser->at = begin;
    return false;
}

static bool take_repetition(struct parser *parser, int32_t *min, int32_t *max)
{
    bool is_one = true;

    *min = 0;
    *max = -1;
    if (parser->is_quoted)
        return false;
    if (take(parser, '+'))
        *min = 1;
    else if (take(parser, '?'))
        *max = 1;
    else if (!take(parser, '*'))
        is_one = take_bounds(parser, min, max);
    if (is_one)
        (void)take(parser, '?'); /* lazy: which way is taken does not matter */
    return is_one;
}

static void parse_repeated(struct parser *parser)
{
    uint32_t from = parser->pattern->step_count;
    int32_t min;
    int32_t max;

    parse_atom(parser);
    if (parser->is_quoted && take_text(parser, "\\E"))
        parser->is_quoted = false;
    if (!has_more(parser) || !take_repetition(parser, &min, &max))
        return;
    repeat(parser, from, min, max);
    if (has_more(parser) && !parser->is_quoted && strchr("*+?", *parser->at) != NULL)
        fail(parser, ERR_INVALID); /* a** */
}

/* ---- sequences */

static void parse_sequence(struct parser *parser)
{
    while (has_more(parser)) {
        if (parser->is_quoted && take_text(parser, "\\E"))
            parser->is_quoted = false;
        else if (!parser->is_quoted && (*parser->at == '|' || *parser->at == ')'))
            return;
        else
            parse_repeated(parser);
    }
}

static enum err parse_alternation(struct parser *parser)
{
    uint32_t from = parser->pattern->step_count;

    parse_sequence(parser);
    while (take(parser, '|')) {
        uint32_t next;
        insert(parser, from, 1, length_from(parser, from) + 2);
        next = parser->pattern->step_count;
        emit(parser, STEP_JUMP, 0, 0);
        parse_sequence(parser);
        if (parser->err == OK)
            parser->pattern->steps[next].first = (int16_t)length_from(parser, next);
    }
    return parser->err;
}

enum err pattern_create(const char *text, size_t text_bytes, struct pattern **out)
{
    struct pattern *pattern = mem_try_alloc(sizeof(*pattern));
    struct parser parser = {.pattern = pattern, .at = text, .end = text + text_bytes};
    enum err err;

    if (pattern == NULL)
        return ERR_NOMEM;
    err = parse_alternation(&parser);
    if (err == OK && parser.at < parser.end)
        err = ERR_INVALID; /* a parenthesis that closes nothing */
    if (err != OK) {
        mem_free(pattern);
        return err;
    }
    pattern->steps[pattern->step_count++] = (struct step){.kind = STEP_MATCH};
    *out = pattern;
    return OK;
}

void pattern_destroy(struct pattern *pattern)
{
    mem_free(pattern);
}
