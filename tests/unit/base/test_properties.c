#include "base/mem.h"
#include "base/properties.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recorder {
    struct properties_reader reader;
    char text[1 << 16];
    size_t size_bytes;
    uint32_t stop_after;
    uint32_t pairs;
};
static struct recorder recorder;

static void write_hex(const char *bytes, size_t size_bytes)
{
    if (size_bytes == 0)
        recorder.text[recorder.size_bytes++] = '-';
    for (size_t i = 0; i < size_bytes; i++)
        recorder.size_bytes += (size_t)sprintf(recorder.text + recorder.size_bytes, "%02x",
                                               (unsigned)(uint8_t)bytes[i]);
}

static enum err on_pair_hex(struct properties_reader *reader, const struct property *property)
{
    cr_assert(eq(u8, property->key[property->key_bytes], 0));
    cr_assert(eq(u8, property->value[property->value_bytes], 0));
    write_hex(property->key, property->key_bytes);
    recorder.text[recorder.size_bytes++] = ' ';
    write_hex(property->value, property->value_bytes);
    recorder.text[recorder.size_bytes++] = '\n';
    return OK;
}

static enum err on_pair(struct properties_reader *reader, const struct property *property)
{
    recorder.size_bytes += (size_t)sprintf(recorder.text + recorder.size_bytes, "%u[%s][%s]",
                                           property->line, property->key, property->value);
    return ++recorder.pairs == recorder.stop_after ? ERR_INVALID : OK;
}

/* In memory of exactly that size, so that a sanitizer sees a step over the end. */
static enum err read_exact(const char *text, size_t size_bytes, enum properties_charset charset)
{
    char *copy = malloc(size_bytes);
    enum err err;

    memcpy(copy, text, size_bytes);
    recorder.size_bytes = 0;
    recorder.pairs = 0;
    err = properties_read(&recorder.reader, copy, size_bytes, charset);
    recorder.text[recorder.size_bytes] = '\0';
    free(copy);
    return err;
}

static char *read_file(const char *name, const char *suffix, size_t *size_bytes)
{
    static char contents[2][1 << 16];
    static int turn;
    char path[512];
    FILE *file;

    turn = !turn;
    snprintf(path, sizeof(path), "%s/properties/%s%s", BASE_GOLDEN_DIR, name, suffix);
    file = fopen(path, "rb");
    cr_assert(ne(ptr, file, NULL), "%s", path);
    *size_bytes = fread(contents[turn], 1, sizeof(contents[turn]) - 1, file);
    contents[turn][*size_bytes] = '\0';
    fclose(file);
    return contents[turn];
}

Test(properties, reads_what_java_reads)
{
    static const char *const names[] = {
        "server",      "escapes",       "continued",      "line_ends", "latin1",
        "bad_unicode", "short_unicode", "lone_backslash", "mixed",
    };

    recorder.reader.pair = on_pair_hex;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t input_bytes;
        size_t expected_bytes;
        char *input = read_file(names[i], ".properties", &input_bytes);
        char *expected = read_file(names[i], ".expected", &expected_bytes);
        enum err err = read_exact(input, input_bytes, PROPERTIES_LATIN1);
        cr_assert(eq(int, err, strstr(expected, "MALFORMED") != NULL ? ERR_MALFORMED : OK));
        if (err)
            recorder.size_bytes +=
                (size_t)sprintf(recorder.text + recorder.size_bytes, "MALFORMED\n");
        cr_assert(eq(str, recorder.text, expected), "%s", names[i]);
    }
}

static void expect(const char *text, enum err err, const char *pairs)
{
    cr_assert(eq(int, read_exact(text, strlen(text), PROPERTIES_UTF8), err), "%s", text);
    cr_assert(eq(str, recorder.text, (char *)pairs), "%s", text);
}

