#include "base/log_line.h"

#include "base/check.h"
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    LINE_END_BYTES = 64, /* kept free for what ends a line */
};

static const struct log_code code_table[] = {
#define LOG_CODE(code, text, advice) {code, text, advice},
#include "base/log_codes.h"
#undef LOG_CODE
};
static_assert(array_count(code_table) <= LOG_CODES_MAX, "enlarge LOG_CODES_MAX");

static const char *const level_names[] = {"trace", "debug", "info", "warn", "error"};
static const char *const level_names_upper[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR"};
static const char *const format_names[] = {"text", "logfmt", "json"};

const struct log_code *log_codes(size_t *count)
{
    *count = array_count(code_table);
    return code_table;
}

const struct log_code *log_code_find(const char *code)
{
    for (size_t i = 0; i < array_count(code_table); i++) {
        if (strcmp(code_table[i].code, code) == 0)
            return &code_table[i];
    }
    return NULL;
}

enum err log_level_parse(const char *text, size_t size_bytes, enum log_level *out)
{
    for (size_t i = 0; i < array_count(level_names); i++) {
        if (text_equal_nocase(text, size_bytes, level_names[i])) {
            *out = (enum log_level)i;
            return OK;
        }
    }
    return ERR_MALFORMED;
}

enum err log_format_parse(const char *text, size_t size_bytes, enum log_format *out)
{
    for (size_t i = 0; i < array_count(format_names); i++) {
        if (text_equal(text, size_bytes, format_names[i])) {
            *out = (enum log_format)i;
            return OK;
        }
    }
    return ERR_MALFORMED;
}

void log_sink_init(struct log_sink *sink,
                   void (*write)(struct log_sink *sink, enum log_level level, const char *line,
                                 size_t size_bytes),
                   struct clock *clock, enum log_level min_level, enum log_format format)
{
    *sink = (struct log_sink){
        .write = write,
        .clock = clock,
        .min_level = min_level,
        .format = format,
        .burst_max = LOG_BURST_DEFAULT,
        .per_second = 1,
    };
}

/* A line in the making.  What does not fit before max_bytes is dropped and sets is_cut. */
struct line {
    enum log_format format;
    size_t size_bytes;
    size_t max_bytes;
    bool is_cut;
    char bytes[LOG_LINE_MAX];
};

static void put_bytes(struct line *line, const char *bytes, size_t size_bytes)
{
    if (line->is_cut || size_bytes > line->max_bytes - line->size_bytes) {
        line->is_cut = true;
        return;
    }
    memcpy(line->bytes + line->size_bytes, bytes, size_bytes);
    line->size_bytes += size_bytes;
}

static void put(struct line *line, const char *format, ...) printf_like(2, 3);

/* Short things only. */
static void put(struct line *line, const char *format, ...)
{
    char text[128];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    check(size >= 0 && (size_t)size < sizeof(text));
    put_bytes(line, text, (size_t)size);
}

/* Could a terminal or a reader of lines take this for more than a letter?  Controls of both blocks,
 * the separators of lines and paragraphs, and what changes the direction of writing. */
static bool is_unsafe(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) ||
           (code_point >= 0x2028 && code_point <= 0x202e) ||
           (code_point >= 0x2066 && code_point <= 0x2069);
}

static void put_escaped(struct line *line, const char *text, size_t size_bytes)
{
    for (size_t pos = 0; pos < size_bytes;) {
        uint32_t code_point;
        size_t used = text_utf8_next(text + pos, size_bytes - pos, &code_point);
        if (used == 0) {
            /* not UTF-8; JSON cannot say which byte */
            if (line->format == LOG_FORMAT_TEXT)
                put(line, "\\x%02x", (unsigned)(uint8_t)text[pos]);
            else
                put(line, "\\ufffd");
            pos++;
            continue;
        }
        if (code_point == '"' || code_point == '\\')
            put(line, "\\%c", (char)code_point);
        else if (code_point == '\n')
            put(line, "\\n");
        else if (code_point == '\r')
            put(line, "\\r");
        else if (code_point == '\t')
            put(line, "\\t");
        else if (is_unsafe(code_point))
            put(line, "\\u%04x", (unsigned)code_point);
        else
            put_bytes(line, text + pos, used);
        pos += used;
    }
}

