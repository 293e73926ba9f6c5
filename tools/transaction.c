/* levee txn list | describe | fence. */
#include "net/protocol/msg_list_transactions.h"
#include "tools/output.h"
#include "tools/patience.h"
#include "tools/transaction_view.h"

#include <string.h>

enum cli_exit command_txn_list(struct cli *cli)
{
    struct blocking_client *client;
    struct arena arena;
    struct list_transactions_request request;
    const struct list_transactions_response *response;
    const void *answer;
    struct patience patience = patience_begin(cli->timeout_ms);
    enum cli_exit result = cli_connect(cli, &client);
    enum err err;

    if (result != CLI_OK)
        return result;
    arena_init(&arena, TRANSACTION_VIEW_BYTES);
    do {
        arena_reset(&arena);
        codec_set_defaults(&list_transactions_request_desc, &request);
        err = blocking_client_call(client, API_LIST_TRANSACTIONS, &request, &arena, &answer);
        response = answer;
    } while (err == OK ? patience_with_kafka(&patience, response->error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        result = cli_call_failed("ListTransactions", err);
    else if (response->error_code != KAFKA_NONE)
        result = cli_fail(cli_exit_of_kafka(response->error_code), "ListTransactions: %s",
                          kafka_error_name(response->error_code));
    if (result == CLI_OK && !cli->json)
        output_line("%-40s %12s  %s", "TRANSACTIONAL-ID", "PRODUCER-ID", "STATE");
    for (int32_t i = 0; result == CLI_OK && i < response->transaction_states.count; i++) {
        const struct list_transactions_response_transaction_state *one =
            &response->transaction_states.items[i];
        struct output_object object;
        if (!cli->json) {
            output_line("%-40.*s %12lld  %.*s", CLI_TEXT(one->transactional_id),
                        (long long)one->producer_id, CLI_TEXT(one->transaction_state));
            continue;
        }
        output_begin(&object);
        output_string(&object, "transactional_id", one->transactional_id);
        output_number(&object, "producer_id", one->producer_id);
        output_string(&object, "state", one->transaction_state);
        output_end(&object);
    }
    arena_deinit(&arena);
    blocking_client_close(client);
    return result;
}

static void print(const struct cli *cli, const transaction_view *view)
{
    struct output_object object;

    if (cli->json) {
        output_begin(&object);
        output_string(&object, "transactional_id", view->transactional_id);
        output_string(&object, "state", view->transaction_state);
        output_number(&object, "producer_id", view->producer_id);
        output_number(&object, "epoch", view->producer_epoch);
        output_number(&object, "timeout_ms", view->transaction_timeout_ms);
        output_number(&object, "started_ms", view->transaction_start_time_ms);
        output_end(&object);
    } else {
        output_line("TRANSACTIONAL-ID %.*s", CLI_TEXT(view->transactional_id));
        output_line("STATE %.*s", CLI_TEXT(view->transaction_state));
        output_line("PRODUCER-ID %lld EPOCH %d", (long long)view->producer_id,
                    view->producer_epoch);
        output_line("TIMEOUT-MS %d STARTED-MS %lld", view->transaction_timeout_ms,
                    (long long)view->transaction_start_time_ms);
    }
    if (!cli->json && view->topics.count > 0)
        output_line("%-40s %9s", "TOPIC", "PARTITION");
    for (int32_t t = 0; t < view->topics.count; t++)
        for (int32_t p = 0; p < view->topics.items[t].partitions.count; p++) {
            int32_t partition = view->topics.items[t].partitions.items[p];
            if (!cli->json) {
                output_line("%-40.*s %9d", CLI_TEXT(view->topics.items[t].topic), partition);
                continue;
            }
            output_begin(&object);
            output_string(&object, "topic", view->topics.items[t].topic);
            output_number(&object, "partition", partition);
            output_end(&object);
        }
}

enum cli_exit command_txn_describe(struct cli *cli)
{
    struct blocking_client *client;
    struct arena arena;
    const transaction_view *view;
    enum cli_exit result = cli_connect(cli, &client);

    if (result != CLI_OK)
        return result;
    arena_init(&arena, TRANSACTION_VIEW_BYTES);
    result = transaction_view_load(cli, client, wire_string(cli->words[0]), &arena, &view);
    if (result == CLI_OK)
        print(cli, view);
    arena_deinit(&arena);
    blocking_client_close(client);
    return result;
}

enum cli_exit command_txn_fence(struct cli *cli)
{
    struct wire_string id = wire_string(cli->words[0]);
    struct blocking_client *client;
    struct arena arena;
    struct output_object object;
    const transaction_view *view;
    int64_t producer_id = -1;
    int16_t epoch = -1;
    enum cli_exit result = cli_connect(cli, &client);

    if (result != CLI_OK)
        return result;
    arena_init(&arena, TRANSACTION_VIEW_BYTES);
    result = transaction_view_load(cli, client, id, &arena, &view); /* a mistyped one makes none */
    if (result == CLI_OK)
        result = transaction_view_fence(cli, client, id, view->transaction_timeout_ms, &producer_id,
                                        &epoch);
    if (result == CLI_OK && cli->json) {
        output_begin(&object);
        output_text(&object, "transactional_id", cli->words[0]);
        output_text(&object, "result", "fenced");
        output_number(&object, "producer_id", producer_id);
        output_number(&object, "epoch", epoch);
        output_end(&object);
    } else if (result == CLI_OK) {
        output_line("fenced %s", cli->words[0]);
    }
    arena_deinit(&arena);
    blocking_client_close(client);
    return result;
}
