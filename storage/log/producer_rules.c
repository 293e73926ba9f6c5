#include "storage/log/producer_rules.h"

#include "base/sometimes.h"

/* DUR-I3: the same epoch, first and last sequence as one of the batches in the window. */
static const struct producer_batch *find_duplicate(const struct producer_entry *entry,
                                                   const struct batch_header *header)
{
    int32_t last_sequence = batch_last_sequence(header);

    if (header->producer_epoch != entry->epoch)
        return NULL;
    for (uint8_t i = 0; i < entry->batch_count; i++) {
        const struct producer_batch *batch = &entry->batches[i];

        if (batch->first_sequence == header->base_sequence &&
            batch->last_sequence == last_sequence) {
            SOMETIMES("producer_state: a duplicate of the oldest of five batches",
                      i == 0 && entry->batch_count == PRODUCER_WINDOW);
            return batch;
        }
    }
    return NULL;
}

/* DUR-I2, DUR-I4, DUR-I7: what the first sequence may be. */
static enum err check_sequence(const struct producer_entry *entry,
                               const struct batch_header *header)
{
    int32_t expected = 0;

    if (header->producer_epoch == entry->epoch && entry->batch_count > 0)
        expected = batch_sequence_add(entry->batches[entry->batch_count - 1].last_sequence, 1);
    if (header->base_sequence == expected)
        return OK;
    /* An entry without epoch knows nothing to hold against it (KIP-360). */
    return entry->epoch == BATCH_NO_PRODUCER_EPOCH ? OK : ERR_SEQUENCE;
}

/* DUR-T6: entry is NULL, or what is known of the producer, whose epoch is not newer. */
static enum err check_transaction(const struct producer_entry *entry,
                                  const struct batch_header *header,
                                  const struct producer_rules *rules)
{
    bool is_open = entry != NULL && entry->txn_first_offset >= 0;

    if (is_open && (!batch_is_transactional(header) || header->producer_epoch != entry->epoch))
        return ERR_TXN_STATE; /* another epoch's: its marker ends it first */
    if (rules->origin == PRODUCER_CLIENT && batch_is_transactional(header) && !is_open &&
        !rules->is_registered)
        return ERR_TXN_STATE;
    return OK;
}

/* Kafka's ProducerAppendInfo.checkProducerEpoch and checkCoordinatorEpoch. */
static enum err check_marker(const struct producer_entry *entry, const struct batch_header *header,
                             const struct control_marker *marker, bool txn_v2, bool *repeated_out)
{
    bool is_open = entry->txn_first_offset >= 0;
    bool is_same = header->producer_epoch == entry->epoch;

    if (header->producer_epoch < entry->epoch)
        return ERR_PRODUCER_EPOCH;
    if (txn_v2 && is_same && is_open && header->producer_epoch != INT16_MAX)
        return ERR_PRODUCER_EPOCH; /* of the transaction before this one */
    if (marker->coordinator_epoch < entry->coordinator_epoch)
        return ERR_FENCED_EPOCH; /* DUR-T11 */
    *repeated_out = txn_v2 && is_same && !is_open;
    return OK;
}

/* DUR-T4: since somebody looked, another transaction may have begun, or the one that was open may
 * have grown by what a coordinator knows of. */
static enum err check_seen(const struct producer_entry *entry, const struct producer_open *seen,
                           bool *repeated_out)
{
    struct producer_open now = producer_state_open_of(entry);

    if (now.first_offset != seen->first_offset || now.last_offset != seen->last_offset)
        return ERR_TXN_STATE;
    *repeated_out = *repeated_out || now.first_offset < 0;
    return OK;
}

/* A marker, against what is known of its producer: NULL: nothing. */
static enum err check_end(const struct producer_state *ps, const struct producer_entry *entry,
                          const struct batch_header *header, const struct control_marker *marker,
                          const struct producer_rules *rules, struct producer_check *out)
{
    enum err err = OK;

    if (entry != NULL)
        err = check_marker(entry, header, marker, rules->txn_v2, &out->duplicate);
    if (err == OK && rules->ends_seen)
        err = check_seen(entry, &rules->seen, &out->duplicate);
    if (err == OK && out->duplicate) /* it stands somewhere below, or need not stand anywhere */
        out->base_offset = out->last_offset = ps->end_offset - 1;
    return err;
}

/* Rules for data of a producer that is known. */
static enum err check_data(const struct producer_entry *entry, const struct batch_header *header,
                           const struct producer_rules *rules)
{
    enum err err;

    if (header->producer_epoch < entry->epoch)
        return ERR_PRODUCER_EPOCH; /* DUR-I6 */
    err = check_transaction(entry, header, rules);
    if (err || rules->origin != PRODUCER_CLIENT)
        return err;
    return check_sequence(entry, header);
}

/* DUR-I11: as Kafka 4.3 (decision 0005).  A topic that was deleted and created again is new to a
 * producer that goes on, as is one that forgot it; but in a transaction of version 2 each partition
 * begins with sequence 0. */
static enum err check_unknown(const struct batch_header *header, const struct producer_rules *rules)
{
    enum err err;

    if (rules->origin != PRODUCER_CLIENT)
        return OK;
    err = check_transaction(NULL, header, rules);
    if (err || !rules->txn_v2 || header->base_sequence == 0)
        return err;
    return ERR_SEQUENCE;
}

enum err producer_rules_check(const struct producer_state *ps, const struct producer_entry *entry,
                              const struct batch_header *header,
                              const struct control_marker *marker,
                              const struct producer_rules *rules, struct producer_check *out)
{
    const struct producer_batch *batch = NULL;

    if (rules->origin == PRODUCER_VERBATIM || rules->origin == PRODUCER_REPLAY)
        return OK;
    if (header->producer_epoch < 0)
        return ERR_PRODUCER_EPOCH;
    if (marker != NULL)
        return check_end(ps, entry, header, marker, rules, out);
    if (entry == NULL)
        return check_unknown(header, rules);
    if (rules->origin == PRODUCER_CLIENT)
        batch = find_duplicate(entry, header);
    if (batch == NULL)
        return check_data(entry, header, rules);
    *out = (struct producer_check){.duplicate = true,
                                   .base_offset = batch->last_offset - batch->offset_delta,
                                   .last_offset = batch->last_offset,
                                   .timestamp_ms = batch->timestamp_ms};
    return OK;
}
