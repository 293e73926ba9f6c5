#include "tests/sim/oracle.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/oracle_group.h"
#include "tests/sim/oracle_keep.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>
#include <string.h>

enum { OFFSETS_MAX = 1 << 24 }; /* more is absurd in a simulated run */

struct oracle *oracle_create(void)
{
    struct oracle *oracle = mem_alloc(sizeof(*oracle));

    for (uint32_t c = 0; c < HISTORY_CLIENTS_MAX; c++)
        for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++) {
            oracle->clients[c].committed[p] = -1;
            oracle->clients[c].attempted[p] = -1;
        }
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++)
        oracle->partitions[p].rules.retention_ms = oracle->partitions[p].rules.retention_bytes = -1;
    oracle->groups = oracle_groups_create();
    oracle_age_init(&oracle->age);
    return oracle;
}

void oracle_tell_memory_ends(struct oracle *oracle)
{
    oracle->groups->lacks_memory = true;
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
    oracle_age_deinit(&oracle->age);
    mem_free(oracle->producer_ids);
    mem_free(oracle);
}

/* ---- complaints */

void oracle_complain_about(struct oracle *oracle, const char *rule,
                           const struct history_event *event, const char *format, va_list args)
{
    struct oracle_complaint *complaint;

    if (oracle->rotten && strcmp(rule, "L1") != 0 && strcmp(rule, "L5") != 0 &&
        strcmp(rule, "I1") != 0)
        return;
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

void oracle_private_complain(struct oracle *oracle, const char *rule,
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

    oracle_private_complain(oracle, rule, &event, "%s", text);
}

const struct oracle_complaint *oracle_first(const struct oracle *oracle)
{
    return oracle->complaints_count == 0 ? NULL : &oracle->complaints[0];
}

/* ---- what is known */

void *oracle_private_grown(void *items, uint64_t needed, uint64_t *capacity, size_t item_bytes)
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
        oracle_private_complain(oracle, "L1", event,
                                "offset %" PRId64 " of value %" PRIx64 " is absurd", event->offset,
                                event->value);
        return NULL;
    }
    partition->slots = oracle_private_grown(partition->slots, (uint64_t)event->offset + 1,
                                            &capacity, sizeof(struct oracle_slot));
    partition->slots_capacity = (int64_t)capacity;
    if (event->offset >= partition->slots_count)
        partition->slots_count = event->offset + 1;
    return &partition->slots[event->offset];
}

/* NULL: nobody has sent this value. */
struct oracle_send *oracle_private_send(struct oracle *oracle, uint64_t value)
{
    struct oracle_client *client = &oracle->clients[history_value_client(value)];
    uint64_t counter = history_value_counter(value);

    if (counter >= client->sends_count || client->sends[counter].fate == FATE_NONE)
        return NULL;
    return &client->sends[counter];
}

/* Is the record the one that was sent, at the time that it has, and at every sight the same? */
static void check_content(struct oracle *oracle, const struct history_event *event,
                          const struct oracle_send *send, struct oracle_slot *slot)
{
    bool append_time = oracle->partitions[event->partition].rules.append_time;

    if (event->kind != HISTORY_SEND_OK && event->value_bytes != send->value_bytes)
        oracle_private_complain(oracle, "L1", event,
                                "value %" PRIx64 " was sent with %" PRId32
                                " bytes and has %" PRId32,
                                event->value, send->value_bytes, event->value_bytes);
    if (event->kind == HISTORY_SEND_OK && !append_time)
        return; /* a duplicate is answered with the time of the first, whatever its type (Kafka) */
    if (event->by_append_time != append_time) {
        oracle_private_complain(oracle, "L1", event,
                                "value %" PRIx64 " has the wrong type of timestamp", event->value);
        return;
    }
    if (!append_time && event->timestamp_ms != send->timestamp_ms)
        oracle_private_complain(oracle, "L1", event,
                                "value %" PRIx64 " was sent with time %" PRId64 " and has %" PRId64,
                                event->value, send->timestamp_ms, event->timestamp_ms);
    if (append_time && slot->timestamp_known && event->timestamp_ms != slot->timestamp_ms)
        oracle_private_complain(oracle, "L1", event,
                                "value %" PRIx64 " had time %" PRId64 " and has %" PRId64,
                                event->value, slot->timestamp_ms, event->timestamp_ms);
    slot->timestamp_ms = event->timestamp_ms;
    slot->timestamp_known = true;
}

