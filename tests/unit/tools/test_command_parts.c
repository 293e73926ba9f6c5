#include "tools/line_input.h"
#include "tools/record_format.h"
#include "tools/start_offset.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t resolve(const char *text, int64_t start, int64_t end, int64_t timed)
{
    struct start_offset where;

    cr_assert(start_offset_parse(text, &where), "%s", text);
    return start_offset_resolve(&where, start, end, timed);
}

Test(start_offset, is_counted_from_either_side_and_stays_behind_the_start)
{
    cr_assert(eq(i64, resolve("start", 10, 20, -1), 10));
    cr_assert(eq(i64, resolve("end", 10, 20, -1), 20));
    cr_assert(eq(i64, resolve("+3", 10, 20, -1), 13));
    cr_assert(eq(i64, resolve("+30", 10, 20, -1), 20));
    cr_assert(eq(i64, resolve("+9223372036854775807", 10, 20, -1), 20));
    cr_assert(eq(i64, resolve("-3", 10, 20, -1), 17));
    cr_assert(eq(i64, resolve("-30", 10, 20, -1), 10));
    cr_assert(eq(i64, resolve("15", 10, 20, -1), 15));
    cr_assert(eq(i64, resolve("5", 10, 20, -1), 10));
    cr_assert(eq(i64, resolve("25", 10, 20, -1), 25)); /* the broker says that it is not there */
    cr_assert(eq(i64, resolve("@1000", 10, 20, 12), 12));
    cr_assert(eq(i64, resolve("@1000", 10, 20, -1), 20));
}

Test(start_offset, end_behind_a_colon_says_where_to_stop)
{
    struct start_offset where;

    cr_assert(start_offset_parse(":end", &where) && where.stop_at_end);
    cr_assert(start_offset_parse("-5:end", &where) && where.stop_at_end);
    cr_assert(eq(i64, where.number, 5));
    cr_assert(start_offset_parse("end", &where) && !where.stop_at_end);
}

Test(start_offset, refuses_what_it_does_not_know)
{
    static const char *const texts[] = {"",
                                        "begin",
                                        "-",
                                        "+",
                                        "@",
                                        "--5",
                                        "+-5",
                                        "-+5",
                                        "5x",
                                        "5:",
                                        "5:start",
                                        "@-1",
                                        " 5",
                                        "start ",
                                        "0x1",
                                        "::end",
                                        "9223372036854775808"};
    struct start_offset where;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_assert(not(start_offset_parse(texts[i], &where)), "\"%s\"", texts[i]);
}

static bool is_right(const char *format)
{
    char problem[64];

    return record_format_check(format, problem, sizeof(problem));
}

Test(record_format, refuses_unknown_verbs_and_escapes)
{
    cr_assert(is_right("%k=%v %% %t/%p/%o %d %e %K %V %T %H\\n\\t\\r\\\\\\x41"));
    cr_assert(is_right(""));
    cr_assert(not(is_right("%q")));
    cr_assert(not(is_right("%v%")));
    cr_assert(not(is_right("\\q")));
    cr_assert(not(is_right("\\")));
    cr_assert(not(is_right("\\x4")));
    cr_assert(not(is_right("\\xg0")));
}

Test(record_format, headers_have_a_template_of_their_own)
{
    cr_assert(is_right("%h{%k=%v %K%V%%%{%}\\n}%%%{%}"));
    cr_assert(not(is_right("%h")));
    cr_assert(not(is_right("%h{")));
    cr_assert(not(is_right("%h{%}")));
    cr_assert(not(is_right("%h{%o}")));
    cr_assert(not(is_right("%h{%h{}}")));
    cr_assert(not(is_right("%v{hex}")));
}

static const char *read_format(const char *format)
{
    static char delimiter[RECORD_FORMAT_DELIMITER_MAX];
    char problem[256];

    return record_format_read(format, delimiter, problem, sizeof(problem)) ? delimiter : NULL;
}

