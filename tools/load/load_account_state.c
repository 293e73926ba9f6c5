/* An account as a file (--state).  Little-endian; u64 unless said otherwise:
 *
 *   magic "LVEELACC", version 1, run, label
 *   the counts of the verdict so far; the number of findings, and each: kind, topic, partition,
 *     offset, other offset, producer, sequence, transaction
 *   the number of partitions, and each: topic, partition, one above the highest offset read
 *   the number of producers, and each: number, next sequence, last transaction, epoch, 1 if it
 *     is open-ended, number of the first page;
 *     the number of pages, and each: 0 everything read, or 1 bitmaps, or 2 bitmaps and places;
 *       bitmaps: sent, open, acked, bad, optional, read; places: offsets, u32 indexes of partitions
 *     the number of transactions, and each: number, first sequence, count, stored, unread, lost,
 *       end; those that
 *       are doubtful in the same way
 *     the number of partitions that it sent to, and each: index, next partition sequence sent,
 *       and read, last offset
 *   XXH3-64 of everything before */
#include "base/mem.h"
#include "tools/load/load_account_private.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#define MAGIC 0x4343414c4545564cULL /* "LVEELACC" */

enum {
    VERSION = 1,
    PATH_MAX_BYTES = 4096,
    COUNTS_COUNT = 12,
    BITMAPS_COUNT = 6,
    PAGE_NONE = 0,
    PAGE_THIN = 1,
    PAGE_WHOLE = 2,
};

struct state_file {
    FILE *file;
    XXH3_state_t sum;
    enum err err; /* the first; all further calls do nothing */
};

static void put_bytes(struct state_file *out, const void *bytes, size_t size_bytes)
{
    if (out->err)
        return;
    XXH3_64bits_update(&out->sum, bytes, size_bytes);
    if (fwrite(bytes, 1, size_bytes, out->file) != size_bytes)
        out->err = errno == 0 ? ERR_IO : err_from_errno(errno);
}

static void put(struct state_file *out, uint64_t value)
{
    value = htole64(value);
    put_bytes(out, &value, sizeof(value));
}

static uint64_t get(struct state_file *in)
{
    uint64_t value = 0;

    if (!in->err && fread(&value, sizeof(value), 1, in->file) != 1)
        in->err = ERR_CORRUPT;
    return in->err ? 0 : le64toh(value);
}

/* A number that may be at most max. */
static uint64_t get_below(struct state_file *in, uint64_t max)
{
    uint64_t value = get(in);

    if (value > max)
        in->err = ERR_CORRUPT;
    return in->err ? 0 : value;
}

static void list_counts(struct load_verdict *verdict, uint64_t *counts[COUNTS_COUNT])
{
    uint64_t *list[COUNTS_COUNT] = {
        &verdict->sent_count,
        &verdict->stored_count,
        &verdict->unknown_count,
        &verdict->failed_count,
        &verdict->aborted_count,
        &verdict->read_count,
        &verdict->redelivered_count,
        &verdict->foreign_count,
        &verdict->committed_transactions,
        &verdict->aborted_transactions,
        &verdict->unknown_transactions,
        &verdict->memory_max_bytes,
    };

    memcpy(counts, list, sizeof(list));
}

static void put_verdict(struct state_file *out, const struct load_verdict *verdict)
{
    struct load_verdict copy = *verdict;
    uint64_t *counts[COUNTS_COUNT];

    list_counts(&copy, counts);
    for (int i = 0; i < COUNTS_COUNT; i++)
        put(out, *counts[i]);
    for (int i = 0; i < LOAD_FINDING_COUNT; i++)
        put(out, verdict->counts[i]);
    put(out, verdict->findings_count);
    for (uint32_t i = 0; i < verdict->findings_count; i++) {
        const struct load_finding *one = &verdict->findings[i];
        put(out, one->kind);
        put(out, one->topic);
        put(out, (uint64_t)one->partition);
        put(out, (uint64_t)one->offset);
        put(out, (uint64_t)one->other_offset);
        put(out, one->producer);
        put(out, one->sequence);
        put(out, one->transaction);
    }
}

