/* broker_logger: the broker's log level as Kafka's tools see and change it (KIP-412; config
 * resource BROKER_LOGGER).
 *
 * There is one logger, called root as Kafka's is: each line has a code of its own, so levels of
 * parts would say little more.  A level that is set holds on every shard until the broker stops;
 * levee.log.level is what it starts with.  Pure. */
#ifndef LEVEE_BROKER_BROKER_LOGGER_H
#define LEVEE_BROKER_BROKER_LOGGER_H

#include "base/arena.h"
#include "base/log_line.h"
#include "net/protocol/msg_incremental_alter_configs.h"

extern const char broker_logger_name[];

/* TRACE, DEBUG, INFO, WARN or ERROR. */
const char *broker_logger_level_name(enum log_level level);

/* What changes of the resource named resource come to: the level that is then set in *level_out.
 * False: refused, with Kafka's error and words (ConfigAdminManager.validateLogLevelConfigs), in the
 * arena. */
bool broker_logger_change(
    struct arena *arena, int32_t node_id,
    const struct incremental_alter_configs_request_alter_configs_resource *asked,
    enum log_level *level_io, int16_t *error_out, struct wire_string *message_out);

#endif
