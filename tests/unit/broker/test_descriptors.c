#include "broker/descriptors.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(descriptors, without_a_limit_everything_is_as_configured)
{
    struct descriptors shares = descriptors_share(0, 4, 4096, 0);

    cr_assert(eq(u32, shares.files_per_shard, 4096));
    cr_assert(eq(u32, shares.connections_max, 0));
    cr_assert(not(shares.short_of));
}

Test(descriptors, with_plenty_the_connections_get_what_the_files_leave)
{
    struct descriptors shares = descriptors_share(100000, 2, 4096, 0);

    cr_assert(eq(u32, shares.files_per_shard, 4096));
    cr_assert(eq(u32, shares.connections_max, 100000 - 256 - 2 * 4096));
    cr_assert(not(shares.short_of));
    shares = descriptors_share(100000, 2, 4096, 500);
    cr_assert(eq(u32, shares.connections_max, 100000 - 256 - 2 * 4096)); /* it may be raised */
    cr_assert(not(shares.short_of));
}

Test(descriptors, with_few_each_side_gets_half)
{
    struct descriptors shares = descriptors_share(1024, 2, 4096, 0);

    cr_assert(eq(u32, shares.files_per_shard, 192));
    cr_assert(eq(u32, shares.connections_max, 384));
    cr_assert(shares.short_of);
    shares = descriptors_share(1024, 2, 100, 1000);
    cr_assert(eq(u32, shares.files_per_shard, 100));
    cr_assert(eq(u32, shares.connections_max, 568));
    cr_assert(shares.short_of); /* of the connections that were asked for */
}

/* All of it together never exceeds the limit, unless the limit is below what a start needs. */
Test(descriptors, the_sum_never_exceeds_the_limit)
{
    for (uint32_t limit = 320; limit < 70000; limit = limit * 5 / 4)
        for (uint32_t shard_count = 1; shard_count <= 2; shard_count++) {
            struct descriptors shares = descriptors_share(limit, shard_count, 4096, 0);
            uint32_t files = shares.files_per_shard * shard_count;

            cr_assert(le(u32, files + shares.connections_max + 256, limit), "limit %u", limit);
        }
    cr_assert(eq(u32, descriptors_share(10, 8, 4096, 0).files_per_shard, 16));
    cr_assert(eq(u32, descriptors_share(10, 8, 4096, 0).connections_max, 1));
}

Test(descriptors, a_limit_under_which_nobody_is_served_is_told)
{
    cr_assert(descriptors_share(256, 1, 4096, 0).too_few); /* one connection is no service */
    cr_assert(not(descriptors_share(1024, 1, 4096, 0).too_few));
    cr_assert(not(descriptors_share(0, 64, 4096, 0).too_few));
}
