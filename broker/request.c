#include "broker/request.h"

#include "base/check.h"
#include "broker/config.h"
#include "broker/dispatch.h"
#include "broker/request_metrics.h"
#include "broker/request_private.h"
#include "broker/stall_watch.h"
#include "net/protocol/error_answer.h"

#include <string.h>

enum {
    DECODE_BYTES_MAX = 256 << 20, /* what a frame may unfold to */
    POOL_MAX = 256,               /* requests kept for the next ones */
};

/* What a frame is taken to unfold to: a large one to several times its size; what it really takes
 * is counted.  The records of a produced one stay as they are. */
enum {
    UNFOLD_FACTOR = 4,
    PRODUCE_UNFOLD_BYTES_MAX = 64 << 10,
    LARGE_BYTES = 64 << 10,
};

static const size_t answer_bytes_max = (size_t)512 << 20; /* with what was decoded */

enum err request_pool_create(struct shard *shard, uint32_t item_bytes,
                             void (*resume)(void *context), void *context,
                             struct request_pool **out)
{
    struct request_pool *pool = mem_alloc(sizeof(*pool));

    check(item_bytes >= sizeof(struct request));
    pool->shard = shard;
    pool->item_bytes = item_bytes;
    pool->resume = resume;
    pool->context = context;
    pool->allocs_max = SIZE_MAX;
    pool->elements_max = (uint32_t)config_values(shard->config)->levee_request_elements_max;
    list_init(&pool->shed);
    *out = pool;
    return OK;
}

void request_pool_destroy(struct request_pool *pool)
{
    struct request *request;

    if (pool == NULL)
        return;
    while ((request = pool->free) != NULL) {
        pool->free = request->next_free;
        arena_deinit(&request->arena);
        mem_free(request);
    }
    mem_free(pool);
}

void request_pool_resume(struct request_pool *pool)
{
    if (pool->resume != NULL)
        pool->resume(pool->context);
}

/* ---- how long it took (request_metrics) */

static uint64_t span_ns(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? to_ns - from_ns : 0;
}

void request_begin_work(struct request *request, uint64_t now_ns)
{
    struct request_pool *pool = request->home->requests;

    request->began_ns = now_ns;
    pool->working = request;
    pool->metrics = NULL;
    pool->began_ns = now_ns;
}

void request_measure(struct request *request)
{
    struct request_pool *pool = request->home->requests;

    request->metrics = request_metrics_begin(request->home->request_metrics, request->api);
    if (request->metrics == NULL)
        return;
    pool->metrics = request->metrics;
    request_metrics_took(request->metrics, REQUEST_PHASE_QUEUE,
                         span_ns(request->received_ns, request->began_ns));
}

void request_end_work(struct request_pool *pool, uint64_t now_ns)
{
    struct request *request = pool->working;
    uint64_t took_ns = span_ns(pool->began_ns, now_ns);

    pool->working = NULL;
    if (pool->metrics != NULL)
        request_metrics_took(pool->metrics, REQUEST_PHASE_LOCAL, took_ns);
    if (request == NULL)
        return;
    request->local_ns = took_ns;
    if (request->outcome != REQUEST_RUNNING)
        request->answered_ns = now_ns;
}

/* It is answered, at home. */
static void measure_answer(struct request *request)
{
    struct request_pool *pool = request->home->requests;
    uint64_t now_ns = loop_now_ns(&request->home->loop);
    uint64_t remote_ns = 0;

    if (request->metrics == NULL)
        return;
    request_metrics_answered(request->metrics, request->api_version,
                             request->outcome == REQUEST_ANSWER ? request->response : NULL,
                             request->outcome == REQUEST_CLOSE);
    if (pool->working != request) { /* in a later turn, or it was elsewhere */
        request->answered_ns = now_ns;
        remote_ns = span_ns(request->began_ns + request->local_ns, now_ns);
    }
    if (request->outcome != REQUEST_CLOSE)
        request_metrics_took(request->metrics, REQUEST_PHASE_REMOTE, remote_ns);
}

