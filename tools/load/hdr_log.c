#include "tools/load/hdr_log.h"

#include "base/mem.h"
#include "record/big_endian.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum {
    FRAME_HEADER_BYTES = 8,
    COOKIE_COMPRESSED = 0x1c849304 | 0x10,
    DECODED_MAX_BYTES = 4 << 20, /* of one histogram: more than 3 digits up to 2^63 need */
};

struct hdr_log {
    FILE *file;
};

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* NULL: no memory. */
static char *base64_encode(const uint8_t *bytes, size_t size_bytes)
{
    char *text = mem_try_alloc((size_bytes + 2) / 3 * 4 + 1);
    char *out = text;

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < size_bytes; i += 3) {
        size_t left = size_bytes - i;
        uint32_t group = (uint32_t)bytes[i] << 16;
        if (left > 1)
            group |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2)
            group |= bytes[i + 2];
        *out++ = base64_digits[group >> 18];
        *out++ = base64_digits[group >> 12 & 63];
        *out++ = left > 1 ? base64_digits[group >> 6 & 63] : '=';
        *out++ = left > 2 ? base64_digits[group & 63] : '=';
    }
    return text;
}

/* Into memory of size_bytes / 4 * 3 bytes.  False: it is no base64. */
static bool base64_decode(const char *text, size_t size_bytes, uint8_t *out, size_t *out_bytes)
{
    size_t pads = 0;
    uint32_t group = 0;

    if (size_bytes == 0 || size_bytes % 4 != 0)
        return false;
    while (pads < 2 && text[size_bytes - 1 - pads] == '=')
        pads++;
    for (size_t i = 0; i < size_bytes; i++) {
        const char *digit = i < size_bytes - pads
                                ? memchr(base64_digits, text[i], sizeof(base64_digits) - 1)
                                : base64_digits;
        if (digit == NULL)
            return false;
        group = group << 6 | (uint32_t)(digit - base64_digits);
        if (i % 4 == 3) {
            out[i / 4 * 3] = (uint8_t)(group >> 16);
            out[i / 4 * 3 + 1] = (uint8_t)(group >> 8);
            out[i / 4 * 3 + 2] = (uint8_t)group;
            group = 0;
        }
    }
    *out_bytes = size_bytes / 4 * 3 - pads;
    return true;
}

static enum err encode_frame(const struct histogram *histogram, uint8_t *plain, size_t plain_max,
                             char **text_out)
{
    size_t plain_bytes = histogram_encode(histogram, plain, plain_max);
    uLongf packed_bytes = compressBound(plain_bytes);
    uint8_t *frame = mem_try_alloc(FRAME_HEADER_BYTES + packed_bytes);

    if (frame == NULL)
        return ERR_NOMEM;
    if (compress2(frame + FRAME_HEADER_BYTES, &packed_bytes, plain, plain_bytes,
                  Z_DEFAULT_COMPRESSION) != Z_OK) {
        mem_free(frame);
        return ERR_NOMEM; /* the room is enough: what remains is memory */
    }
    big_endian_put_u32(frame, COOKIE_COMPRESSED);
    big_endian_put_u32(frame + 4, (uint32_t)packed_bytes);
    *text_out = base64_encode(frame, FRAME_HEADER_BYTES + packed_bytes);
    mem_free(frame);
    return *text_out == NULL ? ERR_NOMEM : OK;
}

enum err hdr_log_encode(const struct histogram *histogram, char **text_out)
{
    size_t plain_max = histogram_encode_max(histogram);
    uint8_t *plain = mem_try_alloc(plain_max);
    enum err err;

    if (plain == NULL)
        return ERR_NOMEM;
    err = encode_frame(histogram, plain, plain_max, text_out);
    mem_free(plain);
    return err;
}

static enum err decode_frame(const uint8_t *frame, size_t frame_bytes, struct histogram *out)
{
    uLongf plain_bytes = DECODED_MAX_BYTES;
    uint8_t *plain;
    enum err err;
    int result;

    if (frame_bytes < FRAME_HEADER_BYTES || big_endian_get_u32(frame) != COOKIE_COMPRESSED ||
        big_endian_get_u32(frame + 4) != frame_bytes - FRAME_HEADER_BYTES)
        return ERR_MALFORMED;
    plain = mem_try_alloc(DECODED_MAX_BYTES);
    if (plain == NULL)
        return ERR_NOMEM;
    result = uncompress(plain, &plain_bytes, frame + FRAME_HEADER_BYTES,
                        frame_bytes - FRAME_HEADER_BYTES);
    if (result == Z_OK)
        err = histogram_decode(out, plain, plain_bytes);
    else
        err = result == Z_MEM_ERROR   ? ERR_NOMEM
              : result == Z_BUF_ERROR ? ERR_TOO_LARGE
                                      : ERR_MALFORMED;
    mem_free(plain);
    return err;
}