/* Can it stand without quotes? */
static bool is_plain(const char *text, size_t size_bytes)
{
    for (size_t pos = 0; pos < size_bytes;) {
        uint32_t code_point;
        size_t used = text_utf8_next(text + pos, size_bytes - pos, &code_point);
        if (used == 0 || code_point == ' ' || code_point == '"' || code_point == '=' ||
            code_point == '\\' || is_unsafe(code_point))
            return false;
        pos += used;
    }
    return size_bytes > 0;
}

/* A value, cut to LOG_VALUE_MAX at the front of a UTF-8 sequence. */
static void put_value(struct line *line, const char *text, size_t size_bytes)
{
    bool is_long = size_bytes > LOG_VALUE_MAX;

    if (is_long) {
        size_bytes = LOG_VALUE_MAX;
        for (size_t i = 0; i < 3 && ((uint8_t)text[size_bytes] & 0xc0) == 0x80; i++)
            size_bytes--;
    }
    if (line->format != LOG_FORMAT_JSON && !is_long && is_plain(text, size_bytes)) {
        put_bytes(line, text, size_bytes);
        return;
    }
    put_bytes(line, "\"", 1);
    put_escaped(line, text, size_bytes);
    if (is_long)
        put(line, "...");
    put_bytes(line, "\"", 1);
}

static void put_key(struct line *line, const char *key)
{
    if (line->format == LOG_FORMAT_JSON) {
        put(line, ",\"%s\":", key);
    } else {
        put(line, " %s=", key);
    }
}

static void put_field_value(struct line *line, const struct log_field *field)
{
    const char *quote = line->format == LOG_FORMAT_JSON ? "\"" : "";
    char uuid[UUID_TEXT_MAX];

    switch (field->type) {
    case LOG_FIELD_TEXT:
        if (field->text.bytes == NULL)
            put(line, "%s", line->format == LOG_FORMAT_JSON ? "null" : "-");
        else
            put_value(line, field->text.bytes, field->text.size_bytes);
        break;
    case LOG_FIELD_I64:
        put(line, "%" PRId64, field->i64);
        break;
    case LOG_FIELD_U64:
        put(line, "%" PRIu64, field->u64);
        break;
    case LOG_FIELD_HEX:
        put(line, "%s0x%" PRIx64 "%s", quote, field->u64, quote);
        break;
    case LOG_FIELD_BOOL:
        put(line, "%s", field->boolean ? "true" : "false");
        break;
    case LOG_FIELD_ERR:
        put(line, "%s%s%s", quote, err_name(field->err), quote);
        break;
    case LOG_FIELD_UUID:
        uuid_format(&field->uuid, uuid);
        put(line, "%s%s%s", quote, uuid, quote);
        break;
    }
}

/* Whole fields only: one that does not fit takes its key back too. */
static void put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->size_bytes;

    put_key(line, field->key);
    put_field_value(line, field);
    if (line->is_cut)
        line->size_bytes = before;
}

static int64_t days_before_year(int64_t year)
{
    int64_t past =
        year - 1; /* the last year whose leap day counts; Gregorian rules backwards too */

    return past * 365 + past / 4 - past / 100 + past / 400;
}

/* "2026-01-02", separator, "03:04:05", separator, "678"; years 1970 to 9999. */
static void put_time(struct line *line, int64_t wall_ms, char between, char before_ms)
{
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int64_t last_ms = 253402300799999; /* 9999-12-31T23:59:59.999Z */
    int64_t ms = wall_ms < 0 ? 0 : wall_ms > last_ms ? last_ms : wall_ms;
    int64_t days = ms / 86400000 + days_before_year(1970);
    int64_t year;
    int month = 0;

    ms %= 86400000;
    year = days / 366 + 1; /* not too late; at most a few years too early */
    while (days_before_year(year + 1) <= days)
        year++;
    days -= days_before_year(year);
    for (; month < 11; month++) {
        bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        int64_t length = month_days[month] + (month == 1 && is_leap);
        if (days < length)
            break;
        days -= length;
    }
    put(line, "%04d-%02d-%02d%c%02d:%02d:%02d%c%03d", (int)year, month + 1, (int)days + 1, between,
        (int)(ms / 3600000), (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), before_ms,
        (int)(ms % 1000));
}

