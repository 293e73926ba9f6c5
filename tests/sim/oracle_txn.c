#include "tests/sim/oracle_txn.h"

#include "base/mem.h"
#include "net/protocol/kafka_errors.h"
#include "record/big_endian.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { MAGIC = 0x1ed6e7, EPOCH_LAST = 32766 };

void oracle_txn_init(struct oracle_txn *txn, struct oracle *oracle)
{
    *txn = (struct oracle_txn){.oracle = oracle};
}

void oracle_txn_deinit(struct oracle_txn *txn)
{
    mem_free(txn->sessions);
    mem_free(txn->handed);
    mem_free(txn->transactions);
    mem_free(txn->records);
    *txn = (struct oracle_txn){0};
}

void oracle_txn_complain(struct oracle_txn *txn, const char *rule, uint64_t now_ns,
                         const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    oracle_txn_say(txn, now_ns, "<<<<<< %s: %s", rule, text);
    oracle_complain(txn->oracle, rule, now_ns, text);
}

void oracle_txn_say(const struct oracle_txn *txn, uint64_t now_ns, const char *format, ...)
{
    va_list args;

    if (txn->trace == NULL)
        return;
    fprintf(txn->trace, "%12.6f ledger: ", (double)now_ns / 1e9);
    va_start(args, format);
    vfprintf(txn->trace, format, args);
    va_end(args);
    fputc('\n', txn->trace);
}

/* Room for one more of an array. */
static void *grow(void *items, uint32_t count, uint32_t *capacity, size_t size_bytes)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity == 0 ? 64 : 2 * *capacity;
    return mem_realloc(items, *capacity * size_bytes);
}

void oracle_txn_broker_ended(struct oracle_txn *txn)
{
    for (uint32_t i = 0; i < ORACLE_TXN_IDS_MAX; i++)
        txn->ids[i].lost = 0;
}

/* ---- sessions */

static void may_fence(struct oracle_txn *txn, const struct oracle_txn_id *id)
{
    if (id->has_session)
        txn->sessions[id->newest].may_be_fenced = true;
}

void oracle_txn_init_asked(struct oracle_txn *txn, uint32_t id)
{
    txn->ids[id].asking++;
    may_fence(txn, &txn->ids[id]);
}

void oracle_txn_init_failed(struct oracle_txn *txn, uint32_t id, bool is_answered)
{
    txn->ids[id].asking--;
    txn->ids[id].lost += !is_answered;
    may_fence(txn, &txn->ids[id]);
}

/* The session has it from now on, and nobody else has had it. */
static void hand_out(struct oracle_txn *txn, uint64_t now_ns, uint32_t session, int64_t producer_id,
                     int16_t producer_epoch)
{
    for (uint32_t i = 0; i < txn->handed_count; i++) {
        const struct oracle_txn_handed *handed = &txn->handed[i];
        if (handed->producer_id != producer_id)
            continue;
        if (txn->sessions[handed->session].id != txn->sessions[session].id)
            oracle_txn_complain(txn, "T9", now_ns,
                                "producer id %" PRId64 " was handed to two transactional ids",
                                producer_id);
        else if (handed->producer_epoch == producer_epoch)
            oracle_txn_complain(txn, "T9", now_ns,
                                "producer id %" PRId64 " epoch %d was handed out twice",
                                producer_id, producer_epoch);
    }
    txn->handed = grow(txn->handed, txn->handed_count, &txn->handed_capacity, sizeof(*txn->handed));
    txn->handed[txn->handed_count++] =
        (struct oracle_txn_handed){producer_id, producer_epoch, session};
    txn->sessions[session].producer_id = producer_id;
    txn->sessions[session].producer_epoch = producer_epoch;
}

/* An answer may come behind that of a younger call, which has fenced it. */
static bool is_overtaken(const struct oracle_txn_session *last,
                         const struct oracle_txn_session *told)
{
    return last->producer_id == told->producer_id && told->producer_epoch < last->producer_epoch;
}

uint32_t oracle_txn_init_told(struct oracle_txn *txn, uint64_t now_ns,
                              const struct oracle_txn_session *told)
{
    struct oracle_txn_id *id = &txn->ids[told->id];
    uint32_t index = txn->sessions_count++;

    id->asking--;
    txn->sessions = grow(txn->sessions, index, &txn->sessions_capacity, sizeof(*txn->sessions));
    txn->sessions[index] = *told;
    txn->sessions[index].told_ns = now_ns;
    hand_out(txn, now_ns, index, told->producer_id, told->producer_epoch);
    oracle_txn_say(txn, now_ns,
                   "session %" PRIu32 ": id %" PRIu32 " process %" PRIu32 " has %" PRId64 "/%d",
                   index, told->id, told->process, told->producer_id, told->producer_epoch);
    if (id->has_session && is_overtaken(&txn->sessions[id->newest], told)) {
        txn->sessions[index].superseded_ns = now_ns;
        return index;
    }
    if (id->has_session && txn->sessions[id->newest].superseded_ns == 0)
        txn->sessions[id->newest].superseded_ns = now_ns;
    id->newest = index;
    id->has_session = true;
    return index;
}

