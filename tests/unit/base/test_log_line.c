#include "base/log_line.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    struct clock clock;
    struct log_sink sink;
    uint64_t mono_ns;
    int64_t wall_ms;
    char line[LOG_LINE_MAX + 1];
    uint32_t line_count;
} f;

static uint64_t mono_ns(struct clock *clock)
{
    return f.mono_ns;
}

static int64_t wall_ms(struct clock *clock)
{
    return f.wall_ms;
}

static void remember(struct log_sink *sink, enum log_level level, const char *line,
                     size_t size_bytes)
{
    cr_assert(le(sz, size_bytes, LOG_LINE_MAX));
    cr_assert(eq(chr, line[size_bytes - 1], '\n'));
    memcpy(f.line, line, size_bytes - 1);
    f.line[size_bytes - 1] = '\0';
    for (size_t i = 0; i + 1 < size_bytes; i++)
        cr_assert(ge(u8, (uint8_t)line[i], 0x20)); /* one event, one line */
    f.line_count++;
}

static void use(enum log_format format)
{
    f.clock = (struct clock){.mono_ns = mono_ns, .wall_ms = wall_ms};
    f.mono_ns = 1000000000;
    f.wall_ms = 1767323045678; /* 2026-01-02T03:04:05.678Z */
    f.line_count = 0;
    log_sink_init(&f.sink, remember, &f.clock, LOG_INFO, format);
}

static const struct uuid uuid_one = {.bytes = {[15] = 1}};

#define WRITE_ALL_TYPES()                                                                      \
    log_line(&f.sink, LOG_WARN, "LVE-9999", "segment ends early", log_str("topic", "orders"),  \
             log_str("client", "my \"app\""), log_str("none", NULL), log_str("empty", ""),     \
             log_i64("offset", INT64_MIN), log_u64("size", UINT64_MAX), log_hex("crc", 0xab1), \
             log_bool("last", true), log_err(ERR_IO), log_uuid("id", &uuid_one))

Test(log_line, text_looks_like_kafkas)
{
    use(LOG_FORMAT_TEXT);
    WRITE_ALL_TYPES();
    cr_assert(eq(str, f.line,
                 "[2026-01-02 03:04:05,678] WARN LVE-9999 segment ends early topic=orders "
                 "client=\"my \\\"app\\\"\" none=- empty=\"\" offset=-9223372036854775808 "
                 "size=18446744073709551615 crc=0xab1 last=true error=ERR_IO "
                 "id=AAAAAAAAAAAAAAAAAAAAAQ"));
}

Test(log_line, logfmt_has_only_pairs)
{
    use(LOG_FORMAT_LOGFMT);
    WRITE_ALL_TYPES();
    cr_assert(eq(str, f.line,
                 "time=2026-01-02T03:04:05.678Z level=warn code=LVE-9999 "
                 "msg=\"segment ends early\" topic=orders client=\"my \\\"app\\\"\" none=- "
                 "empty=\"\" offset=-9223372036854775808 size=18446744073709551615 crc=0xab1 "
                 "last=true error=ERR_IO id=AAAAAAAAAAAAAAAAAAAAAQ"));
}

Test(log_line, json_is_one_object)
{
    use(LOG_FORMAT_JSON);
    WRITE_ALL_TYPES();
    cr_assert(eq(str, f.line,
                 "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warn\",\"code\":\"LVE-9999\","
                 "\"message\":\"segment ends early\",\"topic\":\"orders\","
                 "\"client\":\"my \\\"app\\\"\",\"none\":null,\"empty\":\"\","
                 "\"offset\":-9223372036854775808,\"size\":18446744073709551615,"
                 "\"crc\":\"0xab1\",\"last\":true,\"error\":\"ERR_IO\","
                 "\"id\":\"AAAAAAAAAAAAAAAAAAAAAQ\"}"));
}

Test(log_line, needs_no_fields)
{
    use(LOG_FORMAT_TEXT);
    log_line(&f.sink, LOG_ERROR, "LVE-9999", "stopped");
    cr_assert(eq(str, f.line, "[2026-01-02 03:04:05,678] ERROR LVE-9999 stopped"));
}

static int evaluated;

static int64_t count_evaluation(void)
{
    return ++evaluated;
}

Test(log_line, a_level_that_is_off_costs_nothing)
{
    use(LOG_FORMAT_TEXT);
    log_line(&f.sink, LOG_DEBUG, "LVE-9999", "x", log_i64("n", count_evaluation()));
    cr_assert(eq(int, evaluated, 0));
    cr_assert(eq(u32, f.line_count, 0));
    log_line(&f.sink, LOG_INFO, "LVE-9999", "x", log_i64("n", count_evaluation()));
    cr_assert(eq(int, evaluated, 1));
    cr_assert(eq(u32, f.line_count, 1));
}

/* What a hostile client might call itself. */
static const char hostile[] = "a\nb\r\t\x1b[31m\x7f\xc2\x85\xe2\x80\xae\xff\\end";

