#include "base/check.h"
#include "base/mem.h"
#include "tools/load/load_account_private.h"

enum err load_account_create(uint32_t run, uint64_t memory_max_bytes, struct load_account **out)
{
    struct load_account *account = mem_try_alloc(sizeof(*account));

    if (account == NULL)
        return ERR_NOMEM;
    account->run = run;
    account->memory_max_bytes = memory_max_bytes;
    *out = account;
    return OK;
}

static void free_queue(struct load_account *account, struct load_queue *queue)
{
    load_account_free(account, queue->items, (size_t)queue->max * queue->item_bytes);
}

static void free_producer(struct load_account *account, struct load_producer *producer)
{
    for (uint32_t i = 0; i < producer->pages.count; i++) {
        struct load_page *page = *(struct load_page **)load_queue_at(&producer->pages, i);
        if (page == NULL)
            continue;
        load_account_free(account, page->places, sizeof(*page->places));
        load_account_free(account, page, sizeof(*page));
    }
    for (uint32_t i = 0; i < producer->chunks_count; i++)
        load_account_free(account, producer->chunks[i],
                          LOAD_ORDER_CHUNK * sizeof(struct load_order));
    load_account_free(account, (void *)producer->chunks,
                      producer->chunks_count * sizeof(struct load_order *));
    free_queue(account, &producer->pages);
    free_queue(account, &producer->transactions);
    free_queue(account, &producer->doubtful);
    load_account_free(account, producer, sizeof(*producer));
}

void load_account_destroy(struct load_account *account)
{
    if (account == NULL)
        return;
    for (uint32_t i = 0; i < account->producers_max; i++) {
        if (account->producers[i] != NULL)
            free_producer(account, account->producers[i]);
    }
    for (uint32_t i = 0; i < account->topics_max; i++)
        load_account_free(account, account->topics[i].indexes,
                          account->topics[i].max * sizeof(uint32_t));
    load_account_free(account, (void *)account->producers,
                      account->producers_max * sizeof(struct load_producer *));
    load_account_free(account, account->topics, account->topics_max * sizeof(struct load_topic));
    load_account_free(account, account->partitions,
                      account->partitions_max * sizeof(struct load_partition));
    check(account->memory_used_bytes == 0);
    mem_free(account);
}

/* Does the stamp go on where its producer is (ACC-8)? */
static bool follows_on(const struct load_producer *producer, const struct load_stamp *stamp)
{
    const struct load_transaction *last;

    if (stamp->sequence != producer->next_sequence)
        return false;
    if (stamp->transaction == 0)
        return true;
    if (stamp->transaction != producer->last_transaction)
        return stamp->transaction > producer->last_transaction;
    if (producer->transactions.count == 0)
        return false;
    last = load_queue_at(&producer->transactions, producer->transactions.count - 1);
    return last->end == LOAD_END_NONE && last->first + last->count == stamp->sequence;
}

static struct load_transaction *last_transaction(struct load_producer *producer)
{
    return load_queue_at(&producer->transactions, producer->transactions.count - 1);
}

/* Page and transaction of the next record; ERR_NOMEM: nothing was taken that stays unused long. */
static enum err take_room(struct load_account *account, struct load_producer *producer,
                          const struct load_stamp *stamp, struct load_page **page_out)
{
    struct load_transaction *transaction;
    enum err err = OK;

    *page_out = load_page_of(producer, producer->next_sequence);
    if (*page_out == NULL)
        err = load_page_ensure(account, producer, page_out);
    if (err || stamp->transaction == 0 || stamp->transaction == producer->last_transaction)
        return err;
    transaction = load_queue_push(account, &producer->transactions);
    if (transaction == NULL)
        return ERR_NOMEM;
    *transaction = (struct load_transaction){
        .number = stamp->transaction, .first = stamp->sequence, .end = LOAD_END_NONE};
    producer->last_transaction = stamp->transaction;
    return OK;
}

/* Producer, partition, and the two together. */
static enum err take_tables(struct load_account *account, const struct load_stamp *stamp,
                            uint32_t topic, int32_t partition, struct load_producer **producer_out,
                            struct load_order **order_out, uint32_t *where_out)
{
    struct load_producer *producer = load_producer_find(account, stamp->producer);
    int64_t found = load_partition_find(account, topic, partition);
    enum err err = OK;