/* A power loss in the mode cache may have taken what stood here, or this value elsewhere. */
static void settle_doubt(struct oracle *oracle, const struct history_event *event,
                         const struct oracle_send *send, const struct oracle_slot *slot)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];

    if (oracle_keep_is_stale(oracle, event))
        return;
    if (slot->known && slot->in_doubt && slot->value == event->value)
        sim_mark(MARK_CACHE_KEPT);
    if (slot->known && slot->in_doubt && slot->value == event->value)
        oracle_keep_confirm(partition, event->offset);
    else if (slot->known && slot->in_doubt)
        oracle_keep_cut(oracle, partition, event->offset);
    if (send->offset >= 0 && send->offset != event->offset &&
        partition->slots[send->offset].in_doubt)
        oracle_keep_cut(oracle, partition, send->offset);
}

/* value stands at offset: DUR-L1, DUR-I1, DUR-L5. */
static bool is_over(const struct oracle *oracle, const struct oracle_send *send)
{
    return oracle->producers_idle_ms > 0 &&
           oracle_age_is_over(&oracle->age, send->sent_ns, oracle->producers_idle_ms);
}

/* Did more producers come to the partition than it remembers? */
static bool is_crowded_out(const struct oracle *oracle, uint32_t partition)
{
    uint32_t count = 0;

    for (uint32_t c = 0; c < HISTORY_CLIENTS_MAX && oracle->producers_max > 0; c++) {
        const struct oracle_client *client = &oracle->clients[c];
        uint32_t session = UINT32_MAX; /* the last that wrote there; they follow each other */
        for (uint64_t i = 0; i < client->sends_count; i++) {
            const struct oracle_send *send = &client->sends[i];
            if (send->fate == FATE_NONE || send->partition != partition || send->sequence < 0 ||
                send->session == session)
                continue;
            session = send->session;
            count++;
        }
    }
    return count > oracle->producers_max;
}

/* DUR-I1.  What the partition knew of the producer may have been over by age, or gone for others:
 * then a batch that is sent again is new. */
static void check_again(struct oracle *oracle, const struct history_event *event,
                        const struct oracle_send *send)
{
    int64_t higher = send->offset > event->offset ? send->offset : event->offset;
    struct oracle_slot *slot = &oracle->partitions[event->partition].slots[higher];

    if (!slot->again && send->sequence >= 0 &&
        (is_over(oracle, send) || is_crowded_out(oracle, event->partition)))
        slot->again = true;
    if (!slot->again)
        oracle_private_complain(oracle, "I1", event,
                                "value %" PRIx64 " is at offset %" PRId64 " and at %" PRId64,
                                event->value, send->offset, event->offset);
}

struct oracle_slot *oracle_private_place(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_slot *slot = slot_at(oracle, event);
    struct oracle_send *send = oracle_private_send(oracle, event->value);

    if (slot == NULL)
        return NULL;
    if (send == NULL || send->partition != event->partition) {
        oracle_private_complain(oracle, "L5", event,
                                "value %" PRIx64 " was never sent to this partition", event->value);
        return NULL;
    }
    settle_doubt(oracle, event, send, slot);
    if (oracle_keep_is_stale(oracle, event) && (slot->known || send->offset >= 0))
        return NULL; /* it tells of a log that may have been cut meanwhile */
    if (send->fate == FATE_FAIL || send->forbidden)
        oracle_private_complain(oracle, "L5", event, "value %" PRIx64 " was refused and is there",
                                event->value);
    if (slot->known && slot->value != event->value) {
        oracle_private_complain(oracle, "L1", event,
                                "offset %" PRId64 " held %" PRIx64 " and now %" PRIx64,
                                event->offset, slot->value, event->value);
        return NULL;
    }
    if (send->offset >= 0 && send->offset != event->offset)
        check_again(oracle, event, send);
    oracle_private_raise(&send->offset, event->offset);
    if (!slot->known)
        slot->since_ns = event->time_ns;
    if (!slot->known && oracle_keep_is_stale(oracle, event))
        slot->in_doubt = true;
    slot->known = true;
    slot->value = event->value;
    check_content(oracle, event, send, slot);
    return slot;
}

/* ---- sends */