/* ---- transactions */

uint32_t oracle_txn_begin(struct oracle_txn *txn, uint32_t session)
{
    txn->transactions = grow(txn->transactions, txn->transactions_count,
                             &txn->transactions_capacity, sizeof(*txn->transactions));
    txn->transactions[txn->transactions_count] =
        (struct oracle_txn_transaction){.session = session};
    return txn->transactions_count++;
}

void oracle_txn_begun(struct oracle_txn *txn, uint64_t now_ns, uint32_t session)
{
    if (txn->sessions[session].begun_ns == 0)
        txn->sessions[session].begun_ns = now_ns;
}

uint32_t oracle_txn_send(struct oracle_txn *txn, const struct oracle_txn_record *record)
{
    txn->records =
        grow(txn->records, txn->records_count, &txn->records_capacity, sizeof(*txn->records));
    txn->records[txn->records_count] = *record;
    txn->records[txn->records_count].told_offset = -1;
    txn->transactions[record->transaction].records_count++;
    return txn->records_count++;
}

static bool is_superseded(const struct oracle_txn *txn, uint32_t session, uint64_t asked_ns)
{
    const struct oracle_txn_session *of = &txn->sessions[session];

    return of->superseded_ns != 0 && asked_ns > of->superseded_ns;
}

void oracle_txn_acknowledged(struct oracle_txn *txn, uint64_t now_ns, uint64_t asked_ns,
                             uint32_t first, uint32_t count, int64_t base_offset)
{
    const struct oracle_txn_transaction *transaction =
        &txn->transactions[txn->records[first].transaction];

    if (is_superseded(txn, transaction->session, asked_ns))
        oracle_txn_complain(txn, "T9", now_ns,
                            "record %" PRIu32 " of a fenced producer was acknowledged", first);
    for (uint32_t i = 0; i < count; i++) {
        struct oracle_txn_record *record = &txn->records[first + i];
        record->is_acknowledged = true;
        if (base_offset >= 0)
            record->told_offset = base_offset + i;
    }
    txn->oracle->acknowledged_count += count;
}

void oracle_txn_commit_asked(struct oracle_txn *txn, uint64_t now_ns, uint32_t transaction)
{
    struct oracle_txn_transaction *of = &txn->transactions[transaction];

    if (of->commit_asked)
        return;
    of->commit_asked = true;
    of->commit_asked_ns = now_ns;
    oracle_txn_say(txn, now_ns, "transaction %" PRIu32 ": commit asked", transaction);
}

/* TV2 gives the next epoch, or a new producer id at 0 after the last one. */
static void judge_next(struct oracle_txn *txn, uint64_t now_ns, uint32_t index, int64_t producer_id,
                       int16_t producer_epoch)
{
    const struct oracle_txn_session *session = &txn->sessions[index];
    bool is_next =
        producer_id == session->producer_id && producer_epoch == session->producer_epoch + 1;
    bool is_rotated = producer_id != session->producer_id && producer_epoch == 0 &&
                      session->producer_epoch >= EPOCH_LAST - 1;

    if (!is_next && !is_rotated)
        oracle_txn_complain(
            txn, "T8", now_ns, "the end of a transaction of %" PRId64 "/%d gives %" PRId64 "/%d",
            session->producer_id, session->producer_epoch, producer_id, producer_epoch);
    hand_out(txn, now_ns, index, producer_id, producer_epoch);
}

void oracle_txn_ended(struct oracle_txn *txn, uint64_t now_ns, uint64_t asked_ns, uint32_t session,
                      int64_t transaction, bool commit, int64_t producer_id, int16_t producer_epoch)
{
    struct oracle_txn_session *of = &txn->sessions[session];

    if (is_superseded(txn, session, asked_ns))
        oracle_txn_complain(txn, "T9", now_ns, "a fenced producer has ended transaction %" PRId64,
                            transaction);
    if (producer_id >= 0)
        judge_next(txn, now_ns, session, producer_id, producer_epoch);
    of->begun_ns = 0;
    if (transaction == ORACLE_TXN_NONE)
        return;
    oracle_txn_say(txn, now_ns, "transaction %" PRId64 ": told %s", transaction,
                   commit ? "committed" : "aborted");
    txn->transactions[transaction].told = commit ? ORACLE_TXN_COMMITTED : ORACLE_TXN_ABORTED;
    txn->transactions[transaction].is_over = true;
}

