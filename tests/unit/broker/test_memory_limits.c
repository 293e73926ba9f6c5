#include "base/system_memory.h"
#include "broker/config.h"
#include "broker/memory_limits.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

static void on_text(void *context, const char *text)
{
    cr_assert(not(1), "%s", text);
}

static struct memory_limits share(const char *const *sets, uint64_t system_bytes, uint32_t shards,
                                  uint64_t *total_out)
{
    struct config_load_options options = {.sets = sets};
    struct memory_limits limits;
    struct config *config;

    cr_assert(eq(int, config_load(NULL, &options, on_text, on_text, NULL, &config), OK));
    memory_limits_share(config, system_bytes, shards, &limits, total_out);
    config_destroy(config);
    return limits;
}

static uint64_t sum_of(const struct memory_limits *limits)
{
    uint64_t sum = 0;

    for (int purpose = 0; purpose < MEMORY_PURPOSE_COUNT; purpose++) {
        cr_assert(lt(u64, 0, limits->max_bytes[purpose]));
        sum += limits->max_bytes[purpose];
    }
    return sum;
}

/* Whatever the system gives, all shards together stay three quarters below it. */
Test(memory_limits, all_purposes_of_all_shards_leave_a_quarter)
{
    for (uint64_t mib = 64; mib <= 65536; mib *= 2)
        for (uint32_t shards = 1; shards <= 8; shards *= 2) {
            uint64_t total;
            struct memory_limits limits = share(NULL, mib << 20, shards, &total);

            cr_assert(eq(u64, total, mib << 20));
            cr_assert(le(u64, sum_of(&limits) * shards, total / 4 * 3));
            cr_assert(le(u64, limits.tail_cache_bytes * 2, limits.max_bytes[MEMORY_JOURNAL]));
            cr_assert(le(u64, limits.idle_bytes * shards, total / 32));
            cr_assert(le(u64, limits.idle_bytes * shards, 128 << 20));
        }
}

Test(memory_limits, the_key_counts_before_what_the_system_says)
{
    const char *const sets[] = {"levee.memory.max.bytes=268435456", NULL};
    uint64_t total;
    struct memory_limits limits = share(sets, (uint64_t)8 << 30, 1, &total);

    cr_assert(eq(u64, total, 268435456));
    cr_assert(le(u64, sum_of(&limits), 268435456 / 4 * 3));
    cr_assert(le(u64, limits.tail_cache_bytes, 32 << 20));
    cr_assert(eq(u64, limits.recode_bytes, 16 << 20));
}

Test(memory_limits, what_is_set_is_kept)
{
    const char *const sets[] = {"levee.tail.cache.bytes=67108864",
                                "queued.max.request.bytes=1000000", NULL};
    uint64_t total;
    struct memory_limits limits = share(sets, 268435456, 2, &total);

    cr_assert(eq(u64, limits.tail_cache_bytes, 67108864));
    cr_assert(ge(u64, limits.max_bytes[MEMORY_JOURNAL], 2 * 67108864));
    cr_assert(eq(u64, limits.max_bytes[MEMORY_REQUESTS], 500000));
}

Test(memory_limits, plenty_gives_the_defaults)
{
    uint64_t total;
    struct memory_limits limits = share(NULL, (uint64_t)64 << 30, 1, &total);

    cr_assert(eq(u64, limits.tail_cache_bytes, 134217728));
    cr_assert(eq(u64, limits.max_bytes[MEMORY_JOURNAL], 4 * 134217728));
}