static void take_send(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_client *client = &oracle->clients[history_value_client(event->value)];
    uint64_t counter = history_value_counter(event->value);

    check(history_value_client(event->value) == event->client);
    client->sends = oracle_private_grown(client->sends, counter + 1, &client->sends_capacity,
                                         sizeof(*client->sends));
    if (counter >= client->sends_count)
        client->sends_count = counter + 1;
    check(client->sends[counter].fate == FATE_NONE); /* unique */
    client->sends[counter] = (struct oracle_send){.fate = FATE_OPEN,
                                                  .partition = event->partition,
                                                  .session = event->session,
                                                  .sent_ns = event->time_ns,
                                                  .sequence = event->sequence,
                                                  .timestamp_ms = event->timestamp_ms,
                                                  .value_bytes = event->value_bytes,
                                                  .forbidden = event->forbidden,
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
            oracle_private_complain(oracle, "L7", event,
                                    "value %" PRIx64 " at %" PRId64
                                    " was sent after one that now stands at %" PRId64,
                                    event->value, event->offset, other->offset);
        return;
    }
}

static void take_send_ok(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_partition *partition = &oracle->partitions[event->partition];
    struct oracle_send *send = oracle_private_send(oracle, event->value);
    struct oracle_slot *slot;

    oracle->acknowledged_count++;
    if (event->offset < 0) {
        send->fate = FATE_OK;
        return;
    }
    slot = oracle_private_place(oracle, event);
    if (slot == NULL)
        return;
    send->fate = FATE_OK;
    slot->acknowledged = true;
    check_order(oracle, event, send);
    if (event->offset + 1 > partition->high && !oracle_keep_is_stale(oracle, event))
        partition->high = event->offset + 1;
}

static void take_fate(struct oracle *oracle, const struct history_event *event, enum fate fate)
{
    struct oracle_send *send = oracle_private_send(oracle, event->value);

    send->fate = fate;
    if (fate == FATE_FAIL && send->offset >= 0)
        oracle_private_complain(oracle, "L5", event,
                                "value %" PRIx64 " was refused and stands at offset %" PRId64,
                                event->value, send->offset);
}

static void take_producer_id(struct oracle *oracle, const struct history_event *event)
{
    uint64_t capacity = oracle->producer_ids_capacity;

    for (uint32_t i = 0; i < oracle->producer_ids_count; i++)
        if (oracle->producer_ids[i] == event->producer_id)
            oracle_private_complain(oracle, "I8", event,
                                    "producer id %" PRId64 " was handed out twice",
                                    event->producer_id);
    oracle->producer_ids = oracle_private_grown(
        oracle->producer_ids, (uint64_t)oracle->producer_ids_count + 1, &capacity, sizeof(int64_t));
    oracle->producer_ids_capacity = (uint32_t)capacity;
    oracle->producer_ids[oracle->producer_ids_count++] = event->producer_id;
}

/* ---- reads */

static void take_read(struct oracle *oracle, const struct history_event *event)
{
    struct oracle_slot *slot = oracle_private_place(oracle, event);

    oracle->reads_count++;
    if (event->value_bytes < 0)
        sim_mark(MARK_NULL_VALUE);
    if (event->by_append_time)
        sim_mark(MARK_APPEND_TIME);
    if (slot != NULL)
        slot->read = true;
}

void oracle_private_raise(int64_t *known, int64_t seen)
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
        oracle_private_complain(oracle, "L6", event,
                                "log start %" PRId64 ", stable %" PRId64 ", high watermark %" PRId64
                                " are out of order",
                                event->low, event->stable, event->high);
    if (oracle_keep_is_stale(oracle, event)) {
        oracle_keep_take_start(oracle, event);
        return;
    }
    if (event->high < event->floor_high)
        oracle_private_complain(oracle, "L6", event,
                                "high watermark %" PRId64 " after %" PRId64
                                " was seen or acknowledged",
                                event->high, event->floor_high);
    if (event->stable >= 0 && event->stable < event->floor_stable)
        oracle_private_complain(oracle, "L6", event,
                                "last stable offset %" PRId64 " after %" PRId64, event->stable,
                                event->floor_stable);
    if (event->low >= 0 && event->low < event->floor_low)
        oracle_private_complain(oracle, "L6", event, "log start %" PRId64 " after %" PRId64,
                                event->low, event->floor_low);
    oracle_keep_take_start(oracle, event);
    oracle_private_raise(&partition->stable, event->stable);
    oracle_private_raise(&partition->high, event->high);
}

