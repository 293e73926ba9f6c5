/* ListTransactions (key 66; KIP-664, 994, 1152): every shard tells its own; while one still reads
 * some the client is to ask again, as in Kafka.
 *
 * A shard's ids are copied in one turn, their names are held against the pattern in slices, and the
 * answer waits until what it tells is durable. */
#include "broker/coordinator/runtime_barrier.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/handlers.h"
#include "broker/pattern.h"
#include "broker/scatter.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_list_transactions.h"

#include <stdlib.h>
#include <string.h>

typedef struct list_transactions_response_transaction_state listed;

/* Held against the pattern in one turn: so many ids, or bytes of them. */
enum { SLICE_IDS = 16, SLICE_BYTES = 4096 };
/* One that is longer is left out when the pattern takes too long: else it would keep everybody from
 * listing the others. */
enum { ID_BYTES_USUAL = 1024 };

/* Looked at by all shards; constant meanwhile. */
struct filter {
    uint32_t states;             /* a bit for each enum transaction_state */
    const int64_t *producer_ids; /* rising */
    int32_t producer_id_count;   /* 0: all */
    int64_t duration_ms;         /* -1: any */
};

struct listing;

struct list_piece {
    struct scatter_piece piece;
    struct listing *all;
    struct shard *at;
    struct arena arena;
    listed *items;
    int32_t count;  /* of items */
    int32_t looked; /* at so many: with a pattern */
    int32_t kept;
    struct task more;
    struct runtime_barrier *barrier; /* NULL: none is under way */
    bool is_finished;
    struct pattern *pattern; /* owned; NULL: any */
    bool lacks_memory;
    bool gave_up; /* the pattern takes too long */
    bool is_loading;
};

struct listing {
    struct scatter scatter;
    struct request *request;
    struct filter filter;
    struct list_piece *pieces;
    uint32_t count;
};

/* ---- the filters */

/* -1: it is none. */
static int32_t state_of(struct wire_string name)
{
    for (int32_t state = 0; state < TRANSACTION_STATE_COUNT; state++)
        if (wire_string_is(name, transaction_state_name((enum transaction_state)state)))
            return state;
    return wire_string_is(name, "PrepareEpochFence") ? TRANSACTION_STATE_COUNT : -1; /* Kafka's */
}

