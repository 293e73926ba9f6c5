/* ListTransactions (key 66; KIP-664, 994, 1152): there are none yet. */
#include "base/check.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "net/protocol/msg_list_transactions.h"

static bool is_state(struct wire_string name)
{
    static const char *const states[] = {
        "Empty",         "Ongoing",        "PrepareCommit",     "PrepareAbort",
        "CompleteAbort", "CompleteCommit", "PrepareEpochFence", "Dead"};

    for (size_t i = 0; i < array_count(states); i++)
        if (wire_string_is(name, states[i]))
            return true;
    return false;
}

void handle_list_transactions(struct request *request)
{
    const struct list_transactions_request *body = request->body;
    struct list_transactions_response *response = request->response;

    response->unknown_state_filters.items =
        request_try_alloc(request, (size_t)body->state_filters.count, sizeof(struct wire_string));
    if (response->unknown_state_filters.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    for (int32_t i = 0; i < body->state_filters.count; i++)
        if (!is_state(body->state_filters.items[i]))
            response->unknown_state_filters.items[response->unknown_state_filters.count++] =
                body->state_filters.items[i];
    request_answer(request);
}
