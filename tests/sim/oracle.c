#include "tests/sim/oracle.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/oracle_group.h"

#include <inttypes.h>
#include <string.h>

enum { OFFSETS_MAX = 1 << 24 }; /* more is absurd in a simulated run */

enum fate { FATE_NONE, FATE_OPEN, FATE_OK, FATE_INFO, FATE_FAIL };

struct oracle_slot {
    uint64_t value;
    uint64_t audit; /* the last that saw it */
    bool known;
    bool acknowledged;
    bool read;
};

struct oracle_send {
    enum fate fate;
    uint32_t partition;
    uint32_t session;
    int32_t sequence;
    int64_t offset; /* -1: never seen */
};

struct oracle_run {
    int64_t producer_id;
    int32_t producer_epoch;
    int32_t next_sequence;
};

struct oracle_doubt {
    uint32_t partition;
    int64_t offset;
};

struct oracle *oracle_create(void)
{
    struct oracle *oracle = mem_alloc(sizeof(*oracle));

    for (uint32_t c = 0; c < HISTORY_CLIENTS_MAX; c++)
        for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++) {
            oracle->clients[c].committed[p] = -1;
            oracle->clients[c].attempted[p] = -1;
        }
    oracle->groups = oracle_groups_create();
    return oracle;
}

void oracle_destroy(struct oracle *oracle)
{
    if (oracle == NULL)
        return;
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++) {
        mem_free(oracle->partitions[p].slots);
        mem_free(oracle->partitions[p].runs);
    }
    for (uint32_t c = 0; c < HISTORY_CLIENTS_MAX; c++) {
        mem_free(oracle->clients[c].sends);
        mem_free(oracle->clients[c].doubts);
    }
    oracle_groups_destroy(oracle->groups);
    mem_free(oracle->producer_ids);
    mem_free(oracle);
}

/* ---- complaints */

void oracle_complain_about(struct oracle *oracle, const char *rule,
                           const struct history_event *event, const char *format, va_list args)
{
    struct oracle_complaint *complaint;

    if (oracle->complaints_count++ >= ORACLE_COMPLAINTS_MAX)
        return;
    complaint = &oracle->complaints[oracle->complaints_count - 1];
    snprintf(complaint->rule, sizeof(complaint->rule), "%s", rule);
    complaint->partition = event->partition;
    complaint->offset = event->offset;
    complaint->value = event->value;
    complaint->time_ns = event->time_ns;
    vsnprintf(complaint->text, sizeof(complaint->text), format, args);
}

printf_like(4, 5) static void complain(struct oracle *oracle, const char *rule,
                                       const struct history_event *event, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    oracle_complain_about(oracle, rule, event, format, args);
    va_end(args);
}

void oracle_complain(struct oracle *oracle, const char *rule, uint64_t time_ns, const char *text)
{
    struct history_event event = {.time_ns = time_ns, .offset = -1};

    complain(oracle, rule, &event, "%s", text);
}

const struct oracle_complaint *oracle_first(const struct oracle *oracle)
{
    return oracle->complaints_count == 0 ? NULL : &oracle->complaints[0];
}

/* ---- what is known */

static void *grown(void *items, uint64_t needed, uint64_t *capacity, size_t item_bytes)
{
    uint64_t before = *capacity;

    if (needed <= before)
        return items;
    while (*capacity < needed)
        *capacity = *capacity == 0 ? 256 : *capacity * 2;
    items = mem_realloc(items, *capacity * item_bytes);
    memset((char *)items + before * item_bytes, 0, (*capacity - before) * item_bytes);
    return items;
}

static struct oracle_slot *slot_at(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];
    uint64_t capacity = (uint64_t)partition->slots_capacity;

    if (event->offset < 0 || event->offset >= OFFSETS_MAX) {
        complain(oracle, "L1", event, "offset %" PRId64 " of value %" PRIx64 " is absurd",
                 event->offset, event->value);
        return NULL;
    }
    partition->slots =
        grown(partition->slots, (uint64_t)event->offset + 1, &capacity, sizeof(struct oracle_slot));
    partition->slots_capacity = (int64_t)capacity;
    if (event->offset >= partition->slots_count)
        partition->slots_count = event->offset + 1;
    return &partition->slots[event->offset];
}

/* NULL: nobody has sent this value. */
static struct oracle_send *send_of(struct oracle *oracle, uint64_t value)
{
    struct oracle_client *client = &oracle->clients[history_value_client(value)];
    uint64_t counter = history_value_counter(value);

