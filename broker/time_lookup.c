#include "broker/time_lookup.h"

#include "base/check.h"
#include "base/offload.h"
#include "broker/topic_table.h"
#include "broker/validation.h"

/* A lookup's walk: time_lookup_start → (waits) → go_on, as often as its goes, reads and waits for
 * memory take → settle: done.  A batch that takes too long: it gives back what it has read,
 * waits_long → go_on, which reads again and hands the batch to a thread → work → on_worked → go_on
 * or done. */

enum {
    TURN_NS = 5000000,
    GO_NS = 5000,          /* to find the partition, its segment and the place in it */
    WORK_NS_PER_KB = 2560, /* of compression_reader.work_bytes */
    /* A batch that could have so much, and needs more, goes to the thread. */
    LONG_BYTES = TURN_NS / 4 / (WORK_NS_PER_KB / 1024),
    ACTIVE_MAX = 16,
    BUF_COST_BYTES = 128,  /* of a buf beside its bytes, at most */
    MEMORY_WAITS_MAX = 64, /* it is not the budget, then, but the process that has none */
};

struct time_lookups {
    struct shard *shard;
    struct turn_lines waiting;
    struct turn_lines long_ones;
    struct list ready; /* of time_lookup: they go on in some turn */
    uint32_t active_count;
    bool thread_is_taken;
    struct time_lookup_job *job; /* or NULL */
    struct task task;
    uint64_t turn; /* of the loop, that spent_ns is of */
    uint64_t spent_ns;
};

/* What a thread works on. */
struct time_lookup_job {
    struct offload_job job;
    struct time_lookups *lookups;
    struct time_lookup *lookup; /* NULL: canceled */
    struct batch_search search;
    struct batch_header header;
    const uint8_t *bytes;
    struct buf *buf;
    uint64_t memory_bytes;
    enum err err;
};

static struct time_lookups *all_of(const struct time_lookup *lookup)
{
    return lookup->at->lookups;
}

static struct budget *reads_of(const struct time_lookup *lookup)
{
    return memory_budget(&lookup->at->memory, MEMORY_COLD_READS);
}

static uint64_t left_ns(struct time_lookups *lookups)
{
    struct loop *loop = &lookups->shard->loop;

    if (lookups->turn != loop->turn_count) {
        lookups->turn = loop->turn_count;
        lookups->spent_ns = 0;
    }
    return lookups->spent_ns < TURN_NS ? TURN_NS - lookups->spent_ns : 0;
}

/* Somebody may go on, in the tasks of this turn or the next one. */
static void wake(struct time_lookups *lookups)
{
    loop_defer(&lookups->shard->loop, &lookups->task);
}

/* ---- the end of one */

/* It holds nothing any more.  A job that is under way keeps the thread and its buffer. */
static void leave(struct time_lookup *lookup)
{
    struct time_lookups *lookups = all_of(lookup);

    turn_waiter_leave(&lookup->waiter);
    if (list_is_linked(&lookup->node))
        list_remove(&lookup->node);
    budget_cancel_wait(reads_of(lookup), &lookup->memory_waiter);
    log_lookup_release(&lookup->search);
    if (lookup->stage == TIME_LOOKUP_ACTIVE)
        lookups->active_count--;
    if (lookup->job != NULL)
        lookup->job->lookup = NULL;
    else if (lookup->stage == TIME_LOOKUP_LONG)
        lookups->thread_is_taken = false;
    lookup->job = NULL;
    lookup->stage = TIME_LOOKUP_ENDED;
    if (!turn_lines_is_empty(&lookups->waiting) || !turn_lines_is_empty(&lookups->long_ones))
        wake(lookups);
}

/* Tell it, unless something is to follow. */
static void tell(struct time_lookup *lookup, enum err err)
{
    if (err != ERR_AGAIN)
        lookup->done(lookup, err);
}

void time_lookup_cancel(struct time_lookup *lookup)
{
    if (lookup->stage != TIME_LOOKUP_ENDED)
        leave(lookup);
}

/* ---- beside the loop */

static enum err go_on(struct time_lookup *lookup);

static void work(struct offload_job *offloaded)
{
    struct time_lookup_job *job = container_of(offloaded, struct time_lookup_job, job);
    struct compression_context *context = compression_context_create();

    job->err = batch_search(&job->search, context, job->bytes, &job->header);
    compression_context_destroy(context);
}

static void free_job(struct time_lookup_job *job)
{
    struct time_lookups *lookups = job->lookups;

    lookups->job = NULL;
    lookups->thread_is_taken = job->lookup != NULL;
    budget_give(memory_budget(&lookups->shard->memory, MEMORY_COLD_READS), job->memory_bytes);
    buf_unref(job->buf);
    mem_free(job);
}

