#include "base/check.h"
#include "base/clock_system.h"
#include "base/io_system.h"
#include "base/mem.h"
#include "net/dial.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct clock clock_now;
static struct io *io;
static struct loop loop;
static struct slab slab;
static struct prng prng;
static struct dial dial;
static struct dial_options options;
static struct sockaddr_in name; /* of the peer that the test plays */
static int32_t listen_fd;
static int32_t peer_fd;

static uint32_t up_count, down_count, failed_count, frame_count, released_count;
static uint64_t delays_ms[64];
static enum err last_err;
static char last_frame[64];
static bool closed;

static void on_up(void *context, struct dial *d)
{
    cr_assert(eq(u32, up_count, down_count)); /* DIAL-1 */
    up_count++;
}

static void on_frame(void *context, struct dial *d, struct buf *buf, uint32_t size_bytes)
{
    cr_assert(lt(u32, size_bytes, sizeof(last_frame)));
    memcpy(last_frame, buf->bytes, size_bytes);
    last_frame[size_bytes] = '\0';
    frame_count++;
    buf_unref(buf);
}

static void on_down(void *context, struct dial *d, enum err err)
{
    cr_assert(eq(u32, up_count, down_count + 1));
    down_count++;
    last_err = err;
}

static void on_failed(void *context, struct dial *d, enum err err, uint64_t delay_ms)
{
    cr_assert(lt(u32, failed_count, 64));
    delays_ms[failed_count++] = delay_ms;
    last_err = err;
}

static const struct dial_events events = {
    .up = on_up, .frame = on_frame, .down = on_down, .failed = on_failed};

static void on_closed(struct dial *d)
{
    closed = true;
}

#define turns_until(condition)                                               \
    do {                                                                     \
        uint64_t deadline_ns = clock_mono_ns(&clock_now) + 20000000000U;     \
        while (!(condition)) {                                               \
            cr_assert(lt(u64, clock_mono_ns(&clock_now), deadline_ns), "%s", \
                      "never: " #condition);                                 \
            cr_assert(eq(int, loop_turn(&loop, 5000000), OK));               \
        }                                                                    \
    } while (0)

static void listen_again(int backlog)
{
    int on = 1;

    listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert(eq(int, bind(listen_fd, (struct sockaddr *)&name, sizeof(name)), 0));
    cr_assert(eq(int, listen(listen_fd, backlog), 0));
}

static void setup(void)
{
    socklen_t size = sizeof(name);
    struct io_uring_options io_options = {0};

    clock_system_init(&clock_now);
    cr_assert(eq(int, io_uring_create(&io_options, &io), OK));
    loop_init(&loop, 0, io, &clock_now);
    slab_init(&slab, 1 << 20);
    prng_init(&prng, 7);
    name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listen_again(8);
    getsockname(listen_fd, (struct sockaddr *)&name, &size);
    options = (struct dial_options){
        .loop = &loop,
        .slab = &slab,
        .prng = &prng,
        .frame_max_bytes = 1000,
        .connect_max_ms = 5000,
        .backoff_first_ms = 10,
        .backoff_max_ms = 80,
        .events = &events,
    };
    cr_assert(eq(int, io_address_parse("127.0.0.1", ntohs(name.sin_port), &options.to), OK));
}

static void finish(void)
{
    dial_close(&dial, on_closed);
    turns_until(closed);
    cr_assert(eq(u32, up_count, down_count));
    close(listen_fd);
    slab_deinit(&slab);
    io->v->destroy(io);
    cr_assert(eq(u64, mem_used_count(), 0));
}

static void accept_peer(void)
{
    uint32_t before = up_count;

    turns_until(up_count == before + 1); /* the kernel answers before accept(2) */
    peer_fd = accept(listen_fd, NULL, NULL);
    cr_assert(ge(i32, peer_fd, 0));
}

struct message {
    struct conn_request item;
    struct wire_segment segment;
};

static void on_release(struct conn_request *item)
{
    released_count++;
}

Test(dial, exchanges_frames_while_up, .init = setup, .fini = finish)
{
    struct message messages[3] = {0};
    uint8_t bytes[3][6] = {{0, 0, 0, 2, 'a', 'b'}, {0, 0, 0, 2, 'c', 'd'}, {0, 0, 0, 2, 'e', 'f'}};
    uint8_t got[18];

    dial_open(&dial, &options);
    cr_assert(not(dial_is_up(&dial)));
    accept_peer();
    cr_assert(dial_is_up(&dial));
    for (int i = 0; i < 3; i++) {
        messages[i].item.release = on_release;
        messages[i].segment = (struct wire_segment){bytes[i], 6, NULL};
        dial_send(&dial, &messages[i].item, &messages[i].segment, 1);
    }
    cr_assert(eq(u32, released_count, 0));
    turns_until(released_count == 3);
    cr_assert(eq(sz, recv(peer_fd, got, sizeof(got), MSG_WAITALL), sizeof(got)));
    cr_assert(eq(int, memcmp(got, bytes, sizeof(got)), 0));
    for (int i = 0; i < 18; i++) { /* the answers come in pieces */
        send(peer_fd, &got[i], 1, 0);
        cr_assert(eq(int, loop_turn(&loop, 1000000), OK));
    }
    turns_until(frame_count == 3);
    cr_assert(eq(str, last_frame, "ef"));
    close(peer_fd);
}

Test(dial, tries_again_later_each_time_until_someone_listens, .init = setup, .fini = finish)
{
    close(listen_fd);
    dial_open(&dial, &options);
    turns_until(failed_count == 6);
    cr_assert(eq(int, last_err, ERR_REFUSED));
    for (uint32_t i = 0; i < 6; i++) {
        uint64_t middle_ms = 10U << i > 80 ? 80 : 10U << i;

        cr_assert(ge(u64, delays_ms[i], middle_ms * 8 / 10));
        cr_assert(le(u64, delays_ms[i], middle_ms * 12 / 10));
    }
    listen_again(8);
    turns_until(up_count == 1);
    close(accept(listen_fd, NULL, NULL));
    turns_until(down_count == 1);
    cr_assert(eq(int, last_err, ERR_CLOSED));
    turns_until(up_count == 2); /* by itself */
    cr_assert(eq(u32, failed_count, 6));
}

Test(dial, what_was_not_sent_is_released_before_down, .init = setup, .fini = finish)
{
    static uint8_t much[8 << 20];
    struct message messages[2] = {0};

    dial_open(&dial, &options);
    accept_peer();
    for (int i = 0; i < 2; i++) {
        messages[i].item.release = on_release;
        messages[i].segment = (struct wire_segment){much, sizeof(much), NULL};
        dial_send(&dial, &messages[i].item, &messages[i].segment, 1);
    }
    for (int i = 0; i < 5; i++)
        cr_assert(eq(int, loop_turn(&loop, 1000000), OK));
    cr_assert(eq(u32, released_count, 0));
    close(peer_fd);
    turns_until(down_count == 1);
    cr_assert(eq(u32, released_count, 2));
}

Test(dial, a_frame_above_the_limit_ends_the_connection, .init = setup, .fini = finish)
{
    static const uint8_t size[4] = {0, 0, 4, 0};

    dial_open(&dial, &options);
    accept_peer();
    send(peer_fd, size, 4, 0);
    turns_until(down_count == 1);
    cr_assert(eq(int, last_err, ERR_TOO_LARGE));
    close(peer_fd);
}

Test(dial, hanging_up_dials_anew, .init = setup, .fini = finish)
{
    dial_open(&dial, &options);
    accept_peer();
    dial_hang_up(&dial, ERR_MALFORMED);
    turns_until(down_count == 1);
    cr_assert(eq(int, last_err, ERR_MALFORMED));
    close(peer_fd);
    accept_peer();
    close(peer_fd);
}

Test(dial, gives_up_an_attempt_at_its_deadline, .init = setup, .fini = finish)
{
    int32_t fillers[2];

    close(listen_fd);
    listen_again(0); /* a queue of one that nobody empties: further calls are not answered */
    for (int i = 0; i < 2; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&name, sizeof(name));
    }
    options.connect_max_ms = 50;
    dial_open(&dial, &options);
    turns_until(failed_count == 2);
    cr_assert(eq(int, last_err, ERR_TIMEOUT));
    for (int i = 0; i < 2; i++)
        close(fillers[i]);
}