    if (counter >= client->sends_count || client->sends[counter].fate == FATE_NONE)
        return NULL;
    return &client->sends[counter];
}

/* value stands at offset: L1, I1, L5. */
static struct oracle_slot *place(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_slot *slot = slot_at(oracle, event);
    struct oracle_send *send = send_of(oracle, event->value);

    if (slot == NULL)
        return NULL;
    if (send == NULL || send->partition != event->partition) {
        complain(oracle, "L5", event, "value %" PRIx64 " was never sent to this partition",
                 event->value);
        return NULL;
    }
    if (send->fate == FATE_FAIL)
        complain(oracle, "L5", event, "value %" PRIx64 " was refused and is there", event->value);
    if (slot->known && slot->value != event->value) {
        complain(oracle, "L1", event, "offset %" PRId64 " held %" PRIx64 " and now %" PRIx64,
                 event->offset, slot->value, event->value);
        return NULL;
    }
    if (send->offset >= 0 && send->offset != event->offset)
        complain(oracle, "I1", event, "value %" PRIx64 " is at offset %" PRId64 " and at %" PRId64,
                 event->value, send->offset, event->offset);
    send->offset = event->offset;
    slot->known = true;
    slot->value = event->value;
    return slot;
}

/* ---- sends */

static void take_send(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_client *client = &oracle->clients[history_value_client(event->value)];
    uint64_t counter = history_value_counter(event->value);

    check(history_value_client(event->value) == event->client);
    client->sends =
        grown(client->sends, counter + 1, &client->sends_capacity, sizeof(*client->sends));
    if (counter >= client->sends_count)
        client->sends_count = counter + 1;
    check(client->sends[counter].fate == FATE_NONE); /* unique */
    client->sends[counter] = (struct oracle_send){.fate = FATE_OPEN,
                                                  .partition = event->partition,
                                                  .session = event->session,
                                                  .sequence = event->sequence,
                                                  .offset = -1};
}

/* Of one client and session, what was sent earlier to the partition lies lower.  The nearest
 * neighbours suffice. */
static void check_order(struct oracle *oracle, const struct history_event *event,
                        const struct oracle_send *send)
{
    const struct oracle_client *client = &oracle->clients[history_value_client(event->value)];
    uint64_t counter = history_value_counter(event->value);

    for (uint64_t i = counter; i-- > 0;) {
        const struct oracle_send *other = &client->sends[i];
        if (other->session != send->session)
            return;
        if (other->partition != send->partition || other->fate != FATE_OK || other->offset < 0)
            continue;
        if (other->offset >= event->offset)
            complain(oracle, "L7", event,
                     "value %" PRIx64 " at %" PRId64
                     " was sent after one that now stands at %" PRId64,
                     event->value, event->offset, other->offset);
        return;
    }
}

static void take_send_ok(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];
    struct oracle_send *send = send_of(oracle, event->value);
    struct oracle_slot *slot;

    oracle->acknowledged_count++;
    if (event->offset < 0) {
        send->fate = FATE_OK;
        return;
    }
    slot = place(oracle, event);
    if (slot == NULL)
        return;
    send->fate = FATE_OK;
    slot->acknowledged = true;
    check_order(oracle, event, send);
    if (event->offset + 1 > partition->high)
        partition->high = event->offset + 1;
}

static void take_fate(struct oracle *oracle, const struct history_event *event, enum fate fate)
{
    struct oracle_send *send = send_of(oracle, event->value);

    send->fate = fate;
    if (fate == FATE_FAIL && send->offset >= 0)
        complain(oracle, "L5", event, "value %" PRIx64 " was refused and stands at offset %" PRId64,
                 event->value, send->offset);
}

static void take_producer_id(struct oracle *oracle, const struct history_event *event)
{
    uint64_t capacity = oracle->producer_ids_capacity;

    for (uint32_t i = 0; i < oracle->producer_ids_count; i++)
        if (oracle->producer_ids[i] == event->producer_id)
            complain(oracle, "I8", event, "producer id %" PRId64 " was handed out twice",
                     event->producer_id);
    oracle->producer_ids = grown(oracle->producer_ids, (uint64_t)oracle->producer_ids_count + 1,
                                 &capacity, sizeof(int64_t));
    oracle->producer_ids_capacity = (uint32_t)capacity;
    oracle->producer_ids[oracle->producer_ids_count++] = event->producer_id;
}

/* ---- reads */