static struct partition *partition_of(const struct time_lookup *lookup)
{
    return topic_table_find(lookup->at->topics, &lookup->topic_id, lookup->partition);
}

static enum err take_searched(struct time_lookup *lookup, const struct batch_search *search)
{
    struct partition *partition = partition_of(lookup);
    enum err err = partition == NULL ? ERR_NOT_FOUND
                                     : log_lookup_searched(partition->log, &lookup->search, search);

    if (err == ERR_FULL)
        return go_on(lookup);
    leave(lookup);
    return err;
}

static void on_worked(struct offload_job *offloaded)
{
    struct time_lookup_job *job = container_of(offloaded, struct time_lookup_job, job);
    struct time_lookups *lookups = job->lookups;
    struct time_lookup *lookup = job->lookup;
    struct batch_search search = job->search;
    enum err err = job->err;

    free_job(job);
    wake(lookups);
    if (lookup == NULL)
        return;
    lookup->job = NULL;
    if (err == OK)
        err = take_searched(lookup, &search);
    else
        leave(lookup);
    tell(lookup, err);
}

/* The batch at which the lookup stands, to the thread. */
static enum err start_job(struct time_lookup *lookup)
{
    struct time_lookups *lookups = all_of(lookup);
    struct time_lookup_job *job = mem_try_alloc(sizeof(*job));
    enum err err;

    if (job == NULL)
        return ERR_NOMEM;
    *job = (struct time_lookup_job){
        .job = {.work = work, .done = on_worked},
        .lookups = lookups,
        .lookup = lookup,
        .search = log_lookup_search(&lookup->search),
        .bytes = lookup->search.batch,
        .buf = buf_ref(lookup->search.read.buf),
    };
    err = batch_parse_header(job->bytes, BATCH_HEADER_BYTES, &job->header);
    check(err == OK); /* as it was when the lookup stopped there */
    job->memory_bytes =
        compression_memory_bytes(batch_codec(&job->header), job->bytes + BATCH_HEADER_BYTES,
                                 job->header.size_bytes - BATCH_HEADER_BYTES);
    budget_force(reads_of(lookup), job->memory_bytes); /* TLK-3 */
    lookup->job = job;
    lookups->job = job;
    offload_start(lookup->at->offload, &job->job, &lookup->at->loop);
    return ERR_AGAIN;
}

/* ---- in turns */

/* It gives its place to another one, and waits for the thread. */
static enum err wait_long(struct time_lookup *lookup)
{
    struct time_lookups *lookups = all_of(lookup);

    log_lookup_pause(&lookup->search);
    lookups->active_count--;
    lookup->stage = TIME_LOOKUP_WAITS_LONG;
    wake(lookups);
    return turn_lines_add(&lookups->long_ones, &lookup->waiter, &lookup->owner) == OK ? ERR_AGAIN
                                                                                      : ERR_NOMEM;
}

static enum err wait_ready(struct time_lookup *lookup)
{
    list_push_back(&all_of(lookup)->ready, &lookup->node);
    wake(all_of(lookup));
    return ERR_AGAIN;
}

/* After each go.  A lookup holds one read at a time, and gives it back without needing another, so
 * those that wait for memory never wait for each other.  ERR_AGAIN, or the answer. */
static enum err settle(struct time_lookup *lookup, enum err err)
{
    const struct log_time_lookup *search = &lookup->search;

    if (err == ERR_NOMEM && search->read.need_bytes > 0 &&
        lookup->memory_waits++ < MEMORY_WAITS_MAX) {
        budget_wait(reads_of(lookup), &lookup->memory_waiter,
                    search->read.need_bytes + BUF_COST_BYTES);
        return ERR_AGAIN;
    }
    if (err == ERR_FULL && search->batch != NULL && lookup->stage == TIME_LOOKUP_LONG)
        err = start_job(lookup);
    else if (err == ERR_FULL && search->batch != NULL && search->batch_had_bytes >= LONG_BYTES)
        err = wait_long(lookup);
    else if (err == ERR_FULL)
        err = wait_ready(lookup);
    if (err != ERR_AGAIN)
        leave(lookup);
    return err;
}

static enum err go_on(struct time_lookup *lookup)
{
    struct time_lookups *lookups = all_of(lookup);
    struct partition *partition = partition_of(lookup);
    struct log_time_lookup *search = &lookup->search;
    enum err err = ERR_NOT_FOUND;

