#include "base/properties.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdbool.h>
#include <string.h>

enum {
    REPLACEMENT = 0xfffd,
};

struct input {
    const char *text;
    size_t size_bytes;
    size_t pos;
    uint32_t line; /* of pos */
};

/* One logical line: comments gone, continuations joined, escapes still in it. */
struct logical_line {
    char *bytes;
    size_t size_bytes;
    uint32_t line; /* where it begins */
};

/* Decoded UTF-8. */
struct output {
    char *bytes;
    size_t size_bytes;
    uint32_t high; /* a high surrogate that waits for its low one, or 0 */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static void skip_blanks(struct input *in)
{
    while (in->pos < in->size_bytes && is_blank(in->text[in->pos]))
        in->pos++;
}

/* "\n", "\r" or "\r\n", if one is here. */
static void skip_line_end(struct input *in)
{
    if (in->pos == in->size_bytes)
        return;
    if (in->text[in->pos] == '\r' && in->pos + 1 < in->size_bytes && in->text[in->pos + 1] == '\n')
        in->pos++;
    in->pos++;
    in->line++;
}

static size_t find_line_end(const struct input *in)
{
    size_t end = in->pos;

    while (end < in->size_bytes && !is_line_end(in->text[end]))
        end++;
    return end;
}

static bool ends_with_odd_backslashes(const char *bytes, size_t size_bytes)
{
    size_t count = 0;

    while (count < size_bytes && bytes[size_bytes - 1 - count] == '\\')
        count++;
    return count % 2 == 1;
}

/* The next logical line that is neither blank nor a comment.  False at the end. */
static bool next_line(struct input *in, struct logical_line *out)
{
    out->size_bytes = 0;
    while (in->pos < in->size_bytes) {
        bool continued;
        size_t end;
        skip_blanks(in);
        end = find_line_end(in);
        /* as long as nothing was collected, a line may still be blank or a comment, also when a
         * lone '\' stands before it */
        if (out->size_bytes == 0) {
            out->line = in->line;
            if (end == in->pos || in->text[in->pos] == '#' || in->text[in->pos] == '!') {
                in->pos = end;
                skip_line_end(in);
                continue;
            }
        }
        continued = ends_with_odd_backslashes(in->text + in->pos, end - in->pos);
        memcpy(out->bytes + out->size_bytes, in->text + in->pos, end - in->pos);
        out->size_bytes += end - in->pos - continued;
        in->pos = end;
        skip_line_end(in);
        if (!continued && out->size_bytes > 0)
            return true;
        if (continued && in->pos == in->size_bytes)
            return true; /* Java makes an empty key of a lone '\' at the end */
    }
    return out->size_bytes > 0;
}

static void put(struct output *out, uint32_t code_point)
{
    out->size_bytes += text_utf8_put(out->bytes + out->size_bytes, code_point);
}

/* A high surrogate whose low half did not come. */
static void flush_high(struct output *out)
{
    if (out->high != 0)
        put(out, REPLACEMENT);
    out->high = 0;
}

/* One unit of UTF-16, as \u gives it. */
static void put_utf16(struct output *out, uint32_t unit)
{
    if (unit >= 0xdc00 && unit < 0xe000 && out->high != 0) {
        put(out, 0x10000 + ((out->high - 0xd800) << 10) + (unit - 0xdc00));
        out->high = 0;
        return;
    }
    flush_high(out);
    if (unit >= 0xd800 && unit < 0xdc00)
        out->high = unit;
    else
        put(out, unit >= 0xdc00 && unit < 0xe000 ? REPLACEMENT : unit);
}

static void put_char(struct output *out, char c, enum properties_charset charset)
{
    flush_high(out);
    if (charset == PROPERTIES_LATIN1)
        put(out, (uint8_t)c);
    else
        out->bytes[out->size_bytes++] = c;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode bytes from..to of a line to the end of out, with a NUL. */
static enum err unescape(const struct logical_line *line, size_t from, size_t to,
                         enum properties_charset charset, struct output *out)
{
    for (size_t i = from; i < to; i++) {
        char c = line->bytes[i];
        if (c != '\\') {
            put_char(out, c, charset);
            continue;
        }
        if (++i == to)
            break; /* a '\' that escapes nothing */
        c = line->bytes[i];
        if (c == 'u') {
            uint32_t unit = 0;
            if (to - i < 5)
                return ERR_MALFORMED;
            for (size_t k = 1; k <= 4; k++) {
                int digit = hex_digit(line->bytes[i + k]);
                if (digit < 0)
                    return ERR_MALFORMED;
                unit = unit << 4 | (uint32_t)digit;
            }
            put_utf16(out, unit);
            i += 4;
            continue;
        }
        switch (c) {
        case 't':
            c = '\t';
            break;
        case 'n':
            c = '\n';
            break;
        case 'r':
            c = '\r';
            break;
        case 'f':
            c = '\f';
            break;
        default:
            break;
        }
        put_char(out, c, charset);
    }
    flush_high(out);
    out->bytes[out->size_bytes++] = '\0';
    return OK;
}

/* Split at the first '=', ':' or blank that has no '\' before it; blanks around '=' and ':' do not
 * count. */
static void split(const struct logical_line *line, size_t *key_end, size_t *value_begin)
{
    size_t pos = 0;

    while (pos < line->size_bytes && line->bytes[pos] != '=' && line->bytes[pos] != ':' &&
           !is_blank(line->bytes[pos]))
        pos += line->bytes[pos] == '\\' ? 2 : 1;
    if (pos > line->size_bytes)
        pos = line->size_bytes;
    *key_end = pos;
    while (pos < line->size_bytes && is_blank(line->bytes[pos]))
        pos++;
    if (pos < line->size_bytes && (line->bytes[pos] == '=' || line->bytes[pos] == ':')) {
        pos++;
        while (pos < line->size_bytes && is_blank(line->bytes[pos]))
            pos++;
    }
    *value_begin = pos;
}

static enum err read_pair(struct properties_reader *reader, const struct logical_line *line,
                          enum properties_charset charset, char *decoded)
{
    struct output out = {.bytes = decoded};
    struct property property = {.key = decoded, .line = line->line};
    size_t key_end;
    size_t value_begin;
    enum err err;

    split(line, &key_end, &value_begin);
    err = unescape(line, 0, key_end, charset, &out);
    if (err)
        return err;
    property.key_bytes = out.size_bytes - 1;
    property.value = decoded + out.size_bytes;
    err = unescape(line, value_begin, line->size_bytes, charset, &out);
    if (err)
        return err;
    property.value_bytes = out.size_bytes - 1 - (property.key_bytes + 1);
    return reader->pair(reader, &property);
}

enum err properties_read(struct properties_reader *reader, const char *text, size_t size_bytes,
                         enum properties_charset charset)
{
    struct input in = {.text = text, .size_bytes = size_bytes, .line = 1};
    struct logical_line line = {.bytes = NULL};
    enum err err = OK;
    char *decoded;

    if (size_bytes > UINT32_MAX)
        return ERR_TOO_LARGE;
    line.bytes = mem_try_alloc(size_bytes);
    if (line.bytes == NULL)
        return ERR_NOMEM;
    /* a Latin-1 byte becomes at most two, \uXXXX at most three, a pair of them four */
    decoded = mem_try_alloc(size_bytes * 2 + 2);
    if (decoded == NULL) {
        mem_free(line.bytes);
        return ERR_NOMEM;
    }
    while (!err && next_line(&in, &line)) {
        reader->line = line.line;
        err = read_pair(reader, &line, charset, decoded);
    }
    mem_free(decoded);
    mem_free(line.bytes);
    return err;
}

struct format {
    char *out;
    size_t max_bytes;
    size_t size_bytes; /* also what did not fit */
};

static void format_char(struct format *format, char c)
{
    if (format->size_bytes + 1 < format->max_bytes)
        format->out[format->size_bytes] = c;
    format->size_bytes++;
}

static void format_utf16(struct format *format, uint32_t unit)
{
    format_char(format, '\\');
    format_char(format, 'u');
    for (int shift = 12; shift >= 0; shift -= 4)
        format_char(format, "0123456789ABCDEF"[unit >> shift & 15]);
}

static void format_code_point(struct format *format, uint32_t code_point, bool escape_blank)
{
    static const char escaped[] = "\t\n\r\f\\=:#!";
    static const char letters[] = "tnrf\\=:#!";
    const char *found =
        code_point > 0 && code_point < 0x7f ? strchr(escaped, (int)code_point) : NULL;

    if (found != NULL) {
        format_char(format, '\\');
        format_char(format, letters[found - escaped]);
    } else if (code_point >= 0x10000) {
        format_utf16(format, 0xd800 + ((code_point - 0x10000) >> 10));
        format_utf16(format, 0xdc00 + ((code_point - 0x10000) & 0x3ff));
    } else if (code_point < 0x20 || code_point > 0x7e) {
        format_utf16(format, code_point);
    } else {
        if (code_point == ' ' && escape_blank)
            format_char(format, '\\');
        format_char(format, (char)code_point);
    }
}

static void format_text(struct format *format, const char *text, bool is_key)
{
    size_t size_bytes = strlen(text);

    for (size_t pos = 0; pos < size_bytes;) {
        uint32_t code_point;
        size_t used = text_utf8_next(text + pos, size_bytes - pos, &code_point);
        if (used == 0) {
            code_point = REPLACEMENT;
            used = 1;
        }
        /* a value loses blanks only at its front */
        format_code_point(format, code_point, is_key || pos == 0);
        pos += used;
    }
}

size_t properties_format(char *out, size_t max_bytes, const char *key, const char *value)
{
    struct format format = {.out = out, .max_bytes = max_bytes};

    format_text(&format, key, true);
    format_char(&format, '=');
    format_text(&format, value, false);
    format_char(&format, '\n');
    if (max_bytes > 0)
        out[format.size_bytes < max_bytes ? format.size_bytes : max_bytes - 1] = '\0';
    return format.size_bytes;
}
