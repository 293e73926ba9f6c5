/* The memory of an account: what it takes, when it gives it back, and what it does when there is no
 * more. */
#include "base/check.h"
#include "base/mem.h"
#include "tools/load/load_account_private.h"

#include <string.h>

enum {
    EVENTS_BETWEEN = 4096, /* looking through everything is worth it only so often */
};

void *load_account_alloc(struct load_account *account, size_t size_bytes)
{
    void *memory;

    if (account->memory_max_bytes - account->memory_used_bytes < size_bytes)
        return NULL;
    memory = mem_try_alloc(size_bytes);
    if (memory == NULL)
        return NULL;
    account->memory_used_bytes += size_bytes;
    if (account->memory_used_bytes > account->verdict.memory_max_bytes)
        account->verdict.memory_max_bytes = account->memory_used_bytes;
    return memory;
}

void load_account_free(struct load_account *account, void *memory, size_t size_bytes)
{
    if (memory == NULL)
        return;
    account->memory_used_bytes -= size_bytes;
    mem_free(memory);
}

/* An array of items becomes larger, the rest zeroed.  False: it stays. */
static bool grow(struct load_account *account, void **items, uint32_t *max, size_t item_bytes,
                 uint32_t wanted)
{
    uint32_t more = *max < 8 ? 8 : *max;
    void *larger;

    while (more < wanted)
        more *= 2;
    larger = load_account_alloc(account, more * item_bytes);
    if (larger == NULL)
        return false;
    if (*max > 0)
        memcpy(larger, *items, *max * item_bytes);
    load_account_free(account, *items, *max * item_bytes);
    *items = larger;
    *max = more;
    return true;
}

void *load_queue_push(struct load_account *account, struct load_queue *queue)
{
    void *item;

    if (queue->head + queue->count == queue->max && queue->head > queue->max / 2) {
        memmove(queue->items, load_queue_at(queue, 0), (size_t)queue->count * queue->item_bytes);
        queue->head = 0;
    }
    if (queue->head + queue->count == queue->max &&
        !grow(account, (void **)&queue->items, &queue->max, queue->item_bytes, queue->max + 1))
        return NULL;
    item = load_queue_at(queue, queue->count++);
    memset(item, 0, queue->item_bytes);
    return item;
}

void load_queue_pop(struct load_queue *queue)
{
    queue->head++;
    queue->count--;
    if (queue->count == 0)
        queue->head = 0;
}

enum err load_partition_ensure(struct load_account *account, uint32_t topic, int32_t partition,
                               uint32_t *out)
{
    int64_t found = load_partition_find(account, topic, partition);
    struct load_topic *one;

    if (found >= 0) {
        *out = (uint32_t)found;
        return OK;
    }
    if (topic >= account->topics_max &&
        !grow(account, (void **)&account->topics, &account->topics_max, sizeof(*account->topics),
              topic + 1))
        return ERR_NOMEM;
    one = &account->topics[topic];
    if ((uint32_t)partition >= one->max && !grow(account, (void **)&one->indexes, &one->max,
                                                 sizeof(*one->indexes), (uint32_t)partition + 1))
        return ERR_NOMEM;
    if (account->partitions_count == account->partitions_max &&
        !grow(account, (void **)&account->partitions, &account->partitions_max,
              sizeof(*account->partitions), account->partitions_count + 1))
        return ERR_NOMEM;
    *out = account->partitions_count++;
    account->partitions[*out] = (struct load_partition){.topic = topic, .partition = partition};
    one->indexes[partition] = *out + 1;
    return OK;
}

enum err load_producer_ensure(struct load_account *account, uint32_t producer,
                              struct load_producer **out)
{
    *out = load_producer_find(account, producer);
    if (*out != NULL)
        return OK;
    if (producer >= account->producers_max &&
        !grow(account, (void **)&account->producers, &account->producers_max,
              sizeof(struct load_producer *), producer + 1))
        return ERR_NOMEM;
    *out = load_account_alloc(account, sizeof(struct load_producer));
    if (*out == NULL)
        return ERR_NOMEM;
    (*out)->pages.item_bytes = sizeof(struct load_page *);
    (*out)->transactions.item_bytes = sizeof(struct load_transaction);
    (*out)->doubtful.item_bytes = sizeof(struct load_transaction);
    account->producers[producer] = *out;
    return OK;
}

