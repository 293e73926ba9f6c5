#include "broker/coordinator/transaction_guard.h"

#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/request.h"

bool transaction_guard_passes(struct transaction_guard *guard, int64_t producer_id, int16_t epoch,
                              uint64_t accept_number)
{
    bool is_same = guard->producer_id == producer_id && guard->epoch == epoch;

    if (accept_number == 0)
        return true;
    if (is_same && accept_number < guard->accept_number)
        return false; /* TGD-1 */
    *guard = (struct transaction_guard){accept_number, producer_id, epoch};
    return true;
}

void transaction_guard_clear(struct transaction_guard *guard)
{
    *guard = (struct transaction_guard){0};
}

void transaction_guards_clear(struct transaction_entry *entry)
{
    transaction_guard_clear(&entry->guard);
    transaction_guard_clear(&entry->offsets_guard);
}

static bool is_holder(const struct transaction_entry *entry, int64_t producer_id, int16_t epoch)
{
    return entry->transaction.fields.producer_id == producer_id &&
           entry->transaction.fields.epoch == epoch;
}

bool transaction_guard_is_late_commit(struct transaction_entry *entry,
                                      const struct transaction_registration *registration)
{
    return is_holder(entry, registration->producer_id, registration->epoch) &&
           !transaction_guard_passes(&entry->offsets_guard, registration->producer_id,
                                     registration->epoch, registration->accept_number);
}

bool transaction_guard_is_late(struct shard *at, const struct client *client, struct wire_string id,
                               int64_t producer_id, int16_t epoch)
{
    struct transaction_entry *entry =
        transaction_coordinator_find(at->transactions, id.text, (size_t)id.size_bytes);

    return entry != NULL && is_holder(entry, producer_id, epoch) &&
           !transaction_guard_passes(&entry->guard, producer_id, epoch, client->accept_number);
}

void transaction_guard_refuse(struct request *request, struct wire_string id)
{
    char peer[IO_ADDRESS_TEXT_MAX];

    io_address_format(&request->client->peer, peer);
    counter_add(&request->at->transactions->late_requests, 1);
    log_line(request->at->sink, LOG_WARN, "LVE-5024",
             "a request that was late is not executed, and its connection is closed",
             log_text("transactional_id", id.text, (size_t)id.size_bytes),
             log_i64("api_key", request->api_key), log_str("peer", peer));
    request_close(request);
}
