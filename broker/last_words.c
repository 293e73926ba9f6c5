#include "broker/last_words.h"

#include "broker/topic_table.h"

/* Answers are handed to the kernel in the turn that made them, those of other shards in the next.
 */
enum { WORDS_MS = 50, PATIENCE_MS = 1000 };

struct speaker {
    struct last_words *words;
    struct shard *shard;
    struct mail mail;
    struct timer timer;
};

struct last_words {
    const struct shards *shards;
    void (*spoken)(void *context, enum err err);
    void *context;
    enum err err;
    uint32_t speaking_count; /* atomic */
    bool is_speaking;        /* atomic */
    struct timer patience_timer;
    struct speaker speakers[SHARD_COUNT_MAX];
};

struct last_words *last_words_create(const struct shards *shards,
                                     void (*spoken)(void *context, enum err err), void *context)
{
    struct last_words *words = mem_alloc(sizeof(*words));

    words->shards = shards;
    words->spoken = spoken;
    words->context = context;
    return words;
}

void last_words_destroy(struct last_words *words)
{
    mem_free(words);
}

static void on_spoken(struct timer *timer)
{
    struct last_words *words = container_of(timer, struct speaker, timer)->words;

    if (__atomic_sub_fetch(&words->speaking_count, 1, __ATOMIC_ACQ_REL) == 0)
        words->spoken(words->context, words->err);
}

/* The answers that other shards found came before this mail. */
static void on_mail(struct mail *mail)
{
    struct speaker *speaker = container_of(mail, struct speaker, mail);

    topic_table_fail(speaker->shard->topics);
    speaker->timer.fire = on_spoken;
    loop_set_timer_ms(&speaker->shard->loop, &speaker->timer, WORDS_MS);
}

static void on_patience_over(struct timer *timer)
{
    struct last_words *words = container_of(timer, struct last_words, patience_timer);

    words->spoken(words->context, words->err);
}

void last_words_speak(struct last_words *words, struct shard *failed, enum err err)
{
    if (__atomic_exchange_n(&words->is_speaking, true, __ATOMIC_ACQ_REL))
        return;
    words->err = err;
    __atomic_store_n(&words->speaking_count, words->shards->count, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < words->shards->count; i++) {
        struct speaker *speaker = &words->speakers[i];
        *speaker = (struct speaker){
            .words = words, .shard = words->shards->at[i], .mail.deliver = on_mail};
        loop_post(&speaker->shard->loop, &speaker->mail);
    }
    words->patience_timer.fire = on_patience_over;
    loop_set_timer_ms(&failed->loop, &words->patience_timer, PATIENCE_MS);
}
