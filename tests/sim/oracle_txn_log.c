#include "tests/sim/oracle_txn_log.h"

#include "base/mem.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>
#include <string.h>

void oracle_txn_log_init(struct oracle_txn_log *log, struct oracle_txn *txn,
                         uint32_t partitions_count)
{
    check(partitions_count <= ORACLE_TXN_PARTITIONS_MAX);
    *log = (struct oracle_txn_log){.txn = txn, .partitions_count = partitions_count};
}

void oracle_txn_log_deinit(struct oracle_txn_log *log)
{
    for (uint32_t p = 0; p < ORACLE_TXN_PARTITIONS_MAX; p++)
        mem_free(log->partitions[p].slots);
    for (uint32_t v = 0; v < ORACLE_TXN_VIEWS_MAX; v++)
        mem_free(log->views[v].seen);
    *log = (struct oracle_txn_log){0};
}

/* ---- what the log holds */

static bool is_marker(const struct oracle_txn_slot *slot)
{
    return slot->kind == ORACLE_TXN_COMMIT || slot->kind == ORACLE_TXN_ABORT;
}

static bool slots_equal(const struct oracle_txn_slot *a, const struct oracle_txn_slot *b)
{
    return a->kind == b->kind && a->producer_id == b->producer_id &&
           a->producer_epoch == b->producer_epoch && (is_marker(a) || a->record == b->record);
}

void oracle_txn_log_holds(struct oracle_txn_log *log, uint64_t now_ns, uint32_t partition,
                          int64_t offset, const struct oracle_txn_slot *slot)
{
    struct oracle_txn_partition *at = &log->partitions[partition];
    const struct oracle_txn_record *record;

    while (offset >= at->slots_capacity) {
        int64_t capacity = at->slots_capacity == 0 ? 256 : 2 * at->slots_capacity;
        at->slots = mem_realloc(at->slots, (size_t)capacity * sizeof(*at->slots));
        memset(at->slots + at->slots_capacity, 0,
               (size_t)(capacity - at->slots_capacity) * sizeof(*at->slots));
        at->slots_capacity = capacity;
    }
    if (offset >= at->slots_count)
        at->slots_count = offset + 1;
    if (at->slots[offset].kind != ORACLE_TXN_UNKNOWN) {
        if (!slots_equal(&at->slots[offset], slot))
            oracle_txn_complain(log->txn, "L1", now_ns,
                                "offset %" PRId64 " of partition %" PRIu32 " is another record",
                                offset, partition);
        return;
    }
    at->slots[offset] = *slot;
    if (is_marker(slot))
        return;
    record = &log->txn->records[slot->record];
    if (record->topic_partition != partition || record->producer_id != slot->producer_id ||
        record->producer_epoch != slot->producer_epoch)
        oracle_txn_complain(log->txn, "L5", now_ns,
                            "record %" PRIu32 " lies in partition %" PRIu32 " as of %" PRId64 "/%d",
                            slot->record, partition, slot->producer_id, slot->producer_epoch);
    if (record->told_offset >= 0 && record->told_offset != offset)
        oracle_txn_complain(log->txn, "I1", now_ns,
                            "record %" PRIu32 " was told at %" PRId64 " and lies at %" PRId64,
                            slot->record, record->told_offset, offset);
}

/* The marker that ends what stands at offset, or -1: there is none, or nobody knows. */
static int64_t end_of(const struct oracle_txn_partition *at, int64_t offset)
{
    for (int64_t i = offset + 1; i < at->slots_count && at->slots[i].kind != ORACLE_TXN_UNKNOWN;
         i++)
        if (is_marker(&at->slots[i]) && at->slots[i].producer_id == at->slots[offset].producer_id)
            return i;
    return -1;
}

enum { NOT_KNOWN = -2 };

/* The first offset of the transaction that the marker ends; -1: it ends nothing; NOT_KNOWN. */
static int64_t start_of(const struct oracle_txn_partition *at, int64_t marker)
{
    int64_t first = -1;

    for (int64_t i = marker - 1; i >= 0; i--) {
        if (at->slots[i].kind == ORACLE_TXN_UNKNOWN)
            return NOT_KNOWN;
        if (at->slots[i].producer_id != at->slots[marker].producer_id)
            continue;
        if (is_marker(&at->slots[i]))
            break;
        first = i;
    }
    return first;
}