Test(dial, a_frame_without_room_waits_for_it_and_keeps_its_place, .init = setup, .fini = finish)
{
    static const uint8_t bytes[] = {0, 0, 0, 2, 'a', 'b', 0, 0, 0, 2, 'c', 'd'};
    uint64_t until_ns;
    struct buf *all;

    dial_open(&dial, &options);
    accept_peer();
    all = buf_create(&slab, (1 << 20) - 200, 1);
    cr_assert(ne(ptr, all, NULL));
    send(peer_fd, bytes, 5, 0);
    until_ns = clock_mono_ns(&clock_now) + 50000000;
    while (clock_mono_ns(&clock_now) < until_ns)
        cr_assert(eq(int, loop_turn(&loop, 1000000), OK));
    send(peer_fd, bytes + 5, sizeof(bytes) - 5, 0);
    until_ns = clock_mono_ns(&clock_now) + 50000000;
    while (clock_mono_ns(&clock_now) < until_ns)
        cr_assert(eq(int, loop_turn(&loop, 1000000), OK));
    cr_assert(eq(u32, frame_count, 0)); /* DIAL-3 */
    cr_assert(eq(u32, down_count, 0));
    buf_unref(all);
    turns_until(frame_count == 2);
    cr_assert(eq(str, last_frame, "cd"));
    send(peer_fd, bytes, 6, 0); /* it receives on */
    turns_until(frame_count == 3);
    cr_assert(eq(str, last_frame, "ab"));
    close(peer_fd);
}

Test(dial, one_that_waits_for_room_can_be_closed, .init = setup, .fini = finish)
{
    static const uint8_t bytes[] = {0, 0, 0, 2, 'a', 'b'};
    struct buf *all;

    dial_open(&dial, &options);
    accept_peer();
    all = buf_create(&slab, (1 << 20) - 200, 1);
    send(peer_fd, bytes, sizeof(bytes), 0);
    turns_until(dial.stash != NULL);
    close(peer_fd);
    for (int i = 0; i < 5; i++)
        cr_assert(eq(int, loop_turn(&loop, 1000000), OK));
    buf_unref(all);
}

Test(dial, an_end_before_the_owner_confirms_counts_as_a_failure, .init = setup, .fini = finish)
{
    options.is_confirmed_by_owner = true;
    dial_open(&dial, &options);
    for (uint32_t i = 0; i < 4; i++) {
        accept_peer();
        cr_assert(eq(u32, dial.failure_count, i));
        close(peer_fd);
        turns_until(down_count == i + 1);
    }
    accept_peer();
    dial_confirm(&dial);
    close(peer_fd);
    turns_until(down_count == 5);
    cr_assert(eq(u32, dial.failure_count, 0));
}
