#include "net/outbox.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"

struct outbox_send {
    struct io_op op;
    struct list node; /* outbox_pool.free */
    struct outbox *outbox;
    uint32_t vec_max;
    struct iovec vec[];
};

void outbox_pool_init(struct outbox_pool *pool)
{
    *pool = (struct outbox_pool){0};
    list_init(&pool->free);
}

void outbox_pool_deinit(struct outbox_pool *pool)
{
    struct list *node;

    if (pool->free.next == NULL)
        return; /* zeroed */
    while ((node = list_pop_front(&pool->free)) != NULL)
        mem_free(container_of(node, struct outbox_send, node));
    pool->free_count = 0;
}

static struct outbox_send *send_take(struct outbox_pool *pool, uint32_t vec_count)
{
    uint32_t vec_max = vec_count <= OUTBOX_SMALL_VEC_MAX ? OUTBOX_SMALL_VEC_MAX : OUTBOX_VEC_MAX;
    struct outbox_send *send;

    if (vec_max == OUTBOX_SMALL_VEC_MAX && pool->free_count > 0) {
        pool->free_count--;
        return container_of(list_pop_front(&pool->free), struct outbox_send, node);
    }
    send = mem_try_alloc(sizeof(*send) + vec_max * sizeof(send->vec[0]));
    if (send != NULL)
        send->vec_max = vec_max;
    return send;
}

static void send_give(struct outbox_pool *pool, struct outbox_send *send)
{
    if (send->vec_max != OUTBOX_SMALL_VEC_MAX || pool->free_count >= OUTBOX_FREE_SENDS_MAX) {
        mem_free(send);
        return;
    }
    pool->free_count++;
    list_push_front(&pool->free, &send->node); /* the one that the cache knows */
}

void outbox_init(struct outbox *outbox, const struct outbox_events *events,
                 struct outbox_pool *pool)
{
    *outbox = (struct outbox){.events = events, .pool = pool};
    list_init(&outbox->requests);
}

static struct conn_request *first_of(struct outbox *outbox)
{
    return list_is_empty(&outbox->requests)
               ? NULL
               : list_first(&outbox->requests, struct conn_request, node);
}

void outbox_add(struct outbox *outbox, struct conn_request *request)
{
    request->state = CONN_REQUEST_WORKING;
    list_push_back(&outbox->requests, &request->node);
    outbox->request_count++;
    outbox->working_count++;
}

static void end_work(struct outbox *outbox, struct conn_request *request,
                     enum conn_request_state state)
{
    check(request->state == CONN_REQUEST_WORKING);
    request->state = (uint8_t)state;
    outbox->working_count--;
}

void outbox_answer(struct outbox *outbox, struct conn_request *request,
                   const struct wire_segment *segments, uint32_t segment_count)
{
    end_work(outbox, request, CONN_REQUEST_ANSWERED);
    request->segments = segments;
    request->segment_count = segment_count;
    for (uint32_t i = 0; i < segment_count; i++)
        outbox->queued_bytes += segments[i].size_bytes;
}

void outbox_answer_none(struct outbox *outbox, struct conn_request *request)
{
    end_work(outbox, request, CONN_REQUEST_SILENT);
}

void outbox_answer_close(struct outbox *outbox, struct conn_request *request)
{
    end_work(outbox, request, CONN_REQUEST_CLOSE);
}

static void release(struct outbox *outbox, struct conn_request *request)
{
    list_remove(&request->node);
    outbox->request_count--;
    outbox->events->release(outbox, request);
}

static void release_first(struct outbox *outbox, struct conn_request *request)
{
    outbox->head_segment_index = 0;
    outbox->head_segment_pos = 0;
    release(outbox, request);
}

/* Release what is done at the front: silent requests, and answers without a byte left. */
static void release_done(struct outbox *outbox)
{
    struct conn_request *first;

    while ((first = first_of(outbox)) != NULL) {
        if (first->state == CONN_REQUEST_ANSWERED) {
            while (outbox->head_segment_index < first->segment_count &&
                   outbox->head_segment_pos ==
                       first->segments[outbox->head_segment_index].size_bytes) {
                outbox->head_segment_index++;
                outbox->head_segment_pos = 0;
            }
            if (outbox->head_segment_index < first->segment_count)
                return;
        } else if (first->state != CONN_REQUEST_SILENT) {
            return;
        }
        release_first(outbox, first);
    }
}