enum err load_order_ensure(struct load_account *account, struct load_producer *producer,
                           uint32_t partition, struct load_order **out)
{
    uint32_t chunk = partition / LOAD_ORDER_CHUNK;

    *out = load_order_find(producer, partition);
    if (*out != NULL)
        return OK;
    if (chunk >= producer->chunks_count &&
        !grow(account, (void **)&producer->chunks, &producer->chunks_count,
              sizeof(struct load_order *), chunk + 1))
        return ERR_NOMEM;
    producer->chunks[chunk] =
        load_account_alloc(account, LOAD_ORDER_CHUNK * sizeof(struct load_order));
    if (producer->chunks[chunk] == NULL)
        return ERR_NOMEM;
    *out = &producer->chunks[chunk][partition % LOAD_ORDER_CHUNK];
    return OK;
}

enum err load_page_ensure(struct load_account *account, struct load_producer *producer,
                          struct load_page **out)
{
    uint64_t number = producer->next_sequence / LOAD_PAGE_RECORDS;
    struct load_page *page;
    struct load_page **slot;

    *out = load_page_of(producer, producer->next_sequence);
    if (*out != NULL)
        return OK;
    if (producer->pages.count == 0)
        producer->first_page = number;
    page = load_account_alloc(account, sizeof(*page));
    if (page == NULL)
        return ERR_NOMEM;
    page->places = load_account_alloc(account, sizeof(*page->places));
    slot = page->places == NULL ? NULL : load_queue_push(account, &producer->pages);
    if (slot == NULL) {
        load_account_free(account, page->places, sizeof(*page->places));
        load_account_free(account, page, sizeof(*page));
        return ERR_NOMEM;
    }
    page->left_count = LOAD_PAGE_RECORDS;
    memset(page->places->offsets, 0xff, sizeof(page->places->offsets));
    *slot = *out = page;
    return OK;
}

/* The page is gone; whatever is at the front without a page leaves. */
static void drop(struct load_account *account, struct load_producer *producer, uint64_t sequence,
                 struct load_page *page)
{
    uint32_t index = (uint32_t)(sequence / LOAD_PAGE_RECORDS - producer->first_page);

    *(struct load_page **)load_queue_at(&producer->pages, index) = NULL;
    load_account_free(account, page->places, sizeof(*page->places));
    load_account_free(account, page, sizeof(*page));
    while (producer->pages.count > 0 &&
           *(struct load_page **)load_queue_at(&producer->pages, 0) == NULL) {
        load_queue_pop(&producer->pages);
        producer->first_page++;
    }
}

void load_page_settle(struct load_account *account, struct load_producer *producer,
                      uint64_t sequence, struct load_page *page)
{
    if (page->left_count > 0)
        return;
    load_account_free(account, page->places, sizeof(*page->places));
    page->places = NULL;
    for (uint32_t i = 0; i < LOAD_PAGE_WORDS; i++) {
        if (page->read[i] != UINT64_MAX || page->bad[i] != 0)
            return;
    }
    drop(account, producer, sequence, page);
}

void load_transactions_settle(struct load_account *account, struct load_producer *producer)
{
    struct load_queue *queue = &producer->transactions;

    while (queue->count > 0) {
        const struct load_transaction *front = load_queue_at(queue, 0);
        bool is_done = front->end == LOAD_ABORTED ||
                       (front->end == LOAD_COMMITTED && front->unread_count == 0);
        if (!is_done) {
            struct load_transaction *aside;
            if (front->end != LOAD_END_UNKNOWN)
                return;
            aside = load_queue_push(account, &producer->doubtful);
            if (aside == NULL)
                return;
            *aside = *front;
        }
        load_queue_pop(queue);
    }
}

