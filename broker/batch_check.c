#include "broker/batch_check.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/offload.h"
#include "broker/record_errors.h"
#include "broker/validation.h"

#include <string.h>

/* A check's walk: batch_check_start → try: on the loop, within what is left of the turn.  Nothing
 * left: it waits in the `later` lines for on_turn.  It takes more than a turn: it waits in the
 * `long_ones` lines for a thread → work → on_worked: done. */

/* What a look costs the loop, roughly, measured on a small cloud machine: gzip, the slowest, gives
 * 400 MB/s, and what a stream takes beside its output counts as output (compression_reader); a
 * record is stepped over in 20 ns; bytes as they are, are checked and copied. */
enum {
    TURN_NS = 10000000,
    LONG_NS = TURN_NS / 4, /* who has had so much of a turn and needs more goes to a thread */
    UNCOMPRESS_NS_PER_KB = 2560,
    RECORD_NS = 20,
    RECORD_BYTES_MIN = 7,
    COPY_NS_PER_KB = 200,
    RECODE_NS_PER_KB = 40000, /* compressing */
    THREADS_BUSY_MAX = 2,     /* of one shard */
    ERRORS_LEAVE_PART = 2,    /* of the budget in which they count */
};

struct batch_checks {
    struct shard *shard;
    struct turn_lines later;
    struct turn_lines long_ones;
    struct task task; /* for later */
    struct list busy; /* of batch_check_job: a thread looks, or will */
    uint32_t busy_count;
    uint64_t turn; /* of the loop, that spent_ns is of */
    uint64_t spent_ns;
};

/* What a thread works on. */
struct batch_check_job {
    struct offload_job job;
    struct list node; /* batch_checks.busy */
    struct batch_checks *checks;
    struct batch_check *check; /* NULL: canceled */
    struct batch_rules rules;
    int8_t codec;
    uint64_t recode_max_bytes;
    const uint8_t *bytes;
    uint32_t size_bytes;
    struct buf *frame;
    struct budget *budget;
    enum err err;
    struct batch_info info;
    struct batch_record_error *errors;
    int32_t error_count;
    uint64_t errors_bytes; /* of budget */
    uint8_t *recoded;
    uint32_t recoded_bytes;
};

/* Whose turn it is; NULL: nobody waits. */
static struct batch_check *next_of(struct turn_lines *lines)
{
    struct turn_waiter *waiter = turn_lines_next(lines);

    return waiter == NULL ? NULL : container_of(waiter, struct batch_check, waiter);
}

/* ---- looking */

static bool wants_recoding(const struct batch_check *check, const struct batch_info *info)
{
    return check->codec >= 0 && batch_codec(&info->header) != check->codec;
}

static uint64_t left_ns(struct batch_checks *checks)
{
    struct loop *loop = &checks->shard->loop;

    if (checks->turn != loop->turn_count) {
        checks->turn = loop->turn_count;
        checks->spent_ns = 0;
    }
    return checks->spent_ns < TURN_NS ? TURN_NS - checks->spent_ns : 0;
}

static uint64_t copy_cost_ns(const struct batch_check *check)
{
    return (uint64_t)check->size_bytes * COPY_NS_PER_KB / 1024;
}

/* What is known before: the checksum, and the records where they lie open. */
static uint64_t plain_cost_ns(const struct batch_check *check)
{
    uint64_t cost_ns = copy_cost_ns(check);
    uint64_t records_max = check->size_bytes / RECORD_BYTES_MIN;
    struct batch_header header;

    if (check->bytes == NULL || batch_parse(check->bytes, check->size_bytes, &header) != OK)
        return 0;
    if (batch_codec(&header) != COMPRESSION_NONE || header.record_count < 0)
        return cost_ns;
    if ((uint64_t)header.record_count < records_max)
        records_max = (uint64_t)header.record_count;
    return cost_ns + records_max * RECORD_NS;
}

/* ERR_AGAIN: it takes more than limit_ns. */
static enum err look(struct batch_check *check, struct batch_checks *checks, uint64_t limit_ns)
{
    struct validation *validation = checks->shard->validation;
    struct batch_rules rules = check->rules;
    uint64_t walk_ns;
    uint64_t recode_ns;
    enum err err;

    rules.work_max_bytes = limit_ns * 1024 / UNCOMPRESS_NS_PER_KB + 1;
    err =
        batch_validate(&rules, validation->context, check->bytes, check->size_bytes, &check->info);
    walk_ns = check->info.work_bytes * UNCOMPRESS_NS_PER_KB / 1024;
    checks->spent_ns += copy_cost_ns(check) + walk_ns;
    if (err == ERR_FULL)
        return ERR_AGAIN;
    check->stored = check->bytes;
    check->stored_bytes = check->info.header.size_bytes; /* what is cut short behind it is not
                                                            stored, as in Kafka */
    if (err != OK || !wants_recoding(check, &check->info))
        return err;
    if (check->info.walked_bytes > check->recode_max_bytes)
        return ERR_TOO_LARGE;
    if (check->info.walked_bytes == 0)
        return ERR_AGAIN; /* the header was trusted: nobody knows how much it is */
    recode_ns = (check->info.walked_bytes + check->stored_bytes) * RECODE_NS_PER_KB / 1024 +
                walk_ns; /* once more */
    if (recode_ns > limit_ns)
        return ERR_AGAIN;
    checks->spent_ns += recode_ns;
    return validation_recode(validation, check->codec, check->rules.max_message_bytes,
                             &check->stored, &check->stored_bytes);
}