Test(log_line, values_cannot_leave_their_line)
{
    use(LOG_FORMAT_TEXT);
    log_line(&f.sink, LOG_INFO, "LVE-9999", "x", log_str("v", hostile));
    cr_assert(eq(str, strstr(f.line, "v="),
                 "v=\"a\\nb\\r\\t\\u001b[31m\\u007f\\u0085\\u202e\\xff\\\\end\""));
    use(LOG_FORMAT_LOGFMT);
    log_line(&f.sink, LOG_INFO, "LVE-9999", "x", log_str("v", hostile));
    cr_assert(eq(str, strstr(f.line, "v="),
                 "v=\"a\\nb\\r\\t\\u001b[31m\\u007f\\u0085\\u202e\\ufffd\\\\end\""));
    use(LOG_FORMAT_TEXT);
    log_line(&f.sink, LOG_INFO, "LVE-9999", "x", log_str("v", "gr\xc3\xbc\xc3\x9f"));
    cr_assert(eq(str, strstr(f.line, "v="), "v=gr\xc3\xbc\xc3\x9f"));
    log_line(&f.sink, LOG_INFO, "LVE-9999", "x", log_str("v", "a=b"));
    cr_assert(eq(str, strstr(f.line, "v="), "v=\"a=b\""));
}

static void expect_json(const char *key, const char *value)
{
    json_error_t error;
    json_t *object = json_loads(f.line, JSON_REJECT_DUPLICATES, &error);

    cr_assert(ne(ptr, object, NULL), "%s: %s", error.text, f.line);
    cr_assert(eq(str, (char *)json_string_value(json_object_get(object, key)), (char *)value));
    json_decref(object);
}

Test(log_line, json_stays_json_whatever_is_in_it)
{
    use(LOG_FORMAT_JSON);
    log_line(&f.sink, LOG_INFO, "LVE-9999", "x", log_str("v", hostile));
    expect_json("v", "a\nb\r\t\x1b[31m\x7f\xc2\x85\xe2\x80\xae\xef\xbf\xbd\\end");
    for (unsigned byte = 1; byte < 256; byte++) {
        char value[3] = {'x', (char)byte, '\0'};
        json_t *object;
        log_line(&f.sink, LOG_INFO, "LVE-9999", "x", log_str("v", value));
        object = json_loads(f.line, 0, NULL);
        cr_assert(ne(ptr, object, NULL), "%s", f.line);
        json_decref(object);
    }
}

Test(log_line, long_values_are_cut_between_letters)
{
    char value[LOG_VALUE_MAX + 10];
    char *v;

    use(LOG_FORMAT_TEXT);
    memset(value, 'a', sizeof(value));
    memcpy(value + LOG_VALUE_MAX - 1, "\xe2\x82\xac", 3);
    log_line(&f.sink, LOG_INFO, "LVE-9999", "x", log_text("v", value, sizeof(value)));
    v = strstr(f.line, "v=");
    cr_assert(eq(sz, strlen(v), strlen("v=\"") + LOG_VALUE_MAX - 1 + strlen("...\"")));
    cr_assert(eq(str, v + strlen(v) - 5, "a...\""));
}

Test(log_line, long_lines_keep_whole_fields_and_say_so)
{
    char value[LOG_VALUE_MAX];

    memset(value, 1, sizeof(value)); /* six times as long when escaped */
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        use((enum log_format)format);
        log_line(&f.sink, LOG_INFO, "LVE-9999", "x", log_text("one", value, sizeof(value)),
                 log_text("two", value, sizeof(value)), log_i64("three", 3));
        cr_assert(ne(ptr, strstr(f.line, "one"), NULL));
        cr_assert(eq(ptr, strstr(f.line, "two"), NULL));
        if (format == LOG_FORMAT_TEXT)
            cr_assert(eq(str, f.line + strlen(f.line) - 4, " ..."));
        if (format == LOG_FORMAT_LOGFMT)
            cr_assert(eq(str, f.line + strlen(f.line) - 9, " cut=true"));
        if (format == LOG_FORMAT_JSON)
            expect_json("message", "x");
    }
}

static char *time_of(int64_t at_ms)
{
    static char text[64];

    f.wall_ms = at_ms;
    log_line(&f.sink, LOG_INFO, "LVE-9999", "x");
    memcpy(text, f.line + 1, 23);
    text[23] = '\0';
    return text;
}

Test(log_line, knows_the_calendar)
{
    use(LOG_FORMAT_TEXT);
    cr_assert(eq(str, time_of(0), "1970-01-01 00:00:00,000"));
    cr_assert(eq(str, time_of(951782399999), "2000-02-28 23:59:59,999"));
    cr_assert(eq(str, time_of(951782400000), "2000-02-29 00:00:00,000"));
    cr_assert(eq(str, time_of(4107542400000), "2100-03-01 00:00:00,000"));
    cr_assert(eq(str, time_of(253402300799999), "9999-12-31 23:59:59,999"));
    cr_assert(eq(str, time_of(INT64_MAX), "9999-12-31 23:59:59,999"));
    cr_assert(eq(str, time_of(-5), "1970-01-01 00:00:00,000"));
}