enum err hdr_log_decode(const char *text, size_t size_bytes, struct histogram *out)
{
    uint8_t *frame = mem_try_alloc(size_bytes / 4 * 3 + 3);
    size_t frame_bytes;
    enum err err;

    if (frame == NULL)
        return ERR_NOMEM;
    if (base64_decode(text, size_bytes, frame, &frame_bytes))
        err = decode_frame(frame, frame_bytes, out);
    else
        err = ERR_MALFORMED;
    mem_free(frame);
    return err;
}

static enum err result_of(const struct hdr_log *log)
{
    return ferror(log->file) ? err_from_errno(errno == 0 ? EIO : errno) : OK;
}

enum err hdr_log_create(const char *path, uint64_t start_ms, const char *comment,
                        struct hdr_log **out)
{
    struct hdr_log *log = mem_try_alloc(sizeof(*log));
    time_t start_s = (time_t)(start_ms / 1000);
    char date[32];
    struct tm parts;
    enum err err;

    if (log == NULL)
        return ERR_NOMEM;
    log->file = fopen(path, "we");
    if (log->file == NULL) {
        err = err_from_errno(errno);
        mem_free(log);
        return err;
    }
    errno = 0;
    (void)gmtime_r(&start_s, &parts);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (comment != NULL)
        fprintf(log->file, "#[%s]\n", comment);
    fprintf(log->file,
            "#[Histogram log format version 1.3]\n"
            "#[StartTime: %llu.%03u (seconds since epoch), %s]\n"
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
            "\"Interval_Compressed_Histogram\"\n",
            (unsigned long long)start_s, (unsigned)(start_ms % 1000), date);
    err = result_of(log);
    if (err)
        (void)hdr_log_close(log);
    else
        *out = log;
    return err;
}

enum err hdr_log_write(struct hdr_log *log, const char *tag, uint64_t begin_ns, uint64_t length_ns,
                       const struct histogram *histogram)
{
    char *text;
    enum err err;

    if (tag != NULL && (tag[0] == '\0' || tag[strcspn(tag, ", \t\r\n")] != '\0'))
        return ERR_INVALID;
    err = hdr_log_encode(histogram, &text);
    if (err)
        return err;
    errno = 0;
    if (tag != NULL)
        fprintf(log->file, "Tag=%s,", tag);
    fprintf(log->file, "%.3f,%.3f,%.3f,%s\n", (double)begin_ns / 1e9, (double)length_ns / 1e9,
            (double)histogram_max(histogram) / 1e6, text);
    mem_free(text);
    return result_of(log);
}

enum err hdr_log_close(struct hdr_log *log)
{
    enum err err = OK;

    if (log == NULL)
        return OK;
    errno = 0;
    if (fclose(log->file) != 0)
        err = err_from_errno(errno);
    mem_free(log);
    return err;
}

/* A number up to a comma, which is passed over. */
static bool take_number(const char **text, const char *end, double *out)
{
    char copy[64];
    const char *comma = memchr(*text, ',', (size_t)(end - *text));
    char *after;

    if (comma == NULL || comma == *text || (size_t)(comma - *text) >= sizeof(copy))
        return false;
    memcpy(copy, *text, (size_t)(comma - *text));
    copy[comma - *text] = '\0';
    *out = strtod(copy, &after);
    *text = comma + 1;
    return *after == '\0';
}

static bool take_tag(const char **text, const char *end, char *out, size_t out_max)
{
    const char *comma = memchr(*text, ',', (size_t)(end - *text));
    const char *begin = *text + strlen("Tag=");

    if (comma == NULL || (size_t)(comma - begin) >= out_max)
        return false;
    memcpy(out, begin, (size_t)(comma - begin));
    out[comma - begin] = '\0';
    *text = comma + 1;
    return true;
}

enum err hdr_log_parse(const char *text, size_t size_bytes, struct hdr_log_line *out)
{
    const char *end = text + size_bytes;
    struct hdr_log_line line = {0};
    enum err err;

    if (size_bytes > 0 && end[-1] == '\r')
        end--;
    if (text == end || *text == '#' || *text == '"')
        return ERR_NOT_FOUND;
    if ((size_t)(end - text) > strlen("Tag=") && memcmp(text, "Tag=", strlen("Tag=")) == 0 &&
        !take_tag(&text, end, line.tag, sizeof(line.tag)))
        return ERR_MALFORMED;
    if (!take_number(&text, end, &line.begin_s) || !take_number(&text, end, &line.length_s) ||
        !take_number(&text, end, &line.max_ms))
        return ERR_MALFORMED;
    err = hdr_log_decode(text, (size_t)(end - text), &line.histogram);
    if (!err)
        *out = line;
    return err;
}
