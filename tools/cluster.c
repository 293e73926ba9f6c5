/* levee cluster info. */
#include "net/protocol/msg_metadata.h"
#include "tools/cli.h"
#include "tools/output.h"
#include "tools/patience.h"

enum { ARENA_BYTES = 64 << 20 };

static void print_json(const struct metadata_response *response)
{
    struct output_object object;

    output_begin(&object);
    output_string(&object, "cluster", response->cluster_id);
    output_number(&object, "controller", response->controller_id);
    output_number(&object, "topics", response->topics.count);
    output_end(&object);
    for (int32_t i = 0; i < response->brokers.count; i++) {
        output_begin(&object);
        output_number(&object, "broker", response->brokers.items[i].node_id);
        output_string(&object, "host", response->brokers.items[i].host);
        output_number(&object, "port", response->brokers.items[i].port);
        output_string(&object, "rack", response->brokers.items[i].rack);
        output_end(&object);
    }
}

static void print_text(const struct metadata_response *response)
{
    output_line("CLUSTER %.*s", CLI_TEXT(response->cluster_id));
    output_line("TOPICS %d", response->topics.count);
    output_line("%s", "");
    output_line("%9s  %-40s %5s  %s", "BROKER", "HOST", "PORT", "RACK");
    for (int32_t i = 0; i < response->brokers.count; i++) {
        const struct metadata_response_broker *broker = &response->brokers.items[i];
        /* rpk marks the controller with a star */
        output_line("%8d%c  %-40.*s %5d  %.*s", broker->node_id,
                    broker->node_id == response->controller_id ? '*' : ' ', CLI_TEXT(broker->host),
                    broker->port, CLI_TEXT(broker->rack));
    }
}

enum cli_exit command_cluster_info(struct cli *cli)
{
    struct blocking_client *client;
    struct arena arena;
    struct metadata_request request;
    const struct metadata_response *response;
    const void *answer;
    struct patience patience = patience_begin(cli->timeout_ms);
    enum cli_exit result = cli_connect(cli, &client);
    enum err err;

    if (result != CLI_OK)
        return result;
    arena_init(&arena, ARENA_BYTES);
    codec_set_defaults(&metadata_request_desc, &request);
    request.allow_auto_topic_creation = false;
    request.topics.count = -1;
    do {
        arena_reset(&arena);
        err = blocking_client_call(client, API_METADATA, &request, &arena, &answer);
        response = answer;
    } while (err == OK ? patience_with_kafka(&patience, response->error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        result = cli_call_failed("Metadata", err);
    else if (response->error_code != KAFKA_NONE)
        result = cli_fail(cli_exit_of_kafka(response->error_code), "Metadata: %s",
                          kafka_error_name(response->error_code));
    else if (cli->json)
        print_json(response);
    else
        print_text(response);
    arena_deinit(&arena);
    blocking_client_close(client);
    return result;
}
