#include "broker/descriptors.h"

enum {
    RESERVE = 256,  /* of the process */
    FILES_MIN = 16, /* of a shard, however few descriptors there are */
    CONNECTIONS_MIN = 64,
    FILES_ENOUGH = 1024, /* what nobody asked for by name is not missed while there are so many */
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

enum err descriptors_share_out(const struct config *config, uint32_t limit, uint32_t shard_count,
                               struct log_sink *sink, struct descriptors *out)
{
    uint32_t files = (uint32_t)config_values(config)->levee_open_files_max;
    int64_t connections = config_values(config)->max_connections;

    *out = descriptors_share(limit, shard_count, files,
                             connections < INT32_MAX ? (uint32_t)connections : 0);
    if (out->too_few) {
        log_line(sink, LOG_ERROR, "LVE-1111", "the descriptor limit is too low to serve anybody",
                 log_u64("limit", limit));
        return ERR_INVALID;
    }
    if (out->short_of &&
        (config_is_set(config, CONFIG_LEVEE_OPEN_FILES_MAX) ||
         config_is_set(config, CONFIG_MAX_CONNECTIONS) || out->files_per_shard < FILES_ENOUGH))
        log_line(sink, LOG_INFO, "LVE-1108",
                 "fewer files or connections than configured: the descriptor limit is low",
                 log_u64("limit", limit), log_u64("files_per_shard", out->files_per_shard),
                 log_u64("connections", out->connections_max));
    return OK;
}
