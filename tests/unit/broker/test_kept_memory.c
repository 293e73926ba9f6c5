#include "broker/kept_memory.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static const uint64_t much_bytes = (uint64_t)1 << 30;
static const uint64_t busy = (uint64_t)100 << 20; /* of progress between two looks */

Test(kept_memory, goes_back_while_it_is_quiet)
{
    struct kept_memory kept = {0};

    cr_assert(not(kept_memory_goes(&kept, much_bytes, busy)));
    cr_assert(not(kept_memory_goes(&kept, much_bytes, 2 * busy)));
    cr_assert(
        kept_memory_goes(&kept, much_bytes, 2 * busy + 1000)); /* somebody asks now and then */
}

Test(kept_memory, goes_back_rarely_while_there_is_work)
{
    struct kept_memory kept = {0};
    uint64_t progress = 0;

    for (int round = 0; round < 3; round++) {
        for (int look = 1; look < KEPT_MEMORY_BUSY_LOOKS; look++)
            cr_assert(not(kept_memory_goes(&kept, much_bytes, progress += busy)));
        cr_assert(kept_memory_goes(&kept, much_bytes, progress += busy));
        kept_memory_is_gone(&kept, 0);
    }
}

Test(kept_memory, little_is_not_worth_a_pause)
{
    struct kept_memory kept = {0};

    cr_assert(not(kept_memory_goes(&kept, KEPT_MEMORY_MAX_BYTES - 1, 0)));
    cr_assert(kept_memory_goes(&kept, much_bytes, 0));
    kept_memory_is_gone(&kept, 100 << 20); /* fragments that do not go */
    cr_assert(not(kept_memory_goes(&kept, 110 << 20, 0)));
    cr_assert(not(kept_memory_goes(&kept, 10 << 20, 0))); /* they went after all */
    cr_assert(kept_memory_goes(&kept, 30 << 20, 0));
}
