#include "net/dial.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

enum { ROOM_LOOK_MS = 5 };

static struct io *io_of(const struct dial *dial)
{
    return dial->options.loop->io;
}

/* Every way down leads here, once for each attempt: stop all ops; end_task goes on when they are
 * back. */
static void end(struct dial *dial, enum err err)
{
    if (dial->state == DIAL_ENDING)
        return;
    dial->was_up = dial->state == DIAL_UP;
    dial->state = DIAL_ENDING;
    dial->end_err = err;
    loop_cancel_timer(dial->options.loop, &dial->timer);
    stream_shutdown(&dial->stream);
    io_cancel(io_of(dial), &dial->connect);
    stream_cancel(&dial->stream, &dial->recv.op);
    outbox_cancel(&dial->outbox, &dial->stream);
    loop_defer(dial->options.loop, &dial->end_task);
}

/* Exponential with jitter: 80 % to 120 % of first * 2^failures, at most max before the jitter. */
uint64_t dial_backoff_ms(struct prng *prng, uint32_t first_ms, uint32_t max_ms,
                         uint32_t failure_count)
{
    uint64_t delay_ms = first_ms;
    uint64_t fifth_ms;

    for (uint32_t i = 0; i < failure_count && delay_ms < max_ms; i++)
        delay_ms *= 2;
    if (delay_ms > max_ms)
        delay_ms = max_ms;
    fifth_ms = delay_ms / 5;
    return delay_ms - fifth_ms + prng_below(prng, 2 * fifth_ms + 1);
}

static void drop_stash(struct dial *dial)
{
    mem_free(dial->stash);
    dial->stash = NULL;
    dial->stash_pos = 0;
    dial->stash_bytes = 0;
}

static void wait_for_next(struct dial *dial)
{
    const struct dial_events *events = dial->options.events;
    uint64_t delay_ms = dial_backoff_ms(dial->options.prng, dial->options.backoff_first_ms,
                                        dial->options.backoff_max_ms, dial->failure_count);

    dial->state = DIAL_WAITING;
    loop_set_timer_ms(dial->options.loop, &dial->timer, delay_ms);
    if (!dial->is_confirmed)
        dial->failure_count++;
    if (dial->was_up)
        events->down(dial->options.context, dial, dial->end_err);
    else if (events->failed != NULL)
        events->failed(dial->options.context, dial, dial->end_err, delay_ms);
}

static void close_for_good(struct dial *dial)
{
    void (*closed)(struct dial *) = dial->closed;

    dial->state = DIAL_CLOSED;
    outbox_pool_deinit(&dial->sends);
    if (dial->was_up)
        dial->options.events->down(dial->options.context, dial, dial->end_err);
    closed(dial); /* dial is its owner's from here on */
}

static void run_end(struct task *task)
{
    struct dial *dial = container_of(task, struct dial, end_task);

    if (dial->state != DIAL_ENDING || dial->connect.in_flight || dial->recv.op.in_flight ||
        dial->outbox.send != NULL)
        return; /* the last op to come back calls again */
    outbox_drop_answered(&dial->outbox);
    frame_reader_deinit(&dial->frame);
    drop_stash(dial);
    stream_close(&dial->stream);
    if (dial->closing)
        close_for_good(dial);
    else
        wait_for_next(dial);
}

static bool is_ending(struct dial *dial)
{
    if (dial->state != DIAL_ENDING)
        return false;
    loop_defer(dial->options.loop, &dial->end_task);
    return true;
}

/* *left_out: how many bytes at the end were not read, when the slab had no room (ERR_NOMEM). */
static enum err read_frames(struct dial *dial, const uint8_t *bytes, uint32_t size_bytes,
                            uint32_t *left_out)
{
    enum err err = OK;

    while (size_bytes > 0 && err == OK && dial->state == DIAL_UP) {
        uint32_t used;

        err = frame_read(&dial->frame, bytes, size_bytes, &used);
        bytes += used;
        size_bytes -= used;
        if (err == OK && frame_is_whole(&dial->frame)) {
            uint32_t frame_bytes;
            struct buf *buf = frame_take(&dial->frame, &frame_bytes);

            dial->options.events->frame(dial->options.context, dial, buf, frame_bytes);
        }
    }
    *left_out = size_bytes;
    return err;
}

/* What has come already; what else is under way follows until the receive has ended. */
static void stash(struct dial *dial, const uint8_t *bytes, uint32_t size_bytes)
{
    uint8_t *larger = mem_try_realloc(dial->stash, (size_t)dial->stash_bytes + size_bytes);

    if (larger == NULL) {
        end(dial, ERR_NOMEM);
        return;
    }
    memcpy(larger + dial->stash_bytes, bytes, size_bytes);
    dial->stash = larger;
    dial->stash_bytes += size_bytes;
    stream_cancel(&dial->stream, &dial->recv.op);
    if (!timer_is_set(&dial->timer))
        loop_set_timer_ms(dial->options.loop, &dial->timer, ROOM_LOOK_MS);
}

