/* levee group list | describe | delete. */
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_delete_groups.h"
#include "net/protocol/msg_describe_groups.h"
#include "net/protocol/msg_list_groups.h"
#include "net/protocol/msg_list_offsets.h"
#include "net/protocol/msg_offset_fetch.h"
#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 64 << 20 };

enum cli_exit command_group_list(struct cli *cli)
{
    struct client *client;
    struct arena arena;
    struct list_groups_request request;
    const struct list_groups_response *response;
    const void *answer;
    enum cli_exit result = cli_connect(cli, &client);
    enum err err;

    if (result != CLI_OK)
        return result;
    arena_init(&arena, ARENA_BYTES);
    codec_set_defaults(&list_groups_request_desc, &request);
    err = client_call(client, API_LIST_GROUPS, &request, &arena, &answer);
    response = answer;
    if (err != OK)
        result = cli_call_failed("ListGroups", err);
    else if (response->error_code != KAFKA_NONE)
        result = cli_fail(cli_exit_of_kafka(response->error_code), "ListGroups: %s",
                          kafka_error_name(response->error_code));
    if (result == CLI_OK && !cli->json)
        printf("%-40s %-12s %s\n", "GROUP", "PROTOCOL", "STATE");
    for (int32_t i = 0; result == CLI_OK && i < response->groups.count; i++) {
        const struct list_groups_response_listed_group *group = &response->groups.items[i];
        if (cli->json) {
            fputs("{\"group\":", stdout);
            cli_print_json_string(group->group_id.text, (size_t)group->group_id.size_bytes);
            printf(",\"protocol\":\"%.*s\",\"state\":\"%.*s\"}\n", CLI_TEXT(group->protocol_type),
                   CLI_TEXT(group->group_state));
        } else {
            printf("%-40.*s %-12.*s %.*s\n", CLI_TEXT(group->group_id),
                   CLI_TEXT(group->protocol_type), CLI_TEXT(group->group_state));
        }
    }
    arena_deinit(&arena);
    client_close(client);
    return result;
}

enum cli_exit command_group_delete(struct cli *cli)
{
    struct client *client;
    struct arena arena;
    struct delete_groups_request request;
    struct wire_string names[CLI_WORDS_MAX];
    const struct delete_groups_response *response;
    const void *answer;
    enum cli_exit result = cli_connect(cli, &client);
    enum err err;

    if (result != CLI_OK)
        return result;
    arena_init(&arena, ARENA_BYTES);
    codec_set_defaults(&delete_groups_request_desc, &request);
    for (int i = 0; i < cli->word_count; i++)
        names[i] = wire_string(cli->words[i]);
    request.groups_names.items = names;
    request.groups_names.count = cli->word_count;
    err = client_call(client, API_DELETE_GROUPS, &request, &arena, &answer);
    response = answer;
    if (err != OK)
        result = cli_call_failed("DeleteGroups", err);
    for (int32_t i = 0; err == OK && i < response->results.count; i++) {
        int16_t error_code = response->results.items[i].error_code;
        struct wire_string name = response->results.items[i].group_id;
        if (error_code == KAFKA_NONE)
            printf("%.*s deleted\n", CLI_TEXT(name));
        else
            result = cli_fail(cli_exit_of_kafka(error_code), "%.*s: %s", CLI_TEXT(name),
                              kafka_error_name(error_code));
    }
    arena_deinit(&arena);
    client_close(client);
    return result;
}

/* ---- describe */

/* End of a partition, or -1. */
static int64_t end_of(struct client *client, const char *topic_name, int32_t partition)
{
    struct list_offsets_request request;
    struct list_offsets_request_list_offsets_topic topic;
    struct list_offsets_request_list_offsets_partition asked;
    const struct list_offsets_response *response;
    const void *answer;
    struct arena arena;
    int64_t end = -1;

    arena_init(&arena, 1 << 20);
    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_topic_struct, &topic);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &asked);
    request.replica_id = -1;
    asked.partition_index = partition;
    asked.timestamp = KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST;
    topic.name = wire_string(topic_name);
    topic.partitions.items = &asked;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    if (client_call(client, API_LIST_OFFSETS, &request, &arena, &answer) == OK) {
        response = answer;
        if (response->topics.count == 1 && response->topics.items[0].partitions.count == 1)
            end = response->topics.items[0].partitions.items[0].offset;
    }
    arena_deinit(&arena);
    return end;
}

