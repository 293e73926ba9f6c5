#include "broker/config/config_key.h"

#include <stddef.h>
#include <string.h>

const struct config_key *config_key_search(const struct config_key *table, uint32_t count,
                                           const char *name)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(table[middle].name, name);
        if (order == 0)
            return &table[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct config_key *config_keys(uint32_t *count_out)
{
    *count_out = CONFIG_ID_COUNT;
    return config_tables_broker;
}

const struct config_key *config_key_find(const char *name)
{
    return config_key_search(config_tables_broker, CONFIG_ID_COUNT, name);
}
