/* The ends of transactions, and the verdict. */
#include "tools/load/load_account_private.h"

#include <string.h>

void load_account_note(const struct load_account *account, struct load_verdict *verdict,
                       enum load_finding_kind kind, int64_t where,
                       const struct load_finding *finding)
{
    struct load_finding *kept;
    uint32_t same = 0;

    verdict->counts[kind]++;
    if (verdict->findings_count == LOAD_FINDINGS_MAX)
        return;
    for (uint32_t i = 0; i < verdict->findings_count; i++)
        same += verdict->findings[i].kind == kind;
    if (same == LOAD_FINDINGS_MAX / 2)
        return;
    kept = &verdict->findings[verdict->findings_count++];
    *kept = *finding;
    kept->kind = kind;
    if (where >= 0) {
        kept->topic = account->partitions[where].topic;
        kept->partition = account->partitions[where].partition;
    }
}

uint64_t load_range_mask(uint64_t first, uint64_t count, uint64_t at)
{
    uint64_t low = first > at ? first - at : 0;
    uint64_t high = first + count > at ? first + count - at : 0;

    if (low >= 64 || high <= low)
        return 0;
    if (high > 64)
        high = 64;
    return (high == 64 ? UINT64_MAX : (1ULL << high) - 1) & ~((1ULL << low) - 1);
}

static uint32_t ones(uint64_t word)
{
    return (uint32_t)__builtin_popcountll(word);
}

/* Records of an aborted transaction that were read already (ACC-4). */
static void note_visible(struct load_account *account, const struct load_page *page, uint32_t word,
                         uint64_t mask, uint32_t producer, uint64_t at,
                         const struct load_transaction *transaction)
{
    for (; mask != 0; mask &= mask - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(mask);
        uint32_t i = word * 64 + bit;
        load_account_note(account, &account->verdict, LOAD_VISIBLE_ABORTED,
                          page->places->partitions[i],
                          &(struct load_finding){.offset = page->places->offsets[i],
                                                 .other_offset = -1,
                                                 .producer = producer,
                                                 .sequence = at + bit,
                                                 .transaction = transaction->number});
    }
}

/* The transaction of these records of a word has ended. */
static void end_word(struct load_account *account, struct load_page *page, uint32_t producer,
                     uint64_t at, uint64_t mask, struct load_transaction *transaction)
{
    struct load_verdict *verdict = &account->verdict;
    uint32_t word = (uint32_t)(at % LOAD_PAGE_RECORDS / 64);
    uint64_t bad = page->bad[word] & mask;
    uint64_t optional = page->optional[word] & mask;
    uint64_t stored;
    uint64_t unread;

    page->open[word] &= ~mask;
    switch (transaction->end) {
    case LOAD_COMMITTED:
        /* a commit covers what was not answered before it */
        stored = mask & ~bad & ~optional;
        page->acked[word] |= stored;
        unread = stored & ~page->read[word];
        verdict->stored_count += ones(stored);
        verdict->failed_count += ones(bad);
        verdict->unknown_count += ones(optional);
        transaction->stored_count += ones(stored);
        transaction->unread_count += ones(unread);
        account->unread_count += ones(unread);
        page->left_count -= ones(mask & ~unread);
        break;
    case LOAD_ABORTED:
        page->bad[word] |= mask;
        page->acked[word] &= ~mask;
        page->optional[word] &= ~mask;
        verdict->aborted_count += ones(mask);
        page->left_count -= ones(mask);
        note_visible(account, page, word, page->read[word] & mask & ~bad, producer, at,
                     transaction);
        break;
    default:
        page->optional[word] |= mask & ~bad;
        verdict->unknown_count += ones(mask & ~bad);
        verdict->failed_count += ones(bad);
        page->left_count -= ones(mask);
        break;
    }
}

static void end_records(struct load_account *account, uint32_t producer_number,
                        struct load_producer *producer, struct load_transaction *transaction)
{
    uint64_t end = transaction->first + transaction->count;

    for (uint64_t at = transaction->first & ~63ULL; at < end; at += 64) {
        uint64_t mask = load_range_mask(transaction->first, transaction->count, at);
        struct load_page *page = load_page_of(producer, at);
        if (page == NULL)
            continue;
        end_word(account, page, producer_number, at, mask, transaction);
        load_page_settle(account, producer, at, page);
    }
}

