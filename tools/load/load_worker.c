#include "tools/load/load_worker.h"

#include <sys/prctl.h>

#define TURN_MAX_NS UINT64_C(10000000)
/* What is due sooner waits so long, and goes with others: a system call for each record would take
 * a processor at some 100,000 records a second.  (The time counts from when it was intended.) */
#define TURN_MIN_NS UINT64_C(20000)
#define CLOSE_MAX_NS UINT64_C(5000000000)

enum { ANSWERS_MAX_BYTES = 1 << 30 };

static void set(atomic_bool *flag, bool value)
{
    atomic_store_explicit(flag, value, memory_order_release);
}

static enum err open_clients(struct load_worker *worker)
{
    enum err err = load_producers_open(&worker->producers, worker->shared, &worker->stats,
                                       worker->room, worker->index);

    if (err == OK)
        err = load_transactions_open(&worker->transactions, worker->shared, &worker->stats,
                                     worker->room, worker->index);
    if (err == OK)
        err = load_pipes_open(&worker->pipes, worker->shared, &worker->stats, worker->room,
                              worker->index);
    if (err == OK)
        err = load_idle_open(&worker->idle, worker->shared, worker->room, worker->index);
    return err == OK ? load_consumers_open(&worker->consumers, worker->shared, &worker->stats,
                                           worker->room, worker->index)
                     : err;
}

static void look(struct load_worker *worker, enum load_phase phase, uint64_t now)
{
    bool is_broken = false;
    bool is_cut = false;
    bool is_ready = load_producers_are_ready(&worker->producers, &is_broken);

    is_ready = load_transactions_are_ready(&worker->transactions, &is_broken) && is_ready;
    is_ready = load_pipes_are_ready(&worker->pipes, &is_broken) && is_ready;
    is_ready = load_consumers_are_ready(&worker->consumers, &is_cut) && is_ready;
    if (is_cut)
        set(&worker->is_cut, true);
    if (is_broken || is_cut)
        set(&worker->is_broken, true);
    if (phase == LOAD_PHASE_SETUP)
        is_ready = is_ready && load_idle_is_ready(&worker->idle);
    if (is_ready && phase == LOAD_PHASE_SETUP)
        set(&worker->is_ready, true);
    set(&worker->is_sent, phase >= LOAD_PHASE_RUN &&
                              load_producers_are_done(&worker->producers, now) &&
                              load_transactions_are_done(&worker->transactions, now));
    /* Behind a pipeline the end is not where it was when the last record was written. */
    set(&worker->is_read, phase >= LOAD_PHASE_READ && !worker->shared->workload->is_pipeline &&
                              load_consumers_are_at_end(&worker->consumers));
}

static enum err run(struct load_worker *worker)
{
    struct loop *loop = &worker->room->loop;
    enum load_phase phase = LOAD_PHASE_SETUP;
    enum err err = OK;

    while (err == OK && phase != LOAD_PHASE_STOP) {
        uint64_t now = clock_mono_ns(loop->clock);
        uint64_t next = load_producers_turn(&worker->producers, now);
        uint64_t again = load_transactions_turn(&worker->transactions, now);
        uint64_t wait;
        if (again < next)
            next = again;
        again = load_pipes_turn(&worker->pipes, now);
        if (again < next)
            next = again;
        again = load_consumers_turn(&worker->consumers, now);
        if (again < next)
            next = again;
        now = clock_mono_ns(loop->clock);
        wait = next <= now ? 0 : next - now;
        if (wait > 0 && wait < TURN_MIN_NS)
            wait = TURN_MIN_NS;
        phase = load_shared_phase(worker->shared);
        look(worker, phase, now);
        err = loop_turn(loop, wait < TURN_MAX_NS ? wait : TURN_MAX_NS);
    }
    return err;
}

/* Connections are closed in order, but not for ever. */
static bool close_clients(struct load_worker *worker)
{
    struct loop *loop = &worker->room->loop;
    uint64_t end = clock_mono_ns(loop->clock) + CLOSE_MAX_NS;

    load_producers_close(&worker->producers);
    load_transactions_close(&worker->transactions);
    load_pipes_close(&worker->pipes);
    load_consumers_close(&worker->consumers);
    load_idle_close(&worker->idle);
    while (clock_mono_ns(loop->clock) < end) {
        if (load_producers_are_closed(&worker->producers) &&
            load_transactions_are_closed(&worker->transactions) &&
            load_pipes_are_closed(&worker->pipes) && load_consumers_are_closed(&worker->consumers))
            return true;
        if (loop_turn(loop, TURN_MAX_NS) != OK)
            return false;
    }
    return false;
}

static void *thread_main(void *context)
{
    struct load_worker *worker = context;
    enum err err;

    (void)prctl(PR_SET_TIMERSLACK, 1000UL); /* 50 us otherwise: PR_SET_TIMERSLACK(2const) */
    err = load_room_create("levee-bench", ANSWERS_MAX_BYTES, &worker->room);

    if (err == OK)
        err = open_clients(worker);
    if (err != OK)
        set(&worker->is_broken, true);
    if (err == OK)
        err = run(worker);
    if (err != OK)
        load_shared_error(worker->shared, "thread %u: %s", (unsigned)worker->index, err_text(err));
    set(&worker->is_broken, atomic_load(&worker->is_broken) || err != OK);
    set(&worker->is_cut, atomic_load(&worker->is_cut) || err != OK);
    /* What does not close is left to the end of the process. */
    if (worker->room != NULL && close_clients(worker)) {
        load_producers_deinit(&worker->producers);
        load_transactions_deinit(&worker->transactions);
        load_pipes_deinit(&worker->pipes);
        load_consumers_deinit(&worker->consumers);
        load_idle_deinit(&worker->idle);
        load_room_destroy(worker->room);
    }
    set(&worker->is_ended, true);
    return NULL;
}

enum err load_worker_start(struct load_worker *worker, struct load_shared *shared, uint32_t index)
{
    enum err err;

    worker->shared = shared;
    worker->index = index;
    err = load_stats_init(&worker->stats);
    if (err != OK)
        return err;
    if (pthread_create(&worker->thread, NULL, thread_main, worker) != 0) {
        load_stats_deinit(&worker->stats);
        return ERR_NOMEM;
    }
    worker->is_started = true;
    return OK;
}

void load_worker_join(struct load_worker *worker)
{
    if (!worker->is_started)
        return;
    pthread_join(worker->thread, NULL);
    worker->is_started = false;
}

void load_worker_deinit(struct load_worker *worker)
{
    load_stats_deinit(&worker->stats);
}