static void get_verdict(struct state_file *in, struct load_verdict *verdict)
{
    uint64_t *counts[COUNTS_COUNT];

    list_counts(verdict, counts);
    for (int i = 0; i < COUNTS_COUNT; i++)
        *counts[i] = get(in);
    verdict->memory_max_bytes = 0;
    for (int i = 0; i < LOAD_FINDING_COUNT; i++)
        verdict->counts[i] = get(in);
    verdict->findings_count = (uint32_t)get_below(in, LOAD_FINDINGS_MAX);
    for (uint32_t i = 0; i < verdict->findings_count; i++) {
        struct load_finding *one = &verdict->findings[i];
        one->kind = (enum load_finding_kind)get_below(in, LOAD_FINDING_COUNT - 1);
        one->topic = (uint32_t)get_below(in, UINT32_MAX);
        one->partition = (int32_t)get(in);
        one->offset = (int64_t)get(in);
        one->other_offset = (int64_t)get(in);
        one->producer = (uint32_t)get_below(in, UINT32_MAX);
        one->sequence = get(in);
        one->transaction = get(in);
    }
}

static void list_bitmaps(struct load_page *page, uint64_t *bitmaps[BITMAPS_COUNT])
{
    bitmaps[0] = page->sent;
    bitmaps[1] = page->open;
    bitmaps[2] = page->acked;
    bitmaps[3] = page->bad;
    bitmaps[4] = page->optional;
    bitmaps[5] = page->read;
}

static void put_page(struct state_file *out, struct load_page *page)
{
    uint64_t *bitmaps[BITMAPS_COUNT];

    put(out, page == NULL ? PAGE_NONE : page->places == NULL ? PAGE_THIN : PAGE_WHOLE);
    if (page == NULL)
        return;
    list_bitmaps(page, bitmaps);
    for (int i = 0; i < BITMAPS_COUNT; i++) {
        for (uint32_t word = 0; word < LOAD_PAGE_WORDS; word++)
            put(out, bitmaps[i][word]);
    }
    for (uint32_t i = 0; page->places != NULL && i < LOAD_PAGE_RECORDS; i++) {
        uint32_t partition = htole32(page->places->partitions[i]);
        put(out, (uint64_t)page->places->offsets[i]);
        put_bytes(out, &partition, sizeof(partition));
    }
}

static void put_transactions(struct state_file *out, const struct load_queue *queue)
{
    put(out, queue->count);
    for (uint32_t i = 0; i < queue->count; i++) {
        const struct load_transaction *one = load_queue_at(queue, i);
        put(out, one->number);
        put(out, one->first);
        put(out, one->count);
        put(out, one->stored_count);
        put(out, one->unread_count);
        put(out, one->lost_count);
        put(out, one->end);
    }
}

static void put_orders(struct state_file *out, const struct load_producer *producer,
                       uint32_t partitions_count)
{
    uint64_t count = 0;

    for (uint32_t pass = 0; pass < 2; pass++) {
        if (pass == 1)
            put(out, count);
        for (uint32_t i = 0; i < partitions_count; i++) {
            const struct load_order *order = load_order_find(producer, i);
            if (order == NULL || order->next_sent == 0)
                continue;
            if (pass == 0) {
                count++;
                continue;
            }
            put(out, i);
            put(out, order->next_sent);
            put(out, order->next_read);
            put(out, (uint64_t)order->last_offset);
        }
    }
}