void load_account_transaction(struct load_account *account, uint32_t producer_number,
                              uint64_t number, enum load_end end)
{
    struct load_producer *producer = load_producer_find(account, producer_number);
    struct load_transaction *transaction = NULL;

    account->events_count++;
    for (uint32_t i = producer == NULL ? 0 : producer->transactions.count; i > 0; i--) {
        transaction = load_queue_at(&producer->transactions, i - 1);
        if (transaction->number <= number)
            break;
    }
    if (transaction != NULL && transaction->number == number && transaction->end != LOAD_END_NONE)
        return;
    account->verdict.committed_transactions += end == LOAD_COMMITTED;
    account->verdict.aborted_transactions += end == LOAD_ABORTED;
    account->verdict.unknown_transactions += end == LOAD_END_UNKNOWN;
    if (transaction == NULL || transaction->number != number)
        return; /* without records */
    transaction->end = end;
    end_records(account, producer_number, producer, transaction);
    load_transactions_settle(account, producer);
}

/* Those of a word that a reader has passed. */
static uint64_t passed_of(const struct load_account *account, const struct load_page *page,
                          uint32_t word, uint64_t mask)
{
    uint64_t passed = 0;

    for (; mask != 0 && page->places != NULL; mask &= mask - 1) {
        uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(mask);
        int64_t offset = page->places->offsets[i];
        if (offset >= 0 && offset < account->partitions[page->places->partitions[i]].read_end)
            passed |= mask & -mask;
    }
    return passed;
}

/* What of a transaction must be read together, and what of it was. */
struct parts {
    uint64_t missing_count;
    bool is_seen;     /* something of it was read */
    uint64_t missing; /* sequence of the first that was not */
    int64_t offset;
    int64_t where; /* of that one */
};

static struct parts parts_of(const struct load_account *account, bool is_at_end,
                             const struct load_producer *producer,
                             const struct load_transaction *transaction)
{
    struct parts parts = {.offset = -1, .where = -1};
    uint64_t end = transaction->first + transaction->count;

    for (uint64_t at = transaction->first & ~63ULL; at < end; at += 64) {
        uint64_t mask = load_range_mask(transaction->first, transaction->count, at);
        const struct load_page *page = load_page_of(producer, at);
        uint32_t word = (uint32_t)(at % LOAD_PAGE_RECORDS / 64);
        uint64_t missing;
        if (page == NULL) { /* all of it was read */
            parts.is_seen = true;
            continue;
        }
        parts.is_seen = parts.is_seen || (mask & page->read[word] & ~page->bad[word]);
        missing = mask & page->acked[word] & ~page->bad[word] & ~page->read[word];
        if (!is_at_end)
            missing = passed_of(account, page, word, missing);
        parts.missing_count += ones(missing);
        if (missing != 0 && parts.where < 0 && page->places != NULL) {
            uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(missing);
            parts.missing = at + (uint32_t)__builtin_ctzll(missing);
            parts.offset = page->places->offsets[i];
            parts.where = page->places->partitions[i];
        }
    }
    if (transaction->end == LOAD_COMMITTED) /* known to the record, whatever pages are gone */
        parts.is_seen =
            transaction->unread_count + transaction->lost_count < transaction->stored_count;
    return parts;
}

/* ACC-3 */
static void judge_transactions(const struct load_account *account, bool is_at_end,
                               uint32_t producer_number, const struct load_producer *producer,
                               const struct load_queue *queue, struct load_verdict *out)
{
    for (uint32_t i = 0; i < queue->count; i++) {
        const struct load_transaction *transaction = load_queue_at(queue, i);
        struct parts parts;
        if (transaction->end == LOAD_END_NONE)
            out->unknown_transactions++;
        if (transaction->end == LOAD_ABORTED)
            continue;
        parts = parts_of(account, is_at_end, producer, transaction);
        if (parts.is_seen && parts.missing_count > 0)
            load_account_note(account, out, LOAD_TORN, parts.where,
                              &(struct load_finding){.offset = parts.offset,
                                                     .other_offset = -1,
                                                     .producer = producer_number,
                                                     .sequence = parts.missing,
                                                     .transaction = transaction->number});
    }
}

