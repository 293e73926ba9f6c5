#include "broker/descriptors.h"

enum {
    RESERVE = 256,  /* of the process */
    FILES_MIN = 16, /* of a shard, however few descriptors there are */
    CONNECTIONS_MIN = 64,
};

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

struct descriptors descriptors_share(uint32_t limit, uint32_t shard_count, uint32_t files_per_shard,
                                     uint32_t connections_max)
{
    struct descriptors shares = {.files_per_shard = files_per_shard};
    uint32_t left = limit > RESERVE ? limit - RESERVE : 0;
    uint32_t files;

    if (limit == 0)
        return shares;
    shares.files_per_shard = min_u32(files_per_shard, left / 2 / shard_count);
    if (shares.files_per_shard < FILES_MIN)
        shares.files_per_shard = FILES_MIN;
    files = shares.files_per_shard * shard_count;
    shares.connections_max = left > files ? left - files : 1; /* never 0: that is no limit */
    shares.too_few = left < files + CONNECTIONS_MIN;
    shares.short_of =
        shares.files_per_shard < files_per_shard || shares.connections_max < connections_max;
    return shares;
}