static void take_read(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_slot *slot = place(oracle, event);

    oracle->reads_count++;
    if (slot != NULL)
        slot->read = true;
}

static void raise(int64_t *known, int64_t seen)
{
    if (seen > *known)
        *known = seen;
}

/* -1 for low or stable: this version of the answer does not tell. */
static void take_watermarks(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];

    if (event->low > event->high || event->stable > event->high ||
        (event->stable >= 0 && event->low > event->stable))
        complain(oracle, "L6", event,
                 "log start %" PRId64 ", stable %" PRId64 ", high watermark %" PRId64
                 " are out of order",
                 event->low, event->stable, event->high);
    if (event->high < event->floor_high)
        complain(oracle, "L6", event,
                 "high watermark %" PRId64 " after %" PRId64 " was seen or acknowledged",
                 event->high, event->floor_high);
    if (event->stable >= 0 && event->stable < event->floor_stable)
        complain(oracle, "L6", event, "last stable offset %" PRId64 " after %" PRId64,
                 event->stable, event->floor_stable);
    if (event->low >= 0 && event->low < event->floor_low)
        complain(oracle, "L6", event, "log start %" PRId64 " after %" PRId64, event->low,
                 event->floor_low);
    raise(&partition->low, event->low);
    raise(&partition->stable, event->stable);
    raise(&partition->high, event->high);
}

void oracle_floors(const struct oracle *oracle, uint32_t partition, struct history_event *out)
{
    out->floor_low = oracle->partitions[partition].low;
    out->floor_stable = oracle->partitions[partition].stable;
    out->floor_high = oracle->partitions[partition].high;
}

/* ---- audits: everything of a partition is read, while nobody writes */

static void take_audit(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];

    partition->audit++;
    partition->audit_next = 0;
    partition->runs_count = 0;
}

static struct oracle_run *run_of(struct oracle_partition *partition,
                                 const struct history_event *event)
{
    uint64_t capacity = partition->runs_capacity;
    struct oracle_run *run;

    for (uint32_t i = partition->runs_count; i-- > 0;) {
        run = &partition->runs[i];
        if (run->producer_id == event->producer_id && run->producer_epoch == event->producer_epoch)
            return run;
    }
    partition->runs =
        grown(partition->runs, (uint64_t)partition->runs_count + 1, &capacity, sizeof(*run));
    partition->runs_capacity = (uint32_t)capacity;
    run = &partition->runs[partition->runs_count++];
    *run = (struct oracle_run){event->producer_id, event->producer_epoch, 0};
    return run;
}

static void take_audit_read(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];
    struct oracle_slot *slot;
    struct oracle_run *run;

    if (event->offset != partition->audit_next)
        complain(oracle, "L2", event, "offset %" PRId64 " follows %" PRId64, event->offset,
                 partition->audit_next - 1);
    partition->audit_next = event->offset + 1;
    slot = place(oracle, event);
    if (slot != NULL) {
        slot->audit = partition->audit;
        slot->read = true;
    }
    if (event->producer_id < 0)
        return;
    run = run_of(partition, event);
    if (event->sequence != run->next_sequence)
        complain(oracle, "I2", event,
                 "producer %" PRId64 " epoch %" PRId32 " has sequence %" PRId32 " where %" PRId32
                 " is due",
                 event->producer_id, event->producer_epoch, event->sequence, run->next_sequence);
    run->next_sequence = event->sequence + 1;
}

static void take_audit_end(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];

    if (event->high != partition->audit_next)
        complain(oracle, "L2", event, "the log ends at %" PRId64 " and was readable to %" PRId64,
                 event->high, partition->audit_next);
    for (int64_t offset = 0; offset < partition->slots_count; offset++) {
        const struct oracle_slot *slot = &partition->slots[offset];
        struct history_event gone = *event;
        if (!slot->known || slot->audit == partition->audit)
            continue;
        gone.offset = offset;
        gone.value = slot->value;
        if (slot->acknowledged)
            complain(oracle, "L3", &gone,
                     "value %" PRIx64 " was acknowledged at offset %" PRId64 " and is gone",
                     slot->value, offset);
        else
            complain(oracle, "L4", &gone,
                     "value %" PRIx64 " was read at offset %" PRId64 " and is gone", slot->value,
                     offset);
    }
}

/* ---- committed offsets: one client writes, in one group of its own */

static void take_commit(struct oracle *oracle, const struct history_event *event)
{
    raise(&oracle->clients[event->client].attempted[event->partition], (int64_t)event->value);
}

