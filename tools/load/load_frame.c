#include "tools/load/load_frame.h"

#include "base/mem.h"
#include "record/big_endian.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 5,
    REST_MS = 10000,
    BACKLOG = 4,
};

/* The addresses of "HOST:PORT"; freeaddrinfo is the caller's. */
static enum err resolve(const char *address, bool is_passive, struct addrinfo **out)
{
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char host[256];
    size_t host_bytes;

    if (colon == NULL || colon[1] == '\0' || colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return ERR_INVALID;
    host_bytes = (size_t)(colon - address);
    if (host_bytes >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        host_bytes -= 2;
    }
    if (host_bytes == 0 || host_bytes >= sizeof(host))
        return ERR_INVALID;
    memcpy(host, address, host_bytes);
    host[host_bytes] = '\0';
    hints.ai_flags = AI_NUMERICSERV | (is_passive ? AI_PASSIVE : 0);
    return getaddrinfo(host, colon + 1, &hints, out) == 0 ? OK : ERR_NOT_FOUND;
}

static void set_option(int fd, int level, int name)
{
    int on = 1;

    (void)setsockopt(fd, level, name, &on, sizeof(on));
}

/* Wait until fd is ready for events.  ERR_TIMEOUT. */
static enum err wait_ready(int fd, short events, int timeout_ms)
{
    struct pollfd ready = {.fd = fd, .events = events};
    int count;

    do {
        count = poll(&ready, 1, timeout_ms);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return err_from_errno(errno);
    return count == 0 ? ERR_TIMEOUT : OK;
}

static enum err connect_one(const struct addrinfo *address, int timeout_ms, int *fd_out)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size_bytes = sizeof(int);
    int result = 0;
    enum err err = OK;

    if (fd < 0)
        return err_from_errno(errno);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        err = errno == EINPROGRESS ? wait_ready(fd, POLLOUT, timeout_ms) : ERR_REFUSED;
        if (!err && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size_bytes) != 0 || result))
            err = ERR_REFUSED;
    }
    if (err) {
        (void)close(fd);
        return err;
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    *fd_out = fd;
    return OK;
}

enum err load_frame_connect(const char *address, int timeout_ms, int *fd_out)
{
    struct addrinfo *list;
    enum err err = resolve(address, false, &list);

    if (err)
        return err;
    err = ERR_REFUSED;
    for (const struct addrinfo *one = list; one != NULL && err; one = one->ai_next)
        err = connect_one(one, timeout_ms, fd_out);
    freeaddrinfo(list);
    return err;
}

enum err load_frame_listen(const char *address, int *fd_out)
{
    struct addrinfo *list;
    enum err err = resolve(address, true, &list);
    int fd;

    if (err)
        return err;
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        err = err_from_errno(errno);
    } else {
        set_option(fd, SOL_SOCKET, SO_REUSEADDR);
        if (bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
            err = err_from_errno(errno);
    }
    freeaddrinfo(list);
    if (err && fd >= 0)
        (void)close(fd);
    if (!err)
        *fd_out = fd;
    return err;
}

static enum err send_all(int fd, const uint8_t *bytes, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t sent = send(fd, bytes, size_bytes, MSG_NOSIGNAL);
        enum err err = OK;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            err = wait_ready(fd, POLLOUT, REST_MS);
        else if (sent < 0 && errno != EINTR)
            err = ERR_CLOSED;
        if (err)
            return err;
        if (sent > 0) {
            bytes += sent;
            size_bytes -= (size_t)sent;
        }
    }
    return OK;
}

enum err load_frame_send(int fd, enum load_frame_type type, const void *bytes, size_t size_bytes)
{
    uint8_t *frame;
    enum err err;

    if (size_bytes >= UINT32_MAX)
        return ERR_TOO_LARGE;
    frame = mem_try_alloc(HEAD_BYTES + size_bytes);
    if (frame == NULL)
        return ERR_NOMEM;
    big_endian_put_u32(frame, (uint32_t)size_bytes + 1);
    frame[4] = (uint8_t)type;
    if (size_bytes > 0)
        memcpy(frame + HEAD_BYTES, bytes, size_bytes);
    err = send_all(fd, frame, HEAD_BYTES + size_bytes); /* at once: no delayed part */
    mem_free(frame);
    return err;
}

static enum err receive_all(int fd, uint8_t *bytes, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t got = recv(fd, bytes, size_bytes, 0);
        enum err err = OK;
        if (got == 0)
            return ERR_CLOSED;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            err = wait_ready(fd, POLLIN, REST_MS);
        else if (got < 0 && errno != EINTR)
            err = ERR_CLOSED;
        if (err)
            return err == ERR_TIMEOUT ? ERR_MALFORMED : err;
        if (got > 0) {
            bytes += got;
            size_bytes -= (size_t)got;
        }
    }
    return OK;
}

enum err load_frame_receive(int fd, int timeout_ms, uint32_t max_bytes, struct load_frame *out)
{
    uint8_t head[HEAD_BYTES];
    uint32_t size_bytes;
    enum err err = wait_ready(fd, POLLIN, timeout_ms);

    if (!err)
        err = receive_all(fd, head, sizeof(head));
    if (err)
        return err;
    size_bytes = big_endian_get_u32(head);
    if (size_bytes == 0)
        return ERR_MALFORMED;
    size_bytes--;
    if (size_bytes > max_bytes)
        return ERR_TOO_LARGE;
    *out = (struct load_frame){.type = head[4], .size_bytes = size_bytes};
    out->bytes = mem_try_alloc((size_t)size_bytes + 1);
    if (out->bytes == NULL)
        return ERR_NOMEM;
    err = receive_all(fd, out->bytes, size_bytes);
    if (err)
        load_frame_free(out);
    return err;
}

void load_frame_free(struct load_frame *frame)
{
    mem_free(frame->bytes);
    *frame = (struct load_frame){0};
}
