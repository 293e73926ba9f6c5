#include "base/check.h"
#include "base/clock_system.h"
#include "base/io_system.h"
#include "base/mem.h"
#include "net/conn_server.h"
#include "net/listener.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a server whose owner keeps requests until the test answers them */

enum { HELD_MAX = 4096, SLAB_BYTES = 64 << 20 };

struct held {
    struct conn_request request; /* first */
    struct wire_segment segments[3];
    uint8_t prefix[4];
    uint8_t *body; /* of the answer */
    bool released;
};

static struct clock clock_now;
static struct io *io;
static struct loop loop;
static struct slab slab;
static struct slab request_slab;
static struct budget answers;
static struct conn_server server;
static struct conn_server *const servers[] = {&server};
static struct admission admission;
static struct listener listener;

static struct held held[HELD_MAX];
static uint32_t held_count; /* requests received */
static uint32_t released_count;
static uint32_t closed_count;
static uint32_t create_max = HELD_MAX; /* requests that may exist at once */
static bool echo;                      /* answer at once with the request's bytes */
static int last_reason = -1;
static bool stopped;
static bool listener_closed;
static uint32_t refused_count;

static void on_held_release(struct conn_request *request)
{
    struct held *h = container_of(request, struct held, request);

    cr_assert(not(h->released));
    h->released = true;
    mem_free(h->body);
    h->body = NULL;
    released_count++;
}

static enum err create_err; /* instead, when set */

static enum err on_create(void *context, struct conn *conn, uint8_t lane, struct conn_request **out)
{
    if (create_err != OK)
        return create_err;
    if (held_count - released_count >= create_max)
        return ERR_FULL;
    cr_assert(lt(u32, held_count, HELD_MAX));
    held[held_count].request.release = on_held_release;
    *out = &held[held_count].request;
    return OK;
}

static void put_size(uint8_t *bytes, uint32_t size)
{
    bytes[0] = (uint8_t)(size >> 24);
    bytes[1] = (uint8_t)(size >> 16);
    bytes[2] = (uint8_t)(size >> 8);
    bytes[3] = (uint8_t)size;
}

/* Answer with the request's own bytes, in three pieces, one of them empty. */
static void answer_echo(uint32_t index)
{
    struct held *h = &held[index];

    put_size(h->prefix, h->request.size_bytes);
    h->segments[0] = (struct wire_segment){.bytes = h->prefix, .size_bytes = 4};
    h->segments[1] = (struct wire_segment){.bytes = NULL, .size_bytes = 0};
    h->segments[2] = (struct wire_segment){h->request.bytes, h->request.size_bytes, NULL};
    conn_answer(&h->request, h->segments, 3);
}

/* Answer with size_bytes of a letter. */
static void answer_large(uint32_t index, uint32_t size_bytes)
{
    struct held *h = &held[index];

    h->body = mem_alloc(size_bytes);
    memset(h->body, 'a' + (int)(index % 26), size_bytes);
    put_size(h->prefix, size_bytes);
    h->segments[0] = (struct wire_segment){.bytes = h->prefix, .size_bytes = 4};
    h->segments[1] = (struct wire_segment){.bytes = h->body, .size_bytes = size_bytes};
    conn_answer(&h->request, h->segments, 2);
}

static uint64_t work_ns; /* that each request takes the loop */

static void on_request(void *context, struct conn_request *request)
{
    uint64_t end_ns = clock_mono_ns(&clock_now) + work_ns;

    cr_assert(eq(ptr, request, &held[held_count].request));
    held_count++;
    while (clock_mono_ns(&clock_now) < end_ns)
        ;
    if (echo)
        answer_echo(held_count - 1);
}

static void on_closing(void *context, struct conn *conn, enum conn_close_reason reason)
{
    cr_assert(conn_is_closing(conn));
    last_reason = (int)reason;
}

/* What waits for an event is answered now. */
static uint32_t overdue_count;

static void on_overdue(void *context, struct conn *conn)
{
    overdue_count++;
    list_for_each(node, &conn->outbox.requests)
    {
        struct conn_request *request = container_of(node, struct conn_request, node);
        if (request->state == CONN_REQUEST_WORKING)
            conn_answer_none(request);
    }
}

static void on_closed(void *context, struct conn *conn)
{
    closed_count++;
}

/* Odd numbers run together, even ones alone; only where lanes is set. */
static bool lanes;

static uint8_t on_lane(void *context, const uint8_t *bytes, uint32_t size_bytes)
{
    return lanes && bytes[0] % 2 == 0 ? CONN_LANE_ALONE : CONN_LANE_ALONE + 1;
}

/* Numbers from 200 on may get a long answer; only where lengths is set. */
static bool lengths;

static bool on_is_long(void *context, const uint8_t *bytes, uint32_t size_bytes)
{
    return !lengths || bytes[0] >= 200;
}

static const struct conn_events events = {.create = on_create,
                                          .lane = on_lane,
                                          .is_long = on_is_long,
                                          .request = on_request,
                                          .closing = on_closing,
                                          .overdue = on_overdue,
                                          .closed = on_closed};

static void on_refused(void *context, struct listener *l, const struct io_address *peer,
                       enum err err)
{
    refused_count++;
}

static const struct conn_limits usual_limits = {
    .request_max_bytes = 104857600,
    .in_flight_max = 64,
    .answer_max_bytes = 1 << 20,
};

static void start(const struct conn_limits *limits, const struct admission_limits *admission_limits)
{
    struct io_uring_options options = {0};
    struct conn_server_options server_options = {.loop = &loop,
                                                 .slab = &slab,
                                                 .request_slab = &request_slab,
                                                 .answers = &answers,
                                                 .limits = *limits,
                                                 .events = &events};
    struct listener_options listener_options = {.name = "PLAINTEXT",
                                                .backlog = 128,
                                                .servers = servers,
                                                .server_count = 1,
                                                .admission = &admission,
                                                .refused = on_refused};

    clock_system_init(&clock_now);
    cr_assert(eq(int, io_uring_create(&options, &io), OK));
    loop_init(&loop, 0, io, &clock_now);
    slab_init(&slab, SLAB_BYTES);
    slab_init(&request_slab, SLAB_BYTES);
    budget_init(&answers, "answers", SLAB_BYTES);
    conn_server_init(&server, &server_options);
    admission_init(&admission, &loop, admission_limits, 1);
    cr_assert(eq(int, io_address_parse("127.0.0.1", 0, &listener_options.at), OK));
    cr_assert(eq(int, listener_open(&listener, &listener_options), OK));
    listener_start(&listener);
}

static void setup(void)
{
    start(&usual_limits, &(struct admission_limits){0});
}