/* False: there is no memory. */
static bool take_states(struct listing *all)
{
    const struct list_transactions_request *body = all->request->body;
    struct list_transactions_response *response = all->request->response;

    response->unknown_state_filters.items = request_try_alloc(
        all->request, (size_t)body->state_filters.count, sizeof(struct wire_string));
    if (response->unknown_state_filters.items == NULL)
        return false;
    if (body->state_filters.count <= 0)
        all->filter.states = UINT32_MAX;
    for (int32_t i = 0; i < body->state_filters.count; i++) {
        int32_t state = state_of(body->state_filters.items[i]);
        if (state >= 0)
            all->filter.states |= 1U << state;
        else
            response->unknown_state_filters.items[response->unknown_state_filters.count++] =
                body->state_filters.items[i];
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;

    return (*left > *right) - (*left < *right);
}

/* False: there is no memory. */
static bool take_producer_ids(struct listing *all)
{
    const struct list_transactions_request *body = all->request->body;
    int32_t count = body->producer_id_filters.count;
    int64_t *sorted;

    if (count <= 0)
        return true;
    sorted = request_try_alloc(all->request, (size_t)count, sizeof(*sorted));
    if (sorted == NULL)
        return false;
    memcpy(sorted, body->producer_id_filters.items, (size_t)count * sizeof(*sorted));
    qsort(sorted, (size_t)count, sizeof(*sorted), by_number);
    all->filter.producer_ids = sorted;
    all->filter.producer_id_count = count;
    return true;
}

static bool has_producer_id(const struct filter *filter, int64_t producer_id)
{
    return filter->producer_id_count == 0 ||
           bsearch(&producer_id, filter->producer_ids, (size_t)filter->producer_id_count,
                   sizeof(producer_id), by_number) != NULL;
}

static bool is_wanted(const struct filter *filter, const struct transaction_fields *fields,
                      int64_t now_ms)
{
    int64_t duration_ms;

    if ((filter->states >> fields->state & 1) == 0 || fields->state == TRANSACTION_DEAD)
        return false;
    if (filter->duration_ms >= 0 &&
        !__builtin_sub_overflow(now_ms, fields->started_ms, &duration_ms) &&
        duration_ms <= filter->duration_ms)
        return false;
    return has_producer_id(filter, fields->producer_id);
}

/* ---- on each shard */

static void finish(struct list_piece *piece)
{
    piece->is_finished = true;
    scatter_finish(&piece->piece);
}

static void on_durable(void *context, enum err err)
{
    struct list_piece *piece = context;

    piece->barrier = NULL;
    piece->is_loading |= err != OK; /* it was led here a moment ago */
    finish(piece);
}

static void await_durable(struct list_piece *piece)
{
    struct runtime_barrier *barrier;

    if (runtime_barrier_start(&piece->at->transactions->runtime, on_durable, piece, &barrier) !=
        OK) {
        piece->lacks_memory = true;
        finish(piece);
    } else if (barrier != NULL) { /* else the request may be gone */
        piece->barrier = barrier;
    }
}

/* A slice of those that were copied. */
static void on_more(struct task *task)
{
    struct list_piece *piece = container_of(task, struct list_piece, more);
    int32_t end =
        piece->count - piece->looked < SLICE_IDS ? piece->count : piece->looked + SLICE_IDS;
    int32_t size_bytes = 0;
    enum err err = OK;

    while (piece->looked < end && size_bytes < SLICE_BYTES && (err == OK || err == ERR_NOT_FOUND)) {
        const listed *item = &piece->items[piece->looked++];
        size_bytes += item->transactional_id.size_bytes;
        err = pattern_match(piece->pattern, item->transactional_id.text,
                            (size_t)item->transactional_id.size_bytes);
        if (err == ERR_TOO_LARGE && item->transactional_id.size_bytes > ID_BYTES_USUAL)
            err = ERR_NOT_FOUND;
        if (err == OK)
            piece->items[piece->kept++] = *item;
    }
    if (err != OK && err != ERR_NOT_FOUND) {
        piece->lacks_memory = err == ERR_NOMEM;
        piece->gave_up = err != ERR_NOMEM;
        finish(piece);
        return;
    }
    if (piece->looked < piece->count) {
        loop_defer(&piece->at->loop, &piece->more);
        return;
    }
    piece->count = piece->kept;
    await_durable(piece);
}

/* False: there is no memory. */
static bool copy(struct list_piece *piece, const struct transaction_entry *entry)
{
    listed *out = &piece->items[piece->count];
    const char *id = arena_strndup(&piece->arena, entry->id, entry->id_bytes);

    if (id == NULL)
        return false;
    out->transactional_id = (struct wire_string){id, (int32_t)entry->id_bytes};
    out->producer_id = entry->transaction.fields.producer_id;
    out->transaction_state = wire_string(transaction_state_name(entry->transaction.fields.state));
    piece->count++;
    return true;
}

static void list_shard(struct scatter_piece *scattered, struct shard *at)
{
    struct list_piece *piece = container_of(scattered, struct list_piece, piece);
    struct transaction_coordinator *coordinator = at->transactions;
    const struct transaction_entry *entry = NULL;
    int64_t now_ms = clock_wall_ms(at->clock);

    piece->at = at;
    piece->more.run = on_more;
    piece->is_loading = runtime_is_loading(&coordinator->runtime);
    piece->items = codec_new_array(&list_transactions_response_transaction_state_struct,
                                   &piece->arena, hash_map_count(&coordinator->entries));
    piece->lacks_memory = piece->items == NULL;
    while (!piece->lacks_memory &&
           (entry = transaction_coordinator_next(coordinator, entry)) != NULL)
        if (entry->is_recorded &&
            is_wanted(&piece->all->filter, &entry->transaction.fields, now_ms))
            piece->lacks_memory = !copy(piece, entry);
    if (piece->lacks_memory || piece->is_loading)
        finish(piece);
    else if (piece->pattern != NULL)
        on_more(&piece->more);
    else
        await_durable(piece);
}

static void cancel_piece(struct scatter_piece *scattered, int why)
{
    struct list_piece *piece = container_of(scattered, struct list_piece, piece);

    if (why < REQUEST_PEER_GONE || piece->is_finished)
        return;
    loop_undefer(&piece->more);
    runtime_barrier_forget(piece->barrier);
    piece->is_loading = true;
    finish(piece);
}

/* ---- at home */

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct listing *all = request->cancel_context;

    scatter_cancel(&all->scatter, (int)why);
}

