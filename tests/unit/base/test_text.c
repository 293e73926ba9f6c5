#include "base/text.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

static enum err parse(const char *text, int64_t min, int64_t max, int64_t *out)
{
    return text_parse_i64(text, strlen(text), min, max, out);
}

Test(text, compares_with_a_length)
{
    cr_assert(text_equal("acks=", 4, "acks"));
    cr_assert(not(text_equal("acks", 4, "ack")));
    cr_assert(not(text_equal("ack", 3, "acks")));
    cr_assert(text_equal("", 0, ""));
    cr_assert(text_equal_nocase("TRUE", 4, "true"));
    cr_assert(not(text_equal_nocase("[", 1, "{")));
    cr_assert(text_starts_with("log.dirs", 8, "log."));
    cr_assert(not(text_starts_with("lo", 2, "log.")));
}

Test(text, parses_numbers_to_both_ends_of_the_type)
{
    int64_t value;

    cr_assert(eq(int, parse("-9223372036854775808", INT64_MIN, INT64_MAX, &value), OK));
    cr_assert(eq(i64, value, INT64_MIN));
    cr_assert(eq(int, parse("+9223372036854775807", INT64_MIN, INT64_MAX, &value), OK));
    cr_assert(eq(i64, value, INT64_MAX));
    cr_assert(eq(int, parse("0007", 0, 7, &value), OK));
    cr_assert(eq(i64, value, 7));
}

Test(text, tells_no_number_from_one_out_of_range)
{
    static const char *const bad[] = {"", "-", "+", "1a", " 1", "1 ", "--1", "0x10", "1.0", "1e3"};
    int64_t value = 42;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(eq(int, parse(bad[i], INT64_MIN, INT64_MAX, &value), ERR_MALFORMED), "%s",
                  bad[i]);
    cr_assert(eq(int, parse("9223372036854775808", INT64_MIN, INT64_MAX, &value), ERR_INVALID));
    cr_assert(eq(int, parse("-9223372036854775809", INT64_MIN, INT64_MAX, &value), ERR_INVALID));
    /* runs over several times, and comes out inside the range by accident of the bits */
    cr_assert(eq(int, parse("18446744073709551623", INT64_MIN, INT64_MAX, &value), ERR_INVALID));
    cr_assert(eq(int, parse("99999999999999999999999x", 0, 9, &value), ERR_MALFORMED));
    cr_assert(eq(int, parse("8", 0, 7, &value), ERR_INVALID));
    cr_assert(eq(int, parse("-1", 0, 7, &value), ERR_INVALID));
    cr_assert(eq(i64, value, 42));
}

Test(text, parses_booleans)
{
    bool value = false;

    cr_assert(eq(int, text_parse_bool("True", 4, &value), OK));
    cr_assert(value);
    cr_assert(eq(int, text_parse_bool("yes", 3, &value), ERR_MALFORMED));
    cr_assert(eq(int, text_parse_bool("", 0, &value), ERR_MALFORMED));
    cr_assert(value);
    cr_assert(eq(int, text_parse_bool("false", 5, &value), OK));
    cr_assert(not(value));
}

Test(text, every_code_point_comes_back_from_utf8)
{
    for (uint32_t code_point = 0; code_point <= 0x10ffff; code_point++) {
        char bytes[4];
        uint32_t back = 0;
        size_t size;
        if (code_point == 0xd800)
            code_point = 0xe000;
        size = text_utf8_put(bytes, code_point);
        if (text_utf8_next(bytes, size, &back) != size || back != code_point)
            cr_fail("%x", code_point);
        if (size > 1 && text_utf8_next(bytes, size - 1, &back) != 0)
            cr_fail("cut %x", code_point);
    }
}

Test(text, refuses_what_rfc_3629_forbids)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80",
        "\xff",
        "\xc3(",
        "\xe2\x82(",
    };
    uint32_t code_point;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(eq(sz, text_utf8_next(bad[i], strlen(bad[i]), &code_point), 0));
    cr_assert(eq(sz, text_utf8_next("", 0, &code_point), 0));
}

/* What Java's String makes of bytes. */
Test(text, mends_ill_formed_utf8_as_java_does)
{
    static const struct {
        const char *bad;
        const char *mended; /* R: U+FFFD */
    } rows[] = {{"\xc0\x80", "RR"},
                {"\xe2\x82"
                 "A",
                 "RA"},
                {"\xe2\x82", "R"},
                {"\xed\xa0\x80", "R"},
                {"\xf0\x9f\x98", "R"},
                {"\xf8\x88", "RR"},
                {"\xf5\x80\x80\x80", "RRRR"},
                {"\xe0\x80\x80", "RRR"},
                {"\xf4\x90\x80\x80", "RRRR"},
                {"\xfe", "R"},
                {"\x80\x80", "RR"},
                {"\xf0\x9f"
                 "A",
                 "RA"},
                {"\xed\xbf\xbf"
                 "A",
                 "RA"},
                {"\xf0\x80\x80\x80", "RRRR"},
                {"\xf4\x8f\xbf", "R"},
                {"\xc3"
                 "A",
                 "RA"},
                {"a\xc3\xa4\xff", "a\xc3\xa4R"},
                {"\xed\xa0", "R"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[64];
        char want[64] = "";
        size_t size_bytes = text_utf8_mend(rows[i].bad, strlen(rows[i].bad), out);
        for (const char *c = rows[i].mended; *c != '\0'; c++) {
            size_t at = strlen(want);
            snprintf(want + at, sizeof(want) - at, "%.*s", *c == 'R' ? 3 : 1,
                     *c == 'R' ? "\xef\xbf\xbd" : c);
        }
        out[size_bytes] = '\0';
        cr_expect(eq(str, out, want), "row %zu", i);
        cr_expect(not(text_is_utf8(rows[i].bad, strlen(rows[i].bad))));
        cr_expect(text_is_utf8(out, size_bytes));
    }
    cr_expect(text_is_utf8("", 0));
    cr_expect(text_is_utf8("plain text of some length", 25));
    cr_expect(not(text_is_utf8("plain text of some length\xff", 26)));
}

Test(text, trim_takes_what_java_takes)
{
    const char *text = " \t\r\n\x01 a b \0 ";
    size_t size_bytes = 12;

    text_trim(&text, &size_bytes);
    cr_assert(eq(u64, size_bytes, 3));
    cr_assert(eq(int, memcmp(text, "a b", 3), 0));
    text = " \t ";
    size_bytes = 3;
    text_trim(&text, &size_bytes);
    cr_assert(eq(u64, size_bytes, 0));
}
