#include "tools/topic_view.h"

#include "net/protocol/msg_metadata.h"
#include "tools/patience.h"

enum { CREATION_MS_MAX = 5000 }; /* a topic that the broker does not create is told then */

static enum err ask(struct blocking_client *client, const char *name, bool create,
                    struct topic_view *out, int16_t *error_code)
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
    err = blocking_client_call(client, API_METADATA, &request, &arena, &answer);
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

enum cli_exit topic_view_load(const struct cli *cli, struct blocking_client *client,
                              const char *topic, bool create, struct topic_view *out)
{
    struct patience patience = patience_begin(cli->timeout_ms);
    struct patience creation =
        patience_begin(cli->timeout_ms < CREATION_MS_MAX ? cli->timeout_ms : CREATION_MS_MAX);
    int16_t error_code = KAFKA_NONE;
    bool comes = false; /* the topic is being created, or the broker does not do that */
    enum err err;

    do {
        err = ask(client, topic, create, out, &error_code);
        if (err == OK && error_code == KAFKA_NONE && out->partition_count > 0)
            return CLI_OK;
        comes = error_code == KAFKA_LEADER_NOT_AVAILABLE ||
                (create && error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    } while (err != OK ? patience_with(&patience, err)
             : comes   ? patience_with_kafka(&creation, KAFKA_LEADER_NOT_AVAILABLE)
                       : patience_with_kafka(&patience, error_code));
    if (err != OK)
        return cli_call_failed("Metadata", err);
    return cli_fail(cli_exit_of_kafka(error_code), "%s: %s", topic, kafka_error_name(error_code));
}