struct commit {
    char topic[256];
    int32_t partition;
    int64_t offset;
};

/* Committed offsets in at most version 7: one group, topics by name. */
static enum cli_exit print_offsets(const struct cli *cli, struct client *client,
                                   struct arena *arena)
{
    struct offset_fetch_request request;
    const struct offset_fetch_response *response;
    const void *answer;
    struct commit *commits;
    size_t count = 0;
    enum err err;

    codec_set_defaults(&offset_fetch_request_desc, &request);
    request.group_id = wire_string(cli->words[0]);
    request.topics.count = -1;
    err = client_call_at_most(client, API_OFFSET_FETCH, 7, &request, arena, &answer);
    response = answer;
    if (err != OK)
        return cli_call_failed("OffsetFetch", err);
    for (int32_t t = 0; t < response->topics.count; t++)
        count += (size_t)response->topics.items[t].partitions.count;
    commits = arena_alloc_array(arena, count, sizeof(*commits));
    if (commits == NULL)
        return cli_fail(CLI_FAILED, "more offsets than fit");
    count = 0;
    for (int32_t t = 0; t < response->topics.count; t++)
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            struct commit *commit = &commits[count++];
            snprintf(commit->topic, sizeof(commit->topic), "%.*s",
                     CLI_TEXT(response->topics.items[t].name));
            commit->partition = response->topics.items[t].partitions.items[p].partition_index;
            commit->offset = response->topics.items[t].partitions.items[p].committed_offset;
        }
    if (!cli->json)
        printf("\n%-40s %9s %12s %12s %10s\n", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG");
    for (size_t i = 0; i < count; i++) {
        int64_t end = end_of(client, commits[i].topic, commits[i].partition);
        printf(cli->json ? "{\"topic\":\"%s\",\"partition\":%d,\"committed\":%lld,\"end\":%lld,"
                           "\"lag\":%lld}\n"
                         : "%-40s %9d %12lld %12lld %10lld\n",
               commits[i].topic, commits[i].partition, (long long)commits[i].offset, (long long)end,
               (long long)(end < 0 ? -1 : end - commits[i].offset));
    }
    return CLI_OK;
}

static enum cli_exit print_group(const struct cli *cli, struct client *client, struct arena *arena)
{
    struct describe_groups_request request;
    struct wire_string name = wire_string(cli->words[0]);
    const struct describe_groups_response *response;
    const struct describe_groups_response_described_group *group;
    const void *answer;
    enum err err;

    codec_set_defaults(&describe_groups_request_desc, &request);
    request.groups.items = &name;
    request.groups.count = 1;
    err = client_call(client, API_DESCRIBE_GROUPS, &request, arena, &answer);
    response = answer;
    if (err == OK && response->groups.count != 1)
        err = ERR_MALFORMED;
    if (err != OK)
        return cli_call_failed("DescribeGroups", err);
    group = &response->groups.items[0];
    if (group->error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(group->error_code), "%s: %s", cli->words[0],
                        kafka_error_name(group->error_code));
    if (cli->json)
        printf("{\"group\":\"%s\",\"state\":\"%.*s\",\"protocol\":\"%.*s\",\"members\":%d}\n",
               cli->words[0], CLI_TEXT(group->group_state), CLI_TEXT(group->protocol_data),
               group->members.count);
    else
        printf("GROUP %s\nSTATE %.*s\nPROTOCOL %.*s\nMEMBERS %d\n", cli->words[0],
               CLI_TEXT(group->group_state), CLI_TEXT(group->protocol_data), group->members.count);
    for (int32_t i = 0; i < group->members.count && !cli->json; i++)
        printf("  %.*s client %.*s host %.*s\n", CLI_TEXT(group->members.items[i].member_id),
               CLI_TEXT(group->members.items[i].client_id),
               CLI_TEXT(group->members.items[i].client_host));
    return CLI_OK;
}

enum cli_exit command_group_describe(struct cli *cli)
{
    struct client *client;
    struct arena arena;
    enum cli_exit result = cli_connect(cli, &client);

    if (result != CLI_OK)
        return result;
    arena_init(&arena, ARENA_BYTES);
    result = print_group(cli, client, &arena);
    if (result == CLI_OK)
        result = print_offsets(cli, client, &arena);
    arena_deinit(&arena);
    client_close(client);
    return result;
}
