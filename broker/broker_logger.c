#include "broker/broker_logger.h"

#include "base/check.h"
#include "base/text.h"
#include "broker/topic_name.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_errors.h"

const char broker_logger_name[] = "root";

static const char *const level_names[] = {[LOG_TRACE] = "TRACE",
                                          [LOG_DEBUG] = "DEBUG",
                                          [LOG_INFO] = "INFO",
                                          [LOG_WARN] = "WARN",
                                          [LOG_ERROR] = "ERROR"};

const char *broker_logger_level_name(enum log_level level)
{
    return level_names[level];
}

struct refusal {
    struct arena *arena;
    int16_t *error_out;
    struct wire_string *message_out;
};

static bool refuse(const struct refusal *refusal, int16_t error, struct wire_string message)
{
    *refusal->error_out = error;
    *refusal->message_out = message;
    return false;
}

static bool check_name(const struct refusal *refusal, int32_t node_id, struct wire_string name)
{
    int64_t id;

    if (text_parse_i64(name.text, (size_t)name.size_bytes, INT32_MIN, INT32_MAX, &id) != OK)
        return refuse(
            refusal, KAFKA_INVALID_REQUEST,
            topic_name_text(refusal->arena, "Node id must be an integer, but it is: ", name, ""));
    if (id == node_id)
        return true;
    return refuse(
        refusal, KAFKA_INVALID_REQUEST,
        wire_string(arena_printf(refusal->arena, "Unexpected node id. Expected %d, but received %d",
                                 node_id, (int)id)));
}

static bool set_level(const struct refusal *refusal, struct wire_string value,
                      enum log_level *level_out)
{
    for (size_t i = 0; i < array_count(level_names); i++)
        if (value.text != NULL && wire_string_is(value, level_names[i])) {
            *level_out = (enum log_level)i;
            return true;
        }
    return refuse(refusal, KAFKA_INVALID_CONFIG,
                  topic_name_text(refusal->arena, "Cannot set the log level of root to ", value,
                                  " as it is not a supported log level. Valid log levels are "
                                  "DEBUG, ERROR, INFO, TRACE, WARN"));
}

bool broker_logger_change(
    struct arena *arena, int32_t node_id,
    const struct incremental_alter_configs_request_alter_configs_resource *asked,
    enum log_level *level_io, int16_t *error_out, struct wire_string *message_out)
{
    const struct refusal refusal = {arena, error_out, message_out};
    enum log_level level = *level_io;

    if (!check_name(&refusal, node_id, asked->resource_name))
        return false;
    for (int32_t i = 0; i < asked->configs.count; i++) {
        const struct incremental_alter_configs_request_alterable_config *change =
            &asked->configs.items[i];
        int8_t operation = change->config_operation;
        if (operation == KAFKA_ALTER_CONFIG_OP_APPEND ||
            operation == KAFKA_ALTER_CONFIG_OP_SUBTRACT)
            return refuse(&refusal, KAFKA_INVALID_REQUEST,
                          wire_string(operation == KAFKA_ALTER_CONFIG_OP_APPEND
                                          ? "APPEND operation is not allowed for the "
                                            "BROKER_LOGGER resource"
                                          : "SUBTRACT operation is not allowed for the "
                                            "BROKER_LOGGER resource"));
        if (!wire_string_is(change->name, broker_logger_name))
            return refuse(&refusal, KAFKA_INVALID_CONFIG,
                          topic_name_text(arena, "Logger ", change->name, " does not exist!"));
        if (operation == KAFKA_ALTER_CONFIG_OP_DELETE)
            return refuse(&refusal, KAFKA_INVALID_REQUEST,
                          wire_string("Removing the log level of the root logger is not allowed"));
        if (operation != KAFKA_ALTER_CONFIG_OP_SET)
            return refuse(&refusal, KAFKA_UNKNOWN_SERVER_ERROR, (struct wire_string){0});
        if (!set_level(&refusal, change->value, &level))
            return false;
    }
    *level_io = level;
    return true;
}
