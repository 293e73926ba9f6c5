#include "tools/load/load_stats.h"

enum { DIGITS = 3 };

enum err load_stats_init(struct load_stats *stats)
{
    *stats = (struct load_stats){0};
    for (int i = 0; i < LOAD_HISTOGRAM_COUNT; i++) {
        enum err err = histogram_init(&stats->histograms[i], DIGITS);
        if (err != OK) {
            load_stats_deinit(stats);
            return err;
        }
    }
    return OK;
}

void load_stats_deinit(struct load_stats *stats)
{
    for (int i = 0; i < LOAD_HISTOGRAM_COUNT; i++)
        histogram_deinit(&stats->histograms[i]);
}
