#include "tools/load/load_limits.h"

#include "base/io.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_BYTES = 64 << 20,
    SMALL_BYTES = 4096,
    LARGE_BYTES = 1 << 20,
    PING_BYTES = 1024,
    PONG_BYTES = 64,
    BULK_BYTES = 256 << 10,
    SOCKET_WAIT_S = 10,
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The file of the device's limits, whole, and whether it is direct. */
struct target {
    int fd;
    bool is_direct;
    uint8_t *bytes;
};

static enum err write_at(const struct target *target, size_t size_bytes, off_t pos)
{
    size_t done = 0;

    while (done < size_bytes) {
        ssize_t written =
            pwrite(target->fd, target->bytes + done, size_bytes - done, pos + (off_t)done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written == 0 ? ERR_IO : err_from_errno(errno);
        done += (size_t)written;
    }
    if (!target->is_direct && fdatasync(target->fd) != 0)
        return err_from_errno(errno);
    return OK;
}

/* A file without a name, where the file system knows such; else one that loses it at once. */
static int open_unnamed(const char *directory, int flags)
{
    char path[4352];
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600);

    if (fd >= 0 || errno == EINVAL)
        return fd; /* EINVAL: no O_DIRECT */
    if (snprintf(path, sizeof(path), "%s/.levee-limits-%ld", directory, (long)getpid()) >=
        (int)sizeof(path))
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | flags, 0600);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static enum err target_open(struct target *target, const char *directory)
{
    enum err err = OK;

    *target = (struct target){.fd = -1, .is_direct = true};
    target->bytes = mem_try_alloc_aligned(IO_ALIGN, LARGE_BYTES);
    if (target->bytes == NULL)
        return ERR_NOMEM;
    memset(target->bytes, 'l', LARGE_BYTES);
    target->fd = open_unnamed(directory, O_DIRECT | O_DSYNC);
    if (target->fd < 0 && errno == EINVAL) {
        target->is_direct = false;
        target->fd = open_unnamed(directory, 0);
    }
    if (target->fd < 0)
        err = err_from_errno(errno);
    /* a file that is written for the first time is another thing than a journal */
    for (off_t pos = 0; pos < FILE_BYTES && err == OK; pos += LARGE_BYTES)
        err = write_at(target, LARGE_BYTES, pos);
    return err;
}

static void target_close(struct target *target)
{
    if (target->fd >= 0)
        close(target->fd);
    mem_free(target->bytes);
}

static enum err measure_small(const struct target *target, uint64_t duration_ns,
                              struct histogram *took_ns)
{
    uint64_t until_ns = now_ns() + duration_ns;
    enum err err = OK;

    for (off_t pos = 0; err == OK; pos = (pos + SMALL_BYTES) % FILE_BYTES) {
        uint64_t began_ns = now_ns();
        if (began_ns >= until_ns)
            break;
        err = write_at(target, SMALL_BYTES, pos);
        histogram_record(took_ns, now_ns() - began_ns);
    }
    return err;
}

static enum err measure_large(const struct target *target, uint64_t duration_ns, double *out)
{
    uint64_t began_ns = now_ns();
    uint64_t written_bytes = 0;
    enum err err = OK;

    for (off_t pos = 0; err == OK && now_ns() - began_ns < duration_ns;
         pos = (pos + LARGE_BYTES) % FILE_BYTES) {
        err = write_at(target, LARGE_BYTES, pos);
        written_bytes += LARGE_BYTES;
    }
    *out = (double)written_bytes * 1e9 / (double)(now_ns() - began_ns);
    return err;
}

static bool move_all(int fd, uint8_t *bytes, size_t size_bytes, bool is_sent)
{
    size_t done = 0;

    while (done < size_bytes) {
        ssize_t moved = is_sent ? send(fd, bytes + done, size_bytes - done, MSG_NOSIGNAL)
                                : recv(fd, bytes + done, size_bytes - done, 0);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved <= 0)
            return false;
        done += (size_t)moved;
    }
    return true;
}

/* The other end of the loopback: answers each ping, or swallows what comes. */
struct peer {
    pthread_t thread;
    int listener;
    bool is_bulk;
};