/* ---- answers */

static bool is_listed(const struct oracle_txn_answer *answer, int64_t producer_id, int64_t first)
{
    for (uint32_t i = 0; i < answer->listed_count; i++)
        if (answer->listed[i].producer_id == producer_id && answer->listed[i].first_offset == first)
            return true;
    return false;
}

/* Every one that touches what the answer holds is listed. */
static void judge_missing(struct oracle_txn_log *log, const struct oracle_txn_answer *answer)
{
    const struct oracle_txn_partition *at = &log->partitions[answer->partition];

    for (int64_t i = answer->asked_offset; i < at->slots_count; i++) {
        int64_t first;
        if (at->slots[i].kind != ORACLE_TXN_ABORT)
            continue;
        first = start_of(at, i);
        if (first >= 0 && first < answer->next_offset &&
            !is_listed(answer, at->slots[i].producer_id, first))
            oracle_txn_complain(log->txn, "T13", answer->now_ns,
                                "partition %" PRIu32 " from %" PRId64 " to %" PRId64
                                ": aborted %" PRId64 " from %" PRId64 " is not listed",
                                answer->partition, answer->asked_offset, answer->next_offset,
                                at->slots[i].producer_id, first);
    }
}

/* Each that is listed is one, as far as the log is known. */
static void judge_listed(struct oracle_txn_log *log, const struct oracle_txn_answer *answer)
{
    const struct oracle_txn_partition *at = &log->partitions[answer->partition];

    for (uint32_t i = 0; i < answer->listed_count; i++) {
        const struct oracle_txn_listed *listed = &answer->listed[i];
        const struct oracle_txn_slot *slot;
        int64_t end;
        bool is_right = listed->first_offset >= 0 && listed->first_offset < answer->stable;
        sim_mark(MARK_TXN_LISTED);
        if (is_right && listed->first_offset < at->slots_count) {
            slot = &at->slots[listed->first_offset];
            end = end_of(at, listed->first_offset);
            if (slot->kind != ORACLE_TXN_UNKNOWN)
                is_right = slot->kind == ORACLE_TXN_RECORD &&
                           slot->producer_id == listed->producer_id &&
                           (end < 0 || (at->slots[end].kind == ORACLE_TXN_ABORT &&
                                        end >= answer->asked_offset &&
                                        (start_of(at, end) == listed->first_offset ||
                                         start_of(at, end) == NOT_KNOWN)));
        }
        if (!is_right)
            oracle_txn_complain(log->txn, "T13", answer->now_ns,
                                "partition %" PRIu32 " from %" PRId64 ": %" PRId64 " from %" PRId64
                                " is listed, and was not aborted so",
                                answer->partition, answer->asked_offset, listed->producer_id,
                                listed->first_offset);
    }
}

void oracle_txn_log_answer(struct oracle_txn_log *log, const struct oracle_txn_answer *answer)
{
    struct oracle_txn_partition *at = &log->partitions[answer->partition];

    if (answer->stable < answer->floor_stable || answer->stable > answer->high)
        oracle_txn_complain(log->txn, "T12", answer->now_ns,
                            "partition %" PRIu32 ": stable %" PRId64 ", was %" PRId64
                            ", high %" PRId64,
                            answer->partition, answer->stable, answer->floor_stable, answer->high);
    if (answer->high < answer->floor_high)
        oracle_txn_complain(log->txn, "L6", answer->now_ns,
                            "partition %" PRIu32 ": high %" PRId64 ", was %" PRId64,
                            answer->partition, answer->high, answer->floor_high);
    if (answer->stable < answer->high)
        sim_mark(MARK_TXN_UNSTABLE);
    if (answer->stable > at->stable)
        at->stable = answer->stable;
    if (answer->high > at->high)
        at->high = answer->high;
    if (!answer->is_committed)
        return;
    if (answer->next_offset > answer->stable)
        oracle_txn_complain(log->txn, "T12", answer->now_ns,
                            "partition %" PRIu32 ": committed records up to %" PRId64
                            ", stable is %" PRId64,
                            answer->partition, answer->next_offset, answer->stable);
    judge_listed(log, answer);
    if (answer->next_offset > answer->asked_offset)
        judge_missing(log, answer);
}