Test(properties, says_in_which_line_a_pair_begins)
{
    recorder.reader.pair = on_pair;
    expect("a=1\n\n# c\r\nb=2\\\n  3\\\r\n  4\rc=5", OK, "1[a][1]4[b][234]7[c][5]");
    expect("", OK, "");
    expect("\n \n#a", OK, "");
}

Test(properties, says_in_which_line_it_failed)
{
    recorder.reader.pair = on_pair;
    expect("a=1\n\nb=\\u00g0\nc=1", ERR_MALFORMED, "1[a][1]");
    cr_assert(eq(u32, recorder.reader.line, 3));
    expect("\\u00e=1", ERR_MALFORMED, "");
    cr_assert(eq(u32, recorder.reader.line, 1));
}

Test(properties, passes_utf8_as_it_is)
{
    recorder.reader.pair = on_pair;
    expect("gr\xc3\xbc\xc3\x9f=\xe2\x82\xac\\u20ac", OK,
           "1[gr\xc3\xbc\xc3\x9f][\xe2\x82\xac\xe2\x82\xac]");
}

Test(properties, the_callback_can_stop_the_reading)
{
    recorder.reader.pair = on_pair;
    recorder.stop_after = 2;
    expect("a=1\nb=2\nc=3", ERR_INVALID, "1[a][1]2[b][2]");
}

Test(properties, without_memory_says_so_and_keeps_nothing)
{
    uint64_t before = mem_used_count();

    recorder.reader.pair = on_pair;
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        cr_assert(eq(int, read_exact("a=1", 3, PROPERTIES_UTF8), ERR_NOMEM));
    }
    cr_assert(eq(int, read_exact("a=1", 3, PROPERTIES_UTF8), OK));
    cr_assert(eq(u64, mem_used_count(), before));
}

/* What Properties.store of OpenJDK 17 wrote for the same pairs. */
static const struct {
    const char *key;
    const char *value;
    const char *stored;
} stored[] = {
    {"plain", "value", "plain=value\n"},
    {"a key", " two  blanks ", "a\\ key=\\ two  blanks \n"},
    {"tab\there", "line\nfeed\rreturn\fform", "tab\\there=line\\nfeed\\rreturn\\fform\n"},
    {"a=b:c", "#not!a=comment:", "a\\=b\\:c=\\#not\\!a\\=comment\\:\n"},
    {"back\\slash", "C:\\dir\\", "back\\\\slash=C\\:\\\\dir\\\\\n"},
    {"umlaut\xc3\xa4", "\xe2\x82\xac\xf0\x9f\x98\x80\x7f\x01",
     "umlaut\\u00E4=\\u20AC\\uD83D\\uDE00\\u007F\\u0001\n"},
    {"empty", "", "empty=\n"},
    {"", "no key", "=no key\n"},
};

Test(properties, writes_what_java_writes)
{
    for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
        char text[200];
        size_t size = properties_format(text, sizeof(text), stored[i].key, stored[i].value);
        cr_assert(eq(str, text, (char *)stored[i].stored));
        cr_assert(eq(sz, size, strlen(text)));
    }
}

Test(properties, reads_back_what_it_wrote)
{
    recorder.reader.pair = on_pair;
    for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
        char text[200];
        char expected[200];
        properties_format(text, sizeof(text), stored[i].key, stored[i].value);
        snprintf(expected, sizeof(expected), "1[%s][%s]", stored[i].key, stored[i].value);
        expect(text, OK, expected);
    }
}

Test(properties, tells_the_size_when_there_is_no_room)
{
    char text[12];

    memset(text, 'x', sizeof(text));
    cr_assert(eq(sz, properties_format(text, 8, "key=", "value"), 12));
    cr_assert(eq(str, text, "key\\==v"));
    cr_assert(eq(u8, text[8], 'x'));
    cr_assert(eq(sz, properties_format(NULL, 0, "key=", "value"), 12));
    cr_assert(eq(sz, properties_format(text, 12, "a", "\xff"), 9));
    cr_assert(eq(str, text, "a=\\uFFFD\n"));
}