/* Its answer is sent or dropped. */
static void measure_end(struct request *request)
{
    uint64_t now_ns = loop_now_ns(&request->home->loop);

    if (request->metrics == NULL || request->outcome == REQUEST_CLOSE)
        return;
    if (now_ns < request->answered_ns)
        now_ns = request->answered_ns;
    request_metrics_took(request->metrics, REQUEST_PHASE_SEND, now_ns - request->answered_ns);
    request_metrics_took(request->metrics, REQUEST_PHASE_TOTAL,
                         span_ns(request->received_ns, now_ns));
}

uint32_t request_elements_max(const struct request_pool *pool)
{
    return pool->elements_max;
}

void request_pool_limit_allocs(struct request_pool *pool, size_t allocs_max)
{
    pool->allocs_max = allocs_max;
}

static struct budget *budget_of(const struct request *request)
{
    return memory_budget(&request->home->memory, MEMORY_DECODED);
}

/* ---- the end: first of what the answer was made of, then of the answer */

static void run_releases(struct request *request)
{
    while (request->release_count > 0) {
        struct request_release *last = &request->releases[--request->release_count];
        last->release(last->context);
    }
}

/* The answer is handed out or there is none: nothing that it was made of is needed any more. */
static void spend(struct request *request)
{
    struct request_pool *pool = request->home->requests;

    request->is_spent = true;
    run_releases(request);
    request_drop_frame(request);
    arena_reset(&request->arena);
    arena_set_budget(&request->arena, NULL);
    budget_give(budget_of(request), pool->item_bytes);
    request_pool_resume(pool);
}

static void on_spent_task(struct task *task)
{
    spend(container_of(task, struct request, spent_task));
}

/* Soon, but not now: whoever answers may still look at what is his. */
static void spend_soon(struct request *request)
{
    request->spent_task.run = on_spent_task;
    loop_defer(&request->home->loop, &request->spent_task);
}

void request_done(struct request *request)
{
    struct request_pool *pool = request->home->requests;

    measure_end(request);
    if (list_is_linked(&request->spent_task.node))
        list_remove(&request->spent_task.node);
    if (!request->is_spent)
        spend(request);
    if (request->outcome == REQUEST_ANSWER)
        for (uint32_t i = 0; i < request->segment_count; i++)
            buf_unref(request->segments[i].owner);
    arena_deinit(&request->answer);
    if (pool->free_count == POOL_MAX) {
        arena_deinit(&request->arena);
        mem_free(request);
        return;
    }
    request->next_free = pool->free;
    pool->free = request;
    pool->free_count++;
}

/* ---- the beginning */

static bool has_room(const struct budget *budget, uint32_t size_bytes, bool is_produce)
{
    uint64_t unfolded_bytes = (uint64_t)size_bytes * UNFOLD_FACTOR;
    uint64_t used_bytes = budget_used_bytes(budget);
    uint64_t max_bytes = budget->max_bytes;

    if (used_bytes == 0)
        return true;
    if (is_produce && unfolded_bytes > PRODUCE_UNFOLD_BYTES_MAX)
        unfolded_bytes = PRODUCE_UNFOLD_BYTES_MAX;
    if (unfolded_bytes > max_bytes / 2)
        unfolded_bytes = max_bytes / 2;
    if (is_produce || unfolded_bytes > LARGE_BYTES)
        max_bytes = max_bytes / 4 * 3;
    else
        max_bytes = max_bytes / 8 * 7; /* the rest is for what grows */
    return used_bytes <= max_bytes && REQUEST_BYTES + unfolded_bytes <= max_bytes - used_bytes;
}

enum err request_pool_take(struct request_pool *pool, uint32_t size_bytes, bool is_produce,
                           struct request **out)
{
    struct budget *budget = memory_budget(&pool->shard->memory, MEMORY_DECODED);
    struct request *request = pool->free;
    struct arena arena;

    if (!has_room(budget, size_bytes, is_produce))
        return ERR_FULL;
    if (request != NULL) {
        pool->free = request->next_free;
        pool->free_count--;
        arena = request->arena;
    } else {
        request = mem_try_alloc(pool->item_bytes);
        if (request == NULL)
            return ERR_NOMEM;
        arena_init(&arena, DECODE_BYTES_MAX);
        arena_set_pool(&arena, &pool->shard->memory.buffers);
    }
    memset(request, 0, pool->item_bytes);
    request->home = pool->shard;
    request->at = pool->shard;
    request->arena = arena;
    request->arena.max_bytes = DECODE_BYTES_MAX;
    request->arena.allocs_left = pool->allocs_max;
    arena_set_budget(&request->arena, budget);
    budget_force(budget, pool->item_bytes); /* there was room */
    *out = request;
    return OK;
}