static void turns(uint32_t count)
{
    while (count-- > 0)
        cr_assert(eq(int, loop_turn(&loop, 2000000), OK));
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

static void on_stopped(struct conn_server *s)
{
    cr_assert(not(stopped));
    stopped = true;
}

static void on_listener_closed(struct listener *l)
{
    listener_closed = true;
}

/* Ends the server; every request must be released and every byte be back. */
static void finish(void)
{
    if (!server.stopping) {
        for (uint32_t i = 0; i < held_count; i++)
            if (held[i].request.state == CONN_REQUEST_WORKING && !held[i].released)
                conn_answer_none(&held[i].request);
        listener_close(&listener, on_listener_closed);
        turns_until(listener_closed);
        conn_server_stop(&server, 100, on_stopped);
    }
    turns_until(stopped);
    cr_assert(eq(u32, released_count, held_count));
    cr_assert(eq(u64, server.queued_request_bytes, 0));
    conn_server_deinit(&server);
    admission_deinit(&admission);
    slab_deinit(&slab);
    slab_deinit(&request_slab);
    budget_deinit(&answers);
    loop_deinit(&loop);
    io->v->destroy(io);
    cr_assert(eq(u64, mem_used_count(), 0));
}

/* ---- clients: plain blocking sockets with a short patience */

static int receive_buffer_bytes; /* of the next ones; 0: the usual one */

static int32_t dial_from(const char *ip)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(listener.bound.port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct io_address address;
    struct timeval patience = {.tv_usec = 200000};
    int32_t fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert(eq(int, io_address_parse(ip, 0, &address), OK));
    memcpy(&from.sin_addr, address.ip, 4);
    memcpy(&to.sin_addr, listener.bound.ip, 4);
    if (receive_buffer_bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
    cr_assert(eq(int, bind(fd, (struct sockaddr *)&from, sizeof(from)), 0));
    cr_assert(eq(int, connect(fd, (struct sockaddr *)&to, sizeof(to)), 0));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return fd;
}

static int32_t dial_server(void)
{
    return dial_from("127.0.0.1");
}

static void send_frame(int32_t fd, const void *bytes, uint32_t size_bytes)
{
    uint8_t prefix[4];

    put_size(prefix, size_bytes);
    cr_assert(eq(sz, send(fd, prefix, 4, MSG_NOSIGNAL), 4));
    cr_assert(eq(sz, send(fd, bytes, size_bytes, MSG_NOSIGNAL), size_bytes));
}

static void send_number(int32_t fd, uint32_t number)
{
    send_frame(fd, &number, sizeof(number));
}

static void recv_exactly(int32_t fd, void *bytes, size_t size_bytes)
{
    uint64_t deadline_ns = clock_mono_ns(&clock_now) + 20000000000U;
    size_t have = 0;

    while (have < size_bytes) {
        ssize_t n = recv(fd, (uint8_t *)bytes + have, size_bytes - have, MSG_DONTWAIT);

        cr_assert(ne(i64, n, 0), "closed after %zu bytes", have);
        cr_assert(lt(u64, clock_mono_ns(&clock_now), deadline_ns), "only %zu bytes", have);
        if (n > 0)
            have += (size_t)n;
        else
            turns(1);
    }
}

static uint32_t recv_number(int32_t fd)
{
    uint8_t prefix[4], expected[4];
    uint32_t number;

    put_size(expected, sizeof(number));
    recv_exactly(fd, prefix, 4);
    cr_assert(eq(int, memcmp(prefix, expected, 4), 0));
    recv_exactly(fd, &number, sizeof(number));
    return number;
}

/* The server closed: an end or a reset. */
static bool is_closed(int32_t fd)
{
    uint8_t byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* ---- the tests */

Test(conn, requests_answered_out_of_order_are_answered_in_order, .init = setup, .fini = finish)
{
    enum { COUNT = 50 };
    int32_t fd = dial_server();

    for (uint32_t i = 0; i < COUNT; i++)
        send_number(fd, i);
    turns_until(held_count == COUNT);
    for (uint32_t i = COUNT; i-- > 0;) {
        answer_echo(i);
        if (i % 7 == 0)
            turns(1);
        if (i > 0)
            cr_assert(eq(u32, released_count, 0)); /* the first one is not answered yet */
    }
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert(eq(u32, recv_number(fd), i));
    turns_until(released_count == COUNT);
    close(fd);
    turns_until(closed_count == 1);
    cr_assert(eq(int, last_reason, CONN_CLOSE_PEER_CLOSED));
}

/* Who came later is told by the number (transaction_guard.h). */
Test(conn, a_connection_has_a_higher_number_than_those_that_were_let_in_before, .init = setup,
     .fini = finish)
{
    int32_t first = dial_server();
    int32_t second;

    send_number(first, 1);
    turns_until(held_count == 1);
    second = dial_server();
    send_number(second, 2);
    turns_until(held_count == 2);
    cr_assert(lt(u64, 0, held[0].request.conn->accept_number));
    cr_assert(lt(u64, held[0].request.conn->accept_number, held[1].request.conn->accept_number));
    close(first);
    close(second);
}

Test(conn, what_is_answered_in_one_turn_leaves_in_one_send, .init = setup, .fini = finish)
{
    int32_t fd = dial_server();

    for (uint32_t i = 0; i < 40; i++)
        send_number(fd, i);
    turns_until(held_count == 40);
    for (uint32_t i = 0; i < 40; i++)
        answer_echo(i);
    for (uint32_t i = 0; i < 40; i++)
        cr_assert(eq(u32, recv_number(fd), i));
    turns_until(released_count == 40);
    cr_assert(eq(u64, counter_read(&server.counters.sends), 1));
    close(fd);
}

Test(conn, an_answer_of_more_pieces_than_one_send_takes_arrives_whole, .init = setup,
     .fini = finish)
{
    enum { PIECES = 5000 };
    static struct wire_segment segments[PIECES + 1];
    static uint32_t numbers[PIECES], got[PIECES];
    uint8_t prefix[4], got_prefix[4];
    int32_t fd = dial_server();

    put_size(prefix, sizeof(numbers));
    segments[0] = (struct wire_segment){.bytes = prefix, .size_bytes = 4};
    for (uint32_t i = 0; i < PIECES; i++) {
        numbers[i] = i;
        segments[i + 1] = (struct wire_segment){(uint8_t *)&numbers[i], 4, NULL};
    }
    send_number(fd, 1);
    turns_until(held_count == 1);
    conn_answer(&held[0].request, segments, PIECES + 1);
    recv_exactly(fd, got_prefix, 4);
    recv_exactly(fd, got, sizeof(got));
    cr_assert(eq(int, memcmp(got, numbers, sizeof(got)), 0));
    close(fd);
}

Test(conn, silent_requests_keep_the_order_and_a_close_waits_for_the_answers_before_it,
     .init = setup, .fini = finish)
{
    int32_t fd = dial_server();

    for (uint32_t i = 0; i < 5; i++)
        send_number(fd, i);
    turns_until(held_count == 5);
    conn_answer_close(&held[3].request);
    conn_answer_none(&held[1].request);
    answer_echo(2);
    turns(3);
    cr_assert(not(is_closed(fd)));
    answer_echo(0);
    cr_assert(eq(u32, recv_number(fd), 0));
    cr_assert(eq(u32, recv_number(fd), 2));
    turns_until(is_closed(fd));
    cr_assert(eq(int, last_reason, CONN_CLOSE_REFUSED));
    turns_until(released_count == 4);
    cr_assert(eq(u32, closed_count, 0)); /* the last one is still in work */
    answer_echo(4);
    cr_assert(eq(u32, released_count, 4)); /* never inside the answering call */
    turns_until(closed_count == 1);
    close(fd);
}

Test(conn, frames_sent_byte_by_byte_are_served, .init = setup, .fini = finish)
{
    int32_t fd = dial_server();
    uint8_t bytes[2][10] = {{0, 0, 0, 4, 1, 2, 3, 4}, {0, 0, 0, 6, 'l', 'e', 'v', 'e', 'e', '!'}};
    uint8_t got[18];

    echo = true;
    for (uint32_t i = 0; i < 18; i++) {
        const uint8_t *byte = i < 8 ? &bytes[0][i] : &bytes[1][i - 8];

        cr_assert(eq(sz, send(fd, byte, 1, 0), 1));
        turns(1);
    }
    recv_exactly(fd, got, sizeof(got));
    cr_assert(eq(int, memcmp(got, bytes[0], 8), 0));
    cr_assert(eq(int, memcmp(got + 8, bytes[1], 10), 0));
    cr_assert(eq(u32, held_count, 2));
    close(fd);
}

Test(conn, a_negative_size_and_one_above_the_limit_close_the_connection, .fini = finish)
{
    static const struct {
        uint32_t size;
        enum conn_close_reason reason;
    } rows[] = {{UINT32_MAX, CONN_CLOSE_MALFORMED},
                {0, CONN_CLOSE_MALFORMED},
                {1001, CONN_CLOSE_TOO_LARGE}};
    struct conn_limits limits = usual_limits;

    limits.request_max_bytes = 1000;
    start(&limits, &(struct admission_limits){0});
    for (uint32_t i = 0; i < array_count(rows); i++) {
        int32_t fd = dial_server();
        uint8_t prefix[4];

        put_size(prefix, rows[i].size);
        send(fd, prefix, 4, 0);
        turns_until(is_closed(fd));
        turns_until(closed_count == i + 1);
        cr_assert(eq(int, last_reason, (int)rows[i].reason));
        cr_assert(ge(u64, counter_read(&server.counters.closed[rows[i].reason]), 1));
        close(fd);
    }
    cr_assert(eq(u32, held_count, 0));
}

Test(conn, announcing_much_and_sending_little_takes_little_memory, .init = setup, .fini = finish)
{
    enum { COUNT = 20 };
    uint8_t bytes[14];
    int32_t fds[COUNT];

    put_size(bytes, 100 << 20);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial_server();
        cr_assert(eq(sz, send(fds[i], bytes, sizeof(bytes), 0), sizeof(bytes)));
    }
    turns_until(counter_read(&server.counters.in_bytes) == COUNT * sizeof(bytes));
    cr_assert(le(u64, slab_used_bytes(&slab), COUNT * (FRAME_FIRST_BYTES + 128)));
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    turns_until(closed_count == COUNT);
    cr_assert(eq(u64, slab_used_bytes(&slab), 0));
}

static int32_t big_fd;
static uint8_t big_frame[12 << 20];

static void *send_big(void *argument)
{
    struct timeval patience = {.tv_sec = 20};

    setsockopt(big_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    for (int i = 0; i < 2; i++) {
        send_frame(big_fd, big_frame, sizeof(big_frame));
        send_number(big_fd, 7);
    }
    return NULL;
}

Test(conn, large_frames_are_received_in_place_and_small_ones_between_them_too, .init = setup,
     .fini = finish, .timeout = 600)
{
    pthread_t thread;

    for (uint32_t i = 0; i < sizeof(big_frame); i++)
        big_frame[i] = (uint8_t)(i * 2654435761U >> 24);
    big_fd = dial_server();
    pthread_create(&thread, NULL, send_big, NULL);
    turns_until(held_count == 4);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(u32, held[2 * i].request.size_bytes, sizeof(big_frame)));
        cr_assert(eq(int, memcmp(held[2 * i].request.bytes, big_frame, sizeof(big_frame)), 0));
        cr_assert(eq(u32, held[2 * i + 1].request.size_bytes, 4));
    }
    close(big_fd);
}

Test(conn, a_slow_reader_is_not_read_any_further, .fini = finish, .timeout = 600)
{
    enum { ANSWER = 256 << 10 };
    struct conn_limits limits = usual_limits;
    uint32_t sent = 0, received = 0, answered = 0, last_held;
    static uint8_t got[ANSWER + 4];
    int32_t fd;

    limits.answer_max_bytes = 1 << 20;
    limits.in_flight_max = 8;
    start(&limits, &(struct admission_limits){0});
    fd = dial_server();
    /* Ask without reading until the server takes no more. */
    for (int quiet = 0; quiet < 20;) {
        last_held = held_count;
        if (sent < 1000) {
            send_number(fd, sent);
            sent++;
        }
        turns(1);
        for (; answered < held_count; answered++)
            answer_large(answered, ANSWER);
        quiet = sent == 1000 && held_count == last_held ? quiet + 1 : 0;
    }
    cr_assert(lt(u32, held_count, 1000));
    cr_assert(le(u32, held_count - released_count, 8));
    cr_assert(le(u64, mem_used_bytes(), 8 * ANSWER + (2 << 20)));
    /* It reads again: all that was asked is answered. */
    while (received < sent) {
        turns_until(held_count > received);
        for (; answered < held_count; answered++)
            answer_large(answered, ANSWER);
        recv_exactly(fd, got, sizeof(got));
        cr_assert(eq(u8, got[4], 'a' + received % 26));
        cr_assert(eq(u8, got[ANSWER + 3], 'a' + received % 26));
        received++;
    }
    close(fd);
}

Test(conn, more_requests_than_may_be_in_flight_wait_without_being_lost, .fini = finish)
{
    struct conn_limits limits = usual_limits;
    int32_t fd;

    limits.in_flight_max = 3;
    start(&limits, &(struct admission_limits){0});
    fd = dial_server();
    for (uint32_t i = 0; i < 100; i++)
        send_number(fd, i);
    turns_until(held_count == 3);
    turns(10);
    cr_assert(eq(u32, held_count, 3));
    for (uint32_t i = 0; i < 100; i++) {
        turns_until(held_count > i);
        cr_assert(le(u32, held_count - released_count, 3));
        answer_echo(i);
        cr_assert(eq(u32, recv_number(fd), i));
    }
    close(fd);
}

Test(conn, requests_begin_when_those_before_them_are_answered_unless_they_share_a_lane,
     .init = setup, .fini = finish)
{
    static const uint32_t numbers[] = {1, 3, 2, 4, 5, 7, 9, 6};
    int32_t fd = dial_server();

    lanes = true;
    for (size_t i = 0; i < array_count(numbers); i++)
        send_number(fd, numbers[i]);
    turns_until(held_count == 2); /* 1 and 3 */
    turns(5);
    cr_assert(eq(u32, held_count, 2));
    answer_echo(1);
    turns(5);
    cr_assert(eq(u32, held_count, 2)); /* 1 is still in work */
    answer_echo(0);
    turns_until(held_count == 3); /* 2 */
    turns(5);
    cr_assert(eq(u32, held_count, 3));
    conn_answer_none(&held[2].request);
    turns_until(held_count == 4); /* 4 */
    turns(5);
    cr_assert(eq(u32, held_count, 4)); /* 5 is of another lane */
    answer_echo(3);
    turns_until(held_count == 7); /* 5, 7, 9 */
    turns(5);
    cr_assert(eq(u32, held_count, 7));
    for (uint32_t i = 4; i < 7; i++)
        answer_echo(i);
    turns_until(held_count == 8);
    answer_echo(7);
    for (size_t i = 0; i < array_count(numbers); i++)
        if (numbers[i] != 2)
            cr_assert(eq(u32, recv_number(fd), numbers[i]));
    close(fd);
}

/* CON-7: whose requests hold the loop waits for the others after each of them. */
Test(conn, others_begin_between_the_requests_of_a_turn_that_takes_long, .init = setup,
     .fini = finish)
{
    enum { COUNT = 20, MINE = 1000 };
    int32_t pushing = dial_server();
    int32_t polite = dial_server();
    uint32_t place = 0;

    echo = true;
    turns_until(server.conn_count == 2);
    for (uint32_t i = 0; i < COUNT; i++)
        send_number(pushing, i);
    send_number(polite, MINE);
    work_ns = 4000000;
    turns_until(held_count == COUNT + 1);
    while (held[place].request.conn->peer.port == held[0].request.conn->peer.port)
        place++;
    cr_assert(le(u32, place, 3)); /* what was received at once is begun in this order */
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert(eq(u32, recv_number(pushing), i));
    cr_assert(eq(u32, recv_number(polite), MINE));
    close(pushing);
    close(polite);
}

Test(conn, a_waiting_connection_learns_that_its_peer_went_away, .init = setup, .fini = finish)
{
    int32_t fd = dial_server();

    lanes = true;
    send_number(fd, 2);
    turns_until(held_count == 1);
    send_number(fd, 4); /* waits behind it */
    turns(5);
    close(fd);
    turns_until(last_reason == CONN_CLOSE_PEER_CLOSED); /* so that 2 may end at once */
    cr_assert(eq(u32, held_count, 1));
    conn_answer_none(&held[0].request);
    turns_until(held_count == 2);
    cr_assert(conn_is_closing(held[1].request.conn));
    answer_echo(1); /* to nobody */
    turns_until(closed_count == 1);
}

Test(conn, what_arrived_before_the_peer_closed_begins_all_the_same, .fini = finish)
{
    enum { COUNT = 3000, AT_A_TIME = 7 };
    struct conn_limits limits = usual_limits;
    uint32_t answered = 0;
    int32_t fd;

    limits.in_flight_max = AT_A_TIME;
    start(&limits, &(struct admission_limits){0});
    fd = dial_server();
    for (uint32_t i = 0; i < COUNT; i++)
        send_number(fd, i);
    close(fd);
    while (answered < COUNT) {
        turns_until(held_count > answered);
        cr_assert(le(u32, held_count - answered, AT_A_TIME));
        for (; answered < held_count; answered++)
            conn_answer_none(&held[answered].request);
    }
    turns_until(closed_count == 1);
    cr_assert(eq(u32, held_count, COUNT));
    cr_assert(eq(int, last_reason, CONN_CLOSE_PEER_CLOSED));
}

/* Unread answers make the peer's kernel reset the connection at its close. */
Test(conn, a_reset_loses_answers_and_no_request, .fini = finish)
{
    enum { COUNT = 200 };
    struct conn_limits limits = usual_limits;
    uint32_t answered = 0;
    int32_t fd;

    limits.in_flight_max = 2;
    start(&limits, &(struct admission_limits){0});
    fd = dial_server();
    for (uint32_t i = 0; i < COUNT; i++)
        send_number(fd, i);
    turns_until(held_count == 2);
    answer_large(0, 100000);
    answered = 1;
    turns_until(released_count == 1);
    close(fd);
    while (answered < COUNT) {
        turns_until(held_count > answered);
        for (; answered < held_count; answered++)
            answer_large(answered, 100000);
    }
    turns_until(closed_count == 1);
    cr_assert(eq(u32, held_count, COUNT));
}

Test(conn, the_servers_budget_of_request_bytes_is_shared_in_turn, .fini = finish)
{
    enum { CONNS = 4, EACH = 20, SIZE = 1000 };
    static uint8_t bytes[SIZE];
    struct conn_limits limits = usual_limits;
    int32_t fds[CONNS];
    uint32_t served[CONNS + 1] = {0};

    limits.queued_request_max_bytes = 3 * SIZE;
    start(&limits, &(struct admission_limits){0});
    for (uint32_t c = 0; c < CONNS; c++) {
        fds[c] = dial_server();
        turns_until(server.conn_count == c + 1);
    }
    for (uint32_t i = 0; i < EACH; i++)
        for (uint32_t c = 0; c < CONNS; c++)
            send_frame(fds[c], bytes, SIZE);
    turns(10);
    for (uint32_t i = 0; i < EACH * CONNS; i++) {
        turns_until(held_count > i);
        cr_assert(le(u64, server.queued_request_bytes, 3 * SIZE));
        served[held[i].request.conn->id]++;
        conn_answer_none(&held[i].request);
        if (i == EACH * CONNS / 2) /* nobody starves meanwhile */
            for (uint32_t c = 1; c <= CONNS; c++)
                cr_assert(lt(u32, 0, served[c]), "connection %u", c);
    }
    for (uint32_t c = 1; c <= CONNS; c++)
        cr_assert(eq(u32, served[c], EACH));
    for (uint32_t c = 0; c < CONNS; c++)
        close(fds[c]);
}

Test(conn, dropping_a_frame_early_gives_its_bytes_back, .fini = finish)
{
    struct conn_limits limits = usual_limits;
    int32_t fd;

    limits.queued_request_max_bytes = 4;
    start(&limits, &(struct admission_limits){0});
    fd = dial_server();
    send_number(fd, 1);
    send_number(fd, 2);
    turns_until(held_count == 1);
    turns(5);
    cr_assert(eq(u32, held_count, 1));
    conn_request_drop_frame(&held[0].request);
    conn_request_drop_frame(&held[0].request);
    turns_until(held_count == 2);
    close(fd);
}

Test(conn, without_memory_for_a_request_the_connection_waits, .init = setup, .fini = finish)
{
    int32_t fd = dial_server();

    create_max = 0;
    send_number(fd, 1);
    turns_until(counter_read(&server.counters.blocked) == 1);
    turns(5);
    cr_assert(eq(u32, held_count, 0));
    create_max = HELD_MAX;
    turns(5);
    cr_assert(eq(u32, held_count, 0)); /* nobody said so */
    conn_server_resume(&server);
    turns_until(held_count == 1);
    answer_echo(0);
    cr_assert(eq(u32, recv_number(fd), 1));
    close(fd);
}

/* Many send half of a large frame and nothing more; a usual client is served beside them. */
Test(conn, unfinished_frames_stay_within_their_budget_and_make_way, .init = setup, .fini = finish,
     .timeout = 600)
{
    enum { COUNT = 12, HALF = 400 << 10 };
    static uint8_t bytes[HALF];
    int32_t usual = dial_server();
    int32_t fds[COUNT];
    uint32_t sent[COUNT] = {0};
    uint64_t peak_bytes = 0;

    echo = true;
    slab.budget.max_bytes = 4 << 20;
    put_size(bytes, 1 << 20);
    for (int i = 0; i < COUNT; i++)
        fds[i] = dial_server();
    while (closed_count < 3) {
        for (int i = 0; i < COUNT; i++) {
            ssize_t n = send(fds[i], bytes + sent[i], HALF - sent[i], MSG_DONTWAIT | MSG_NOSIGNAL);
            sent[i] += n > 0 ? (uint32_t)n : 0;
        }
        send_number(usual, 5);
        cr_assert(eq(u32, recv_number(usual), 5));
        peak_bytes = slab_used_bytes(&slab) > peak_bytes ? slab_used_bytes(&slab) : peak_bytes;
        turns(1);
    }
    cr_assert(eq(int, last_reason, CONN_CLOSE_NO_MEMORY));
    cr_assert(lt(u64, 1 << 20, peak_bytes));
    cr_assert(le(u64, peak_bytes, 4 << 20));
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    turns_until(server.conn_count == 1);
    cr_assert(eq(u64, slab_used_bytes(&slab), 0));
    close(usual);
}

Test(conn, a_frame_that_finds_no_memory_goes_on_when_there_is_some, .init = setup, .fini = finish)
{
    static uint8_t bytes[200000];
    int32_t fd = dial_server();
    struct buf *other;

    bytes[199999] = 7;
    slab.budget.max_bytes = 4 << 20; /* of which large frames leave a quarter */
    other = buf_create(&slab, 2900 << 10, 1);
    send_frame(fd, bytes, sizeof(bytes));
    turns_until(counter_read(&server.counters.blocked) > 0);
    turns(20);
    cr_assert(eq(u32, held_count, 0));
    buf_unref(other);
    turns_until(held_count == 1);
    cr_assert(eq(u32, held[0].request.size_bytes, sizeof(bytes)));
    cr_assert(eq(u8, held[0].request.bytes[199999], 7));
    cr_assert(eq(u64, slab_used_bytes(&slab), 0)); /* it is the requests' now */
    cr_assert(ge(u64, slab_used_bytes(&request_slab), sizeof(bytes)));
    close(fd);
}

/* It wants so little that what frames leave to others is enough. */
Test(conn, a_small_frame_is_not_behind_a_large_one_that_finds_no_memory, .init = setup,
     .fini = finish)
{
    enum { SENT = 250000, ANNOUNCED = 3 << 20 };
    static uint8_t bytes[SENT];
    int32_t large = dial_server();
    int32_t small = dial_server();
    struct buf *much, *rest;

    slab.budget.max_bytes = 4 << 20;
    much = buf_create(&slab, 2900 << 10, 1);
    put_size(bytes, ANNOUNCED);
    cr_assert(eq(sz, send(large, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes)));
    turns_until(!list_is_empty(&server.hungry));
    rest = buf_create(&slab, 700 << 10, 1);
    cr_assert(rest != NULL);
    send_number(small, 7);
    turns_until(server.hungry.next != server.hungry.prev);
    buf_unref(rest);
    turns_until(held_count == 1);
    answer_echo(0);
    cr_assert(eq(u32, recv_number(small), 7));
    cr_assert(eq(u32, closed_count, 0));
    cr_assert(not(list_is_empty(&server.hungry)));
    buf_unref(much);
    close(large);
    close(small);
}

/* All that will ever come of it is there, and it waits for memory when its peer goes. */
Test(conn, half_a_frame_that_waited_for_memory_ends_with_its_peer, .init = setup, .fini = finish)
{
    enum { SENT = 250000, ANNOUNCED = 260000 };
    static uint8_t bytes[SENT];
    int32_t fd = dial_server();
    struct buf *other;

    slab.budget.max_bytes = 4 << 20;
    other = buf_create(&slab, 2900 << 10, 1);
    put_size(bytes, ANNOUNCED);
    cr_assert(eq(sz, send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes)));
    close(fd);
    turns_until(last_reason == CONN_CLOSE_PEER_CLOSED);
    turns(20);
    cr_assert(eq(u32, closed_count, 0));
    buf_unref(other);
    turns_until(closed_count == 1);
    cr_assert(eq(u64, slab_used_bytes(&slab), 0));
}

