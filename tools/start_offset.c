#include "tools/start_offset.h"

#include "base/text.h"

static bool parse_number(const char *text, size_t size_bytes, int64_t *out)
{
    return size_bytes > 0 && text[0] >= '0' && text[0] <= '9' &&
           text_parse_i64(text, size_bytes, 0, INT64_MAX, out) == OK;
}

bool start_offset_parse(const char *text, struct start_offset *out)
{
    size_t size_bytes = strlen(text);
    struct start_offset where = {0};
    bool right;

    if (size_bytes >= 4 && strcmp(text + size_bytes - 4, ":end") == 0) {
        where.stop_at_end = true;
        size_bytes -= 4;
    }
    if (text_equal(text, size_bytes, "start") || (size_bytes == 0 && where.stop_at_end)) {
        right = true;
    } else if (text_equal(text, size_bytes, "end")) {
        where.from = START_OFFSET_END;
        right = true;
    } else if (text[0] == '+') {
        right = parse_number(text + 1, size_bytes - 1, &where.number);
    } else if (text[0] == '-') {
        where.from = START_OFFSET_END;
        right = parse_number(text + 1, size_bytes - 1, &where.number);
    } else if (text[0] == '@') {
        where.from = START_OFFSET_TIME;
        right = parse_number(text + 1, size_bytes - 1, &where.number);
    } else {
        where.from = START_OFFSET_AT;
        right = parse_number(text, size_bytes, &where.number);
    }
    if (right)
        *out = where;
    return right;
}

int64_t start_offset_resolve(const struct start_offset *where, int64_t start, int64_t end,
                             int64_t timed)
{
    int64_t offset = where->number;

    switch (where->from) {
    case START_OFFSET_START:
        offset = where->number > end - start ? end : start + where->number;
        break;
    case START_OFFSET_END:
        offset = end - where->number;
        break;
    case START_OFFSET_TIME:
        offset = timed < 0 ? end : timed;
        break;
    case START_OFFSET_AT:
        break;
    }
    return offset < start ? start : offset;
}