/* Somebody was told that an offset is out of range, and asked where the log starts. */
static void take_earliest(struct oracle *oracle, const struct history_event *event)
{
    const struct oracle_partition *partition = &oracle->partitions[event->partition];

    if (event->low < event->floor_low)
        oracle_private_complain(oracle, "L6", event, "log start %" PRId64 " after %" PRId64,
                                event->low, event->floor_low);
    if (event->offset >= event->low && partition->power_lost_ns == 0)
        oracle_private_complain(oracle, "L4", event,
                                "offset %" PRId64 " was readable and is out of range, though the "
                                "log starts at %" PRId64,
                                event->offset, event->low);
    oracle_keep_take_start(oracle, event);
}

void oracle_floors(const struct oracle *oracle, uint32_t partition, struct history_event *out)
{
    out->floor_low = oracle->partitions[partition].low;
    out->floor_stable = oracle->partitions[partition].stable;
    out->floor_high = oracle->partitions[partition].high;
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
        if (oracle->partitions[event->partition].power_lost_ns != 0)
            break; /* the sequences before it are lost too */
        if (is_crowded_out(oracle, event->partition))
            break; /* it was stored, forgotten, and asked for again behind the next one */
        oracle_private_complain(oracle, "I4", event,
                                "the oldest open batch was refused with error %" PRId32,
                                event->error);
        break;
    case HISTORY_READ:
        take_read(oracle, event);
        break;
    case HISTORY_GARBLED:
        oracle->garbled = true;
        oracle_private_complain(oracle, "L5", event,
                                "offset %" PRId64 " holds bytes that nobody sent", event->offset);
        break;
    case HISTORY_SKIPPED:
        oracle_private_complain(oracle, "L8", event,
                                "asked for offset %" PRId64 " and got %" PRId64, event->offset,
                                (int64_t)event->value);
        break;
    case HISTORY_BEYOND: /* what was read may be lost, and others on their way to its offsets */
        if (!oracle->partitions[event->partition].rules.cache ||
            oracle->partitions[event->partition].power_lost_ns == 0)
            oracle_private_complain(oracle, "L8", event,
                                    "read up to %" PRId64 " with a high watermark of %" PRId64,
                                    (int64_t)event->value, event->offset);
        break;
    case HISTORY_WATERMARKS:
        take_watermarks(oracle, event);
        break;
    case HISTORY_OUT_OF_RANGE:
        sim_mark(MARK_OUT_OF_RANGE);
        if (!oracle_keep_trims(&oracle->partitions[event->partition]) &&
            oracle->partitions[event->partition].power_lost_ns == 0)
            oracle_private_complain(oracle, "L4", event,
                                    "offset %" PRId64 " was readable and is out of range",
                                    event->offset);
        break;
    case HISTORY_EARLIEST:
        take_earliest(oracle, event);
        break;
    case HISTORY_DELETE:
        oracle_private_raise(&oracle->partitions[event->partition].delete_asked, event->offset);
        break;
    case HISTORY_DELETE_OK:
        oracle_keep_take_start(oracle, event);
        break;
    case HISTORY_OVERTAKEN:
        oracle_private_complain(oracle, "ORDER", event,
                                "a request did not see the effect of the one before it on the same "
                                "connection: error %" PRId32,
                                event->error);
        break;
    case HISTORY_POWER_LOST:
        oracle_keep_take_power_lost(oracle, event);
        break;
    case HISTORY_PRODUCER_ID:
        take_producer_id(oracle, event);
        break;
    case HISTORY_AUDIT:
        oracle_audit_take(oracle, event);
        break;
    case HISTORY_AUDIT_READ:
        oracle_audit_take_read(oracle, event);
        break;
    case HISTORY_AUDIT_END:
        oracle_audit_take_end(oracle, event);
        break;
    case HISTORY_COMMIT:
        oracle_commit_take(oracle, event);
        break;
    case HISTORY_COMMIT_OK:
        oracle_commit_take_ok(oracle, event);
        break;
    case HISTORY_COMMITTED:
        oracle_commit_take_fetched(oracle, event);
        break;
    case HISTORY_WIRE:
        oracle_private_complain(oracle, "WIRE", event,
                                "client %" PRIu32 " got an answer that makes no sense: %d",
                                event->client, event->error);
        break;
    case HISTORY_LATE:
        oracle_private_complain(oracle, "LATE", event,
                                "client %" PRIu32 " was not done by its deadline", event->client);
        break;
    case HISTORY_COMMIT_INFO:
        oracle_commit_take_info(oracle, event);
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