static void put_front(struct line *line, int64_t wall_ms, enum log_level level, const char *code,
                      const char *message)
{
    switch (line->format) {
    case LOG_FORMAT_TEXT:
        put(line, "[");
        put_time(line, wall_ms, ' ', ',');
        put(line, "] %s %s ", level_names_upper[level], code);
        put_escaped(line, message, strlen(message));
        break;
    case LOG_FORMAT_LOGFMT:
        put(line, "time=");
        put_time(line, wall_ms, 'T', '.');
        put(line, "Z level=%s code=%s msg=", level_names[level], code);
        put_value(line, message, strlen(message));
        break;
    case LOG_FORMAT_JSON:
        put(line, "{\"time\":\"");
        put_time(line, wall_ms, 'T', '.');
        put(line, "Z\",\"level\":\"%s\",\"code\":\"%s\",\"message\":", level_names[level], code);
        put_value(line, message, strlen(message));
        break;
    }
}

static void write_line(struct log_sink *sink, enum log_level level, const char *code,
                       const char *message, size_t field_count, const struct log_field *fields,
                       uint32_t suppressed)
{
    struct line line;

    line.format = sink->format;
    line.size_bytes = 0;
    line.max_bytes = sizeof(line.bytes) - LINE_END_BYTES;
    line.is_cut = false;
    put_front(&line, clock_wall_ms(sink->clock), level, code, message);
    for (size_t i = 0; i < field_count && !line.is_cut; i++)
        put_field(&line, &fields[i]);

    line.max_bytes = sizeof(line.bytes);
    if (line.is_cut) {
        line.is_cut = false;
        put(&line, "%s", sink->format == LOG_FORMAT_TEXT ? " ..." : "");
        if (sink->format != LOG_FORMAT_TEXT)
            put_field(&line,
                      &(struct log_field){.key = "cut", .type = LOG_FIELD_BOOL, .boolean = true});
    }
    if (suppressed > 0)
        put_field(&line, &(struct log_field){
                             .key = "suppressed", .type = LOG_FIELD_U64, .u64 = suppressed});
    if (sink->format == LOG_FORMAT_JSON)
        put(&line, "}");
    put(&line, "\n");
    check(!line.is_cut);
    sink->write(sink, level, line.bytes, line.size_bytes);
}

/* Give back the tokens that time has earned, and take one if there is one. */
static bool take_token(const struct log_sink *sink, struct log_limit *limit, uint64_t now_ns)
{
    if (!limit->seen) {
        limit->seen = true;
        limit->refilled_ns = now_ns;
    }
    if (sink->per_second > 0) {
        uint64_t token_ns = 1000000000U / sink->per_second;
        uint64_t earned = (now_ns - limit->refilled_ns) / (token_ns == 0 ? 1 : token_ns);
        if (earned >= limit->used) {
            limit->used = 0;
            limit->refilled_ns = now_ns;
        } else {
            limit->used -= (uint32_t)earned;
            limit->refilled_ns += earned * token_ns;
        }
    }
    if (limit->used >= sink->burst_max)
        return false;
    limit->used++;
    return true;
}

static bool is_admitted(struct log_sink *sink, struct log_limit *limit, enum log_level level)
{
    bool has_token;

    if (sink->burst_max == 0)
        return true;
    has_token = take_token(sink, limit, clock_mono_ns(sink->clock));
    if (level == LOG_ERROR && !limit->error_seen) {
        limit->error_seen = true;
        return true;
    }
    return has_token;
}

void log_line_write(struct log_sink *sink, enum log_level level, const char *code,
                    const char *message, size_t field_count, const struct log_field *fields)
{
    const struct log_code *row = level >= LOG_INFO ? log_code_find(code) : NULL;
    struct log_limit *limit = row != NULL ? &sink->limits[row - code_table] : NULL;
    uint32_t suppressed = 0;

    if (limit != NULL) {
        if (!is_admitted(sink, limit, level)) {
            limit->suppressed += limit->suppressed < UINT32_MAX;
            sink->suppressed_count++;
            return;
        }
        suppressed = limit->suppressed;
        limit->suppressed = 0;
    }
    write_line(sink, level, code, message, field_count, fields, suppressed);
}

void log_sink_report_suppressed(struct log_sink *sink)
{
    for (size_t i = 0; i < array_count(code_table); i++) {
        struct log_field about = log_str("about_code", code_table[i].code);
        uint32_t suppressed = sink->limits[i].suppressed;
        if (suppressed == 0)
            continue;
        sink->limits[i].suppressed = 0;
        write_line(sink, LOG_WARN, "LVE-1003", "lines were suppressed", 1, &about, suppressed);
    }
}