Test(conn, who_sends_a_frame_too_slowly_is_closed, .fini = finish, .timeout = 600)
{
    struct conn_limits limits = usual_limits;
    uint8_t bytes[8] = {0};
    int32_t idle, slow;

    limits.frame_stall_ms = 1000;
    start(&limits, &(struct admission_limits){0});
    idle = dial_server();
    slow = dial_server();
    put_size(bytes, 1000);
    while (closed_count == 0) { /* a byte now and then is no progress */
        send(slow, bytes, 4, MSG_NOSIGNAL);
        turns(50);
    }
    cr_assert(eq(int, last_reason, CONN_CLOSE_SLOW));
    send_number(idle, 1); /* between requests nobody is slow */
    turns_until(held_count == 1);
    close(idle);
    close(slow);
}

/* Of a large frame, too, what counts is CONN_STEP_BYTES in the time. */
Test(conn, who_sends_a_large_frame_steadily_stays, .fini = finish, .timeout = 600)
{
    enum { SIZE = 600000, STEP = 4096 };
    static uint8_t bytes[4 + SIZE];
    struct conn_limits limits = usual_limits;
    uint64_t slow_until_ns;
    size_t sent = 0;
    int32_t fd;

    limits.frame_stall_ms = 1000;
    start(&limits, &(struct admission_limits){0});
    fd = dial_server();
    put_size(bytes, SIZE);
    slow_until_ns = clock_mono_ns(&clock_now) + 3000000000U;
    while (clock_mono_ns(&clock_now) < slow_until_ns) { /* some 40 kB a second */
        uint64_t next_ns = clock_mono_ns(&clock_now) + 100000000U;
        cr_assert(eq(sz, send(fd, bytes + sent, STEP, MSG_NOSIGNAL), STEP));
        sent += STEP;
        while (clock_mono_ns(&clock_now) < next_ns)
            turns(1);
        cr_assert(eq(u32, closed_count, 0), "after %zu bytes", sent);
    }
    while (sent < sizeof(bytes)) {
        ssize_t n = send(fd, bytes + sent, sizeof(bytes) - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turns(1);
    }
    turns_until(held_count == 1);
    cr_assert(eq(u32, held[0].request.size_bytes, SIZE));
    answer_echo(0);
    close(fd);
}

Test(conn, who_takes_no_answer_is_closed, .fini = finish, .timeout = 600)
{
    struct conn_limits limits = usual_limits;
    uint64_t begin_ns;
    int32_t fd;

    limits.answer_stall_ms = 1500;
    start(&limits, &(struct admission_limits){0});
    fd = dial_server();
    send_number(fd, 1);
    turns_until(held_count == 1);
    begin_ns = clock_mono_ns(&clock_now);
    answer_large(0, 32 << 20); /* more than the kernel takes for it */
    cr_assert(ge(u64, budget_used_bytes(&answers), 32 << 20));
    turns_until(closed_count == 1);
    cr_assert(eq(int, last_reason, CONN_CLOSE_UNTAKEN));
    cr_assert(ge(u64, clock_mono_ns(&clock_now) - begin_ns, 1500000000U));
    cr_assert(eq(u64, budget_used_bytes(&answers), 0));
    close(fd);
}

/* A peer that drains a little now and then makes progress with every send, and holds its answers
 * all the same. */
Test(conn, who_takes_its_answers_too_slowly_is_closed, .fini = finish, .timeout = 600)
{
    enum { SMALL_BYTES = 4096 };
    struct conn_limits limits = usual_limits;
    uint8_t bytes[400];
    int small = SMALL_BYTES;
    uint64_t end_ns, next_ns = 0;
    int32_t fd;

    limits.answer_stall_ms = 1500;
    start(&limits, &(struct admission_limits){0});
    receive_buffer_bytes = SMALL_BYTES;
    fd = dial_server();
    send_number(fd, 1);
    turns_until(held_count == 1);
    setsockopt(held[0].request.conn->stream.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    answer_large(0, 32 << 20);
    end_ns = clock_mono_ns(&clock_now) + 15000000000U;
    while (closed_count == 0) {
        cr_assert(lt(u64, clock_mono_ns(&clock_now), end_ns));
        if (clock_mono_ns(&clock_now) >= next_ns) { /* 8 kB a second */
            (void)recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
            next_ns = clock_mono_ns(&clock_now) + 50000000U;
        }
        turns(1);
    }
    cr_assert(eq(int, last_reason, CONN_CLOSE_UNTAKEN));
    close(fd);
}

/* The same at a fair pace stays. */
Test(conn, who_takes_its_answers_steadily_stays, .fini = finish, .timeout = 600)
{
    struct conn_limits limits = usual_limits;
    static uint8_t bytes[64 << 10];
    uint64_t end_ns;
    int32_t fd;

    limits.answer_stall_ms = 1500;
    start(&limits, &(struct admission_limits){0});
    fd = dial_server();
    send_number(fd, 1);
    turns_until(held_count == 1);
    answer_large(0, 32 << 20);
    end_ns = clock_mono_ns(&clock_now) + 4000000000U;
    while (clock_mono_ns(&clock_now) < end_ns) {
        (void)recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        turns(10);
    }
    cr_assert(eq(u32, closed_count, 0));
    close(fd);
}

/* ---- who waits for the server */

static void send_numbered(int32_t fd, uint32_t size_bytes, uint8_t first)
{
    uint8_t *bytes = mem_alloc(size_bytes);

    bytes[0] = first;
    send_frame(fd, bytes, size_bytes);
    mem_free(bytes);
}

/* Small ones come one after the other; the large one waits for as much as four fifths of the
 * budget. */
Test(conn, a_large_request_is_not_starved_by_those_who_come_later, .init = setup, .fini = finish,
     .timeout = 600)
{
    enum { SMALLS = 16, SMALL = 60000, LARGE = 700000, ROUNDS = 400 };
    int32_t small[SMALLS];
    int32_t large = dial_server();
    uint32_t answered = 0;
    uint32_t round = 0;
    bool begun = false;

    lanes = true; /* 0: alone */
    request_slab.budget.max_bytes = 1 << 20;
    for (int i = 0; i < SMALLS; i++) {
        small[i] = dial_server();
        send_numbered(small[i], SMALL, 0);
        turns_until(held_count == (uint32_t)i + 1);
    }
    send_numbered(large, LARGE, 0);
    turns_until(server.waiting_count[CONN_BULK] == 1);
    for (; round < ROUNDS && !begun; round++) {
        uint32_t oldest = answered;
        if (oldest == held_count) {
            turns(1);
            continue;
        }
        answered++;
        conn_answer_none(&held[oldest].request);
        send_numbered(small[round % SMALLS], SMALL, 0);
        turns(1);
        for (uint32_t i = 0; i < held_count; i++)
            begun |= held[i].request.size_bytes == LARGE;
    }
    cr_assert(begun, "not after %u smaller ones", round);
    for (int i = 0; i < SMALLS; i++)
        close(small[i]);
    close(large);
}

/* Bulk that waits for a slow disk, as it were, leaves small ones their part. */
Test(conn, small_requests_go_on_beside_bulk_that_waits, .init = setup, .fini = finish)
{
    int32_t bulk[4];
    int32_t small = dial_server();

    lanes = true;
    request_slab.budget.max_bytes = 1 << 20;
    for (int i = 0; i < 4; i++) {
        bulk[i] = dial_server();
        send_numbered(bulk[i], 300000, 1); /* odd: in a lane */
    }
    turns_until(server.waiting_count[CONN_BULK] == 2);
    cr_assert(eq(u32, held_count, 2));
    for (uint32_t i = 0; i < 20; i++) {
        send_numbered(small, 1000, 0);
        turns_until(held_count == 3 + i);
        conn_answer_none(&held[2 + i].request);
    }
    cr_assert(eq(u32, server.waiting_count[CONN_BULK], 2));
    close(small);
    for (int i = 0; i < 4; i++)
        close(bulk[i]);
}

/* A refusal of the process is no lack of budget, which would have to come back. */
Test(conn, a_request_without_memory_of_the_process_closes_its_connection, .init = setup,
     .fini = finish)
{
    int32_t fd = dial_server();

    create_err = ERR_NOMEM;
    send_number(fd, 1);
    turns_until(closed_count == 1);
    cr_assert(eq(int, last_reason, CONN_CLOSE_NO_MEMORY));
    close(fd);
}

Test(conn, what_a_blocked_connection_sent_is_kept_while_frames_fill_their_budget, .init = setup,
     .fini = finish)
{
    enum { COUNT = 40, SENT = 30000, ANNOUNCED = 60000 };
    static uint8_t bytes[SENT];
    int32_t fds[COUNT];
    int32_t fd = dial_server();

    lanes = true;
    send_numbered(fd, 1000, 0);
    turns_until(held_count == 1);
    send_numbered(fd, 1000, 0);
    turns_until(counter_read(&server.counters.blocked) == 1);
    slab.budget.max_bytes = 1 << 20;
    put_size(bytes, ANNOUNCED);
    for (int i = 0; i < COUNT && counter_read(&server.counters.blocked) == 1; i++) {
        fds[i] = dial_server();
        cr_assert(eq(sz, send(fds[i], bytes, SENT, MSG_NOSIGNAL), SENT));
        turns(3);
    }
    cr_assert(lt(u64, 1, counter_read(&server.counters.blocked))); /* frames find no memory */
    send_numbered(fd, 60000, 0);
    turns(20);
    cr_assert(eq(u32, closed_count, 0));
    conn_answer_none(&held[0].request);
    turns_until(held_count == 2);
    conn_answer_none(&held[1].request);
    turns_until(held_count == 3);
    cr_assert(eq(u32, held[2].request.size_bytes, 60000));
    close(fd);
}

/* ---- memory of frames */

static void usual_is_served(int32_t usual, uint32_t size_bytes)
{
    uint32_t before = held_count;
    uint8_t *bytes = mem_alloc(size_bytes + 4);
    uint64_t end_ns = clock_mono_ns(&clock_now) + 12000000000U;
    size_t sent = 0;

    put_size(bytes, size_bytes);
    while (held_count == before) {
        ssize_t n = send(usual, bytes + sent, size_bytes + 4 - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turns(5);
        cr_assert(lt(u64, clock_mono_ns(&clock_now), end_ns), "not served: %u closed, %d, %zu sent",
                  closed_count, last_reason, sent);
    }
    mem_free(bytes);
}

Test(conn, half_frames_below_64_KiB_make_way_too, .init = setup, .fini = finish, .timeout = 600)
{
    enum { COUNT = 64, SENT = 30000, ANNOUNCED = 60000 };
    static uint8_t bytes[SENT];
    int32_t usual = dial_server();
    int32_t fds[COUNT];

    turns_until(server.conn_count == 1); /* the oldest */
    slab.budget.max_bytes = 4 << 20;
    put_size(bytes, ANNOUNCED);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial_server();
        cr_assert(eq(sz, send(fds[i], bytes, SENT, MSG_NOSIGNAL), SENT));
    }
    turns(50);
    usual_is_served(usual, 100000);
    close(usual);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

/* A byte now and then is no progress for a frame that holds four times what came. */
Test(conn, trickled_frames_make_way, .init = setup, .fini = finish, .timeout = 600)
{
    enum { COUNT = 60, SENT = 70000 }; /* more than the budget holds */
    static uint8_t bytes[SENT];
    int32_t usual = dial_server();
    int32_t fds[COUNT];
    uint64_t end_ns;
    uint32_t before;
    static uint8_t whole[300004];
    size_t sent = 0;

    turns_until(server.conn_count == 1);
    slab.budget.max_bytes = 4 << 20;
    put_size(bytes, 300000);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial_server();
        cr_assert(eq(sz, send(fds[i], bytes, SENT, MSG_NOSIGNAL), SENT));
    }
    turns_until(!list_is_empty(&server.hungry));
    put_size(whole, sizeof(whole) - 4);
    before = held_count;
    end_ns = clock_mono_ns(&clock_now) + 12000000000U;
    while (held_count == before) {
        size_t step = sizeof(whole) - sent < 20000 ? sizeof(whole) - sent : 20000;
        ssize_t n = send(usual, whole + sent, step, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        for (int i = 0; i < COUNT; i++)
            (void)send(fds[i], bytes, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        turns(5);
        cr_assert(lt(u64, clock_mono_ns(&clock_now), end_ns), "not served: %u closed, %d",
                  closed_count, is_closed(usual));
    }
    close(usual);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

/* SRV-4: who takes a long answer slowly keeps others from getting one, and nobody from the rest. */
Test(conn, short_answers_go_on_beside_long_ones_that_are_not_taken, .init = setup, .fini = finish)
{
    enum { ANSWER_BYTES = 16 << 20 };
    int32_t slow, second, brief;
    uint8_t prefix[4];

    lengths = true;
    answers.max_bytes = 20 << 20;
    receive_buffer_bytes = 4096;
    slow = dial_server();
    receive_buffer_bytes = 0;
    second = dial_server();
    brief = dial_server();
    send_number(slow, 200);
    turns_until(held_count == 1);
    answer_large(0, ANSWER_BYTES);
    send_number(second, 201);
    turns_until(counter_read(&server.counters.blocked) > 0);
    for (uint32_t i = 0; i < 3; i++) {
        send_number(brief, i);
        turns_until(held_count == 2 + i);
        answer_echo(1 + i);
        cr_assert(eq(u32, recv_number(brief), i));
    }
    recv_exactly(slow, prefix, 4);
    for (uint32_t left = ANSWER_BYTES; left > 0;) {
        uint32_t piece = left < sizeof(big_frame) ? left : (uint32_t)sizeof(big_frame);
        recv_exactly(slow, big_frame, piece);
        left -= piece;
    }
    turns_until(held_count == 5);
    answer_echo(4);
    cr_assert(eq(u32, recv_number(second), 201));
    cr_assert(eq(u64, server.long_answer_bytes, 0));
    close(slow);
    close(second);
    close(brief);
}

static void take_answer(int32_t fd, uint32_t size_bytes)
{
    uint8_t prefix[4];

    recv_exactly(fd, prefix, 4);
    for (uint32_t left = size_bytes; left > 0;) {
        uint32_t piece = left < sizeof(big_frame) ? left : (uint32_t)sizeof(big_frame);
        recv_exactly(fd, big_frame, piece);
        left -= piece;
    }
}

/* SRV-4: however many connections an address has. */
static void address_leaves_half(uint32_t number, uint32_t answer_bytes, uint32_t count)
{
    int32_t fds[10], more, other;

    lengths = true;
    answers.max_bytes = 40 << 20;
    receive_buffer_bytes = 4096;
    for (uint32_t i = 0; i < count; i++) {
        fds[i] = dial_server();
        send_number(fds[i], number);
        turns_until(held_count == 1 + i);
        answer_large(i, answer_bytes);
        turns(5);
    }
    receive_buffer_bytes = 0;
    more = dial_server();
    other = dial_from("127.0.0.2");
    send_number(more, number);
    turns_until(counter_read(&server.counters.blocked) > 0);
    send_number(other, number);
    turns_until(held_count == 1 + count);
    answer_echo(count);
    cr_assert(eq(u32, recv_number(other), number));
    turns(5);
    cr_assert(eq(u32, held_count, 1 + count), "its address owes too much");
    take_answer(fds[0], answer_bytes);
    turns_until(held_count == 2 + count);
    answer_echo(1 + count);
    cr_assert(eq(u32, recv_number(more), number));
    for (uint32_t i = 0; i < count; i++)
        close(fds[i]);
    close(more);
    close(other);
    turns_until(server.conn_count == 0);
    cr_assert(eq(u64, budget_used_bytes(&answers), 0));
}

Test(conn, an_address_leaves_half_of_the_long_answers_to_others, .init = setup, .fini = finish)
{
    address_leaves_half(200, 8 << 20, 2); /* of 30 MiB */
}

/* A connection that is lost owes nothing any more. */
Test(conn, what_lost_connections_owe_is_given_back_to_their_address, .init = setup, .fini = finish)
{
    int32_t slow, more;

    lengths = true;
    answers.max_bytes = 20 << 20;
    receive_buffer_bytes = 4096;
    slow = dial_server();
    receive_buffer_bytes = 0;
    more = dial_server();
    send_number(slow, 200);
    turns_until(held_count == 1);
    answer_large(0, 14 << 20);
    turns(5);
    send_number(more, 201);
    turns_until(counter_read(&server.counters.blocked) > 0);
    close(slow);
    turns_until(held_count == 2);
    answer_echo(1);
    cr_assert(eq(u32, recv_number(more), 201));
    close(more);
}

/* SRV-4: one that shows only later that its answer is long counts from then on. */
Test(conn, long_answers_that_are_expected_count_before_they_are_made, .init = setup, .fini = finish)
{
    enum { LONG_BYTES = 3 << 20 };
    int32_t fds[3];

    lengths = true;
    answers.max_bytes = 4 << 20;
    for (uint32_t i = 0; i < 3; i++) {
        fds[i] = dial_server();
        send_number(fds[i], i);
        turns_until(held_count == 1 + i);
    }
    cr_assert(conn_request_expects(&held[0].request, CONN_STEP_BYTES));
    cr_assert(eq(u64, budget_used_bytes(&answers), 0));
    cr_assert(conn_request_expects(&held[1].request, LONG_BYTES));
    cr_assert(eq(u64, budget_used_bytes(&answers), LONG_BYTES));
    cr_assert(not(conn_request_expects(&held[2].request, LONG_BYTES)));
    cr_assert(eq(u64, budget_used_bytes(&answers), LONG_BYTES));
    send_number(fds[0], 200);
    answer_echo(0);
    cr_assert(eq(u32, recv_number(fds[0]), 0));
    turns(5);
    cr_assert(eq(u32, held_count, 3)); /* a long one waits */
    answer_echo(1);
    cr_assert(eq(u32, recv_number(fds[1]), 1));
    turns_until(held_count == 4);
    cr_assert(eq(u64, server.long_answer_bytes, 0));
    cr_assert(conn_request_expects(&held[2].request, LONG_BYTES));
    conn_answer_none(&held[2].request);
    turns_until(released_count == 3);
    cr_assert(eq(u64, budget_used_bytes(&answers), 0));
    answer_echo(3);
    cr_assert(eq(u32, recv_number(fds[0]), 200));
    for (uint32_t i = 0; i < 3; i++)
        close(fds[i]);
}

Test(conn, unsent_answers_keep_requests_from_beginning, .init = setup, .fini = finish)
{
    int32_t fd = dial_server();
    int32_t other = dial_server();
    uint8_t prefix[4];

    answers.max_bytes = 1 << 20;
    send_number(fd, 1);
    turns_until(held_count == 1);
    answer_large(0, 32 << 20);
    send_number(other, 2);
    turns_until(counter_read(&server.counters.blocked) > 0);
    turns(5);
    cr_assert(eq(u32, held_count, 1));
    recv_exactly(fd, prefix, 4);
    recv_exactly(fd, big_frame, sizeof(big_frame));
    recv_exactly(fd, big_frame, sizeof(big_frame));
    recv_exactly(fd, big_frame, (32 << 20) - 2 * sizeof(big_frame));
    turns_until(held_count == 2);
    answer_echo(1);
    cr_assert(eq(u32, recv_number(other), 2));
    close(fd);
    close(other);
}

Test(conn, connections_beyond_the_limit_are_closed_until_others_end, .fini = finish)
{
    int32_t fds[3];

    start(&usual_limits, &(struct admission_limits){.connections_max = 2});
    for (int i = 0; i < 3; i++)
        fds[i] = dial_server();
    turns_until(refused_count == 1);
    cr_assert(eq(u32, server.conn_count, 2));
    cr_assert(eq(u64, counter_read(&admission.refused_by_total), 1));
    cr_assert(is_closed(fds[2]));
    close(fds[0]);
    turns_until(server.conn_count == 1);
    close(fds[2]);
    fds[2] = dial_server();
    turns_until(server.conn_count == 2);
    close(fds[1]);
    close(fds[2]);
}

Test(conn, what_comes_at_a_listener_is_counted_for_it, .init = setup, .fini = finish)
{
    struct listener first = listener;
    struct listener other;
    struct listener_options options = listener.options;
    int32_t fds[2];

    options.index = 3;
    cr_assert(eq(int, listener_open(&other, &options), OK));
    listener_start(&other);
    echo = true;
    fds[0] = dial_server();
    listener.bound = other.bound;
    fds[1] = dial_server();
    listener.bound = first.bound;
    for (int i = 0; i < 2; i++) {
        send_number(fds[i], 7);
        cr_assert(eq(u32, recv_number(fds[i]), 7));
    }
    send_number(fds[1], 8);
    cr_assert(eq(u32, recv_number(fds[1]), 8));
    turns_until(released_count == 3);
    cr_assert(eq(u64, counter_read(&server.traffic[0].requests), 1));
    cr_assert(eq(u64, counter_read(&server.traffic[3].requests), 2));
    cr_assert(eq(u64, counter_read(&server.traffic[0].in_bytes), 8));
    cr_assert(eq(u64, counter_read(&server.traffic[3].in_bytes), 16));
    cr_assert(eq(u64, counter_read(&server.traffic[3].out_bytes), 16));
    cr_assert(eq(u64, counter_read(&server.traffic[3].opened), 1));
    close(fds[1]);
    turns_until(counter_read(&server.traffic[3].ended) == 1);
    turns_until(server.conn_count == 1);
    cr_assert(eq(u64, counter_read(&server.traffic[0].ended), 0));
    close(fds[0]);
    listener_close(&other, on_listener_closed);
    turns_until(listener_closed);
    listener_closed = false;
}

/* ---- a place among the connections comes back in every way that one ends */

static int32_t way_fd;

static void closes_at_once(void)
{
    close(way_fd);
}

static void closes_in_a_frame(void)
{
    cr_assert(eq(sz, send(way_fd, "\0\0\0\4ab", 6, MSG_NOSIGNAL), 6));
    turns(3);
    close(way_fd);
}

/* Even numbers are worked on one at a time: the first one is in work, the others wait. */
static void waits_with(uint32_t count)
{
    uint32_t before = held_count;

    for (uint32_t i = 0; i < count; i++)
        send_number(way_fd, 2);
    turns_until(held_count == before + 1);
    turns(5);
}

static void closes_with_a_request_in_work(void)
{
    waits_with(1);
    close(way_fd);
}

static void closes_with_one_behind_it(void)
{
    waits_with(2);
    close(way_fd);
}

static void closes_with_some_behind_it(void)
{
    waits_with(100);
    close(way_fd);
}

/* So much that nobody listens any more. */
static void closes_with_many_behind_it(void)
{
    waits_with(5000);
    close(way_fd);
}

static void keeps_silent_with_many_behind_it(void)
{
    waits_with(5000);
}

static void resets(void)
{
    struct linger at_once = {.l_onoff = 1};

    waits_with(2);
    setsockopt(way_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(way_fd);
}

static void sends_nonsense(void)
{
    cr_assert(eq(sz, send(way_fd, "\377\377\377\377", 4, MSG_NOSIGNAL), 4));
}

static void announces_too_much(void)
{
    cr_assert(eq(sz, send(way_fd, "\177\377\377\377", 4, MSG_NOSIGNAL), 4));
}

static void is_refused(void)
{
    waits_with(1);
    conn_answer_close(&held[held_count - 1].request);
}

static void is_closed_by_its_owner(void)
{
    waits_with(2);
    conn_close(held[held_count - 1].request.conn, CONN_CLOSE_OWNER);
}

static void takes_no_answer(void)
{
    waits_with(1);
    answer_large(held_count - 1, 16 << 20);
}

static void sends_too_slowly(void)
{
    cr_assert(eq(sz, send(way_fd, "\0\0\0\4a", 5, MSG_NOSIGNAL), 5));
}

static void is_idle(void)
{
}

Test(conn, a_place_comes_back_in_every_way_that_a_connection_ends, .fini = finish, .timeout = 600)
{
    static const struct {
        void (*end)(void);
        enum conn_close_reason reason;
        bool by_us;
    } ways[] = {{closes_at_once, CONN_CLOSE_PEER_CLOSED, false},
                {closes_in_a_frame, CONN_CLOSE_PEER_CLOSED, false},
                {closes_with_a_request_in_work, CONN_CLOSE_PEER_CLOSED, false},
                {closes_with_one_behind_it, CONN_CLOSE_PEER_CLOSED, false},
                {closes_with_some_behind_it, CONN_CLOSE_PEER_CLOSED, false},
                {closes_with_many_behind_it, CONN_CLOSE_IDLE, false},
                {keeps_silent_with_many_behind_it, CONN_CLOSE_IDLE, true},
                {resets, CONN_CLOSE_PEER_RESET, false},
                {sends_nonsense, CONN_CLOSE_MALFORMED, true},
                {announces_too_much, CONN_CLOSE_TOO_LARGE, true},
                {is_refused, CONN_CLOSE_REFUSED, true},
                {is_closed_by_its_owner, CONN_CLOSE_OWNER, true},
                {takes_no_answer, CONN_CLOSE_UNTAKEN, true},
                {sends_too_slowly, CONN_CLOSE_SLOW, true},
                {is_idle, CONN_CLOSE_IDLE, true}};
    struct conn_limits limits = usual_limits;

    lanes = true;
    limits.idle_max_ms = 3000;
    limits.answer_stall_ms = 1000;
    limits.frame_stall_ms = 1000;
    start(&limits, &(struct admission_limits){.connections_per_ip_max = 1});
    for (size_t i = 0; i < array_count(ways); i++) {
        way_fd = dial_server();
        turns_until(admission.count == 1);
        last_reason = -1;
        ways[i].end();
        turns_until(admission.count == 0);
        cr_assert(eq(int, last_reason, (int)ways[i].reason), "way %zu", i);
        cr_assert(eq(sz, hash_map_count(&admission.by_ip), 0));
        if (ways[i].by_us)
            close(way_fd);
        for (uint32_t h = 0; h < held_count || server.conn_count > 0; h++) { /* also later ones */
            while (h == held_count && server.conn_count > 0)
                turns(1);
            if (h < held_count && held[h].request.state == CONN_REQUEST_WORKING &&
                !held[h].released)
                conn_answer_none(&held[h].request);
        }
        cr_assert(eq(u32, refused_count, 0));
    }
}

Test(conn, one_address_has_a_limit_of_its_own, .fini = finish)
{
    int32_t first, second, third;

    start(&usual_limits, &(struct admission_limits){.connections_per_ip_max = 1});
    first = dial_from("127.0.0.1");
    second = dial_from("127.0.0.1");
    turns_until(refused_count == 1);
    cr_assert(is_closed(second));
    third = dial_from("127.0.0.2");
    turns_until(server.conn_count == 2);
    close(first);
    turns_until(server.conn_count == 1);
    close(second);
    second = dial_from("127.0.0.1");
    turns_until(server.conn_count == 2);
    cr_assert(eq(u32, refused_count, 1));
    close(second);
    close(third);
}

static struct admission_override override_of(const char *ip, uint32_t connections_max)
{
    struct admission_override override = {.connections_max = connections_max};

    cr_assert(eq(int, io_address_parse(ip, 7, &override.address), OK));
    return override;
}

/* As far as admission goes, without sockets.  Tickets come home in forget. */
static enum err admit(const char *ip, struct admission_ticket **out)
{
    struct conn_arrival arrival = {.fd = -1};

    cr_assert(eq(int, io_address_parse(ip, 4711, &arrival.peer), OK));
    return admission_admit(&admission, &arrival, out);
}

static void forget(struct admission_ticket *ticket)
{
    ticket->server = &server;
    ticket->base.ended(&ticket->base);
}

Test(conn, an_override_replaces_the_limit_of_its_address_alone, .fini = finish)
{
    struct admission_override overrides[] = {override_of("127.0.0.2", 2),
                                             override_of("127.0.0.3", 0)};
    int32_t fds[5];

    start(&usual_limits, &(struct admission_limits){.connections_per_ip_max = 1,
                                                    .overrides = overrides,
                                                    .override_count = 2});
    overrides[0].connections_max = 0; /* a copy was taken */
    fds[0] = dial_from("127.0.0.2");
    fds[1] = dial_from("127.0.0.2");
    turns_until(server.conn_count == 2);
    fds[2] = dial_from("127.0.0.2");
    turns_until(refused_count == 1);
    fds[3] = dial_from("127.0.0.3");
    turns_until(refused_count == 2);
    fds[4] = dial_from("127.0.0.1");
    turns_until(server.conn_count == 3);
    cr_assert(is_closed(fds[2]));
    cr_assert(is_closed(fds[3]));
    cr_assert(eq(u64, counter_read(&admission.refused_by_ip), 2));
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

Test(conn, an_override_may_let_in_more_than_the_limit_or_be_the_only_way_in, .fini = finish)
{
    struct admission_override overrides[] = {override_of("::1", 1), override_of("1.2.3.4", 1),
                                             override_of("::1", 2)}; /* the later one counts */
    struct admission_ticket *tickets[2], *other;

    start(&usual_limits, &(struct admission_limits){
                             .only_overrides = true, .overrides = overrides, .override_count = 3});
    cr_assert(eq(int, admit("::1", &tickets[0]), OK));
    cr_assert(eq(int, admit("::1", &tickets[1]), OK));
    cr_assert(eq(int, admit("::1", &other), ERR_TOO_LARGE));
    cr_assert(eq(int, admit("::2", &other), ERR_TOO_LARGE));
    cr_assert(eq(int, admit("1.2.3.5", &other), ERR_TOO_LARGE));
    cr_assert(eq(sz, hash_map_count(&admission.by_ip), 1)); /* the refused leave nothing behind */
    forget(tickets[0]);
    cr_assert(eq(int, admit("::1", &tickets[0]), OK));
    forget(tickets[0]);
    forget(tickets[1]);
    cr_assert(eq(sz, hash_map_count(&admission.by_ip), 0));
}

static uint32_t refreshed_count;

static void on_refresh(void *context)
{
    static const struct admission_limits later = {.connections_per_ip_max = 2};

    cr_assert(eq(ptr, context, &admission));
    if (++refreshed_count == 4)
        admission_set_limits(context, &later);
}

Test(conn, new_limits_count_who_came_before_them_and_leave_them_in, .fini = finish)
{
    struct admission_override overrides[] = {override_of("10.0.0.1", 3)};
    struct admission_ticket *tickets[3], *other;

    start(&usual_limits, &(struct admission_limits){0});
    admission_set_refresh(&admission, on_refresh, &admission);
    for (int i = 0; i < 3; i++)
        cr_assert(eq(int, admit("10.0.0.1", &tickets[i]), OK));
    cr_assert(eq(int, admit("10.0.0.1", &other), ERR_TOO_LARGE)); /* refreshed before it */
    cr_assert(eq(u32, refreshed_count, 4));
    cr_assert(eq(u32, admission.count, 3));
    forget(tickets[0]);
    cr_assert(
        eq(int, admit("10.0.0.1", &other), ERR_TOO_LARGE)); /* still as many as there may be */
    admission_set_limits(&admission, &(struct admission_limits){.connections_per_ip_max = 2,
                                                                .overrides = overrides,
                                                                .override_count = 1});
    cr_assert(eq(int, admit("10.0.0.1", &tickets[0]), OK));
    cr_assert(eq(int, admit("10.0.0.1", &other), ERR_TOO_LARGE));
    admission_set_limits(&admission, &(struct admission_limits){0});
    cr_assert(eq(int, admit("10.0.0.1", &other), OK));
    forget(other);
    for (int i = 0; i < 3; i++)
        forget(tickets[i]);
}

Test(conn, idle_connections_are_closed_but_not_those_with_a_request_in_work, .fini = finish)
{
    struct conn_limits limits = usual_limits;
    uint64_t began_ns;
    int32_t idle, busy, lively;

    limits.idle_max_ms = 150;
    start(&limits, &(struct admission_limits){0});
    idle = dial_server();
    busy = dial_server();
    lively = dial_server();
    send_number(busy, 1);
    turns_until(held_count == 1);
    began_ns = clock_mono_ns(&clock_now);
    while (clock_mono_ns(&clock_now) < began_ns + 400000000U) {
        uint32_t before = held_count;

        send_number(lively, 2);
        turns_until(held_count > before);
        answer_echo(held_count - 1);
        cr_assert(eq(u32, recv_number(lively), 2));
        turns(10);
    }
    cr_assert(is_closed(idle));
    cr_assert(eq(int, last_reason, CONN_CLOSE_IDLE));
    cr_assert(eq(u32, server.conn_count, 2));
    answer_echo(0);
    cr_assert(eq(u32, recv_number(busy), 1));
    turns_until(server.conn_count == 0);
    cr_assert(eq(u64, counter_read(&server.counters.closed[CONN_CLOSE_IDLE]), 3));
    close(idle);
    close(busy);
    close(lively);
}

Test(conn, a_peer_that_does_not_take_its_answer_becomes_idle, .fini = finish)
{
    struct conn_limits limits = usual_limits;
    static uint8_t bytes[1 << 20];
    int32_t fd;

    limits.idle_max_ms = 1000;
    start(&limits, &(struct admission_limits){0});
    fd = dial_server();
    send_number(fd, 1);
    turns_until(held_count == 1);
    answer_large(0, 24 << 20);
    for (int i = 0; i < 4; i++) { /* taking it slowly is not idle */
        uint64_t began_ns = clock_mono_ns(&clock_now);

        recv_exactly(fd, bytes, sizeof(bytes));
        turns_until(clock_mono_ns(&clock_now) > began_ns + 350000000);
        cr_assert(eq(u32, server.conn_count, 1));
    }
    turns_until(closed_count == 1);
    cr_assert(eq(int, last_reason, CONN_CLOSE_IDLE));
    cr_assert(eq(u32, released_count, 1));
    close(fd);
}

static void reset(int32_t fd)
{
    struct linger at_once = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

Test(conn, a_peer_that_vanishes_in_the_middle_leaves_nothing_behind, .init = setup, .fini = finish)
{
    uint8_t half[100] = {0, 0, 1, 0};
    int32_t fd = dial_server();
    uint32_t count;

    /* one in work, one being sent to nobody, one half received */
    send_number(fd, 1);
    send_number(fd, 2);
    send(fd, half, sizeof(half), 0);
    turns_until(held_count == 2);
    answer_large(0, 8 << 20);
    turns(3);
    count = released_count;
    cr_assert(eq(u32, count, 0));
    reset(fd);
    turns_until(released_count == 1);
    /* The kernel tells a reset once: to the send or to the receive. */
    cr_assert(last_reason == CONN_CLOSE_PEER_RESET || last_reason == CONN_CLOSE_PEER_CLOSED);
    cr_assert(eq(u32, closed_count, 0));
    answer_large(1, 100);
    turns_until(closed_count == 1);
    cr_assert(eq(u32, released_count, 2));
}

Test(conn, stopping_sends_what_is_answered_and_takes_nothing_new, .init = setup)
{
    int32_t fd = dial_server();
    int32_t quiet = dial_server();
    int32_t late;

    send_number(fd, 1);
    send_number(fd, 2);
    turns_until(held_count == 2 && server.conn_count == 2);
    listener_close(&listener, on_listener_closed);
    turns_until(listener_closed);
    conn_server_stop(&server, 20000, on_stopped);
    send_number(fd, 3);
    turns_until(is_closed(quiet));
    turns(5);
    cr_assert(eq(u32, held_count, 2));
    cr_assert(not(stopped));
    answer_echo(1);
    turns(3);
    cr_assert(not(is_closed(fd)));
    answer_echo(0);
    cr_assert(eq(u32, recv_number(fd), 1));
    cr_assert(eq(u32, recv_number(fd), 2));
    turns_until(stopped);
    cr_assert(is_closed(fd));
    late = dup(fd); /* a socket that arrives too late is closed */
    conn_server_adopt(&server, &(struct conn_arrival){.fd = late});
    cr_assert(eq(int, dup2(late, late), -1));
    close(fd);
    close(quiet);
    finish();
}

/* Its peer went away long before, and its request waits all the same (CON-6). */
Test(conn, stopping_tells_of_the_deadline_also_who_has_closed_before, .init = setup)
{
    int32_t gone = dial_server();
    int32_t open = dial_server();

    send_number(gone, 1);
    turns_until(held_count == 1);
    close(gone);
    turns_until(last_reason == CONN_CLOSE_PEER_CLOSED);
    send_number(open, 2);
    turns_until(held_count == 2);
    listener_close(&listener, on_listener_closed);
    conn_server_stop(&server, 100, on_stopped);
    turns_until(stopped);
    cr_assert(eq(u32, overdue_count, 2));
    turns_until(listener_closed);
    close(open);
    finish();
}

Test(conn, stopping_ends_a_peer_that_does_not_read_at_the_deadline, .init = setup)
{
    uint64_t began_ns;
    int32_t fd = dial_server();

    send_number(fd, 1);
    turns_until(held_count == 1);
    answer_large(0, 16 << 20);
    turns(3);
    listener_close(&listener, on_listener_closed);
    began_ns = clock_mono_ns(&clock_now);
    conn_server_stop(&server, 100, on_stopped);
    turns_until(stopped);
    cr_assert(ge(u64, clock_mono_ns(&clock_now), began_ns + 99000000));
    cr_assert(eq(int, last_reason, CONN_CLOSE_DEADLINE));
    turns_until(listener_closed);
    close(fd);
    finish();
}

/* ---- two loops in two threads: connections are dealt out by mail */

enum { SHARDS = 2, CLIENTS = 8, ROUNDS = 200 };

struct shard_side {
    struct io *io;
    struct loop loop;
    struct slab slab;
    struct conn_server server;
    struct mail stop_mail;
    struct mail stopped_mail;
    pthread_t thread;
    pthread_t owner; /* seen by the callbacks */
    uint32_t request_count;
    uint32_t opened_count;
};

static struct shard_side sides[SHARDS];
static struct conn_server *const side_servers[] = {&sides[0].server, &sides[1].server};
static uint32_t sides_stopped;

struct echo_request {
    struct conn_request request;
    struct wire_segment segments[2];
    uint8_t prefix[4];
};

static void free_echo(struct conn_request *request)
{
    mem_free(container_of(request, struct echo_request, request));
}

static enum err create_echo(void *context, struct conn *conn, uint8_t lane,
                            struct conn_request **out)
{
    struct echo_request *e = mem_alloc(sizeof(*e));

    e->request.release = free_echo;
    *out = &e->request;
    return OK;
}

static void echo_request(void *context, struct conn_request *request)
{
    struct shard_side *side = context;
    struct echo_request *e = container_of(request, struct echo_request, request);

    check(pthread_equal(side->owner, pthread_self()));
    side->request_count++;
    put_size(e->prefix, request->size_bytes);
    e->segments[0] = (struct wire_segment){.bytes = e->prefix, .size_bytes = 4};
    e->segments[1] = (struct wire_segment){request->bytes, request->size_bytes, NULL};
    conn_answer(request, e->segments, 2);
}

static void echo_opened(void *context, struct conn *conn)
{
    struct shard_side *side = context;

    check(pthread_equal(side->owner, pthread_self()));
    check(conn->listener == &listener && conn->local.port == listener.bound.port);
    side->opened_count++;
}

static const struct conn_events echo_events = {
    .opened = echo_opened, .create = create_echo, .request = echo_request};

static void on_side_told(struct mail *mail)
{
    if (++sides_stopped == SHARDS)
        loop_stop(&sides[0].loop); /* the last one: tickets came home to it before this mail */
}

static void on_side_stopped(struct conn_server *s)
{
    struct shard_side *side = container_of(s, struct shard_side, server);

    side->stopped_mail.deliver = on_side_told;
    loop_post(&sides[0].loop, &side->stopped_mail);
    if (side != &sides[0])
        loop_stop(&side->loop);
}

static void on_side_stop(struct mail *mail)
{
    struct shard_side *side = container_of(mail, struct shard_side, stop_mail);

    conn_server_stop(&side->server, 5000, on_side_stopped);
}

static void on_all_accepted(struct listener *l)
{
    for (int i = 0; i < SHARDS; i++) {
        sides[i].stop_mail.deliver = on_side_stop;
        loop_post(&sides[i].loop, &sides[i].stop_mail);
    }
}

static struct mail close_mail;

static void on_close_mail(struct mail *mail)
{
    listener_close(&listener, on_all_accepted);
}

static void *run_side(void *argument)
{
    struct shard_side *side = argument;

    side->owner = pthread_self();
    check(loop_run(&side->loop) == OK);
    return NULL;
}

Test(conn, two_loops_share_a_listener_by_mail, .timeout = 600)
{
    struct listener_options listener_options = {.name = "PLAINTEXT",
                                                .backlog = 128,
                                                .servers = side_servers,
                                                .server_count = SHARDS,
                                                .admission = &admission};
    int32_t fds[CLIENTS];
    uint64_t blocks_before = mem_used_count();

    clock_system_init(&clock_now);
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct io_uring_options options = {0};
        struct conn_server_options server_options = {.loop = &sides[i].loop,
                                                     .slab = &sides[i].slab,
                                                     .limits = usual_limits,
                                                     .events = &echo_events,
                                                     .context = &sides[i]};

        cr_assert(eq(int, io_uring_create(&options, &sides[i].io), OK));
        loop_init(&sides[i].loop, i, sides[i].io, &clock_now);
        slab_init(&sides[i].slab, SLAB_BYTES);
        conn_server_init(&sides[i].server, &server_options);
    }
    admission_init(&admission, &sides[0].loop,
                   &(struct admission_limits){.connections_per_ip_max = CLIENTS}, 1);
    cr_assert(eq(int, io_address_parse("127.0.0.1", 0, &listener_options.at), OK));
    cr_assert(eq(int, listener_open(&listener, &listener_options), OK));
    listener_start(&listener); /* before its thread runs: only noted down */
    for (int i = 0; i < SHARDS; i++)
        pthread_create(&sides[i].thread, NULL, run_side, &sides[i]);
    for (int i = 0; i < CLIENTS; i++) {
        struct timeval patience = {.tv_sec = 20};

        fds[i] = dial_server();
        setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < CLIENTS; i++)
            send_number(fds[i], round * 100 + i);
        for (uint32_t i = 0; i < CLIENTS; i++) {
            uint32_t got[2];

            cr_assert(eq(sz, recv(fds[i], got, sizeof(got), MSG_WAITALL), sizeof(got)));
            cr_assert(eq(u32, got[1], round * 100 + i));
        }
    }
    for (int i = 0; i < CLIENTS / 2; i++)
        close(fds[i]);
    close_mail.deliver = on_close_mail;
    loop_post(&sides[0].loop, &close_mail);
    for (int i = 0; i < SHARDS; i++)
        pthread_join(sides[i].thread, NULL);
    for (int i = CLIENTS / 2; i < CLIENTS; i++)
        close(fds[i]);
    for (int i = 0; i < SHARDS; i++) {
        cr_assert(eq(u32, sides[i].opened_count, CLIENTS / SHARDS));
        cr_assert(eq(u32, sides[i].request_count, ROUNDS * CLIENTS / SHARDS));
        conn_server_deinit(&sides[i].server);
        slab_deinit(&sides[i].slab);
        sides[i].io->v->destroy(sides[i].io);
    }
    admission_deinit(&admission);
    cr_assert(eq(u64, mem_used_count(), blocks_before));
}
