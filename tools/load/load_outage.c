#include "tools/load/load_outage.h"

const char *load_success_text(enum load_success kind)
{
    static const char *const texts[LOAD_SUCCESS_COUNT] = {
        [LOAD_SUCCESS_STORED] = "stored",
        [LOAD_SUCCESS_READ] = "read",
        [LOAD_SUCCESS_COMMITTED] = "committed",
    };

    return kind < LOAD_SUCCESS_COUNT ? texts[kind] : "?";
}

void load_outage_init(struct load_outage *outage)
{
    for (int i = 0; i < LOAD_SUCCESS_COUNT; i++) {
        atomic_init(&outage->pauses[i].last_ns, 0);
        atomic_init(&outage->pauses[i].longest_ns, 0);
        atomic_init(&outage->pauses[i].count, 0);
        outage->pauses[i].from_ns = 0;
    }
    pthread_mutex_init(&outage->lock, NULL);
    atomic_init(&outage->error_first_ns, 0);
    atomic_init(&outage->error_last_ns, 0);
    atomic_init(&outage->errors_count, 0);
    atomic_init(&outage->has_begun, false);
}

void load_outage_deinit(struct load_outage *outage)
{
    pthread_mutex_destroy(&outage->lock);
}

void load_outage_begin(struct load_outage *outage, uint64_t now_ns)
{
    for (int i = 0; i < LOAD_SUCCESS_COUNT; i++)
        atomic_store(&outage->pauses[i].last_ns, now_ns);
    atomic_store(&outage->has_begun, true);
}

static void look_at_pause(struct load_outage *outage, struct load_pause *pause, uint64_t from_ns,
                          uint64_t now_ns)
{
    if (now_ns <= from_ns || now_ns - from_ns <= atomic_load(&pause->longest_ns))
        return;
    pthread_mutex_lock(&outage->lock);
    if (now_ns - from_ns > atomic_load(&pause->longest_ns)) {
        atomic_store(&pause->longest_ns, now_ns - from_ns);
        pause->from_ns = from_ns;
    }
    pthread_mutex_unlock(&outage->lock);
}

void load_outage_note(struct load_outage *outage, enum load_success kind, uint64_t now_ns)
{
    struct load_pause *pause = &outage->pauses[kind];
    unsigned long long last_ns = atomic_load_explicit(&pause->last_ns, memory_order_relaxed);

    if (!atomic_load_explicit(&outage->has_begun, memory_order_acquire))
        return;
    atomic_fetch_add_explicit(&pause->count, 1, memory_order_relaxed);
    while (last_ns < now_ns && !atomic_compare_exchange_weak(&pause->last_ns, &last_ns, now_ns))
        continue;
    if (last_ns < now_ns) /* it was ours to move on */
        look_at_pause(outage, pause, last_ns, now_ns);
}

void load_outage_error(struct load_outage *outage, uint64_t now_ns)
{
    unsigned long long first = 0;

    if (!atomic_load_explicit(&outage->has_begun, memory_order_acquire))
        return;
    atomic_compare_exchange_strong(&outage->error_first_ns, &first, now_ns);
    atomic_store(&outage->error_last_ns, now_ns);
    atomic_fetch_add(&outage->errors_count, 1);
}

void load_outage_end(struct load_outage *outage, uint64_t now_ns)
{
    for (int i = 0; i < LOAD_SUCCESS_COUNT; i++)
        look_at_pause(outage, &outage->pauses[i], atomic_load(&outage->pauses[i].last_ns), now_ns);
}

bool load_outage_longest(const struct load_outage *outage, enum load_success kind,
                         uint64_t *from_ns, uint64_t *pause_ns)
{
    const struct load_pause *pause = &outage->pauses[kind];

    *from_ns = pause->from_ns;
    *pause_ns = atomic_load(&pause->longest_ns);
    return atomic_load(&pause->count) > 0;
}
