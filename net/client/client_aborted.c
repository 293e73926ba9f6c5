#include "net/client/client_aborted.h"

#include "base/mem.h"
#include "record/control_record.h"

#include <stdlib.h>
#include <string.h>

static int by_first_offset(const void *a, const void *b)
{
    const struct fetch_response_aborted_transaction *one = a;
    const struct fetch_response_aborted_transaction *other = b;

    return (one->first_offset > other->first_offset) - (one->first_offset < other->first_offset);
}

enum err client_aborted_init(struct client_aborted *aborted,
                             const struct fetch_response_partition_data *data)
{
    size_t count =
        data->aborted_transactions.count > 0 ? (size_t)data->aborted_transactions.count : 0;

    *aborted = (struct client_aborted){0};
    if (count == 0)
        return OK;
    aborted->list = mem_try_alloc(count * (sizeof(*aborted->list) + sizeof(*aborted->producers)));
    if (aborted->list == NULL)
        return ERR_NOMEM;
    aborted->count = (int32_t)count;
    aborted->producers = (int64_t *)(void *)(aborted->list + count);
    memcpy(aborted->list, data->aborted_transactions.items, count * sizeof(*aborted->list));
    qsort(aborted->list, count, sizeof(*aborted->list), by_first_offset);
    return OK;
}

void client_aborted_deinit(struct client_aborted *aborted)
{
    mem_free(aborted->list);
    *aborted = (struct client_aborted){0};
}

/* Its place among those that have begun; -1: it is not there. */
static int32_t find(const struct client_aborted *aborted, int64_t producer_id)
{
    for (int32_t i = 0; i < aborted->producer_count; i++)
        if (aborted->producers[i] == producer_id)
            return i;
    return -1;
}

static bool is_abort(const struct batch_header *header, const uint8_t *bytes)
{
    struct control_marker marker;

    return batch_is_control(header) && control_parse_marker(bytes, header, &marker) == OK &&
           !marker.commit;
}

bool client_aborted_drops(struct client_aborted *aborted, const struct batch_header *header,
                          const uint8_t *bytes)
{
    int32_t at;

    while (aborted->begun < aborted->count &&
           aborted->list[aborted->begun].first_offset <= batch_last_offset(header)) {
        int64_t producer_id = aborted->list[aborted->begun++].producer_id;
        if (find(aborted, producer_id) < 0)
            aborted->producers[aborted->producer_count++] = producer_id;
    }
    at = find(aborted, header->producer_id);
    if (at < 0)
        return false;
    if (is_abort(header, bytes))
        aborted->producers[at] = aborted->producers[--aborted->producer_count];
    return !batch_is_control(header) && batch_is_transactional(header);
}
