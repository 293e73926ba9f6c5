#include "tools/aborted_filter.h"

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

void aborted_filter_init(struct aborted_filter *filter,
                         const struct fetch_response_partition_data *data)
{
    size_t count =
        data->aborted_transactions.count > 0 ? (size_t)data->aborted_transactions.count : 0;

    *filter = (struct aborted_filter){.count = (int32_t)count};
    if (count == 0)
        return;
    filter->list = mem_alloc(count * sizeof(*filter->list));
    filter->producers = mem_alloc(count * sizeof(*filter->producers));
    memcpy(filter->list, data->aborted_transactions.items, count * sizeof(*filter->list));
    qsort(filter->list, count, sizeof(*filter->list), by_first_offset);
}

void aborted_filter_deinit(struct aborted_filter *filter)
{
    mem_free(filter->list);
    mem_free(filter->producers);
}

/* Its place among those that have begun; -1: it is not there. */
static int32_t find(const struct aborted_filter *filter, int64_t producer_id)
{
    for (int32_t i = 0; i < filter->producer_count; i++)
        if (filter->producers[i] == producer_id)
            return i;
    return -1;
}

static bool is_abort(const struct batch_header *header, const uint8_t *bytes)
{
    struct control_marker marker;

    return batch_is_control(header) && control_parse_marker(bytes, header, &marker) == OK &&
           !marker.commit;
}

bool aborted_filter_drops(struct aborted_filter *filter, const struct batch_header *header,
                          const uint8_t *bytes)
{
    int32_t at;

    while (filter->begun < filter->count &&
           filter->list[filter->begun].first_offset <= batch_last_offset(header)) {
        int64_t producer_id = filter->list[filter->begun++].producer_id;
        if (find(filter, producer_id) < 0)
            filter->producers[filter->producer_count++] = producer_id;
    }
    at = find(filter, header->producer_id);
    if (at < 0)
        return false;
    if (is_abort(header, bytes))
        filter->producers[at] = filter->producers[--filter->producer_count];
    return !batch_is_control(header) && batch_is_transactional(header);
}