    if (producer == NULL)
        err = load_producer_ensure(account, stamp->producer, &producer);
    if (!err && !follows_on(producer, stamp))
        return ERR_INVALID;
    *where_out = (uint32_t)found;
    if (!err && found < 0)
        err = load_partition_ensure(account, topic, partition, where_out);
    if (err)
        return err;
    *producer_out = producer;
    *order_out = load_order_find(producer, *where_out);
    return *order_out != NULL ? OK : load_order_ensure(account, producer, *where_out, order_out);
}

enum err load_account_sent(struct load_account *account, const struct load_stamp *stamp,
                           uint32_t topic, int32_t partition)
{
    uint32_t i = (uint32_t)(stamp->sequence % LOAD_PAGE_RECORDS);
    struct load_producer *producer;
    struct load_page *page;
    struct load_order *order;
    uint32_t where;
    enum err err;

    if (stamp->run != account->run || stamp->producer >= LOAD_PRODUCERS_MAX ||
        topic >= LOAD_TOPICS_MAX || partition < 0 || partition >= LOAD_PARTITIONS_MAX)
        return ERR_INVALID;
    err = take_tables(account, stamp, topic, partition, &producer, &order, &where);
    if (err)
        return err;
    err = take_room(account, producer, stamp, &page);
    if (err && load_account_relieve(account))
        err = take_room(account, producer, stamp, &page);
    if (err)
        return ERR_FULL;

    page->sent[i / 64] |= load_word_mask(i);
    page->places->partitions[i] = where;
    if (stamp->transaction != 0) {
        page->open[i / 64] |= load_word_mask(i);
        last_transaction(producer)->count++;
    }
    order->next_sent = stamp->partition_sequence + 1;
    producer->epoch = stamp->epoch;
    producer->next_sequence++;
    account->verdict.sent_count++;
    return OK;
}

void load_account_outcome(struct load_account *account, uint32_t producer_number, uint64_t sequence,
                          uint32_t topic, int32_t partition, enum load_outcome outcome,
                          int64_t offset)
{
    struct load_producer *producer = load_producer_find(account, producer_number);
    struct load_page *page = producer == NULL ? NULL : load_page_of(producer, sequence);
    uint32_t i = (uint32_t)(sequence % LOAD_PAGE_RECORDS);
    uint32_t word = i / 64;
    uint64_t mask = load_word_mask(i);
    bool is_open;
    bool is_read;

    account->events_count++;
    if (page == NULL || page->places == NULL || !(page->sent[word] & mask))
        return;
    is_open = page->open[word] & mask;
    is_read = page->read[word] & mask;
    if (outcome == LOAD_STORED && !is_read)
        page->places->offsets[i] = offset;
    if ((page->acked[word] | page->bad[word] | page->optional[word]) & mask)
        return; /* told before, or by the end of its transaction */
    switch (outcome) {
    case LOAD_STORED:
        page->acked[word] |= mask;
        if (is_open)
            return;
        account->verdict.stored_count++;
        if (is_read)
            page->left_count--;
        else
            account->unread_count++;
        break;
    case LOAD_FAILED:
        page->bad[word] |= mask;
        if (is_read) /* ACC-7 */
            load_account_note(account, &account->verdict, LOAD_GHOST, page->places->partitions[i],
                              &(struct load_finding){.offset = page->places->offsets[i],
                                                     .other_offset = -1,
                                                     .producer = producer_number,
                                                     .sequence = sequence});
        if (is_open)
            return;
        account->verdict.failed_count++;
        page->left_count--;
        break;
    case LOAD_UNKNOWN:
        page->optional[word] |= mask;
        if (is_open)
            return;
        account->verdict.unknown_count++;
        page->left_count--;
        break;
    }
    if (page->left_count == 0)
        load_page_settle(account, producer, sequence, page);
}