/* ---- beside the loop */

struct error_list {
    struct batch_check_job *job;
    int32_t max;
};

static bool keep_error(void *context, const struct batch_record_error *error)
{
    struct error_list *list = context;

    list->job->errors[list->job->error_count++] = *error;
    return list->job->error_count < list->max;
}

/* Room for so many.  False: there is no memory, and the first ones have to do. */
static bool make_errors(struct batch_check_job *job, int32_t count)
{
    uint64_t bytes = (uint64_t)count * sizeof(*job->errors);

    if (job->budget != NULL &&
        !budget_take_more(job->budget, bytes, job->budget->max_bytes / ERRORS_LEAVE_PART))
        return false;
    job->errors_bytes = bytes;
    job->errors = mem_try_alloc(bytes);
    return job->errors != NULL;
}

/* They are kept until the request is answered, which may wait for other batches of it. */
static void give_back_errors(struct budget *budget, struct batch_record_error *errors,
                             uint64_t bytes)
{
    mem_free(errors);
    if (budget != NULL && bytes > 0)
        budget_give(budget, bytes);
}

static void list_errors(struct batch_check_job *job, struct compression_context *context)
{
    struct error_list list = {.job = job, .max = job->info.record_error_count};

    if (list.max > RECORD_ERRORS_MAX)
        list.max = RECORD_ERRORS_MAX;
    if (list.max <= BATCH_RECORD_ERRORS_MAX)
        return;
    if (make_errors(job, list.max))
        (void)batch_each_error(&job->rules, context, job->bytes, job->size_bytes, keep_error,
                               &list);
}

static enum err recode(struct batch_check_job *job, struct validation *validation)
{
    const uint8_t *bytes = job->bytes;
    uint32_t size_bytes = job->info.header.size_bytes;
    enum err err = validation_recode(validation, job->codec, job->rules.max_message_bytes, &bytes,
                                     &size_bytes);

    if (err != OK)
        return err;
    job->recoded = mem_try_alloc(size_bytes);
    if (job->recoded == NULL)
        return ERR_NOMEM;
    memcpy(job->recoded, bytes, size_bytes);
    job->recoded_bytes = size_bytes;
    return OK;
}

/* On a thread: with tools of its own, which are gone with it. */
static void work(struct offload_job *offloaded)
{
    struct batch_check_job *job = container_of(offloaded, struct batch_check_job, job);
    struct validation tools;

    job->err = validation_init(&tools, job->recode_max_bytes);
    if (job->err != OK)
        return;
    job->err = batch_validate(&job->rules, tools.context, job->bytes, job->size_bytes, &job->info);
    if (job->info.record_error_count > 0)
        list_errors(job, tools.context);
    if (job->err == OK && job->codec >= 0 && batch_codec(&job->info.header) != job->codec)
        job->err = recode(job, &tools);
    validation_deinit(&tools);
}

static void free_job(struct batch_check_job *job)
{
    list_remove(&job->node);
    job->checks->busy_count--;
    buf_unref(job->frame);
    give_back_errors(job->budget, job->errors, job->errors_bytes);
    mem_free(job->recoded);
    mem_free(job);
}

static void start_jobs(struct batch_checks *checks);

static void on_worked(struct offload_job *offloaded)
{
    struct batch_check_job *job = container_of(offloaded, struct batch_check_job, job);
    struct batch_checks *checks = job->checks;
    struct batch_check *check = job->check;
    enum err err = job->err;

    if (check != NULL) {
        check->job = NULL;
        check->info = job->info;
        check->errors = job->errors;
        check->error_count = job->error_count;
        check->errors_bytes = job->errors_bytes;
        check->own_bytes = job->recoded;
        check->stored = job->recoded != NULL ? job->recoded : job->bytes;
        check->stored_bytes =
            job->recoded != NULL ? job->recoded_bytes : job->info.header.size_bytes;
        job->errors = NULL;
        job->errors_bytes = 0;
        job->recoded = NULL;
    }
    free_job(job);
    start_jobs(checks);
    if (check != NULL)
        check->done(check, err);
}

static enum err start_job(struct batch_checks *checks, struct batch_check *check)
{
    struct batch_check_job *job = mem_try_alloc(sizeof(*job));

