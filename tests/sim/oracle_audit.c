/* Audits: everything of a partition is read, while nobody writes. */
#include "tests/sim/oracle_keep.h"
#include "tests/sim/oracle_private.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>

void oracle_audit_take(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];

    if (event->offset > 0)
        sim_mark(MARK_AUDIT_OF_REST);
    partition->audit++;
    partition->audit_next = partition->audit_start = event->offset < 0 ? 0 : event->offset;
    partition->runs_count = 0;
}

/* The run of the record's producer and epoch, or of its client and session without an id. */
static struct oracle_run *run_of(struct oracle_partition *partition,
                                 const struct oracle_run *wanted)
{
    uint64_t capacity = partition->runs_capacity;
    struct oracle_run *run;

    for (uint32_t i = partition->runs_count; i-- > 0;) {
        run = &partition->runs[i];
        if (run->producer_id == wanted->producer_id &&
            run->producer_epoch == wanted->producer_epoch && run->client == wanted->client &&
            run->session == wanted->session)
            return run;
    }
    partition->runs = oracle_private_grown(partition->runs, (uint64_t)partition->runs_count + 1,
                                           &capacity, sizeof(*run));
    partition->runs_capacity = (uint32_t)capacity;
    run = &partition->runs[partition->runs_count++];
    *run = *wanted;
    return run;
}

/* DUR-L7 for what was acknowledged and for what was not: a producer's records of one session stand
 * in the order in which it sent them. */
static void check_run_order(struct oracle *oracle, const struct history_event *event, bool again)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];
    const struct oracle_send *send = oracle_private_send(oracle, event->value);
    struct oracle_run wanted = {
        .producer_id = -1, .client = history_value_client(event->value), .session = send->session};
    struct oracle_run *run = run_of(partition, &wanted);
    uint64_t counter = history_value_counter(event->value);

    if (counter < run->next_counter && !again)
        oracle_private_complain(oracle, "L7", event,
                                "value %" PRIx64 " stands behind one that was sent after it",
                                event->value);
    run->next_counter = counter + 1;
}

void oracle_audit_take_read(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];
    struct oracle_run wanted = {.producer_id = event->producer_id,
                                .producer_epoch = event->producer_epoch,
                                .next_sequence = -1};
    struct oracle_slot *slot;
    struct oracle_run *run;

    if (event->offset != partition->audit_next)
        oracle_private_complain(oracle, "L2", event, "offset %" PRId64 " follows %" PRId64,
                                event->offset, partition->audit_next - 1);
    partition->audit_next = event->offset + 1;
    slot = oracle_private_place(oracle, event);
    if (slot != NULL) {
        slot->audit = partition->audit;
        slot->read = true;
        check_run_order(oracle, event, slot->again);
    }
    if (event->producer_id < 0)
        return;
    run = run_of(partition, &wanted);
    if (run->next_sequence < 0) /* the first of a log that begins later is any */
        run->next_sequence = partition->audit_start > 0 ? event->sequence : 0;
    if (event->sequence > run->next_sequence && partition->power_lost_ns != 0)
        run->next_sequence = event->sequence; /* what came before is lost, and so is its producer */
    if (slot != NULL && slot->again)
        run->next_sequence = event->sequence; /* the producer was forgotten */
    if (event->sequence != run->next_sequence)
        oracle_private_complain(oracle, "I2", event,
                                "producer %" PRId64 " epoch %" PRId32 " has sequence %" PRId32
                                " where %" PRId32 " is due",
                                event->producer_id, event->producer_epoch, event->sequence,
                                run->next_sequence);
    run->next_sequence = event->sequence + 1;
}

void oracle_audit_take_end(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];

    if (event->high != partition->audit_next)
        oracle_private_complain(oracle, "L2", event,
                                "the log ends at %" PRId64 " and was readable to %" PRId64,
                                event->high, partition->audit_next);
    for (int64_t offset = 0; offset < partition->slots_count; offset++) {
        const struct oracle_slot *slot = &partition->slots[offset];
        struct history_event gone = *event;
        if (!slot->known || slot->audit == partition->audit || offset < partition->audit_start)
            continue;
        if (slot->in_doubt) {
            oracle_keep_cut(oracle, partition, offset);
            break;
        }
        gone.offset = offset;
        gone.value = slot->value;
        if (slot->acknowledged)
            oracle_private_complain(oracle, "L3", &gone,
                                    "value %" PRIx64 " was acknowledged at offset %" PRId64
                                    " and is gone",
                                    slot->value, offset);
        else
            oracle_private_complain(oracle, "L4", &gone,
                                    "value %" PRIx64 " was read at offset %" PRId64 " and is gone",
                                    slot->value, offset);
    }
}