static void *serve(void *argument)
{
    static uint8_t bytes[2][BULK_BYTES];
    struct peer *peer = argument;
    uint8_t *room = bytes[peer->is_bulk];
    int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return NULL;
    if (peer->is_bulk)
        while (recv(fd, room, BULK_BYTES, 0) > 0)
            ;
    else
        while (move_all(fd, room, PING_BYTES, false) && move_all(fd, room, PONG_BYTES, true))
            ;
    close(fd);
    return NULL;
}

static enum err peer_open(struct peer *peer, bool is_bulk, int *out)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval limit = {.tv_sec = SOCKET_WAIT_S};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    peer->is_bulk = is_bulk;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || peer->listener < 0 ||
        bind(peer->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(peer->listener, 1) != 0 ||
        getsockname(peer->listener, (struct sockaddr *)&address, &size) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        pthread_create(&peer->thread, NULL, serve, peer) != 0) {
        enum err err = err_from_errno(errno == 0 ? EIO : errno);
        if (fd >= 0)
            close(fd);
        if (peer->listener >= 0)
            close(peer->listener);
        return err;
    }
    *out = fd;
    return OK;
}

static void peer_close(struct peer *peer, int fd)
{
    close(fd);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
}

static enum err measure_ping(uint64_t duration_ns, uint8_t *bytes, struct histogram *took_ns)
{
    struct peer peer;
    int fd;
    enum err err = peer_open(&peer, false, &fd);
    uint64_t until_ns = now_ns() + duration_ns;

    if (err != OK)
        return err;
    for (;;) {
        uint64_t began_ns = now_ns();
        if (began_ns >= until_ns)
            break;
        if (!move_all(fd, bytes, PING_BYTES, true) || !move_all(fd, bytes, PONG_BYTES, false)) {
            err = ERR_CLOSED;
            break;
        }
        histogram_record(took_ns, now_ns() - began_ns);
    }
    peer_close(&peer, fd);
    return err;
}

static enum err measure_bulk(uint64_t duration_ns, uint8_t *bytes, double *out)
{
    struct peer peer;
    int fd;
    enum err err = peer_open(&peer, true, &fd);
    uint64_t began_ns = now_ns();
    uint64_t sent_bytes = 0;

    if (err != OK)
        return err;
    while (err == OK && now_ns() - began_ns < duration_ns) {
        if (!move_all(fd, bytes, BULK_BYTES, true))
            err = ERR_CLOSED;
        sent_bytes += BULK_BYTES;
    }
    *out = (double)sent_bytes * 1e9 / (double)(now_ns() - began_ns);
    peer_close(&peer, fd);
    return err;
}

static void take(struct histogram *took_ns, uint64_t *p50, uint64_t *p99)
{
    *p50 = histogram_percentile(took_ns, 50);
    *p99 = histogram_percentile(took_ns, 99);
    histogram_reset(took_ns);
}

enum err load_limits_measure(struct load_result *result, const char *directory,
                             uint32_t duration_ms)
{
    uint64_t duration_ns = (uint64_t)duration_ms * 1000000;
    struct load_limits limits = {.is_known = true};
    struct histogram took_ns;
    struct target target;
    enum err err = histogram_init(&took_ns, 3);

    if (err != OK)
        return err;
    err = target_open(&target, directory);
    if (err == OK)
        err = measure_small(&target, duration_ns, &took_ns);
    take(&took_ns, &limits.sync_p50_ns, &limits.sync_p99_ns);
    if (err == OK)
        err = measure_large(&target, duration_ns, &limits.disk_bytes_per_s);
    if (err == OK)
        err = measure_ping(duration_ns, target.bytes, &took_ns);
    take(&took_ns, &limits.loopback_p50_ns, &limits.loopback_p99_ns);
    if (err == OK)
        err = measure_bulk(duration_ns, target.bytes, &limits.loopback_bytes_per_s);
    if (err == OK) {
        result->limits = limits;
        load_result_environment(result, "limits measured in", "%s%s", directory,
                                target.is_direct ? "" : " (no O_DIRECT: write and fdatasync)");
    }
    target_close(&target);
    histogram_deinit(&took_ns);
    return err;
}