/* ---- views */

void oracle_txn_log_forget(struct oracle_txn_log *log, uint32_t view)
{
    memset(log->views[view].seen, 0, log->views[view].seen_capacity);
}

static uint8_t *seen_at(struct oracle_txn_view *view, uint32_t record)
{
    while (record >= view->seen_capacity) {
        uint32_t capacity = view->seen_capacity == 0 ? 256 : 2 * view->seen_capacity;
        view->seen = mem_realloc(view->seen, capacity);
        memset(view->seen + view->seen_capacity, 0, capacity - view->seen_capacity);
        view->seen_capacity = capacity;
    }
    return &view->seen[record];
}

void oracle_txn_log_seen(struct oracle_txn_log *log, uint64_t now_ns, uint32_t view,
                         uint32_t partition, int64_t offset, uint32_t record)
{
    struct oracle_txn_view *at = &log->views[view];
    uint32_t transaction = log->txn->records[record].transaction;
    uint8_t *seen = seen_at(at, record);
    const char *rule;

    log->txn->oracle->reads_count++;
    if (*seen > 0 && !at->wanders)
        oracle_txn_complain(log->txn, "I1", now_ns,
                            "record %" PRIu32 " is read twice, now at %" PRId64
                            " of partition %" PRIu32,
                            record, offset, partition);
    *seen = 1;
    if (!at->is_committed)
        return;
    rule = oracle_txn_may_be_committed(log->txn, transaction);
    if (rule != NULL)
        oracle_txn_complain(log->txn, rule, now_ns,
                            "record %" PRIu32 " of transaction %" PRIu32 " is visible at %" PRId64
                            " of partition %" PRIu32,
                            record, transaction, offset, partition);
    log->txn->transactions[transaction].is_pinned = true;
}

static void say_records(struct oracle_txn_log *log, uint64_t now_ns, uint32_t view,
                        uint32_t transaction)
{
    for (uint32_t r = 0; r < log->txn->records_count; r++) {
        const struct oracle_txn_record *of = &log->txn->records[r];
        if (of->transaction == transaction)
            oracle_txn_say(log->txn, now_ns,
                           "record %" PRIu32 " at %" PRId64 " of partition %" PRIu32 ": %s", r,
                           of->told_offset, of->topic_partition,
                           *seen_at(&log->views[view], r) > 0 ? "seen" : "not seen");
    }
}

static void judge_committed(struct oracle_txn_log *log, uint64_t now_ns, uint32_t view,
                            uint32_t index, uint32_t seen)
{
    const struct oracle_txn_transaction *transaction = &log->txn->transactions[index];
    bool is_committed = transaction->told == ORACLE_TXN_COMMITTED || transaction->is_pinned;

    if (seen != 0 && seen != transaction->records_count)
        oracle_txn_complain(log->txn, "T4", now_ns,
                            "%" PRIu32 " of %" PRIu32 " records of transaction %" PRIu32
                            " are visible",
                            seen, transaction->records_count, index);
    else if (is_committed && seen != transaction->records_count)
        oracle_txn_complain(log->txn, "T5", now_ns,
                            "transaction %" PRIu32 " was %s committed, and is not visible", index,
                            transaction->is_pinned ? "seen" : "told");
    else if (transaction->told == ORACLE_TXN_NOTHING && transaction->commit_asked &&
             transaction->is_over)
        sim_mark(seen > 0 ? MARK_TXN_DOUBT_COMMITTED : MARK_TXN_DOUBT_ABORTED);
    if (log->txn->oracle->complaints_count > 0)
        say_records(log, now_ns, view, index);
}