void oracle_txn_ended_again(struct oracle_txn *txn, uint64_t now_ns, uint32_t session,
                            uint32_t transaction, bool commit, int16_t error, int64_t producer_id,
                            int16_t producer_epoch)
{
    const struct oracle_txn_session *of = &txn->sessions[session];
    bool was_commit = txn->transactions[transaction].told == ORACLE_TXN_COMMITTED;

    if (commit != was_commit) {
        if (error == KAFKA_NONE)
            oracle_txn_complain(txn, "T10", now_ns,
                                "transaction %" PRIu32 " was told %s, and the opposite is taken",
                                transaction, was_commit ? "committed" : "aborted");
        sim_mark(MARK_TXN_END_OPPOSITE);
    } else if (error != KAFKA_NONE) {
        oracle_txn_refused(txn, now_ns, session, "EndTxn again", error);
    } else {
        sim_mark(MARK_TXN_END_AGAIN);
        if (producer_id >= 0 &&
            (producer_id != of->producer_id || producer_epoch != of->producer_epoch))
            oracle_txn_complain(
                txn, "T10", now_ns,
                "the end of transaction %" PRIu32 " gave %" PRId64 "/%d, and gives %" PRId64 "/%d",
                transaction, of->producer_id, of->producer_epoch, producer_id, producer_epoch);
    }
}

void oracle_txn_left(struct oracle_txn *txn, uint64_t now_ns, uint32_t session, int64_t transaction)
{
    (void)session;
    if (transaction == ORACLE_TXN_NONE)
        return;
    txn->transactions[transaction].is_over = true;
    oracle_txn_say(txn, now_ns, "transaction %" PRId64 ": left", transaction);
}

void oracle_txn_refused(struct oracle_txn *txn, uint64_t now_ns, uint32_t session,
                        const char *request, int16_t error)
{
    const struct oracle_txn_session *of = &txn->sessions[session];
    const struct oracle_txn_id *id = &txn->ids[of->id];

    oracle_txn_say(txn, now_ns, "session %" PRIu32 ": %s is refused with error %d", session,
                   request, error);
    if (of->superseded_ns != 0 || of->may_be_fenced || id->asking > 0 || id->lost > 0)
        sim_mark(MARK_TXN_FENCED);
    else if (of->begun_ns != 0 && now_ns >= of->begun_ns + of->timeout_ns)
        sim_mark(MARK_TXN_TIMED_OUT);
    else if (!txn->is_lenient)
        oracle_txn_complain(txn, "T9", now_ns,
                            "%s of %" PRId64 "/%d, which nobody has fenced, is refused with %d",
                            request, of->producer_id, of->producer_epoch, error);
}

/* ---- records as bytes */

void oracle_txn_value_put(const struct oracle_txn *txn, uint32_t record,
                          uint8_t bytes[static ORACLE_TXN_VALUE_BYTES])
{
    const struct oracle_txn_record *of = &txn->records[record];

    big_endian_put_u32(bytes, MAGIC);
    big_endian_put_u32(bytes + 4, record);
    big_endian_put_u32(bytes + 8, of->transaction);
    big_endian_put_u32(bytes + 12, of->topic_partition);
    big_endian_put_u64(bytes + 16, (uint64_t)of->amount);
    big_endian_put_u32(bytes + 24, (uint32_t)of->sequence);
    big_endian_put_u32(bytes + 28, ~record);
}

bool oracle_txn_value_get(const struct oracle_txn *txn, const uint8_t *bytes, int32_t size_bytes,
                          uint32_t *record_out)
{
    uint8_t expected[ORACLE_TXN_VALUE_BYTES];
    uint32_t record;

    if (size_bytes != ORACLE_TXN_VALUE_BYTES)
        return false;
    record = big_endian_get_u32(bytes + 4);
    if (record >= txn->records_count)
        return false;
    oracle_txn_value_put(txn, record, expected);
    *record_out = record;
    return memcmp(expected, bytes, sizeof(expected)) == 0;
}

const char *oracle_txn_may_be_committed(const struct oracle_txn *txn, uint32_t transaction)
{
    const struct oracle_txn_transaction *of = &txn->transactions[transaction];

    if (!of->commit_asked || of->told == ORACLE_TXN_ABORTED)
        return "T5";
    if (is_superseded(txn, of->session, of->commit_asked_ns))
        return "T9";
    return NULL;
}