    search->context = lookup->at->validation->context;
    search->work_max_bytes =
        lookup->stage == TIME_LOOKUP_LONG ? 0 : left_ns(lookups) * 1024 / WORK_NS_PER_KB;
    if (partition != NULL && lookup->has_begun)
        err = log_lookup_resume(partition->log, search);
    else if (partition != NULL)
        err = log_lookup_time(partition->log, search);
    lookup->has_begun = true;
    (void)left_ns(lookups); /* so that it counts for this turn */
    lookups->spent_ns +=
        GO_NS + (partition == NULL ? 0 : search->work_bytes * WORK_NS_PER_KB / 1024);
    return settle(lookup, err);
}

/* What a file has given, or some memory. */
static void on_read(struct log_time_lookup *search, enum err err)
{
    struct time_lookup *lookup = container_of(search, struct time_lookup, search);

    if (err == ERR_FULL && left_ns(all_of(lookup)) > 0)
        tell(lookup, go_on(lookup));
    else
        tell(lookup, settle(lookup, err));
}

static void on_memory(struct budget_waiter *waiter)
{
    struct time_lookup *lookup = container_of(waiter, struct time_lookup, memory_waiter);

    tell(lookup, go_on(lookup));
}

static enum err begin(struct time_lookup *lookup)
{
    lookup->stage = TIME_LOOKUP_ACTIVE;
    all_of(lookup)->active_count++;
    return go_on(lookup);
}

static void begin_long(struct time_lookups *lookups)
{
    struct turn_waiter *waiter = turn_lines_next(&lookups->long_ones);
    struct time_lookup *lookup;

    if (waiter == NULL)
        return;
    lookup = container_of(waiter, struct time_lookup, waiter);
    lookups->thread_is_taken = true;
    lookup->stage = TIME_LOOKUP_LONG;
    tell(lookup, go_on(lookup));
}

static bool may_begin(const struct time_lookups *lookups)
{
    return lookups->active_count < ACTIVE_MAX && !turn_lines_is_empty(&lookups->waiting);
}

static void begin_next(struct time_lookups *lookups)
{
    struct turn_waiter *waiter = turn_lines_next(&lookups->waiting);
    struct time_lookup *lookup = container_of(waiter, struct time_lookup, waiter);

    tell(lookup, begin(lookup));
}

/* Those that have begun first; who had less than a turn and is not through goes to the end, and has
 * a whole one when it is the first again. */
static void on_turn(struct task *task)
{
    struct time_lookups *lookups = container_of(task, struct time_lookups, task);

    if (!lookups->thread_is_taken)
        begin_long(lookups);
    while (!list_is_empty(&lookups->ready) && left_ns(lookups) > 0) {
        struct time_lookup *lookup = list_first(&lookups->ready, struct time_lookup, node);
        list_remove(&lookup->node);
        tell(lookup, go_on(lookup));
    }
    while (may_begin(lookups) && left_ns(lookups) > 0)
        begin_next(lookups);
    if (!list_is_empty(&lookups->ready) || may_begin(lookups))
        wake(lookups);
}

/* ---- the lookups of a shard */

struct time_lookups *time_lookups_create(struct shard *shard)
{
    struct time_lookups *lookups = mem_alloc(sizeof(*lookups));

    lookups->shard = shard;
    lookups->task.run = on_turn;
    list_init(&lookups->ready);
    turn_lines_init(&lookups->waiting, prng_u64(&shard->prng));
    turn_lines_init(&lookups->long_ones, prng_u64(&shard->prng));
    return lookups;
}

void time_lookups_destroy(struct time_lookups *lookups)
{
    if (lookups == NULL)
        return;
    turn_lines_deinit(&lookups->waiting);
    turn_lines_deinit(&lookups->long_ones);
    if (lookups->job != NULL)
        free_job(lookups->job);
    if (list_is_linked(&lookups->task.node))
        list_remove(&lookups->task.node);
    mem_free(lookups);
}

enum err time_lookup_start(struct time_lookup *lookup, struct shard *shard)
{
    struct time_lookups *lookups = shard->lookups;
    const struct partition *partition;

    lookup->at = shard;
    partition = partition_of(lookup);
    if (partition == NULL)
        return ERR_NOT_FOUND;
    lookup->search.bound = partition_read_bound(partition, lookup->isolation);
    lookup->search.done = on_read;
    lookup->memory_waiter.room = on_memory;
    if (list_is_empty(&lookups->ready) && turn_lines_is_empty(&lookups->waiting) &&
        lookups->active_count < ACTIVE_MAX && left_ns(lookups) > 0)
        return begin(lookup);
    if (turn_lines_add(&lookups->waiting, &lookup->waiter, &lookup->owner) != OK)
        return ERR_NOMEM;
    lookup->stage = TIME_LOOKUP_WAITS;
    wake(lookups);
    return ERR_AGAIN;
}