static void all_answered(struct scatter *scatter)
{
    struct listing *all = container_of(scatter, struct listing, scatter);
    struct list_transactions_response *response = all->request->response;
    bool lacks_memory = false;
    bool is_loading = false;
    bool gave_up = false;
    int32_t total = 0;

    for (uint32_t i = 0; i < all->count; i++) {
        total += all->pieces[i].count;
        lacks_memory |= all->pieces[i].lacks_memory;
        is_loading |= all->pieces[i].is_loading;
        gave_up |= all->pieces[i].gave_up;
    }
    response->transaction_states.items = request_try_array(
        all->request, &list_transactions_response_transaction_state_struct, total);
    if (response->transaction_states.items == NULL || lacks_memory) {
        request_refuse_memory(all->request);
        return;
    }
    if (gave_up) {
        request_answer_error(all->request, KAFKA_INVALID_REGULAR_EXPRESSION, NULL);
        return;
    }
    if (is_loading) {
        response->error_code = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
        response->unknown_state_filters.count = 0;
    }
    for (uint32_t i = 0; i < all->count && !is_loading; i++)
        for (int32_t t = 0; t < all->pieces[i].count; t++) {
            const listed *item = &all->pieces[i].items[t];
            if (transaction_may(all->request, item->transactional_id,
                                KAFKA_ACL_OPERATION_DESCRIBE) == KAFKA_NONE)
                response->transaction_states.items[response->transaction_states.count++] = *item;
        }
    request_answer(all->request);
}

static void free_all(void *context)
{
    struct listing *all = context;

    for (uint32_t i = 0; i < all->count; i++) {
        pattern_destroy(all->pieces[i].pattern);
        arena_deinit(&all->pieces[i].arena);
    }
}

static enum err take_filters(struct listing *all)
{
    const struct list_transactions_request *body = all->request->body;
    struct wire_string pattern = body->transactional_id_pattern;

    all->filter.duration_ms = body->duration_filter;
    if (!take_states(all) || !take_producer_ids(all))
        return ERR_NOMEM;
    for (uint32_t i = 0; pattern.size_bytes > 0 && i < all->count; i++) {
        enum err err =
            pattern_create(pattern.text, (size_t)pattern.size_bytes, &all->pieces[i].pattern);
        if (err != OK)
            return err;
    }
    return OK;
}

static void start(struct listing *all)
{
    struct shard *home = all->request->home;

    for (uint32_t i = 0; i < all->count; i++) {
        struct list_piece *piece = &all->pieces[i];
        piece->all = all;
        piece->piece.cancel = cancel_piece;
        arena_init(&piece->arena, (size_t)1 << 30);
        piece->arena.allocs_left = all->request->arena.allocs_left;
        arena_set_budget(&piece->arena, memory_budget(&home->memory, MEMORY_DECODED));
    }
    request_on_cancel(all->request, on_cancel, all);
    scatter_begin(&all->scatter, home, all_answered);
    for (uint32_t i = 0; i < all->count; i++)
        scatter_start(&all->scatter, &all->pieces[i].piece, home->shards->at[i], list_shard);
    scatter_end(&all->scatter);
}

void handle_list_transactions(struct request *request)
{
    struct listing *all = request_try_alloc(request, 1, sizeof(*all));
    uint32_t count = request->home->shards->count;
    struct list_piece *pieces = request_try_alloc(request, count, sizeof(*pieces));
    enum err err = ERR_NOMEM;

    if (all != NULL && pieces != NULL) {
        all->request = request;
        all->pieces = pieces;
        all->count = count;
        request_on_release(request, free_all, all);
        err = take_filters(all);
    }
    if (err == OK)
        start(all);
    else if (err == ERR_NOMEM)
        request_refuse_memory(request);
    else
        request_answer_error(request, KAFKA_INVALID_REGULAR_EXPRESSION, NULL);
}