/* ---- its bytes */

void request_drop_frame(struct request *request)
{
    if (request->frame == NULL)
        return;
    if (request->sink->drop_frame != NULL)
        request->sink->drop_frame(request);
    else
        buf_unref(request->frame);
    request->frame = NULL;
    request->bytes = NULL;
}

void request_shrink_frame(struct request *request, struct buf *smaller, uint32_t size_bytes)
{
    check(request->frame != NULL && size_bytes <= request->size_bytes);
    if (request->sink->shrink_frame != NULL)
        request->sink->shrink_frame(request, smaller, size_bytes);
    else
        buf_unref(request->frame);
    request->frame = smaller;
    request->bytes = smaller->bytes;
    request->size_bytes = size_bytes;
}

/* ---- answering: always on the home shard */

bool request_expects(struct request *request, uint64_t answer_bytes)
{
    return request->sink->expects == NULL || request->sink->expects(request, answer_bytes);
}

bool request_has_long_room(const struct request *request)
{
    return request->sink->has_long_room == NULL || request->sink->has_long_room(request);
}

static void tell_no_memory(const struct request *request)
{
    log_line(request->at->sink, LOG_WARN, "LVE-3106",
             "request closed its connection: there is no memory for its answer",
             log_str("api", request->api->name), log_u64("request_bytes", request->size_bytes),
             log_u64("held_bytes", request->arena.total_bytes));
}

/* Into memory that outlives the arena: a small answer into the request itself. */
static enum err encode(struct request *request)
{
    struct wire_writer writer;
    enum err err;

    arena_init(&request->answer, answer_bytes_max);
    arena_set_pool(&request->answer, &request->home->memory.buffers);
    request->answer.allocs_left = request->arena.allocs_left;
    arena_set_budget(&request->answer, budget_of(request));
    wire_writer_init_with(&writer, &request->answer, request->small, sizeof(request->small));
    wire_writer_lend_segments(&writer, request->few_segments, REQUEST_FEW_SEGMENTS);
    wire_writer_begin_frame(&writer);
    err = header_encode_response(&writer, request->api, request->api_version,
                                 request->correlation_id);
    if (err == OK)
        err =
            codec_encode(request->api->response, request->api_version, request->response, &writer);
    wire_writer_end_frame(&writer);
    return err != OK ? err
                     : wire_writer_segments(&writer, &request->segments, &request->segment_count);
}

/* The encoded answer has its references of its own, and is its budget's from now on. */
static void hand_out(struct request *request)
{
    for (uint32_t i = 0; i < request->segment_count; i++)
        if (request->segments[i].owner != NULL)
            buf_ref(request->segments[i].owner);
    arena_set_budget(&request->answer, NULL);
    request->sink->answer(request, request->segments, request->segment_count,
                          arena_cost_bytes(&request->answer));
}

static void end_at_home(struct request *request)
{
    enum err err;

    request_end_wait(request);
    measure_answer(request);
    spend_soon(request);
    switch (request->outcome) {
    case REQUEST_SILENT:
        request->sink->answer_none(request);
        return;
    case REQUEST_CLOSE:
        request->sink->close(request);
        return;
    default:
        check(request->outcome == REQUEST_ANSWER);
    }
    err = encode(request);
    if (err == OK) {
        hand_out(request);
        return;
    }
    request->outcome = REQUEST_CLOSE;
    arena_deinit(&request->answer);
    if (err == ERR_NOMEM) {
        tell_no_memory(request);
        request->sink->close(request);
        return;
    }
    log_line(request->home->sink, LOG_ERROR, "LVE-3102", "an answer could not be encoded",
             log_str("api", request->api->name), log_i64("api_version", request->api_version),
             log_err(err));
    request->sink->close(request);
}

static void end(struct request *request, int outcome)
{
    check(request->outcome == REQUEST_RUNNING); /* REQ-1 */
    request->outcome = (typeof(request->outcome))outcome;
    request_run_on(request, request->home, end_at_home);
}

void request_answer(struct request *request)
{
    end(request, REQUEST_ANSWER);
}