/* size_bytes more have left. */
static void advance(struct outbox *outbox, uint32_t size_bytes)
{
    outbox->queued_bytes -= size_bytes;
    while (size_bytes > 0) {
        struct conn_request *first = first_of(outbox);
        uint32_t left =
            first->segments[outbox->head_segment_index].size_bytes - outbox->head_segment_pos;
        uint32_t step = left < size_bytes ? left : size_bytes;

        outbox->head_segment_pos += step;
        size_bytes -= step;
        release_done(outbox);
    }
}

static void on_sent(struct io_op *op, int32_t result)
{
    struct outbox_send *send = container_of(op, struct outbox_send, op);
    struct outbox *outbox = send->outbox;

    outbox->send = NULL;
    send_give(outbox->pool, send);
    if (result <= 0) {
        outbox->events->sent(outbox, 0, result == 0 ? ERR_CLOSED : err_from_errno(-result));
        return;
    }
    advance(outbox, (uint32_t)result);
    outbox->events->sent(outbox, (uint32_t)result, OK);
}

/* Call each for the pieces that can be sent now, at most pieces_max and INT32_MAX bytes; returns
 * their number.  vec NULL: only count. */
static uint32_t gather(struct outbox *outbox, struct iovec *vec, uint32_t pieces_max)
{
    uint32_t index = outbox->head_segment_index;
    uint32_t pos = outbox->head_segment_pos;
    uint32_t room_bytes = INT32_MAX; /* a result is an int32_t */
    uint32_t count = 0;

    list_for_each(node, &outbox->requests)
    {
        struct conn_request *request = container_of(node, struct conn_request, node);

        if (request->state == CONN_REQUEST_SILENT)
            continue;
        if (request->state != CONN_REQUEST_ANSWERED)
            break;
        for (; index < request->segment_count; index++, pos = 0) {
            const struct wire_segment *segment = &request->segments[index];
            uint32_t size_bytes = segment->size_bytes - pos;

            if (size_bytes == 0)
                continue;
            if (count == pieces_max || room_bytes == 0)
                return count;
            if (size_bytes > room_bytes)
                size_bytes = room_bytes;
            if (vec != NULL)
                vec[count] = (struct iovec){
                    .iov_base = (uint8_t *)(uintptr_t)segment->bytes + pos, /* only read */
                    .iov_len = size_bytes,
                };
            room_bytes -= size_bytes;
            count++;
        }
        index = 0;
        pos = 0;
    }
    return count;
}

bool outbox_flush(struct outbox *outbox, struct stream *stream)
{
    struct conn_request *first;
    uint32_t pieces_max = BUGGIFY("outbox: pieces are sent one by one") ? 1 : OUTBOX_VEC_MAX;
    uint32_t vec_count;

    if (outbox->send != NULL)
        return false; /* OUT-2 */
    release_done(outbox);
    first = first_of(outbox);
    if (first == NULL || first->state != CONN_REQUEST_ANSWERED)
        return first != NULL && first->state == CONN_REQUEST_CLOSE;
    vec_count = gather(outbox, NULL, pieces_max);
    outbox->send = send_take(outbox->pool, vec_count);
    if (outbox->send == NULL) {
        outbox->events->sent(outbox, 0, ERR_NOMEM);
        return false;
    }
    outbox->send->outbox = outbox;
    gather(outbox, outbox->send->vec, pieces_max);
    stream_sendv(stream, &outbox->send->op, outbox->send->vec, vec_count, on_sent);
    return false;
}

bool outbox_drop_answered(struct outbox *outbox)
{
    bool refused = false;
    struct list answered;
    struct list *node;

    check(outbox->send == NULL); /* OUT-3 */
    list_init(&answered);
    list_for_each_safe(each, &outbox->requests)
    {
        struct conn_request *request = container_of(each, struct conn_request, node);

        if (request->state != CONN_REQUEST_WORKING) {
            refused |= request->state == CONN_REQUEST_CLOSE;
            list_remove(each);
            list_push_back(&answered, each);
        }
    }
    outbox->queued_bytes = 0;
    outbox->head_segment_index = 0;
    outbox->head_segment_pos = 0;
    while ((node = list_pop_front(&answered)) != NULL) {
        outbox->request_count--;
        outbox->events->release(outbox, container_of(node, struct conn_request, node));
    }
    return refused;
}

void outbox_cancel(struct outbox *outbox, struct stream *stream)
{
    if (outbox->send != NULL)
        stream_cancel(stream, &outbox->send->op);
}