static struct load_transaction *find_transaction(const struct load_producer *producer,
                                                 uint64_t number)
{
    uint32_t low = 0;
    uint32_t high = producer->transactions.count;
    struct load_transaction *one;

    if (high == 0)
        return NULL;
    one = load_queue_at(&producer->transactions, 0);
    if (number >= one->number && number - one->number < high) { /* if none was left out */
        one = load_queue_at(&producer->transactions, (uint32_t)(number - one->number));
        if (one->number == number)
            return one;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        one = load_queue_at(&producer->transactions, middle);
        if (one->number == number)
            return one;
        if (one->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Where a record was read. */
struct spot {
    uint32_t topic;
    int32_t partition;
    int64_t where; /* index of the partition; -1: not known */
    int64_t offset;
};

/* Besides the kinds of findings: the record is read now; it was delivered again; nobody knows
 * whether it was sent. */
enum { FIRST_READ = -1, READ_AGAIN = -2, READ_UNKNOWN = -3 };

/* One of those, or what is found.  *other_out: offset of the first copy. */
static int judge_read(struct load_account *account, const struct load_producer *producer,
                      const struct load_page *page, const struct load_stamp *stamp,
                      const struct spot *spot, int64_t *other_out)
{
    uint32_t i = (uint32_t)(stamp->sequence % LOAD_PAGE_RECORDS);
    uint64_t mask = load_word_mask(i);
    bool is_behind = spot->where >= 0 && spot->offset < account->partitions[spot->where].read_end;

    if (producer != NULL && stamp->sequence >= producer->next_sequence && producer->is_open_ended)
        return is_behind ? READ_AGAIN : READ_UNKNOWN;
    if (spot->where < 0 || producer == NULL || stamp->sequence >= producer->next_sequence)
        return LOAD_GHOST;
    if (page == NULL) /* all of it was read */
        return is_behind ? READ_AGAIN : LOAD_DOUBLED;
    if (page->places != NULL && page->places->partitions[i] != spot->where)
        return LOAD_GHOST; /* it never was sent there */
    if (page->read[i / 64] & mask) {
        if (page->places == NULL)
            return is_behind ? READ_AGAIN : LOAD_DOUBLED;
        *other_out = page->places->offsets[i];
        return *other_out == spot->offset ? READ_AGAIN : LOAD_DOUBLED;
    }
    if (page->bad[i / 64] & ~page->optional[i / 64] & mask) {
        const struct load_transaction *one;
        if (stamp->transaction == 0)
            return LOAD_GHOST;
        one = find_transaction(producer, stamp->transaction);
        return one != NULL && one->end == LOAD_COMMITTED ? LOAD_GHOST : LOAD_VISIBLE_ABORTED;
    }
    return FIRST_READ;
}

/* The record is read for the first time: it is one less to wait for. */
static void take_read(struct load_account *account, struct load_producer *producer,
                      struct load_page *page, const struct load_stamp *stamp, int64_t offset)
{
    uint32_t i = (uint32_t)(stamp->sequence % LOAD_PAGE_RECORDS);
    uint32_t word = i / 64;
    uint64_t mask = load_word_mask(i);

    page->read[word] |= mask;
    if (page->places != NULL)
        page->places->offsets[i] = offset;
    if (page->open[word] & mask)
        return;
    if (page->acked[word] & ~page->optional[word] & ~page->bad[word] & mask) {
        page->left_count--;
        account->unread_count--;
        if (stamp->transaction != 0) {
            struct load_transaction *one = find_transaction(producer, stamp->transaction);
            if (one != NULL && one->unread_count > 0 && --one->unread_count == 0)
                load_transactions_settle(account, producer);
        }
    }
    if (page->left_count == 0)
        load_page_settle(account, producer, stamp->sequence, page);
}

/* ACC-5 */
static void check_order(struct load_account *account, const struct load_producer *producer,
                        uint32_t where, const struct load_stamp *stamp, int64_t offset)
{
    struct load_order *order = load_order_find(producer, where);

    if (order == NULL)
        return;
    if (stamp->partition_sequence >= order->next_read) {
        order->next_read = stamp->partition_sequence + 1;
        order->last_offset = offset;
        return;
    }
    load_account_note(account, &account->verdict, LOAD_OUT_OF_ORDER, where,
                      &(struct load_finding){.offset = offset,
                                             .other_offset = order->last_offset,
                                             .producer = stamp->producer,
                                             .sequence = stamp->sequence,
                                             .transaction = stamp->transaction});
}

static void note_read(struct load_account *account, enum load_finding_kind kind,
                      const struct spot *spot, const struct load_stamp *stamp, int64_t other_offset)
{
    load_account_note(account, &account->verdict, kind, spot->where,
                      &(struct load_finding){.topic = spot->topic,
                                             .partition = spot->partition,
                                             .offset = spot->offset,
                                             .other_offset = other_offset,
                                             .producer = stamp->producer,
                                             .sequence = stamp->sequence,
                                             .transaction = stamp->transaction});
}

static void read_stamped(struct load_account *account, const struct spot *spot,
                         const struct load_stamp *stamp)
{
    struct load_producer *producer = load_producer_find(account, stamp->producer);
    struct load_page *page = NULL;
    uint32_t word = (uint32_t)(stamp->sequence % LOAD_PAGE_RECORDS / 64);
    uint64_t mask = load_word_mask(stamp->sequence);
    int64_t other_offset = -1;
    int found;

    if (producer != NULL && stamp->sequence < producer->next_sequence)
        page = load_page_of(producer, stamp->sequence);
    found = judge_read(account, producer, page, stamp, spot, &other_offset);
    if (found == FIRST_READ) {
        account->verdict.read_count++;
        check_order(account, producer, (uint32_t)spot->where, stamp, spot->offset);
        take_read(account, producer, page, stamp, spot->offset);
        return;
    }
    if (found == READ_AGAIN) {
        account->verdict.redelivered_count++;
        return;
    }
    account->verdict.read_count++;
    if (found == READ_UNKNOWN) {
        account->verdict.unknown_count++;
        return;
    }
    note_read(account, (enum load_finding_kind)found, spot, stamp, other_offset);
    if (page != NULL && page->bad[word] & ~page->optional[word] & mask) {
        page->read[word] |= mask;
        if (page->places != NULL)
            page->places->offsets[stamp->sequence % LOAD_PAGE_RECORDS] = spot->offset;
    }
}

enum err load_account_read(struct load_account *account, uint32_t topic, int32_t partition,
                           int64_t offset, const void *key, int32_t key_bytes, const uint8_t *value,
                           size_t size_bytes, struct load_stamp *stamp_out)
{
    struct spot spot = {.topic = topic,
                        .partition = partition,
                        .where = load_partition_find(account, topic, partition),
                        .offset = offset};
    enum err err = load_stamp_read(value, size_bytes, key, key_bytes, stamp_out);

    account->events_count++;
    if (!err && stamp_out->run != account->run)
        err = ERR_NOT_FOUND;
    if (err == ERR_CORRUPT)
        note_read(account, LOAD_CORRUPT, &spot, &(struct load_stamp){0}, -1);
    else if (err)
        account->verdict.foreign_count++;
    else
        read_stamped(account, &spot, stamp_out);
    if (spot.where >= 0 && offset >= account->partitions[spot.where].read_end)
        account->partitions[spot.where].read_end = offset + 1;
    return err;
}

uint64_t load_account_unread(const struct load_account *account)
{
    return account->unread_count;
}

void load_account_resume(const struct load_account *account, uint32_t producer,
                         struct load_stamp *out)
{
    const struct load_producer *one = load_producer_find(account, producer);

    *out = (struct load_stamp){.run = account->run, .producer = producer};
    if (one == NULL)
        return;
    out->sequence = one->next_sequence;
    out->transaction = one->last_transaction;
    out->epoch = one->epoch;
}

uint64_t load_account_partition_next(const struct load_account *account, uint32_t producer,
                                     uint32_t topic, int32_t partition)
{
    const struct load_producer *one = load_producer_find(account, producer);
    int64_t where = load_partition_find(account, topic, partition);
    const struct load_order *order =
        one == NULL || where < 0 ? NULL : load_order_find(one, (uint32_t)where);

    return order == NULL ? 0 : order->next_sent;
}

uint64_t load_account_label(const struct load_account *account)
{
    return account->label;
}

void load_account_set_label(struct load_account *account, uint64_t label)
{
    account->label = label;
}

uint32_t load_account_run(const struct load_account *account)
{
    return account->run;
}

enum err load_account_reserve(struct load_account *account, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct load_producer *producer;
        enum err err = load_producer_ensure(account, i, &producer);
        if (err)
            return err;
        producer->is_reserved = true;
    }
    return OK;
}

uint32_t load_account_producers_count(const struct load_account *account)
{
    uint32_t count = account->producers_max;

    while (count > 0 && account->producers[count - 1] == NULL)
        count--;
    return count;
}

int64_t load_account_read_end(const struct load_account *account, uint32_t topic, int32_t partition)
{
    int64_t where = load_partition_find(account, topic, partition);

    return where < 0 || account->partitions[where].read_end == 0
               ? -1
               : account->partitions[where].read_end;
}