/* The transaction that a sequence belongs to, or NULL: none, or it is not known any more. */
static struct load_transaction *transaction_at(const struct load_producer *producer,
                                               uint64_t sequence)
{
    uint32_t low = 0;
    uint32_t high = producer->transactions.count;
    struct load_transaction *one;

    while (low < high) { /* the first that begins behind it */
        uint32_t middle = low + (high - low) / 2;
        one = load_queue_at(&producer->transactions, middle);
        if (one->first <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    one = load_queue_at(&producer->transactions, low - 1);
    return sequence - one->first < one->count ? one : NULL;
}

/* One more of a committed transaction is lost; when nothing of it is waited for, it may be torn. */
static void lose(struct load_account *account, struct load_transaction *transaction, int64_t where,
                 const struct load_finding *finding)
{
    transaction->unread_count--;
    transaction->lost_count++;
    if (transaction->unread_count == 0 && transaction->lost_count < transaction->stored_count)
        load_account_note(account, &account->verdict, LOAD_TORN, where, finding);
}

/* What a reader has passed without reading it is lost: say so, and wait for it no longer. */
static void judge_passed(struct load_account *account, uint32_t producer_number,
                         struct load_producer *producer, uint64_t sequence, struct load_page *page)
{
    for (uint32_t i = 0; i < LOAD_PAGE_RECORDS; i++) {
        uint64_t mask = load_word_mask(i);
        uint32_t word = i / 64;
        const struct load_partition *partition;
        struct load_transaction *transaction;
        struct load_finding finding;
        int64_t offset = page->places->offsets[i];
        if (!(page->acked[word] & ~page->open[word] & ~page->bad[word] & ~page->optional[word] &
              ~page->read[word] & mask))
            continue;
        partition = &account->partitions[page->places->partitions[i]];
        if (offset < 0 || offset >= partition->read_end)
            continue;
        transaction = transaction_at(producer, sequence + i);
        finding =
            (struct load_finding){.offset = offset,
                                  .other_offset = -1,
                                  .producer = producer_number,
                                  .sequence = sequence + i,
                                  .transaction = transaction == NULL ? 0 : transaction->number};
        load_account_note(account, &account->verdict, LOAD_LOST, page->places->partitions[i],
                          &finding);
        if (transaction != NULL)
            lose(account, transaction, page->places->partitions[i], &finding);
        page->optional[word] |= mask;
        page->bad[word] |= mask;
        page->left_count--;
        account->unread_count--;
    }
    load_page_settle(account, producer, sequence, page);
}

/* Nothing may come any more in a page where all is passed and nothing optional is unread: give it
 * back.  Who reads it all the same is found as doubled. */
static bool is_closed(const struct load_page *page)
{
    if (page->left_count > 0)
        return false;
    for (uint32_t i = 0; i < LOAD_PAGE_WORDS; i++) {
        if (page->optional[i] & ~page->bad[i] & ~page->read[i])
            return false;
    }
    return true;
}

bool load_account_relieve(struct load_account *account)
{
    if (account->relieved_count > 0 &&
        account->events_count - account->relieved_count < EVENTS_BETWEEN)
        return false;
    account->relieved_count = account->events_count;
    for (uint32_t i = 0; i < account->producers_max; i++) {
        struct load_producer *producer = account->producers[i];
        uint64_t end;
        if (producer == NULL)
            continue;
        end = producer->first_page + producer->pages.count;
        for (uint64_t number = producer->first_page; number < end; number++) {
            uint64_t sequence = number * LOAD_PAGE_RECORDS;
            struct load_page *page = load_page_of(producer, sequence);
            if (page != NULL && page->places != NULL)
                judge_passed(account, i, producer, sequence, page);
            page = load_page_of(producer, sequence);
            if (page != NULL && is_closed(page))
                drop(account, producer, sequence, page);
        }
        load_transactions_settle(account, producer);
    }
    return true;
}
