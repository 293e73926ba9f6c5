#include "storage/checkpoint_lines.h"

#include "base/check.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 0, PIECE_MAX_BYTES = 320 };

/* The next line without its end; false when there is none. */
static bool take_line(struct checkpoint_lines *lines, struct checkpoint_field *out)
{
    const char *from = lines->text + lines->pos;
    size_t left_bytes = lines->size_bytes - lines->pos;
    const char *end;
    size_t line_bytes;

    if (left_bytes == 0)
        return false;
    end = memchr(from, '\n', left_bytes);
    line_bytes = end ? (size_t)(end - from) : left_bytes;
    lines->pos += line_bytes + (end ? 1 : 0);
    if (line_bytes > 0 && from[line_bytes - 1] == '\r')
        line_bytes--;
    *out = (struct checkpoint_field){from, line_bytes};
    return true;
}

static enum err take_number(struct checkpoint_lines *lines, int64_t max, int64_t *out)
{
    struct checkpoint_field line;

    if (!take_line(lines, &line))
        return ERR_TRUNCATED;
    return text_parse_i64(line.text, line.size_bytes, 0, max, out) ? ERR_MALFORMED : OK;
}

enum err checkpoint_lines_open(struct checkpoint_lines *lines, const char *text, size_t size_bytes)
{
    struct checkpoint_lines opened = {.text = text, .size_bytes = size_bytes};
    int64_t version;
    int64_t count;
    enum err err = take_number(&opened, INT32_MAX, &version);

    if (err)
        return err;
    if (version != VERSION)
        return ERR_NEWER_FORMAT;
    err = take_number(&opened, INT32_MAX, &count);
    if (err)
        return err;
    opened.left_count = (uint32_t)count;
    *lines = opened;
    return OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cut line into fields; how many there are, counting at most one more than max_count. */
static uint32_t split(const struct checkpoint_field *line, struct checkpoint_field *fields,
                      uint32_t max_count)
{
    uint32_t count = 0;
    size_t pos = 0;

    for (;;) {
        size_t begin;

        while (pos < line->size_bytes && is_blank(line->text[pos]))
            pos++;
        if (pos == line->size_bytes)
            return count;
        if (count == max_count)
            return count + 1;
        begin = pos;
        while (pos < line->size_bytes && !is_blank(line->text[pos]))
            pos++;
        fields[count++] = (struct checkpoint_field){line->text + begin, pos - begin};
    }
}

enum err checkpoint_lines_next(struct checkpoint_lines *lines, struct checkpoint_field *fields,
                               uint32_t field_count)
{
    struct checkpoint_field line;

    if (lines->left_count == 0)
        return lines->pos == lines->size_bytes ? ERR_NOT_FOUND : ERR_MALFORMED;
    if (!take_line(lines, &line))
        return ERR_TRUNCATED;
    if (split(&line, fields, field_count) != field_count)
        return ERR_MALFORMED;
    lines->left_count--;
    return OK;
}

void checkpoint_text_add(struct checkpoint_text *text, const char *format, ...)
{
    char piece[PIECE_MAX_BYTES];
    va_list arguments;
    int size_bytes;

    va_start(arguments, format);
    size_bytes = vsnprintf(piece, sizeof(piece), format, arguments);
    va_end(arguments);
    check(size_bytes >= 0 && size_bytes < PIECE_MAX_BYTES);
    if (text->size_bytes + (size_t)size_bytes <= text->max_bytes)
        memcpy(text->out + text->size_bytes, piece, (size_t)size_bytes);
    text->size_bytes += (size_t)size_bytes;
}