    if (job == NULL)
        return ERR_NOMEM;
    *job = (struct batch_check_job){
        .job = {.work = work, .done = on_worked},
        .checks = checks,
        .check = check,
        .rules = check->rules,
        .codec = check->codec,
        .recode_max_bytes = check->recode_max_bytes,
        .bytes = check->bytes,
        .size_bytes = check->size_bytes,
        .frame = buf_ref(check->frame),
        .budget = check->budget,
    };
    check->job = job;
    list_push_back(&checks->busy, &job->node);
    checks->busy_count++;
    offload_start(checks->shard->offload, &job->job, &checks->shard->loop);
    return OK;
}

/* From the loop: done may run inside. */
static void start_jobs(struct batch_checks *checks)
{
    while (checks->busy_count < THREADS_BUSY_MAX) {
        struct batch_check *check = next_of(&checks->long_ones);
        enum err err = check == NULL ? OK : start_job(checks, check);
        if (check == NULL)
            return;
        if (err != OK)
            check->done(check, err);
    }
}

/* ---- in turns */

/* How much of the turn a new check may have while others wait. */
static uint64_t share_ns(struct batch_checks *checks, bool is_new)
{
    uint64_t left = left_ns(checks);

    if (!is_new || turn_lines_is_empty(&checks->later))
        return left;
    return left > TURN_NS / 2 ? left - TURN_NS / 2 : 0;
}

/* ERR_AGAIN: it waits, in one of the lines. */
static enum err try(struct batch_checks *checks, struct batch_check *check, bool is_new)
{
    uint64_t limit_ns = share_ns(checks, is_new);
    bool is_long = limit_ns >= LONG_NS;
    bool fits = limit_ns > 0 && plain_cost_ns(check) <= limit_ns;
    enum err err = fits ? look(check, checks, limit_ns) : ERR_AGAIN;

    if (err != ERR_AGAIN)
        return err;
    /* nobody waits for a thread while one is free, so this one does not pass another */
    if (is_long && checks->busy_count < THREADS_BUSY_MAX) {
        err = start_job(checks, check);
        return err == OK ? ERR_AGAIN : err;
    }
    err = turn_lines_add(is_long ? &checks->long_ones : &checks->later, &check->waiter,
                         &check->owner);
    if (err != OK)
        return err;
    if (!is_long)
        loop_defer(&checks->shard->loop, &checks->task);
    return ERR_AGAIN;
}

static void on_turn(struct task *task)
{
    struct batch_checks *checks = container_of(task, struct batch_checks, task);

    while (!turn_lines_is_empty(&checks->later) && left_ns(checks) > 0) {
        struct batch_check *check = next_of(&checks->later);
        bool rest_is_short = left_ns(checks) < LONG_NS;
        enum err err = try(checks, check, false);
        if (err != ERR_AGAIN)
            check->done(check, err);
        else if (rest_is_short)
            break; /* it is in line again, for the whole of the next turn */
    }
    if (!turn_lines_is_empty(&checks->later))
        loop_defer(&checks->shard->loop, &checks->task);
}

/* ---- the checks of a shard */

struct batch_checks *batch_checks_create(struct shard *shard)
{
    struct batch_checks *checks = mem_alloc(sizeof(*checks));

    checks->shard = shard;
    checks->task.run = on_turn;
    list_init(&checks->busy);
    turn_lines_init(&checks->later, prng_u64(&shard->prng));
    turn_lines_init(&checks->long_ones, prng_u64(&shard->prng));
    return checks;
}

void batch_checks_destroy(struct batch_checks *checks)
{
    if (checks == NULL)
        return;
    turn_lines_deinit(&checks->later);
    turn_lines_deinit(&checks->long_ones);
    while (!list_is_empty(&checks->busy))
        free_job(list_first(&checks->busy, struct batch_check_job, node));
    if (list_is_linked(&checks->task.node))
        list_remove(&checks->task.node);
    mem_free(checks);
}

enum err batch_check_start(struct batch_check *check, struct shard *shard)
{
    check->at = shard;
    return try(shard->checks, check, true);
}

enum err batch_check_keep(struct batch_check *check)
{
    if (check->stored == check->bytes || check->stored == check->own_bytes)
        return OK; /* the frame's, or its own */
    check->own_bytes = mem_try_alloc(check->stored_bytes);
    if (check->own_bytes == NULL)
        return ERR_NOMEM;
    memcpy(check->own_bytes, check->stored, check->stored_bytes);
    check->stored = check->own_bytes;
    return OK;
}

void batch_check_cancel(struct batch_check *check)
{
    turn_waiter_leave(&check->waiter);
    if (check->job != NULL)
        check->job->check = NULL; /* the thread does not hear of it */
    check->job = NULL;
}

void batch_check_deinit(struct batch_check *check)
{
    check(!batch_check_is_running(check));
    mem_free(check->own_bytes);
    give_back_errors(check->budget, check->errors, check->errors_bytes);
    check->own_bytes = NULL;
    check->errors = NULL;
    check->errors_bytes = 0;
}
