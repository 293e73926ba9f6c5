#include "tools/topic_view.h"

#include "net/protocol/msg_metadata.h"

#include <time.h>

enum { TRIES = 100, PAUSE_MS = 50 };

static enum err ask(struct client *client, const char *name, bool create, struct topic_view *out,
                    int16_t *error_code)
{
    struct metadata_request request;
    struct metadata_request_topic topic;
    const struct metadata_response *response;
    const void *answer;
    struct arena arena;
    enum err err;

    arena_init(&arena, 16 << 20);
    codec_set_defaults(&metadata_request_desc, &request);
    codec_set_struct_defaults(&metadata_request_topic_struct, &topic);
    topic.name = wire_string(name);
    request.topics.items = &topic;
    request.topics.count = 1;
    request.allow_auto_topic_creation = create;
    err = client_call(client, API_METADATA, &request, &arena, &answer);
    response = answer;
    if (err == OK && response->topics.count != 1)
        err = ERR_MALFORMED;
    if (err == OK) {
        *error_code = response->topics.items[0].error_code;
        out->id = response->topics.items[0].topic_id;
        out->partition_count = response->topics.items[0].partitions.count;
    }
    arena_deinit(&arena);
    return err;
}

enum cli_exit topic_view_load(const struct cli *cli, struct client *client, const char *topic,
                              bool create, struct topic_view *out)
{
    int16_t error_code = KAFKA_NONE;

    for (int i = 0; i < TRIES; i++) {
        struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
        enum err err = ask(client, topic, create, out, &error_code);
        if (err != OK)
            return cli_call_failed("Metadata", err);
        if (error_code == KAFKA_NONE && out->partition_count > 0)
            return CLI_OK;
        if (error_code != KAFKA_LEADER_NOT_AVAILABLE &&
            !(create && error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION))
            break;
        nanosleep(&pause, NULL);
    }
    return cli_fail(cli_exit_of_kafka(error_code), "%s: %s", topic, kafka_error_name(error_code));
}