static void put_account(struct state_file *out, const struct load_account *account, bool goes_on)
{
    uint64_t count = 0;

    put(out, MAGIC);
    put(out, VERSION);
    put(out, account->run);
    put(out, account->label);
    put_verdict(out, &account->verdict);
    put(out, account->partitions_count);
    for (uint32_t i = 0; i < account->partitions_count; i++) {
        put(out, account->partitions[i].topic);
        put(out, (uint64_t)account->partitions[i].partition);
        put(out, (uint64_t)account->partitions[i].read_end);
    }
    for (uint32_t i = 0; i < account->producers_max; i++)
        count += account->producers[i] != NULL;
    put(out, count);
    for (uint32_t i = 0; i < account->producers_max; i++) {
        const struct load_producer *producer = account->producers[i];
        if (producer == NULL)
            continue;
        put(out, i);
        put(out, producer->next_sequence);
        put(out, producer->last_transaction);
        put(out, producer->epoch);
        put(out, producer->is_open_ended || (goes_on && producer->is_reserved));
        put(out, producer->first_page);
        put(out, producer->pages.count);
        for (uint32_t n = 0; n < producer->pages.count; n++)
            put_page(out, *(struct load_page **)load_queue_at(&producer->pages, n));
        put_transactions(out, &producer->transactions);
        put_transactions(out, &producer->doubtful);
        put_orders(out, producer, account->partitions_count);
    }
    put(out, XXH3_64bits_digest(&out->sum));
}

enum err load_account_save(const struct load_account *account, const char *path, bool goes_on)
{
    char temporary[PATH_MAX_BYTES];
    struct state_file out = {0};
    int size = snprintf(temporary, sizeof(temporary), "%s.tmp", path);

    if (size < 0 || (size_t)size >= sizeof(temporary))
        return ERR_INVALID;
    out.file = fopen(temporary, "wbe");
    if (out.file == NULL)
        return err_from_errno(errno);
    XXH3_64bits_reset(&out.sum);
    errno = 0;
    put_account(&out, account, goes_on);
    if (!out.err && (fflush(out.file) != 0 || fsync(fileno(out.file)) != 0))
        out.err = err_from_errno(errno);
    if (fclose(out.file) != 0 && !out.err)
        out.err = err_from_errno(errno);
    if (!out.err && rename(temporary, path) != 0)
        out.err = err_from_errno(errno);
    if (out.err)
        (void)unlink(temporary);
    return out.err;
}

/* Is it a state file, and whole? */
static enum err check_file(FILE *file)
{
    XXH3_state_t sum;
    uint8_t bytes[65536];
    uint64_t end[3] = {0}; /* the last 8 bytes are held back */
    size_t held = 0;
    size_t size_bytes;

    XXH3_64bits_reset(&sum);
    if (fread(end, sizeof(end), 1, file) != 1 || le64toh(end[0]) != MAGIC)
        return ERR_CORRUPT;
    if (le64toh(end[1]) > VERSION)
        return ERR_NEWER_FORMAT;
    rewind(file);
    while ((size_bytes = fread(bytes + held, 1, sizeof(bytes) - held, file)) > 0) {
        size_bytes += held;
        held = size_bytes < sizeof(uint64_t) ? size_bytes : sizeof(uint64_t);
        XXH3_64bits_update(&sum, bytes, size_bytes - held);
        memmove(bytes, bytes + size_bytes - held, held);
    }
    memcpy(end, bytes, sizeof(uint64_t));
    if (ferror(file))
        return ERR_IO;
    if (held < sizeof(uint64_t) || le64toh(end[0]) != XXH3_64bits_digest(&sum))
        return ERR_CORRUPT;
    rewind(file);
    return OK;
}

/* Records that are not passed, by the bitmaps. */
static uint32_t count_left(const struct load_page *page)
{
    uint32_t left_count = 0;

    for (uint32_t i = 0; i < LOAD_PAGE_WORDS; i++) {
        uint64_t passed = page->sent[i] & ~page->open[i] &
                          (page->bad[i] | page->optional[i] | (page->acked[i] & page->read[i]));
        left_count += 64 - (uint32_t)__builtin_popcountll(passed);
    }
    return left_count;
}

