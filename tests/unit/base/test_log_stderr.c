#include "base/log_stderr.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static uint64_t mono_ns(struct clock *clock)
{
    return 1;
}

static int64_t wall_ms(struct clock *clock)
{
    return 0;
}

static struct clock clock_at_zero = {.mono_ns = mono_ns, .wall_ms = wall_ms};

Test(log_stderr, writes_lines_to_its_descriptor)
{
    static const char expected[] = "[1970-01-01 00:00:00,000] INFO LVE-9999 one\n"
                                   "[1970-01-01 00:00:00,000] WARN LVE-9999 two n=2\n";
    struct log_stderr log;
    char text[200];
    int ends[2];

    cr_assert(eq(int, pipe(ends), 0));
    log_stderr_init(&log, ends[1], &clock_at_zero, LOG_INFO, LOG_FORMAT_TEXT);
    log_line(&log.sink, LOG_INFO, "LVE-9999", "one");
    log_line(&log.sink, LOG_DEBUG, "LVE-9999", "hidden");
    log_line(&log.sink, LOG_WARN, "LVE-9999", "two", log_i64("n", 2));
    cr_assert(eq(sz, (size_t)read(ends[0], text, sizeof(text)), sizeof(expected) - 1));
    text[sizeof(expected) - 1] = '\0';
    cr_assert(eq(str, text, (char *)expected));
    cr_assert(eq(u64, log.lost_count, 0));
}

Test(log_stderr, counts_what_nobody_reads_and_ends_a_cut_line)
{
    char value[LOG_VALUE_MAX];
    struct log_stderr log;
    static char text[1 << 17];
    size_t size = 0;
    size_t lines_before;
    ssize_t got;
    int ends[2];
    uint64_t written = 0;

    cr_assert(eq(int, pipe2(ends, O_NONBLOCK), 0));
    log_stderr_init(&log, ends[1], &clock_at_zero, LOG_INFO, LOG_FORMAT_TEXT);
    memset(value, 'v', sizeof(value));
    while (log.lost_count == 0) {
        log_line(&log.sink, LOG_INFO, "LVE-9999", "full", log_text("v", value, sizeof(value)));
        written++;
        cr_assert(lt(u64, written, 1000));
    }
    while ((got = read(ends[0], text + size, sizeof(text) - size)) > 0)
        size += (size_t)got;
    lines_before = size;
    log_line(&log.sink, LOG_INFO, "LVE-9999", "room again");
    while ((got = read(ends[0], text + size, sizeof(text) - size)) > 0)
        size += (size_t)got;
    cr_assert(eq(u64, log.lost_count, 1));
    /* whether or not a part of the lost line got through, the new one stands alone */
    cr_assert(eq(chr, text[lines_before], '\n'));
    cr_assert(eq(int, strncmp(text + lines_before + 1, "[1970", 5), 0));
}

Test(log_stderr, a_closed_reader_is_not_the_end)
{
    struct log_stderr log;
    int ends[2];

    signal(SIGPIPE, SIG_IGN);
    cr_assert(eq(int, pipe(ends), 0));
    close(ends[0]);
    log_stderr_init(&log, ends[1], &clock_at_zero, LOG_INFO, LOG_FORMAT_TEXT);
    log_line(&log.sink, LOG_INFO, "LVE-9999", "one");
    log_line(&log.sink, LOG_INFO, "LVE-9999", "two");
    cr_assert(eq(u64, log.lost_count, 2));
}
