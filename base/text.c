#include "base/text.h"

#include "base/check.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_equal_nocase(const char *text, size_t size_bytes, const char *other)
{
    if (strlen(other) != size_bytes)
        return false;
    for (size_t i = 0; i < size_bytes; i++) {
        if (lower(text[i]) != lower(other[i]))
            return false;
    }
    return true;
}

void text_trim(const char **text, size_t *size_bytes)
{
    const char *start = *text;
    size_t left_bytes = *size_bytes;

    while (left_bytes > 0 && (unsigned char)*start <= ' ') {
        start++;
        left_bytes--;
    }
    while (left_bytes > 0 && (unsigned char)start[left_bytes - 1] <= ' ')
        left_bytes--;
    *text = start;
    *size_bytes = left_bytes;
}

enum err text_parse_i64(const char *text, size_t size_bytes, int64_t min, int64_t max, int64_t *out)
{
    bool negative = size_bytes > 0 && text[0] == '-';
    bool overflow = false;
    size_t i = size_bytes > 0 && (text[0] == '-' || text[0] == '+');
    int64_t value = 0;

    if (i == size_bytes)
        return ERR_MALFORMED;
    for (; i < size_bytes; i++) {
        int64_t digit = text[i] - '0';
        if (digit < 0 || digit > 9)
            return ERR_MALFORMED;
        /* downwards for negative numbers, since INT64_MIN has no positive counterpart */
        overflow |= __builtin_mul_overflow(value, 10, &value);
        overflow |= __builtin_add_overflow(value, negative ? -digit : digit, &value);
    }
    if (overflow || value < min || value > max)
        return ERR_INVALID;
    *out = value;
    return OK;
}

enum err text_parse_bool(const char *text, size_t size_bytes, bool *out)
{
    bool is_true = text_equal_nocase(text, size_bytes, "true");

    if (!is_true && !text_equal_nocase(text, size_bytes, "false"))
        return ERR_MALFORMED;
    *out = is_true;
    return OK;
}

size_t text_utf8_next(const char *text, size_t size_bytes, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by size: shorter would do */
    const uint8_t *bytes = (const uint8_t *)text;
    uint32_t code_point;
    size_t size;

    if (size_bytes == 0)
        return 0;
    if (bytes[0] < 0x80) {
        *out = bytes[0];
        return 1;
    }
    if (bytes[0] >= 0xc0 && bytes[0] < 0xe0) {
        size = 2;
        code_point = bytes[0] & 0x1f;
    } else if (bytes[0] >= 0xe0 && bytes[0] < 0xf0) {
        size = 3;
        code_point = bytes[0] & 0x0f;
    } else if (bytes[0] >= 0xf0 && bytes[0] < 0xf8) {
        size = 4;
        code_point = bytes[0] & 0x07;
    } else {
        return 0;
    }
    if (size > size_bytes)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code_point = code_point << 6 | (bytes[i] & 0x3f);
    }
    if (code_point < least[size] || code_point > 0x10ffff ||
        (code_point >= 0xd800 && code_point < 0xe000))
        return 0;
    *out = code_point;
    return size;
}

bool text_is_utf8(const char *text, size_t size_bytes)
{
    size_t pos = 0;
    uint32_t code_point;
    uint64_t word;

    while (pos < size_bytes) {
        size_t used;
        if (pos + sizeof(word) <= size_bytes) {
            memcpy(&word, text + pos, sizeof(word));
            if ((word & 0x8080808080808080ULL) == 0) {
                pos += sizeof(word);
                continue;
            }
        }
        used = text_utf8_next(text + pos, size_bytes - pos, &code_point);
        if (used == 0)
            return false;
        pos += used;
    }
    return true;
}

/* Bytes of the ill-formed piece at the front: a sequence that is cut short is one piece up to where
 * it is cut, a surrogate is one; of what can begin no sequence each byte is one. */
static size_t ill_bytes(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t lead = bytes[0];
    size_t size = lead < 0xc2 || lead > 0xf4 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80; /* of the second byte */
    uint8_t high = lead == 0xf4 ? 0x8f : 0xbf;
    size_t used = 1;

    while (used < size && used < size_bytes && bytes[used] >= low && bytes[used] <= high) {
        low = 0x80;
        high = 0xbf;
        used++;
    }
    return used;
}

size_t text_utf8_mend(const char *text, size_t size_bytes, char *out)
{
    size_t pos = 0;
    size_t written = 0;
    uint32_t code_point;

    while (pos < size_bytes) {
        size_t used = text_utf8_next(text + pos, size_bytes - pos, &code_point);
        if (used > 0) {
            memcpy(out + written, text + pos, used);
            written += used;
        } else {
            used = ill_bytes((const uint8_t *)text + pos, size_bytes - pos);
            memcpy(out + written, "\xef\xbf\xbd", 3);
            written += 3;
        }
        pos += used;
    }
    return written;
}

size_t text_utf8_put(char out[static 4], uint32_t code_point)
{
    check(code_point <= 0x10ffff && (code_point < 0xd800 || code_point >= 0xe000));
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xe0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}
