/* IncrementalAlterConfigs (key 44): of topics, the broker, groups, client metrics (KIP-339), and of
 * the broker's logger (KIP-412), whose level is set here, on every shard, when the controller is
 * done with the others. */
#include "broker/ask_controller.h"
#include "broker/broker_logger.h"
#include "broker/config.h"
#include "broker/handlers.h"
#include "broker/shard_tour.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_incremental_alter_configs.h"

struct setting_level {
    struct shard_tour tour;
    enum log_level level;
};

static void set_level(struct shard_tour *tour, struct shard *at)
{
    at->sink->min_level = container_of(tour, struct setting_level, tour)->level;
}

static void level_is_set(struct shard_tour *tour)
{
    request_answer(tour->request);
}

/* The level that the loggers' changes come to; their answers say what is wrong with them. */
static enum log_level change_loggers(struct request *request)
{
    const struct incremental_alter_configs_request *body = request->body;
    struct incremental_alter_configs_response *response = request->response;
    enum log_level level = request->home->sink->min_level;

    for (int32_t i = 0; i < body->resources.count; i++)
        if (body->resources.items[i].resource_type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER_LOGGER &&
            response->responses.items[i].error_code == KAFKA_NONE)
            broker_logger_change(&request->arena, config_node_id(request->home->config),
                                 &body->resources.items[i], &level,
                                 &response->responses.items[i].error_code,
                                 &response->responses.items[i].error_message);
    return level;
}

static void on_answered(struct request *request, enum err err)
{
    const struct incremental_alter_configs_request *body = request->body;
    struct setting_level *setting;
    enum log_level level;

    if (err != OK) {
        request_answer_error(request, ask_controller_error(err), NULL);
        return;
    }
    level = change_loggers(request);
    if (level == request->home->sink->min_level || body->validate_only) {
        request_answer(request);
        return;
    }
    setting = request_try_alloc(request, 1, sizeof(*setting));
    if (setting == NULL) {
        request_refuse_memory(request);
        return;
    }
    setting->level = level;
    shard_tour_start(&setting->tour, request, set_level, level_is_set);
}

void handle_incremental_alter_configs(struct request *request)
{
    ask_controller(request, ASK_CONTROLLER_NO_TIMEOUT, controller_alter_configs, on_answered);
}