/* DIAL-3 */
static void look_for_room(struct dial *dial)
{
    uint32_t left;
    enum err err = read_frames(dial, dial->stash + dial->stash_pos,
                               dial->stash_bytes - dial->stash_pos, &left);

    if (dial->state != DIAL_UP)
        return;
    dial->stash_pos = dial->stash_bytes - left;
    if (err == ERR_NOMEM) {
        loop_set_timer_ms(dial->options.loop, &dial->timer, ROOM_LOOK_MS);
    } else if (err != OK) {
        end(dial, err);
    } else {
        drop_stash(dial);
        if (!dial->recv.op.in_flight)
            stream_recv(&dial->stream, &dial->recv);
    }
}

static void on_received(struct io_recv *recv, int32_t result, const uint8_t *bytes)
{
    struct dial *dial = container_of(recv, struct dial, recv);
    uint32_t left = 0;
    enum err err;

    if (is_ending(dial))
        return;
    if (result == -ECANCELED && dial->state == DIAL_UP) {
        if (dial->stash == NULL)
            stream_recv(&dial->stream, &dial->recv); /* room was found meanwhile */
        return;
    }
    if (result <= 0) {
        end(dial, result == 0 ? ERR_CLOSED : err_from_errno(-result));
        return;
    }
    if (dial->stash != NULL) {
        stash(dial, bytes, (uint32_t)result);
        return;
    }
    err = read_frames(dial, bytes, (uint32_t)result, &left);
    if (err == ERR_NOMEM && dial->state == DIAL_UP)
        stash(dial, bytes + ((uint32_t)result - left), left);
    else if (err != OK)
        end(dial, err);
}

static void on_connected(struct io_op *op, int32_t result)
{
    struct dial *dial = container_of(op, struct dial, connect);

    if (is_ending(dial))
        return;
    if (result < 0) {
        end(dial, err_from_errno(-result));
        return;
    }
    loop_cancel_timer(dial->options.loop, &dial->timer);
    dial->state = DIAL_UP;
    if (!dial->options.is_confirmed_by_owner)
        dial_confirm(dial);
    stream_recv(&dial->stream, &dial->recv);
    dial->options.events->up(dial->options.context, dial);
}

static void connect_now(struct dial *dial)
{
    struct io *io = io_of(dial);
    int32_t fd;
    enum err err;

    dial->state = DIAL_CONNECTING;
    dial->is_confirmed = false;
    frame_reader_init(&dial->frame, dial->options.slab, dial->options.frame_max_bytes);
    err = io->v->socket(io, dial->options.to.family, &fd);
    if (err) {
        end(dial, err);
        return;
    }
    stream_init_plain(&dial->stream, io, fd);
    io_connect(io, &dial->connect, fd, &dial->options.to, on_connected);
    loop_set_timer_ms(dial->options.loop, &dial->timer, dial->options.connect_max_ms);
}

static void on_timer(struct timer *timer)
{
    struct dial *dial = container_of(timer, struct dial, timer);

    if (dial->state == DIAL_WAITING)
        connect_now(dial);
    else if (dial->state == DIAL_UP)
        look_for_room(dial);
    else
        end(dial, ERR_TIMEOUT);
}

/* ---- sending */

static void on_sent(struct outbox *outbox, uint32_t sent_bytes, enum err err)
{
    struct dial *dial = container_of(outbox, struct dial, outbox);

    if (is_ending(dial))
        return;
    if (err)
        end(dial, err);
    else
        loop_defer(dial->options.loop, &dial->flush_task);
}

static void on_release(struct outbox *outbox, struct conn_request *message)
{
    message->release(message);
}

static void run_flush(struct task *task)
{
    struct dial *dial = container_of(task, struct dial, flush_task);

    if (dial->state == DIAL_UP)
        (void)outbox_flush(&dial->outbox, &dial->stream); /* nothing here asks to close */
}

void dial_send(struct dial *dial, struct conn_request *message, const struct wire_segment *segments,
               uint32_t segment_count)
{
    check(dial->state == DIAL_UP);
    outbox_add(&dial->outbox, message);
    outbox_answer(&dial->outbox, message, segments, segment_count);
    loop_defer(dial->options.loop, &dial->flush_task);
}

/* ---- life */

void dial_open(struct dial *dial, const struct dial_options *options)
{
    static const struct outbox_events outbox_events = {.sent = on_sent, .release = on_release};

    *dial = (struct dial){.options = *options};
    stream_init_plain(&dial->stream, options->loop->io, -1);
    check(options->backoff_first_ms > 0 && options->backoff_max_ms >= options->backoff_first_ms);
    outbox_pool_init(&dial->sends);
    outbox_init(&dial->outbox, &outbox_events, &dial->sends);
    timer_init(&dial->timer, on_timer);
    dial->recv.received = on_received;
    dial->flush_task.run = run_flush;
    dial->end_task.run = run_end;
    connect_now(dial);
}

void dial_hang_up(struct dial *dial, enum err err)
{
    check(dial->state == DIAL_UP || dial->state == DIAL_ENDING);
    end(dial, err);
}

void dial_confirm(struct dial *dial)
{
    dial->is_confirmed = true;
    dial->failure_count = 0;
}

void dial_redirect(struct dial *dial, const struct io_address *to)
{
    dial->options.to = *to;
}

void dial_close(struct dial *dial, void (*closed)(struct dial *dial))
{
    check(!dial->closing);
    dial->closing = true;
    dial->closed = closed;
    end(dial, ERR_CANCELED);
}