Test(record_format, a_template_of_input_is_a_value_or_a_key_text_and_a_value)
{
    static const char *const wrong[] = {
        "",           "%v",          "%k%v\\n",    "%k %v",        "%v %k\\n",
        "x%v\\n",     "%k %p %v\\n", "%k\\n%v\\n", "%k\\x00%v\\n", "%k\\q%v\\n",
        "%v\\n%v\\n", "%k %v\\n ",   "%V %v\\n"};
    char far[200];

    cr_assert(eq(str, (char *)read_format("%v\\n"), ""));
    cr_assert(eq(str, (char *)read_format("%k %v\\n"), " "));
    cr_assert(eq(str, (char *)read_format("%k\\t%%%{\\x41%v\\n"), "\t%{A"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert(eq(ptr, (void *)read_format(wrong[i]), NULL), "\"%s\"", wrong[i]);
    snprintf(far, sizeof(far), "%%k%0100d%%v\\n", 0);
    cr_assert(eq(ptr, (void *)read_format(far), NULL));
}

Test(record_format, prints_what_the_verbs_name)
{
    struct record record;
    struct record_format_place place = {
        .topic = "t", .partition = 3, .leader_epoch = 4, .offset = 5, .timestamp_ms = 6};
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    record_init(&record, NULL, -1, "a\0b", 3);
    record_format_print(file, "%k|%K|%V|%t|%p|%e|%o|%d|%%|\\x41\\t|%v", &record, &place);
    fclose(file);
    cr_assert(eq(sz, size, strlen("|0|3|t|3|4|5|6|%|A\t|") + 3));
    cr_assert(memcmp(text, "|0|3|t|3|4|5|6|%|A\t|a\0b", size) == 0, "%s", text);
    free(text);
}

static enum line_input_event next(struct line_input *input, int64_t wait_ms, char *out)
{
    const char *line = "";
    size_t size_bytes = 0;
    enum line_input_event event = line_input_next(
        input, wait_ms < 0 ? -1 : line_input_now_ms() + wait_ms, &line, &size_bytes);

    if (event == LINE_INPUT_LINE)
        snprintf(out, 64, "%.*s", (int)size_bytes, line);
    return event;
}

Test(line_input, gives_lines_as_they_come_and_knows_the_deadline_and_the_end)
{
    struct line_input input;
    int fds[2];
    char line[64];

    cr_assert(pipe(fds) == 0);
    line_input_init(&input, fds[0], -1);
    cr_assert(write(fds[1], "one\n\ntw", 7) == 7);
    cr_assert(eq(int, next(&input, -1, line), LINE_INPUT_LINE));
    cr_assert(eq(str, line, "one"));
    cr_assert(eq(int, next(&input, 0, line), LINE_INPUT_LINE)); /* read already: no wait */
    cr_assert(eq(str, line, ""));
    cr_assert(eq(int, next(&input, 10, line), LINE_INPUT_DEADLINE));
    cr_assert(eq(sz, line_input_unfinished_bytes(&input), 2));
    cr_assert(write(fds[1], "o\nlast", 6) == 6);
    cr_assert(eq(int, next(&input, -1, line), LINE_INPUT_LINE));
    cr_assert(eq(str, line, "two"));
    close(fds[1]);
    cr_assert(eq(int, next(&input, -1, line), LINE_INPUT_LINE));
    cr_assert(eq(str, line, "last"));
    cr_assert(eq(int, next(&input, -1, line), LINE_INPUT_END));
    cr_assert(eq(int, next(&input, -1, line), LINE_INPUT_END));
    line_input_deinit(&input);
    close(fds[0]);
}

Test(line_input, stops_between_lines_and_reads_lines_longer_than_a_read)
{
    enum { LONG = 300000 };
    struct line_input input;
    char path[] = "/tmp/line_input-XXXXXX";
    int file = mkstemp(path);
    int stop[2];
    char *text = calloc(1, LONG + 3);
    const char *line;
    size_t size_bytes;

    memset(text, 'x', LONG);
    memcpy(text + LONG, "\ny\n", 3);
    cr_assert(write(file, text, LONG + 3) == LONG + 3 && lseek(file, 0, SEEK_SET) == 0);
    cr_assert(pipe(stop) == 0);
    line_input_init(&input, file, stop[0]);
    cr_assert(eq(int, line_input_next(&input, -1, &line, &size_bytes), LINE_INPUT_LINE));
    cr_assert(eq(sz, size_bytes, LONG));
    cr_assert(write(stop[1], "", 1) == 1);
    cr_assert(eq(int, line_input_next(&input, -1, &line, &size_bytes), LINE_INPUT_LINE));
    cr_assert(eq(sz, size_bytes, 1)); /* was read before */
    cr_assert(eq(int, line_input_next(&input, -1, &line, &size_bytes), LINE_INPUT_STOP));
    line_input_deinit(&input);
    free(text);
    close(file);
    unlink(path);
}