void request_answer_error(struct request *request, int16_t error_code, const char *message)
{
    if (request_prepare_response(request) &&
        error_answer_fill(request->api, request->api_version, request->body, error_code,
                          wire_string(message), &request->arena, request->response) == OK)
        request_answer(request);
    else
        request_refuse_memory(request);
}

void request_no_answer(struct request *request)
{
    end(request, REQUEST_SILENT);
}

void request_close(struct request *request)
{
    end(request, REQUEST_CLOSE);
}

void request_refuse(struct request *request, enum err err)
{
    log_line(request->at->sink, LOG_WARN, "LVE-3101",
             "request closed its connection: it cannot be answered",
             log_i64("api_key", request->api_key), log_i64("api_version", request->api_version),
             log_err(err));
    request_close(request);
}

static void continue_away(struct request *request)
{
    struct stall_watch *stalls = request->at->stalls;
    struct io_address peer = request->client->peer; /* the request may be gone afterwards */
    const char *api = request->api->name;
    uint64_t began_ns = stall_watch_begin(stalls);

    request->continue_at(request);
    stall_watch_end(stalls, began_ns, api, &peer);
}

static void on_hop(struct mail *mail)
{
    struct request *request = container_of(mail, struct request, hop);

    if (request->at != request->home)
        continue_away(request);
    else if (request->asking)
        request->arrived = true; /* on_cancel_back goes on */
    else
        request_come_home(request);
}

void request_run_on(struct request *request, struct shard *target,
                    void (*continue_at)(struct request *request))
{
    request_forget_wait(request);
    if (request->at == target) {
        continue_at(request);
        return;
    }
    check(request->at == request->home || target == request->home); /* REQ-3 */
    if (request->at == request->home) {
        if (request->began_ns != 0 && request->home->requests->working == request)
            request->home->requests->working = NULL; /* from now on it is the other shard's */
        request->away = target;
        request->told = request->canceled;
        request->heard = request->canceled;
    }
    request->at = target;
    request->continue_at = continue_at;
    request->hop.deliver = on_hop;
    loop_post(&target->loop, &request->hop);
}

/* ---- memory */

static bool is_within(const struct request *request, size_t count, size_t size_bytes)
{
    size_t total_bytes;

    return !__builtin_mul_overflow(count, size_bytes, &total_bytes) &&
           !__builtin_add_overflow(total_bytes, request->arena.total_bytes, &total_bytes) &&
           total_bytes <= answer_bytes_max;
}

void *request_try_alloc(struct request *request, size_t count, size_t size_bytes)
{
    if (!is_within(request, count, size_bytes))
        return NULL;
    return arena_alloc_array(&request->arena, count, size_bytes);
}

void *request_try_array(struct request *request, const struct struct_desc *element, int32_t count)
{
    if (!is_within(request, count < 0 ? 0 : (size_t)count, element->size_bytes))
        return NULL;
    return codec_new_array(element, &request->arena, count < 0 ? 0 : (size_t)count);
}

bool request_try_text(struct request *request, struct wire_string text, struct wire_string *out)
{
    *out = text;
    if (text.text == NULL)
        return true;
    out->text = arena_strndup(&request->arena, text.text, (size_t)text.size_bytes);
    return out->text != NULL;
}

void request_refuse_memory(struct request *request)
{
    tell_no_memory(request);
    request_close(request);
}

void request_park(struct request *request)
{
    check(request->at == request->home);
    if (request->sink->park != NULL)
        request->sink->park(request);
}

void request_on_release(struct request *request, void (*release)(void *context), void *context)
{
    check(request->release_count < REQUEST_RELEASES_MAX);
    request->releases[request->release_count++] = (struct request_release){release, context};
}

bool request_prepare_response(struct request *request)
{
    const struct message_desc *desc = request->api->response;

    request->arena.max_bytes = answer_bytes_max;
    request->response = request_try_alloc(request, 1, desc->body->size_bytes);
    if (request->response == NULL)
        return false;
    codec_set_defaults(desc, request->response);
    return true;
}

bool request_may(const struct request *request, int8_t operation, int8_t resource_type,
                 const char *name, size_t name_bytes)
{
    const struct authorizer *authorizer = request->client->authorizer;

    return authorizer == NULL ||
           authorizer->may(authorizer, request->client, operation, resource_type, name, name_bytes);
}