static void get_places(struct state_file *in, const struct load_account *account,
                       struct load_places *places)
{
    for (uint32_t i = 0; i < LOAD_PAGE_RECORDS && !in->err; i++) {
        uint32_t partition = 0;
        places->offsets[i] = (int64_t)get(in);
        if (fread(&partition, sizeof(partition), 1, in->file) != 1)
            in->err = ERR_CORRUPT;
        places->partitions[i] = le32toh(partition);
        if (places->partitions[i] >= account->partitions_count)
            in->err = ERR_CORRUPT;
    }
}

static void get_page(struct state_file *in, struct load_account *account,
                     struct load_producer *producer)
{
    uint64_t kind = get_below(in, PAGE_WHOLE);
    struct load_page **slot = load_queue_push(account, &producer->pages);
    uint64_t *bitmaps[BITMAPS_COUNT];
    struct load_page *page;

    if (slot == NULL)
        in->err = ERR_NOMEM;
    if (in->err || kind == PAGE_NONE)
        return;
    page = *slot = load_account_alloc(account, sizeof(*page));
    if (page == NULL) {
        in->err = ERR_NOMEM;
        return;
    }
    list_bitmaps(page, bitmaps);
    for (int i = 0; i < BITMAPS_COUNT; i++) {
        for (uint32_t word = 0; word < LOAD_PAGE_WORDS; word++)
            bitmaps[i][word] = get(in);
    }
    page->left_count = count_left(page);
    if (kind == PAGE_THIN) {
        if (page->left_count > 0)
            in->err = ERR_CORRUPT;
        return;
    }
    page->places = load_account_alloc(account, sizeof(*page->places));
    if (page->places == NULL)
        in->err = ERR_NOMEM;
    if (!in->err)
        get_places(in, account, page->places);
    for (uint32_t i = 0; i < LOAD_PAGE_WORDS; i++)
        account->unread_count += (uint32_t)__builtin_popcountll(
            page->acked[i] & ~page->open[i] & ~page->bad[i] & ~page->optional[i] & ~page->read[i]);
}

static void get_transactions(struct state_file *in, struct load_account *account,
                             struct load_queue *queue, uint64_t next_sequence)
{
    uint64_t count = get_below(in, UINT32_MAX);

    for (uint64_t i = 0; i < count && !in->err; i++) {
        struct load_transaction *one = load_queue_push(account, queue);
        if (one == NULL) {
            in->err = ERR_NOMEM;
            return;
        }
        one->number = get(in);
        one->first = get_below(in, next_sequence);
        one->count = get_below(in, next_sequence - one->first);
        one->stored_count = get(in);
        one->unread_count = get(in);
        one->lost_count = get(in);
        one->end = (uint32_t)get_below(in, LOAD_END_NONE);
    }
}

static void get_orders(struct state_file *in, struct load_account *account,
                       struct load_producer *producer)
{
    uint64_t count = get_below(in, account->partitions_count);

    for (uint64_t i = 0; i < count && !in->err; i++) {
        uint64_t partition = get_below(in, UINT32_MAX);
        struct load_order *order;
        if (partition >= account->partitions_count)
            in->err = ERR_CORRUPT;
        if (!in->err)
            in->err = load_order_ensure(account, producer, (uint32_t)partition, &order);
        if (in->err)
            return;
        order->next_sent = get(in);
        order->next_read = get(in);
        order->last_offset = (int64_t)get(in);
    }
}

