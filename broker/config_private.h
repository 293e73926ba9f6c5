/* config_private: how the static configuration lies in memory; for config*.c alone. */
#ifndef LEVEE_BROKER_CONFIG_PRIVATE_H
#define LEVEE_BROKER_CONFIG_PRIVATE_H

#include "broker/config.h"

enum { CONFIG_LISTENERS_MAX = 16 };

struct config {
    char *texts[CONFIG_ID_COUNT]; /* NULL: not set */
    struct config_values typed;
    int32_t node_id;
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    uint32_t listener_count;
};

/* Parse what is composed: node id, listeners.  ERR_INVALID with a sentence. */
must_use enum err config_derive(struct config *config, char *problem_out, size_t problem_max);

#endif
