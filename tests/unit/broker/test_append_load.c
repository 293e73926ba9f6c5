#include "base/log_line.h"
#include "broker/append_load.h"
#include "broker/append_queue.h"
#include "broker/memory_limits.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* Two shards, of which this is one: 2,000 bytes for all that wait for checks, 1,000 for a queue. */
enum { ALL = 2000, QUEUE = 1000, SECOND_NS = 1000000000 };

static struct append_load load;
static struct append_queue queue;
static struct append_op first;
static struct log_sink sink;
static uint32_t line_count;
static uint64_t now_ns;

static void on_line(struct log_sink *to, enum log_level level, const char *line, size_t size_bytes)
{
    line_count++;
}

static uint64_t no_time(struct clock *clock)
{
    return 0;
}

static int64_t no_wall_time(struct clock *clock)
{
    return 0;
}

static void setup(void)
{
    static struct clock clock = {.mono_ns = no_time, .wall_ms = no_wall_time};
    struct memory_limits limits = {0};

    limits.max_bytes[MEMORY_REQUESTS] = ALL * 4;
    limits.max_bytes[MEMORY_DECODED] = ALL * 40;
    log_sink_init(&sink, on_line, &clock, LOG_INFO, LOG_FORMAT_TEXT);
    append_load_init(&load, &limits, 2, &sink);
    append_queue_init(&queue, NULL, &load, 1);
    first.is_preparing = true;
    list_push_back(&queue.waiting, &first.node);
    now_ns = 100 * (uint64_t)SECOND_NS;
}

TestSuite(append_load, .init = setup);

/* So much waits, in queue and in all. */
static void hold(uint64_t queue_bytes, uint64_t all_bytes)
{
    queue.held_bytes = queue_bytes;
    load.held_bytes = all_bytes;
}

static bool ends(void)
{
    return append_load_ends(&load, &queue, "t", 0, now_ns);
}

static bool refuses(uint64_t held_bytes)
{
    return append_load_refuses(&load, &queue, held_bytes, false, now_ns);
}

Test(append_load, what_is_within_the_parts_stays)
{
    hold(QUEUE, ALL);
    cr_assert(not(ends()));
    cr_assert(not(refuses(ALL * 2)), "nobody has waited for memory");
    cr_assert(eq(u32, line_count, 0));
}

Test(append_load, what_a_queue_or_all_have_too_much_ends)
{
    hold(QUEUE + 1, QUEUE + 1);
    cr_assert(ends());
    hold(1, ALL + 1);
    cr_assert(ends());
    cr_assert(eq(u32, line_count, 1), "told once a minute");
    now_ns += 60 * (uint64_t)SECOND_NS;
    cr_assert(ends());
    cr_assert(eq(u32, line_count, 2));
}

Test(append_load, what_waits_for_the_disk_is_nobodys_fault)
{
    first.is_preparing = false;
    hold(ALL * 2, ALL * 2);
    cr_assert(not(ends()));
    load.strict_until_ns = now_ns + 1;
    cr_assert(not(refuses(1)));
    cr_assert(append_load_refuses(&load, &queue, 1, true, now_ns), "but for one that prepares");
}

Test(append_load, who_comes_afterwards_is_refused_beyond_the_parts)
{
    hold(QUEUE + 1, QUEUE + 1);
    cr_assert(ends());
    hold(QUEUE - 10, QUEUE - 10);
    cr_assert(not(refuses(10)));
    cr_assert(refuses(11));
    hold(10, ALL - 10);
    cr_assert(not(refuses(10)));
    cr_assert(refuses(11));
}

Test(append_load, one_that_is_alone_may_wait_whatever_it_holds)
{
    hold(QUEUE + 1, QUEUE + 1);
    cr_assert(ends());
    hold(0, 0);
    cr_assert(not(refuses(ALL * 2)));
    hold(0, 1);
    cr_assert(not(refuses(ALL - 1)), "the first one of its queue");
    cr_assert(refuses(ALL));
}

Test(append_load, a_minute_without_any_ends_it)
{
    hold(QUEUE + 1, QUEUE + 1);
    cr_assert(ends());
    now_ns += 59 * (uint64_t)SECOND_NS;
    cr_assert(refuses(1)); /* which begins it anew */
    now_ns += 59 * (uint64_t)SECOND_NS;
    cr_assert(refuses(1));
    now_ns += 60 * (uint64_t)SECOND_NS;
    cr_assert(not(refuses(1)));
}