Test(log_line, agrees_with_gmtime_on_every_day)
{
    use(LOG_FORMAT_TEXT);
    for (time_t day = 0; day < 365 * 500; day++) {
        time_t seconds = day * 86400 + day % 86400;
        char expected[32];
        struct tm tm;
        strftime(expected, sizeof(expected), "%Y-%m-%d %H:%M:%S", gmtime_r(&seconds, &tm));
        if (strncmp(time_of(seconds * 1000), expected, 19) != 0)
            cr_fail("%s %s", f.line, expected);
    }
}

static void write_many(enum log_level level, int count)
{
    for (int i = 0; i < count; i++)
        log_line(&f.sink, level, "LVE-1001", "again", log_i64("i", i));
}

Test(log_line, one_code_writes_a_burst_and_then_one_a_second)
{
    use(LOG_FORMAT_TEXT);
    write_many(LOG_WARN, 100);
    cr_assert(eq(u32, f.line_count, 10));
    cr_assert(eq(u64, f.sink.suppressed_count, 90));
    f.mono_ns += 999999999;
    write_many(LOG_WARN, 1);
    cr_assert(eq(u32, f.line_count, 10));
    f.mono_ns += 1;
    write_many(LOG_WARN, 5);
    cr_assert(eq(u32, f.line_count, 11));
    cr_assert(eq(str, strstr(f.line, "again"), "again i=0 suppressed=91"));
    /* another code is not concerned */
    log_line(&f.sink, LOG_WARN, "LVE-1002", "other");
    cr_assert(eq(u32, f.line_count, 12));
    /* after a long rest there is a whole burst again, not more */
    f.mono_ns += 3600000000000;
    write_many(LOG_WARN, 100);
    cr_assert(eq(u32, f.line_count, 22));
}

Test(log_line, the_first_error_of_a_code_is_always_written)
{
    use(LOG_FORMAT_TEXT);
    write_many(LOG_INFO, 50);
    cr_assert(eq(u32, f.line_count, 10));
    write_many(LOG_ERROR, 3);
    cr_assert(eq(u32, f.line_count, 11));
    cr_assert(eq(str, strstr(f.line, "again"), "again i=0 suppressed=40"));
}

Test(log_line, suppressed_lines_are_reported_in_the_end)
{
    use(LOG_FORMAT_TEXT);
    write_many(LOG_WARN, 25);
    log_sink_report_suppressed(&f.sink);
    cr_assert(eq(u32, f.line_count, 11));
    cr_assert(eq(str, strstr(f.line, "LVE-1003"),
                 "LVE-1003 lines were suppressed about_code=LVE-1001 suppressed=15"));
    log_sink_report_suppressed(&f.sink);
    cr_assert(eq(u32, f.line_count, 11));
}

Test(log_line, the_limit_can_be_switched_off_and_spares_debugging)
{
    use(LOG_FORMAT_TEXT);
    f.sink.min_level = LOG_TRACE;
    write_many(LOG_DEBUG, 50);
    cr_assert(eq(u32, f.line_count, 50));
    f.sink.burst_max = 0;
    write_many(LOG_WARN, 50);
    cr_assert(eq(u32, f.line_count, 100));
}

Test(log_line, every_code_is_well_formed_rising_and_explained)
{
    size_t count;
    const struct log_code *codes = log_codes(&count);

    cr_assert(lt(sz, 0, count));
    for (size_t i = 0; i < count; i++) {
        const char *code = codes[i].code;
        cr_assert(eq(sz, strlen(code), 8), "%s", code);
        cr_assert(eq(int, strncmp(code, "LVE-", 4), 0), "%s", code);
        cr_assert(eq(sz, strspn(code + 4, "0123456789"), 4), "%s", code);
        cr_assert(i == 0 || strcmp(codes[i - 1].code, code) < 0, "%s is out of order", code);
        cr_assert(lt(sz, 0, strlen(codes[i].text)), "%s", code);
        cr_assert(ne(ptr, strstr(codes[i].advice, "Cause: "), NULL), "%s", code);
        cr_assert(ne(ptr, strstr(codes[i].advice, "Effect: "), NULL), "%s", code);
        cr_assert(ne(ptr, strstr(codes[i].advice, "Next step: "), NULL), "%s", code);
        cr_assert(eq(ptr, (void *)log_code_find(code), (void *)&codes[i]));
    }
    cr_assert(eq(ptr, (void *)log_code_find("LVE-0000"), NULL));
}

Test(log_line, names_of_levels_and_formats_are_parsed)
{
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_FORMAT_TEXT;

    cr_assert(eq(int, log_level_parse("WARN", 4, &level), OK));
    cr_assert(eq(int, level, LOG_WARN));
    cr_assert(eq(int, log_level_parse("warning", 7, &level), ERR_MALFORMED));
    cr_assert(eq(int, log_format_parse("json", 4, &format), OK));
    cr_assert(eq(int, format, LOG_FORMAT_JSON));
    cr_assert(eq(int, log_format_parse("xml", 3, &format), ERR_MALFORMED));
}
