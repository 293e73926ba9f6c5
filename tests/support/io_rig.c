#include "tests/support/io_rig.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct io *io;
struct loop loop;
struct clock clock_now;

static char dir[64];

struct criterion_test_params io_rig_bodies(void)
{
    static struct io_rig_body bodies[] = {
        {.is_plain = false}, {.is_old = true}, {.is_plain = true}};

    return cr_make_param_array(struct io_rig_body, bodies, array_count(bodies));
}

void io_rig_open(const struct io_rig_body *body)
{
    struct io_uring_options ring = {
        .recv_buffer_bytes = 4096, .recv_buffer_count = 4, .plain = body->is_old};
    struct io_plain_options plain = {.recv_buffer_bytes = 4096, .recv_count = 4};

    clock_system_init(&clock_now);
    cr_assert(
        eq(int, body->is_plain ? io_plain_create(&plain, &io) : io_uring_create(&ring, &io), OK));
    loop_init(&loop, 0, io, &clock_now);
    strcpy(dir, "/tmp/levee-io-XXXXXX");
    cr_assert(ne(ptr, mkdtemp(dir), NULL));
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    return remove(path);
}

void io_rig_close(void)
{
    if (io == NULL)
        return;
    cr_assert(eq(u64, io->in_flight_count, 0));
    io->v->destroy(io);
    io = NULL;
    if (dir[0] == '\0')
        return;
    cr_assert(eq(int, nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0));
}

const char *path_in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

void turns_until(bool (*over)(void))
{
    uint64_t deadline_ns = clock_mono_ns(&clock_now) + 20000000000U;

    while (!over()) {
        cr_assert(lt(u64, clock_mono_ns(&clock_now), deadline_ns), "%s", io->v->name);
        cr_assert(eq(int, loop_turn(&loop, 50000000), OK));
    }
}

void turns(uint32_t count)
{
    while (count-- > 0)
        cr_assert(eq(int, loop_turn(&loop, 5000000), OK));
}

static struct call *awaited;

static bool awaited_over(void)
{
    return awaited->over;
}

void on_call(struct io_op *op, int32_t result)
{
    struct call *call = container_of(op, struct call, op);

    cr_assert(not(call->over)); /* IO-1 */
    call->result = result;
    call->over = true;
}

int32_t await(struct call *call)
{
    awaited = call;
    turns_until(awaited_over);
    return call->result;
}

int32_t listen_on_loopback(struct io_address *bound)
{
    struct io_address at;
    int32_t fd;

    cr_assert(eq(int, io_address_parse("127.0.0.1", 0, &at), OK));
    cr_assert(eq(int, io->v->listen(io, &at, 64, &fd, bound), OK));
    cr_assert(ne(u16, bound->port, 0));
    return fd;
}

void connect_socket(int32_t fd, const struct io_address *to)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(to->port)};

    memcpy(&name.sin_addr, to->ip, 4);
    cr_assert(eq(int, connect(fd, (struct sockaddr *)&name, sizeof(name)), 0));
}

int32_t connect_plainly(const struct io_address *to)
{
    int32_t fd = socket(AF_INET, SOCK_STREAM, 0);

    connect_socket(fd, to);
    return fd;
}
