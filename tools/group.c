/* levee group list | describe | delete. */
#include "base/text.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_delete_groups.h"
#include "net/protocol/msg_describe_groups.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_list_groups.h"
#include "net/protocol/msg_offset_fetch.h"
#include "tools/admin_call.h"
#include "tools/output.h"
#include "tools/partition_end.h"
#include "tools/patience.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 64 << 20 };

enum cli_exit command_group_list(struct cli *cli)
{
    struct blocking_client *client;
    struct arena arena;
    struct list_groups_request request;
    const struct list_groups_response *response;
    const void *answer;
    struct patience patience = patience_begin(cli->timeout_ms);
    enum cli_exit result = cli_connect(cli, &client);
    enum err err;

    if (result != CLI_OK)
        return result;
    arena_init(&arena, ARENA_BYTES);
    do {
        arena_reset(&arena);
        codec_set_defaults(&list_groups_request_desc, &request);
        err = blocking_client_call(client, API_LIST_GROUPS, &request, &arena, &answer);
        response = answer;
    } while (err == OK ? patience_with_kafka(&patience, response->error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        result = cli_call_failed("ListGroups", err);
    else if (response->error_code != KAFKA_NONE)
        result = cli_fail(cli_exit_of_kafka(response->error_code), "ListGroups: %s",
                          kafka_error_name(response->error_code));
    if (result == CLI_OK && !cli->json)
        output_line("%-40s %-12s %s", "GROUP", "PROTOCOL", "STATE");
    for (int32_t i = 0; result == CLI_OK && i < response->groups.count; i++) {
        const struct list_groups_response_listed_group *group = &response->groups.items[i];
        struct output_object object;
        if (!cli->json) {
            output_line("%-40.*s %-12.*s %.*s", CLI_TEXT(group->group_id),
                        CLI_TEXT(group->protocol_type), CLI_TEXT(group->group_state));
            continue;
        }
        output_begin(&object);
        output_string(&object, "group", group->group_id);
        output_string(&object, "protocol", group->protocol_type);
        output_string(&object, "state", group->group_state);
        output_end(&object);
    }
    arena_deinit(&arena);
    blocking_client_close(client);
    return result;
}

/* Let the broker find, and load, what it knows of the group, as every client does first: until then
 * it answers that there is no coordinator.  Version 3: one key. */
static enum cli_exit find_coordinator(const struct cli *cli, struct blocking_client *client,
                                      const char *group)
{
    struct patience patience = patience_begin(cli->timeout_ms);
    int16_t error_code = KAFKA_NONE;
    enum err err;

    do {
        struct find_coordinator_request request;
        const struct find_coordinator_response *response;
        const void *answer;
        struct arena arena;
        arena_init(&arena, 1 << 20);
        codec_set_defaults(&find_coordinator_request_desc, &request);
        request.key = wire_string(group);
        err = blocking_client_call_at_most(client, API_FIND_COORDINATOR, 3, &request, &arena,
                                           &answer);
        response = answer;
        if (err == OK)
            error_code = response->error_code;
        arena_deinit(&arena);
    } while (err == OK ? patience_with_kafka(&patience, error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("FindCoordinator", err);
    return error_code == KAFKA_NONE ? CLI_OK
                                    : cli_fail(cli_exit_of_kafka(error_code), "%s: %s", group,
                                               kafka_error_name(error_code));
}

static enum err ask_delete(struct admin_call *call, const struct wire_string *names, int32_t count,
                           struct admin_outcome *outcomes, int32_t *outcome_count)
{
    struct delete_groups_request request;
    struct wire_string asked[CLI_WORDS_MAX];
    const struct delete_groups_response *response;
    const void *answer;
    enum err err;

    codec_set_defaults(&delete_groups_request_desc, &request);
    for (int32_t i = 0; i < count; i++)
        asked[i] = names[i];
    request.groups_names.items = asked;
    request.groups_names.count = count;
    err = blocking_client_call(call->client, API_DELETE_GROUPS, &request, &call->arena, &answer);
    if (err != OK)
        return err;
    response = answer;
    if (response->results.count != count)
        return ERR_MALFORMED;
    for (int32_t i = 0; i < count; i++)
        outcomes[i] =
            (struct admin_outcome){response->results.items[i].group_id,
                                   response->results.items[i].error_code, (struct wire_string){0}};
    *outcome_count = count;
    return OK;
}

enum cli_exit command_group_delete(struct cli *cli)
{
    struct admin_call call = {cli, "DeleteGroups", "group", "deleted", ask_delete};
    struct blocking_client *client;
    enum cli_exit result = cli_connect(cli, &client);

    if (result != CLI_OK)
        return result;
    result = find_coordinator(cli, client, cli->words[0]);
    if (result == CLI_OK)
        result = admin_call_run_on(&call, client);
    blocking_client_close(client);
    return result;
}

/* ---- describe */

struct commit {
    char *topic; /* in the arena */
    int32_t partition;
    int64_t offset;
    bool is_staged; /* a transaction that is open has another offset for it */
};

static void print_commit(const struct cli *cli, const struct commit *commit, int64_t end)
{
    int64_t lag = end < 0 ? -1 : end - commit->offset;
    struct output_object object;

    if (!cli->json) {
        output_line("%-40s %9d %12lld %12lld %10lld%s", commit->topic, commit->partition,
                    (long long)commit->offset, (long long)end, (long long)lag,
                    commit->is_staged ? " in transaction" : "");
        return;
    }
    output_begin(&object);
    output_text(&object, "topic", commit->topic);
    output_number(&object, "partition", commit->partition);
    output_number(&object, "committed", commit->offset);
    output_number(&object, "end", end);
    output_number(&object, "lag", lag);
    output_bool(&object, "in_transaction", commit->is_staged);
    output_end(&object);
}

/* Committed offsets in at most version 7: one group, topics by name.  is_stable: those for which an
 * open transaction has another offset are answered with UNSTABLE_OFFSET_COMMIT (KIP-447). */
static enum cli_exit fetch_offsets(const struct cli *cli, struct blocking_client *client,
                                   bool is_stable, struct arena *arena,
                                   const struct offset_fetch_response **out)
{
    struct offset_fetch_request request;
    const struct offset_fetch_response *response;
    const void *answer;
    struct patience patience = patience_begin(cli->timeout_ms);
    enum err err;

    codec_set_defaults(&offset_fetch_request_desc, &request);
    request.group_id = wire_string(cli->words[0]);
    request.topics.count = -1;
    request.require_stable = is_stable;
    do {
        arena_reset(arena);
        err = blocking_client_call_at_most(client, API_OFFSET_FETCH, 7, &request, arena, &answer);
        response = answer;
    } while (err == OK ? patience_with_kafka(&patience, response->error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("OffsetFetch", err);
    if (response->error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(response->error_code), "%s: %s", cli->words[0],
                        kafka_error_name(response->error_code));
    *out = response;
    return CLI_OK;
}

/* Which of them a transaction that is open holds another offset for. */
static void mark_staged(const struct offset_fetch_response *stable, struct commit *commits,
                        size_t count)
{
    for (int32_t t = 0; t < stable->topics.count; t++) {
        const struct offset_fetch_response_topic *topic = &stable->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            if (topic->partitions.items[p].error_code != KAFKA_UNSTABLE_OFFSET_COMMIT)
                continue;
            for (size_t i = 0; i < count; i++)
                if (topic->partitions.items[p].partition_index == commits[i].partition &&
                    text_equal(topic->name.text, (size_t)topic->name.size_bytes, commits[i].topic))
                    commits[i].is_staged = true;
        }
    }
}

static enum cli_exit print_offsets(const struct cli *cli, struct blocking_client *client,
                                   struct arena *arena)
{
    const struct offset_fetch_response *response;
    struct commit *commits;
    struct arena stable_arena;
    size_t count = 0;
    enum cli_exit result = fetch_offsets(cli, client, false, arena, &response);

    if (result != CLI_OK)
        return result;
    for (int32_t t = 0; t < response->topics.count; t++)
        count += (size_t)response->topics.items[t].partitions.count;
    commits = arena_alloc_array(arena, count, sizeof(*commits));
    if (commits == NULL)
        return cli_fail(CLI_FAILED, "more offsets than fit");
    count = 0;
    for (int32_t t = 0; t < response->topics.count; t++)
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            struct commit *commit = &commits[count++];
            commit->topic = arena_printf(arena, "%.*s", CLI_TEXT(response->topics.items[t].name));
            if (commit->topic == NULL)
                return cli_fail(CLI_FAILED, "more offsets than fit");
            commit->partition = response->topics.items[t].partitions.items[p].partition_index;
            commit->offset = response->topics.items[t].partitions.items[p].committed_offset;
            commit->is_staged = false;
        }
    arena_init(&stable_arena, ARENA_BYTES);
    result = fetch_offsets(cli, client, true, &stable_arena, &response);
    if (result == CLI_OK)
        mark_staged(response, commits, count);
    arena_deinit(&stable_arena);
    if (result != CLI_OK)
        return result;
    if (!cli->json)
        output_line("%s", "");
    if (!cli->json)
        output_line("%-40s %9s %12s %12s %10s", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG");
    for (size_t i = 0; i < count; i++)
        print_commit(cli, &commits[i],
                     partition_end(cli, client, commits[i].topic, commits[i].partition, false));
    return CLI_OK;
}

static enum cli_exit print_group(const struct cli *cli, struct blocking_client *client,
                                 struct arena *arena)
{
    struct describe_groups_request request;
    struct wire_string name = wire_string(cli->words[0]);
    const struct describe_groups_response *response;
    const struct describe_groups_response_described_group *group;
    struct patience patience = patience_begin(cli->timeout_ms);
    const void *answer;
    enum err err;

    do {
        arena_reset(arena);
        codec_set_defaults(&describe_groups_request_desc, &request);
        request.groups.items = &name;
        request.groups.count = 1;
        err = blocking_client_call(client, API_DESCRIBE_GROUPS, &request, arena, &answer);
        response = answer;
        if (err == OK && response->groups.count != 1)
            err = ERR_MALFORMED;
    } while (err == OK ? patience_with_kafka(&patience, response->groups.items[0].error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("DescribeGroups", err);
    group = &response->groups.items[0];
    /* before version 6 (KIP-1043) a group that does not exist is a dead one without an error */
    if (group->error_code == KAFKA_GROUP_ID_NOT_FOUND ||
        (group->error_code == KAFKA_NONE && group->members.count == 0 &&
         text_equal(group->group_state.text, (size_t)group->group_state.size_bytes, "Dead")))
        return cli_fail(CLI_NOT_FOUND, "there is no group %s", cli->words[0]);
    if (group->error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(group->error_code), "%s: %s", cli->words[0],
                        kafka_error_name(group->error_code));
    if (cli->json) {
        struct output_object object;
        output_begin(&object);
        output_text(&object, "group", cli->words[0]);
        output_string(&object, "state", group->group_state);
        output_string(&object, "protocol", group->protocol_data);
        output_number(&object, "members", group->members.count);
        output_end(&object);
        return CLI_OK;
    }
    output_line("GROUP %s", cli->words[0]);
    output_line("STATE %.*s", CLI_TEXT(group->group_state));
    output_line("PROTOCOL %.*s", CLI_TEXT(group->protocol_data));
    output_line("MEMBERS %d", group->members.count);
    for (int32_t i = 0; i < group->members.count; i++)
        output_line("  %.*s client %.*s host %.*s", CLI_TEXT(group->members.items[i].member_id),
                    CLI_TEXT(group->members.items[i].client_id),
                    CLI_TEXT(group->members.items[i].client_host));
    return CLI_OK;
}

enum cli_exit command_group_describe(struct cli *cli)
{
    struct blocking_client *client;
    struct arena arena;
    enum cli_exit result = cli_connect(cli, &client);

    if (result != CLI_OK)
        return result;
    arena_init(&arena, ARENA_BYTES);
    result = find_coordinator(cli, client, cli->words[0]);
    if (result == CLI_OK)
        result = print_group(cli, client, &arena);
    if (result == CLI_OK)
        result = print_offsets(cli, client, &arena);
    arena_deinit(&arena);
    blocking_client_close(client);
    return result;
}
