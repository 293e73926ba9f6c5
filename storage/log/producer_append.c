#include "storage/log/producer_append.h"

/* Other control batches than the ends of transactions leave producers as they are. */
static enum err find_marker(const uint8_t *bytes, const struct batch_header *header,
                            struct producer_append *append)
{
    enum err err = ERR_NOT_FOUND;

    if (batch_is_control(header) && batch_has_producer(header))
        err = control_parse_marker(bytes, header, &append->marker);
    append->has_marker = err == OK;
    if (err == OK || err == ERR_NOT_FOUND || append->rules.origin == PRODUCER_REPLAY)
        return OK;
    return ERR_CORRUPT;
}

static const struct control_marker *marker_of(const struct producer_append *append)
{
    return append->has_marker ? &append->marker : NULL;
}

enum err producer_append_check(struct producer_state *ps, const uint8_t *bytes,
                               const struct batch_header *header, struct producer_append *append)
{
    enum err err = find_marker(bytes, header, append);

    append->check = (struct producer_check){0};
    if (err != OK || !batch_has_producer(header))
        return err;
    return producer_state_check(ps, header, marker_of(append), &append->rules, &append->check);
}

bool producer_append_apply(struct producer_state *ps, const struct batch_header *header,
                           const struct producer_append *append, int64_t now_ms,
                           struct producer_completed *completed_out)
{
    return batch_has_producer(header) &&
           producer_state_update(ps, header, marker_of(append), now_ms, completed_out);
}

enum err producer_append_replay(struct producer_state *ps, const uint8_t *bytes,
                                const struct batch_header *header, uint64_t owner, int64_t now_ms,
                                struct producer_completed *completed_out)
{
    struct producer_append append = {.rules = {.origin = PRODUCER_REPLAY, .owner = owner}};
    enum err err = producer_append_check(ps, bytes, header, &append);

    if (err != OK)
        return err;
    if (!producer_append_apply(ps, header, &append, now_ms, completed_out) && completed_out != NULL)
        completed_out->producer_id = BATCH_NO_PRODUCER_ID;
    return OK;
}
