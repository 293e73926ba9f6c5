/* patience: how long a command asks again after errors that may pass by themselves. */
#ifndef LEVEE_TOOLS_PATIENCE_H
#define LEVEE_TOOLS_PATIENCE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct patience {
    int64_t deadline_ms; /* monotonic */
    int64_t pause_ms;    /* before the next try; doubles */
};

struct patience patience_begin(int32_t timeout_ms);

/* Sleeps and says true when it is worth asking again: a retriable error of Kafka's (but not that a
 * topic does not exist), or a lost connection; false also when no time is left. */
bool patience_with_kafka(struct patience *patience, int16_t error_code);
bool patience_with(struct patience *patience, enum err err);

#endif