static void take_commit_ok(struct oracle *oracle, const struct history_event *event)
{
    raise(&oracle->clients[event->client].committed[event->partition], (int64_t)event->value);
}

int64_t oracle_committed(const struct oracle *oracle, uint32_t client, uint32_t partition)
{
    return oracle->clients[client].committed[partition];
}

static void take_commit_info(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_client *client = &oracle->clients[event->client];

    client->doubts = grown(client->doubts, client->doubts_count + 1, &client->doubts_capacity,
                           sizeof(*client->doubts));
    client->doubts[client->doubts_count++] =
        (struct oracle_doubt){event->partition, (int64_t)event->value};
}

/* Offsets of a client grow, so all between the last acknowledged and the largest attempted are
 * allowed; and each of unknown fate, because the network may still hold its request. */
static void take_committed(struct oracle *oracle, const struct history_event *event)
{
    const struct oracle_client *client = &oracle->clients[event->client];

    for (uint64_t i = 0; i < client->doubts_count; i++)
        if (client->doubts[i].partition == event->partition &&
            client->doubts[i].offset == event->offset)
            return;
    if (event->offset < event->floor_high)
        complain(oracle, "G3", event, "committed %" PRId64 " and now %" PRId64, event->floor_high,
                 event->offset);
    if (event->offset > client->attempted[event->partition])
        complain(oracle, "G4", event, "offset %" PRId64 " and nobody committed over %" PRId64,
                 event->offset, client->attempted[event->partition]);
}

/* ---- all of it */

void oracle_take(void *context, const struct history_event *event)
{
    struct oracle *oracle = context;

    switch (event->kind) {
    case HISTORY_SEND:
        take_send(oracle, event);
        break;
    case HISTORY_SEND_OK:
        take_send_ok(oracle, event);
        break;
    case HISTORY_SEND_INFO:
        take_fate(oracle, event, FATE_INFO);
        break;
    case HISTORY_SEND_FAIL:
        take_fate(oracle, event, FATE_FAIL);
        break;
    case HISTORY_REFUSED:
        complain(oracle, "I4", event, "the oldest open batch was refused with error %" PRId32,
                 event->error);
        break;
    case HISTORY_READ:
        take_read(oracle, event);
        break;
    case HISTORY_GARBLED:
        complain(oracle, "L5", event, "offset %" PRId64 " holds bytes that nobody sent",
                 event->offset);
        break;
    case HISTORY_SKIPPED:
        complain(oracle, "L8", event, "asked for offset %" PRId64 " and got %" PRId64,
                 event->offset, (int64_t)event->value);
        break;
    case HISTORY_WATERMARKS:
        take_watermarks(oracle, event);
        break;
    case HISTORY_OUT_OF_RANGE:
        complain(oracle, "L4", event, "offset %" PRId64 " was readable and is out of range",
                 event->offset);
        break;
    case HISTORY_PRODUCER_ID:
        take_producer_id(oracle, event);
        break;
    case HISTORY_AUDIT:
        take_audit(oracle, event);
        break;
    case HISTORY_AUDIT_READ:
        take_audit_read(oracle, event);
        break;
    case HISTORY_AUDIT_END:
        take_audit_end(oracle, event);
        break;
    case HISTORY_COMMIT:
        take_commit(oracle, event);
        break;
    case HISTORY_COMMIT_OK:
        take_commit_ok(oracle, event);
        break;
    case HISTORY_COMMITTED:
        take_committed(oracle, event);
        break;
    case HISTORY_WIRE:
        complain(oracle, "WIRE", event, "client %" PRIu32 " got an answer that makes no sense: %d",
                 event->client, event->error);
        break;
    case HISTORY_LATE:
        complain(oracle, "LATE", event, "client %" PRIu32 " was not done by its deadline",
                 event->client);
        break;
    case HISTORY_COMMIT_INFO:
        take_commit_info(oracle, event);
        break;
    case HISTORY_BROKER_UP:
    case HISTORY_BROKER_DOWN:
    case HISTORY_ASK:
    case HISTORY_JOINED:
    case HISTORY_MEMBERS:
    case HISTORY_ASSIGN:
    case HISTORY_SYNCED:
    case HISTORY_MEMBER_OK:
    case HISTORY_MEMBER_REFUSED:
        oracle_groups_take(oracle, event);
        break;
    case HISTORY_COMMIT_FAIL:
    case HISTORY_KIND_COUNT:
        break;
    }
}