void oracle_txn_log_judge_view(struct oracle_txn_log *log, uint64_t now_ns, uint32_t view)
{
    uint32_t count = log->txn->transactions_count;
    uint32_t *seen = mem_alloc((count + 1) * sizeof(*seen)); /* records of each transaction */
    int64_t total = 0;

    memset(seen, 0, (count + 1) * sizeof(*seen));
    for (uint32_t r = 0; r < log->txn->records_count; r++) {
        const struct oracle_txn_record *record = &log->txn->records[r];
        bool is_seen = *seen_at(&log->views[view], r) > 0;
        seen[record->transaction] += is_seen;
        total += is_seen ? record->amount : 0;
        if (!is_seen && !log->views[view].is_committed && record->is_acknowledged)
            oracle_txn_complain(log->txn, "L3", now_ns,
                                "record %" PRIu32 " was acknowledged and is gone", r);
    }
    for (uint32_t i = 0; i < count && log->views[view].is_committed; i++)
        judge_committed(log, now_ns, view, i, seen[i]);
    if (log->views[view].is_committed && total != 0)
        oracle_txn_complain(log->txn, "T4", now_ns, "the balances do not add up: %" PRId64, total);
    mem_free(seen);
}

/* ---- the log as such */

static void judge_record(struct oracle_txn_log *log, uint64_t now_ns, uint32_t partition,
                         int64_t offset)
{
    const struct oracle_txn_partition *at = &log->partitions[partition];
    const struct oracle_txn_slot *slot = &at->slots[offset];
    int64_t end = end_of(at, offset);
    int32_t expected = 0;

    for (int64_t i = offset - 1; i >= 0; i--) {
        const struct oracle_txn_slot *before = &at->slots[i];
        if (before->producer_id != slot->producer_id || before->kind != ORACLE_TXN_RECORD)
            continue;
        if (before->producer_epoch > slot->producer_epoch)
            oracle_txn_complain(log->txn, "I6", now_ns,
                                "partition %" PRIu32 " at %" PRId64 ": epoch %d comes after %d",
                                partition, offset, slot->producer_epoch, before->producer_epoch);
        if (before->producer_epoch == slot->producer_epoch)
            expected = log->txn->records[before->record].sequence + 1;
        break;
    }
    if (log->txn->records[slot->record].sequence >= 0 &&
        log->txn->records[slot->record].sequence != expected)
        oracle_txn_complain(log->txn, "I2", now_ns,
                            "partition %" PRIu32 " at %" PRId64 ": sequence %" PRId32
                            ", not %" PRId32,
                            partition, offset, log->txn->records[slot->record].sequence, expected);
    if (end < 0)
        oracle_txn_complain(log->txn, "T7", now_ns,
                            "partition %" PRIu32 ": the transaction of %" PRId64 "/%d at %" PRId64
                            " has no end",
                            partition, slot->producer_id, slot->producer_epoch, offset);
}

/* Markers of one kind end all records of a transaction. */
static void judge_ends(struct oracle_txn_log *log, uint64_t now_ns)
{
    uint32_t count = log->txn->transactions_count;
    uint8_t *kinds = mem_alloc(count + 1);

    memset(kinds, ORACLE_TXN_UNKNOWN, count + 1);
    for (uint32_t p = 0; p < log->partitions_count; p++) {
        const struct oracle_txn_partition *at = &log->partitions[p];
        for (int64_t i = 0; i < at->slots_count; i++) {
            int64_t end = at->slots[i].kind == ORACLE_TXN_RECORD ? end_of(at, i) : -1;
            uint32_t transaction;
            if (end < 0)
                continue;
            transaction = log->txn->records[at->slots[i].record].transaction;
            if (kinds[transaction] != ORACLE_TXN_UNKNOWN &&
                kinds[transaction] != at->slots[end].kind)
                oracle_txn_complain(log->txn, "T3", now_ns,
                                    "transaction %" PRIu32 " has markers of both kinds",
                                    transaction);
            kinds[transaction] = (uint8_t)at->slots[end].kind;
        }
    }
    mem_free(kinds);
}

void oracle_txn_log_judge(struct oracle_txn_log *log, uint64_t now_ns)
{
    for (uint32_t p = 0; p < log->partitions_count; p++) {
        const struct oracle_txn_partition *at = &log->partitions[p];
        for (int64_t i = 0; i < at->slots_count; i++) {
            if (at->slots[i].kind == ORACLE_TXN_UNKNOWN)
                oracle_txn_complain(log->txn, "L2", now_ns,
                                    "offset %" PRId64 " of partition %" PRIu32 " is a hole", i, p);
            else if (at->slots[i].kind == ORACLE_TXN_RECORD)
                judge_record(log, now_ns, p, i);
        }
    }
    judge_ends(log, now_ns);
}