/* The number of the transaction that a sequence belongs to, if it is still known. */
static uint64_t transaction_of(const struct load_producer *producer, uint64_t sequence)
{
    for (uint32_t i = producer->transactions.count; i > 0; i--) {
        const struct load_transaction *one = load_queue_at(&producer->transactions, i - 1);
        if (sequence >= one->first)
            return sequence < one->first + one->count ? one->number : 0;
    }
    return 0;
}

/* ACC-1 */
static void judge_page(const struct load_account *account, bool is_at_end, uint32_t producer_number,
                       const struct load_producer *producer, uint64_t sequence,
                       const struct load_page *page, struct load_verdict *out)
{
    for (uint32_t word = 0; word < LOAD_PAGE_WORDS; word++) {
        uint64_t known = page->acked[word] | page->bad[word] | page->optional[word];
        uint64_t lost = page->acked[word] & ~page->open[word] & ~page->bad[word] &
                        ~page->optional[word] & ~page->read[word];
        if (!is_at_end) {
            uint64_t passed = passed_of(account, page, word, lost);
            out->unread_count += ones(lost & ~passed);
            lost = passed;
        }
        out->unknown_count +=
            ones(page->sent[word] & ((page->open[word] & ~page->bad[word]) | ~known));
        for (; lost != 0; lost &= lost - 1) {
            uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(lost);
            bool is_kept = out->findings_count < LOAD_FINDINGS_MAX;
            load_account_note(
                account, out, LOAD_LOST, page->places->partitions[i],
                &(struct load_finding){.offset = page->places->offsets[i],
                                       .other_offset = -1,
                                       .producer = producer_number,
                                       .sequence = sequence + i,
                                       .transaction =
                                           is_kept ? transaction_of(producer, sequence + i) : 0});
        }
    }
}

bool load_verdict_has_findings(const struct load_verdict *verdict)
{
    for (int i = 0; i < LOAD_FINDING_COUNT; i++)
        if (verdict->counts[i] != 0)
            return true;
    return false;
}

static void set_exactly_once(struct load_verdict *verdict)
{
    verdict->is_exactly_once = !load_verdict_has_findings(verdict) && verdict->unread_count == 0;
}

void load_account_close(const struct load_account *account, bool is_at_end,
                        struct load_verdict *out)
{
    *out = account->verdict;
    for (uint32_t i = 0; i < account->producers_max; i++) {
        const struct load_producer *producer = account->producers[i];
        if (producer == NULL)
            continue;
        /* the torn before the lost, of which there may be many */
        judge_transactions(account, is_at_end, i, producer, &producer->doubtful, out);
        judge_transactions(account, is_at_end, i, producer, &producer->transactions, out);
    }
    for (uint32_t i = 0; i < account->producers_max; i++) {
        const struct load_producer *producer = account->producers[i];
        for (uint32_t n = 0; producer != NULL && n < producer->pages.count; n++) {
            uint64_t sequence = (producer->first_page + n) * LOAD_PAGE_RECORDS;
            const struct load_page *page = load_page_of(producer, sequence);
            if (page != NULL)
                judge_page(account, is_at_end, i, producer, sequence, page, out);
        }
    }
    set_exactly_once(out);
}

void load_verdict_merge(struct load_verdict *into, const struct load_verdict *from)
{
    uint32_t room = LOAD_FINDINGS_MAX - into->findings_count;
    uint32_t more = from->findings_count < room ? from->findings_count : room;

    into->sent_count += from->sent_count;
    into->stored_count += from->stored_count;
    into->unknown_count += from->unknown_count;
    into->failed_count += from->failed_count;
    into->aborted_count += from->aborted_count;
    into->read_count += from->read_count;
    into->redelivered_count += from->redelivered_count;
    into->foreign_count += from->foreign_count;
    into->unread_count += from->unread_count;
    into->committed_transactions += from->committed_transactions;
    into->aborted_transactions += from->aborted_transactions;
    into->unknown_transactions += from->unknown_transactions;
    into->memory_max_bytes += from->memory_max_bytes;
    for (int i = 0; i < LOAD_FINDING_COUNT; i++)
        into->counts[i] += from->counts[i];
    memcpy(&into->findings[into->findings_count], from->findings, more * sizeof(from->findings[0]));
    into->findings_count += more;
    set_exactly_once(into);
}
