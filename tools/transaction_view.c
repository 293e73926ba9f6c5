#include "tools/transaction_view.h"

#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_init_producer_id.h"
#include "net/protocol/msg_list_transactions.h"
#include "tools/patience.h"

/* As every client does first: until then there may be no coordinator. */
static void find_coordinator(struct blocking_client *client, struct wire_string id)
{
    struct find_coordinator_request request;
    struct arena arena;
    const void *answer;

    arena_init(&arena, 1 << 20);
    codec_set_defaults(&find_coordinator_request_desc, &request);
    request.key = id;
    request.key_type = KAFKA_COORDINATOR_KEY_TYPE_TRANSACTION;
    (void)!blocking_client_call_at_most(client, API_FIND_COORDINATOR, 3, &request, &arena, &answer);
    arena_deinit(&arena);
}

enum cli_exit transaction_view_load(const struct cli *cli, struct blocking_client *client,
                                    struct wire_string id, struct arena *arena,
                                    const transaction_view **out)
{
    struct describe_transactions_request request;
    const struct describe_transactions_response *response;
    struct patience patience = patience_begin(cli->timeout_ms);
    const void *answer;
    enum err err;

    find_coordinator(client, id);
    do {
        codec_set_defaults(&describe_transactions_request_desc, &request);
        request.transactional_ids.items = &id;
        request.transactional_ids.count = 1;
        err = blocking_client_call(client, API_DESCRIBE_TRANSACTIONS, &request, arena, &answer);
        response = answer;
        if (err == OK && response->transaction_states.count != 1)
            err = ERR_MALFORMED;
    } while (err == OK
                 ? patience_with_kafka(&patience, response->transaction_states.items[0].error_code)
                 : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("DescribeTransactions", err);
    *out = &response->transaction_states.items[0];
    if ((*out)->error_code == KAFKA_TRANSACTIONAL_ID_NOT_FOUND)
        return cli_fail(CLI_NOT_FOUND, "there is no transactional id %.*s", CLI_TEXT(id));
    if ((*out)->error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka((*out)->error_code), "%.*s: %s", CLI_TEXT(id),
                        kafka_error_name((*out)->error_code));
    return CLI_OK;
}

enum cli_exit transaction_view_find(const struct cli *cli, struct blocking_client *client,
                                    int64_t producer_id, struct arena *arena,
                                    struct wire_string *out)
{
    struct list_transactions_request request;
    const struct list_transactions_response *response;
    struct patience patience = patience_begin(cli->timeout_ms);
    const void *answer;
    enum err err;

    *out = (struct wire_string){0};
    do {
        codec_set_defaults(&list_transactions_request_desc, &request);
        request.producer_id_filters.items = &producer_id;
        request.producer_id_filters.count = 1;
        err = blocking_client_call(client, API_LIST_TRANSACTIONS, &request, arena, &answer);
        response = answer;
    } while (err == OK ? patience_with_kafka(&patience, response->error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("ListTransactions", err);
    if (response->error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(response->error_code), "ListTransactions: %s",
                        kafka_error_name(response->error_code));
    if (response->transaction_states.count == 0)
        return CLI_OK;
    *out = response->transaction_states.items[0].transactional_id;
    out->text = arena_strndup(arena, out->text, (size_t)out->size_bytes);
    return out->text != NULL ? CLI_OK : cli_fail(CLI_FAILED, "no memory");
}

enum cli_exit transaction_view_fence(const struct cli *cli, struct blocking_client *client,
                                     struct wire_string id, int32_t timeout_ms,
                                     int64_t *producer_id, int16_t *epoch)
{
    struct patience patience = patience_begin(cli->timeout_ms);
    int16_t error_code = KAFKA_NONE;
    enum err err;

    do { /* CONCURRENT_TRANSACTIONS while what was open is aborted */
        struct init_producer_id_request request;
        const struct init_producer_id_response *response;
        const void *answer;
        struct arena arena;
        arena_init(&arena, 1 << 20);
        codec_set_defaults(&init_producer_id_request_desc, &request);
        request.transactional_id = id;
        request.transaction_timeout_ms = timeout_ms;
        err = blocking_client_call_at_most(client, API_INIT_PRODUCER_ID, 5, &request, &arena,
                                           &answer);
        response = answer;
        if (err == OK) {
            error_code = response->error_code;
            *producer_id = response->producer_id;
            *epoch = response->producer_epoch;
        }
        arena_deinit(&arena);
    } while (err == OK ? patience_with_kafka(&patience, error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("InitProducerId", err);
    if (error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(error_code), "%.*s: %s", CLI_TEXT(id),
                        kafka_error_name(error_code));
    return CLI_OK;
}
