#include "broker/produce_registration.h"

#include "base/hash_map.h"
#include "base/sometimes.h"
#include "broker/coordinator/transaction_registration.h"
#include "net/protocol/kafka_errors.h"

#include <assert.h>
#include <string.h>

enum {
    LEAVE_PART = 4,       /* of the budget, to others (PRG-4) */
    KEEP_COST_BYTES = 64, /* of a block of memory and a place in the map, roughly */
};

struct produce_registrations {
    struct shard *shard;
    struct hash_map words; /* by their keys */
};

struct word_key {
    struct uuid topic_id;
    int64_t producer_id;
    int32_t partition;
    int32_t epoch;
};
static_assert(sizeof(struct word_key) == 32, "a key has no bytes that nobody sets");

/* What is asked of a coordinator, and who waits for it. */
struct word {
    struct produce_registrations *all;
    struct word_key key;
    struct transaction_registration registration;
    struct list waiting; /* of produce_registration, in the order of arrival */
    struct timer retry;
    uint64_t until_ns;   /* it is asked again until then */
    uint64_t cost_bytes; /* of the budget */
    char texts[];        /* the id, then the topic's name and a NUL */
};

static struct word_key key_of(const struct produce_registration_ask *ask)
{
    return (struct word_key){.topic_id = ask->topic_id,
                             .producer_id = ask->producer_id,
                             .partition = ask->partition,
                             .epoch = ask->epoch};
}

static struct budget *budget_of(const struct produce_registrations *all)
{
    return memory_budget(&all->shard->memory, MEMORY_DECODED);
}

static void free_word(struct word *word)
{
    struct produce_registrations *all = word->all;

    loop_cancel_timer(&all->shard->loop, &word->retry);
    budget_give(budget_of(all), word->cost_bytes);
    mem_free(word);
}

/* ---- the word */

static void on_word(struct transaction_registration *registration, int16_t error);

static void on_retry(struct timer *timer)
{
    struct word *word = container_of(timer, struct word, retry);

    transaction_registration_start(&word->registration, word->all->shard);
}

/* The transaction before is about to be complete: as a rule sooner than a client would ask again.
 */
static bool is_asked_again(struct word *word, int16_t error)
{
    struct shard *shard = word->all->shard;

    if (error != KAFKA_CONCURRENT_TRANSACTIONS || list_is_empty(&word->waiting) ||
        loop_now_ns(&shard->loop) >= word->until_ns)
        return false;
    SOMETIMES("produce: a batch waited for the transaction before its own", true);
    word->retry.fire = on_retry;
    loop_set_timer_ms(&shard->loop, &word->retry,
                      (uint64_t)shard_config(shard)->add_partitions_to_txn_retry_backoff_ms);
    return true;
}

/* The word is gone before anybody is told: who is told may ask for the next one. */
static void on_word(struct transaction_registration *registration, int16_t error)
{
    struct word *word = container_of(registration, struct word, registration);
    struct list told;
    struct list *node;

    if (is_asked_again(word, error))
        return;
    (void)hash_map_remove(&word->all->words, &word->key, sizeof(word->key));
    list_init(&told);
    list_splice_back(&told, &word->waiting);
    free_word(word);
    while ((node = list_pop_front(&told)) != NULL) { /* PRG-1, PRG-2 */
        struct produce_registration *waiter = container_of(node, struct produce_registration, node);
        waiter->done(waiter, error);
    }
}

static enum err make_word(struct produce_registrations *all,
                          const struct produce_registration_ask *ask, struct word **out)
{
    size_t topic_bytes = strlen(ask->topic) + 1;
    size_t size_bytes = sizeof(struct word) + ask->id_bytes + topic_bytes;
    uint64_t cost_bytes = size_bytes + KEEP_COST_BYTES;
    struct budget *budget = budget_of(all);
    uint64_t patience_ms =
        (uint64_t)shard_config(all->shard)->add_partitions_to_txn_retry_backoff_max_ms;
    struct word *word;
    enum err err;

    if (hash_map_count(&all->words) == 0)
        budget_force(budget, cost_bytes);
    else if (!budget_take_more(budget, cost_bytes, budget->max_bytes / LEAVE_PART))
        return ERR_NOMEM;
    word = mem_try_alloc(size_bytes);
    if (word == NULL) {
        budget_give(budget, cost_bytes);
        return ERR_NOMEM;
    }
    word->all = all;
    word->key = key_of(ask);
    word->until_ns = clock_deadline_ns(loop_now_ns(&all->shard->loop), patience_ms);
    word->cost_bytes = cost_bytes;
    list_init(&word->waiting);
    memcpy(word->texts, ask->id, ask->id_bytes);
    memcpy(word->texts + ask->id_bytes, ask->topic, topic_bytes);
    word->registration = (struct transaction_registration){.id = word->texts,
                                                           .id_bytes = ask->id_bytes,
                                                           .producer_id = ask->producer_id,
                                                           .epoch = ask->epoch,
                                                           .topic = word->texts + ask->id_bytes,
                                                           .partition = ask->partition,
                                                           .version = ask->version,
                                                           .done = on_word};
    err = hash_map_insert(&all->words, &word->key, sizeof(word->key), word);
    if (err == OK)
        *out = word;
    else
        free_word(word);
    return err;
}

/* ---- who waits for it */

bool produce_registration_is_asked(const struct produce_registrations *registrations,
                                   const struct produce_registration_ask *ask)
{
    struct word_key key = key_of(ask);

    return hash_map_find(&registrations->words, &key, sizeof(key)) != NULL;
}

enum err produce_registration_wait(struct produce_registrations *registrations,
                                   const struct produce_registration_ask *ask,
                                   struct produce_registration *registration)
{
    struct word_key key = key_of(ask);
    struct word *word = hash_map_find(&registrations->words, &key, sizeof(key));
    enum err err;

    if (word != NULL) {
        if (word->registration.id_bytes != ask->id_bytes ||
            memcmp(word->registration.id, ask->id, ask->id_bytes) != 0)
            return ERR_EXISTS;
        list_push_back(&word->waiting, &registration->node);
        return OK;
    }
    err = make_word(registrations, ask, &word);
    if (err != OK)
        return err;
    list_push_back(&word->waiting, &registration->node);
    transaction_registration_start(&word->registration, registrations->shard);
    return OK;
}

void produce_registration_leave(struct produce_registration *registration)
{
    if (list_is_linked(&registration->node))
        list_remove(&registration->node); /* PRG-3 */
}

/* ---- of a shard */

struct produce_registrations *produce_registrations_create(struct shard *shard)
{
    struct produce_registrations *registrations = mem_alloc(sizeof(*registrations));

    registrations->shard = shard;
    hash_map_init(&registrations->words, prng_u64(&shard->prng));
    return registrations;
}

void produce_registrations_destroy(struct produce_registrations *registrations)
{
    size_t cursor = 0;
    struct word *word;

    if (registrations == NULL)
        return;
    while ((word = hash_map_next(&registrations->words, &cursor)) != NULL)
        free_word(word);
    hash_map_deinit(&registrations->words);
    mem_free(registrations);
}