static void get_producer(struct state_file *in, struct load_account *account)
{
    uint64_t number = get_below(in, LOAD_PRODUCERS_MAX - 1);
    struct load_producer *producer;
    uint64_t pages_count;

    if (!in->err && load_producer_find(account, (uint32_t)number) != NULL)
        in->err = ERR_CORRUPT;
    if (!in->err)
        in->err = load_producer_ensure(account, (uint32_t)number, &producer);
    if (in->err)
        return;
    producer->next_sequence = get(in);
    producer->last_transaction = get(in);
    producer->epoch = (uint32_t)get_below(in, UINT32_MAX);
    producer->is_open_ended = get_below(in, 1) != 0;
    producer->first_page = get_below(in, producer->next_sequence / LOAD_PAGE_RECORDS + 1);
    pages_count =
        get_below(in, producer->next_sequence / LOAD_PAGE_RECORDS + 1 - producer->first_page);
    for (uint64_t i = 0; i < pages_count && !in->err; i++)
        get_page(in, account, producer);
    get_transactions(in, account, &producer->transactions, producer->next_sequence);
    get_transactions(in, account, &producer->doubtful, producer->next_sequence);
    get_orders(in, account, producer);
}

static void get_account(struct state_file *in, struct load_account *account)
{
    uint64_t count;

    account->label = get(in);
    get_verdict(in, &account->verdict);
    count = get_below(in, UINT32_MAX);
    for (uint64_t i = 0; i < count && !in->err; i++) {
        uint64_t topic = get_below(in, LOAD_TOPICS_MAX - 1);
        uint64_t partition = get_below(in, LOAD_PARTITIONS_MAX - 1);
        uint32_t where = 0;
        if (!in->err)
            in->err = load_partition_ensure(account, (uint32_t)topic, (int32_t)partition, &where);
        if (!in->err && where != i)
            in->err = ERR_CORRUPT;
        if (!in->err)
            account->partitions[where].read_end = (int64_t)get(in);
    }
    count = get_below(in, LOAD_PRODUCERS_MAX);
    for (uint64_t i = 0; i < count && !in->err; i++)
        get_producer(in, account);
}

/* Who was asked when the account was saved is not there any more: what was not answered then,
 * nobody knows. */
static void settle_pending(struct load_account *account, uint32_t number,
                           struct load_producer *producer)
{
    uint64_t sequence = producer->first_page * LOAD_PAGE_RECORDS;

    for (uint32_t i = producer->transactions.count; i > 0; i--) {
        const struct load_transaction *one = load_queue_at(&producer->transactions, i - 1);
        if (one->end != LOAD_END_NONE)
            break;
        load_account_transaction(account, number, one->number, LOAD_END_UNKNOWN);
    }
    for (; sequence < producer->next_sequence; sequence++) {
        const struct load_page *page = load_page_of(producer, sequence);
        uint32_t word = (uint32_t)(sequence % LOAD_PAGE_RECORDS / 64);
        if (page == NULL || page->places == NULL) {
            sequence |= LOAD_PAGE_RECORDS - 1;
            continue;
        }
        if (!((page->acked[word] | page->bad[word] | page->optional[word]) &
              load_word_mask(sequence))) {
            const struct load_partition *one =
                &account->partitions[page->places->partitions[sequence % LOAD_PAGE_RECORDS]];
            load_account_outcome(account, number, sequence, one->topic, one->partition,
                                 LOAD_UNKNOWN, -1);
        }
    }
}

enum err load_account_load(const char *path, uint64_t memory_max_bytes, struct load_account **out)
{
    struct state_file in = {.file = fopen(path, "rbe")};
    struct load_account *account = NULL;

    if (in.file == NULL)
        return err_from_errno(errno);
    in.err = check_file(in.file);
    if (!in.err) {
        (void)get(&in);
        (void)get(&in);
        in.err = load_account_create((uint32_t)get(&in), memory_max_bytes, &account);
    }
    if (!in.err)
        get_account(&in, account);
    (void)fclose(in.file);
    if (in.err) {
        load_account_destroy(account);
        return in.err;
    }
    for (uint32_t i = 0; i < account->producers_max; i++) {
        if (account->producers[i] != NULL)
            settle_pending(account, i, account->producers[i]);
    }
    *out = account;
    return OK;
}
