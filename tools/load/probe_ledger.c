#include "tools/load/probe_ledger.h"

#include "base/check.h"
#include "base/mem.h"

bool probe_ledger_init(struct probe_ledger *ledger, uint64_t sla_ns, struct probe_counts *counts,
                       int32_t partitions_count)
{
    *ledger = (struct probe_ledger){
        .records = mem_try_alloc(PROBE_RECORDS_MAX * sizeof(struct probe_record)),
        .sla_ns = sla_ns,
        .counts = counts,
        .partitions_count = partitions_count,
    };
    return ledger->records != NULL;
}

void probe_ledger_deinit(struct probe_ledger *ledger)
{
    mem_free(ledger->records);
    *ledger = (struct probe_ledger){0};
}

static struct probe_record *slot(const struct probe_ledger *ledger, uint64_t sequence)
{
    return &ledger->records[sequence % PROBE_RECORDS_MAX];
}

bool probe_ledger_has_room(const struct probe_ledger *ledger)
{
    return ledger->next - ledger->first < PROBE_RECORDS_MAX;
}

uint64_t probe_ledger_sent(struct probe_ledger *ledger, int32_t partition, uint64_t now_ns)
{
    struct probe_record *record = slot(ledger, ledger->next);

    check(probe_ledger_has_room(ledger) && partition < ledger->partitions_count);
    *record = (struct probe_record){
        .sequence = ledger->next, .sent_ns = now_ns, .partition = partition, .state = PROBE_SENT};
    ledger->counts[partition].in_flight++;
    return ledger->next++;
}

/* NULL: it is none of those under way. */
static struct probe_record *find(const struct probe_ledger *ledger, uint64_t sequence)
{
    struct probe_record *record = slot(ledger, sequence);

    if (sequence < ledger->first || sequence >= ledger->next || record->state == PROBE_FREE)
        return NULL;
    return record;
}

static void release(struct probe_ledger *ledger, struct probe_record *record)
{
    record->state = PROBE_FREE;
    while (ledger->first < ledger->next && slot(ledger, ledger->first)->state == PROBE_FREE)
        ledger->first++;
}

static struct probe_event event_of(const struct probe_record *record, uint64_t now_ns)
{
    return (struct probe_event){.is_known = true,
                                .partition = record->partition,
                                .latency_ns =
                                    now_ns > record->sent_ns ? now_ns - record->sent_ns : 0};
}

struct probe_event probe_ledger_acknowledged(struct probe_ledger *ledger, uint64_t sequence,
                                             uint64_t now_ns)
{
    struct probe_record *record = find(ledger, sequence);
    struct probe_event event = {0};

    if (record == NULL || record->state == PROBE_ACKNOWLEDGED)
        return event;
    event = event_of(record, now_ns);
    ledger->counts[record->partition].produced++;
    ledger->counts[record->partition].in_flight--;
    if (record->state == PROBE_RECEIVED)
        release(ledger, record);
    else
        record->state = PROBE_ACKNOWLEDGED;
    return event;
}

struct probe_event probe_ledger_failed(struct probe_ledger *ledger, uint64_t sequence,
                                       uint64_t now_ns)
{
    struct probe_record *record = find(ledger, sequence);
    struct probe_event event = {0};
    struct probe_counts *counts;

    if (record == NULL || record->state == PROBE_ACKNOWLEDGED)
        return event;
    event = event_of(record, now_ns);
    counts = &ledger->counts[record->partition];
    counts->produced++;
    counts->in_flight--;
    counts->failed += record->state == PROBE_SENT;
    release(ledger, record);
    return event;
}

struct probe_event probe_ledger_received(struct probe_ledger *ledger, uint64_t sequence,
                                         uint64_t now_ns)
{
    struct probe_record *record = find(ledger, sequence);
    struct probe_event event = {0};
    struct probe_counts *counts;

    if (record == NULL || record->state == PROBE_RECEIVED)
        return event;
    event = event_of(record, now_ns);
    counts = &ledger->counts[record->partition];
    if (event.latency_ns > ledger->sla_ns) { /* PRL-2: the next look counts it as lost */
        counts->late++;
        event.is_known = false;
        return event;
    }
    counts->received++;
    if (record->state == PROBE_ACKNOWLEDGED)
        release(ledger, record);
    else
        record->state = PROBE_RECEIVED;
    return event;
}

uint64_t probe_ledger_expire(struct probe_ledger *ledger, uint64_t now_ns)
{
    uint64_t lost_count = 0;

    for (uint64_t sequence = ledger->first; sequence < ledger->next; sequence++) {
        struct probe_record *record = slot(ledger, sequence);
        if (record->sent_ns + ledger->sla_ns >= now_ns)
            break; /* those behind it were sent later */
        if (record->state != PROBE_ACKNOWLEDGED)
            continue; /* its answer is still to come */
        ledger->counts[record->partition].lost++;
        lost_count++;
        record->state = PROBE_FREE;
    }
    while (ledger->first < ledger->next && slot(ledger, ledger->first)->state == PROBE_FREE)
        ledger->first++;
    return lost_count;
}

uint64_t probe_ledger_awaited_count(const struct probe_ledger *ledger)
{
    uint64_t count = 0;

    for (uint64_t sequence = ledger->first; sequence < ledger->next; sequence++)
        count += slot(ledger, sequence)->state != PROBE_FREE;
    return count;
}
