#include "base/io_sockets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BIND_PAUSE_MS = 20,
    BIND_TRIES_MAX = 150, /* three seconds */
};

socklen_t io_sockets_name(const struct io_address *address, union io_socket_name *out)
{
    memset(out, 0, sizeof(*out));
    if (address->family == AF_INET) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(address->port);
        memcpy(&out->v4.sin_addr, address->ip, 4);
        return sizeof(out->v4);
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(address->port);
    memcpy(&out->v6.sin6_addr, address->ip, 16);
    return sizeof(out->v6);
}

/* An IPv4 peer of a socket for both families comes as ::ffff:a.b.c.d (ipv6(7)): told as IPv4. */
static void address_from_name(const union io_socket_name *name, struct io_address *out)
{
    *out = (struct io_address){.family = name->any.sa_family};
    if (name->any.sa_family == AF_INET) {
        out->port = ntohs(name->v4.sin_port);
        memcpy(out->ip, &name->v4.sin_addr, 4);
    } else if (name->any.sa_family == AF_INET6) {
        out->port = ntohs(name->v6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&name->v6.sin6_addr)) {
            out->family = AF_INET;
            memcpy(out->ip, &name->v6.sin6_addr.s6_addr[12], 4);
        } else {
            memcpy(out->ip, &name->v6.sin6_addr, 16);
        }
    }
}

static bool set_option(int32_t fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/* Answers leave at once, and peers that vanished are noticed.  What a listening socket has, the
 * accepted ones inherit (tcp(7), Linux). */
static bool set_stream_options(int32_t fd)
{
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
           set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

enum err io_sockets_socket(struct io *io, uint16_t family, int32_t *fd_out)
{
    /* Blocking mode: on a non-blocking one the ring answers EAGAIN instead of waiting. */
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

    if (fd < 0)
        return errno == EAFNOSUPPORT ? ERR_UNSUPPORTED : err_from_errno(errno);
    if (!set_stream_options(fd)) {
        enum err err = err_from_errno(errno);

        close(fd);
        return err;
    }
    *fd_out = fd;
    return OK;
}

static enum err name_of(int32_t fd, int (*ask)(int, struct sockaddr *, socklen_t *),
                        struct io_address *out)
{
    union io_socket_name name = {0};
    socklen_t size = sizeof(name);

    if (ask(fd, &name.any, &size) < 0)
        return err_from_errno(errno);
    address_from_name(&name, out);
    return OK;
}

/* A process that was killed keeps its listening socket until the kernel has ended the accepts of
 * its ring, which is a moment after wait(2) has told its end. */
static bool bind_patiently(int32_t fd, const union io_socket_name *name, socklen_t size)
{
    static const struct timespec pause = {.tv_nsec = BIND_PAUSE_MS * 1000000L};

    for (uint32_t tries = 1; bind(fd, &name->any, size) < 0; tries++) {
        if (errno != EADDRINUSE || tries == BIND_TRIES_MAX)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static enum err bind_and_listen(int32_t fd, const struct io_address *at, uint32_t backlog,
                                struct io_address *bound_out)
{
    union io_socket_name name;
    socklen_t size = io_sockets_name(at, &name);

    if (!set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1))
        return err_from_errno(errno);
    if (at->family == AF_INET6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0))
        return err_from_errno(errno);
    if (!bind_patiently(fd, &name, size) || listen(fd, (int)backlog) < 0)
        return err_from_errno(errno);
    return name_of(fd, getsockname, bound_out);
}

static bool is_every_interface(const struct io_address *at)
{
    static const uint8_t zeros[16];

    return at->family == AF_INET6 && memcmp(at->ip, zeros, sizeof(zeros)) == 0;
}

enum err io_sockets_resolve(struct io *io, const char *host, uint16_t port, struct io_address *out)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    union io_socket_name name = {0};

    if (io_address_parse(host, port, out) == OK)
        return OK;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return ERR_NOT_FOUND;
    memcpy(&name, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    address_from_name(&name, out);
    out->port = port;
    return OK;
}

enum err io_sockets_listen(struct io *io, const struct io_address *at, uint32_t backlog,
                           int32_t *fd_out, struct io_address *bound_out)
{
    struct io_address address = *at;
    int32_t fd;
    enum err err = io_sockets_socket(io, address.family, &fd);

    if (err == ERR_UNSUPPORTED && is_every_interface(at)) { /* a host without IPv6 */
        address = (struct io_address){.family = AF_INET, .port = at->port};
        err = io_sockets_socket(io, address.family, &fd);
    }
    if (err)
        return err;
    err = bind_and_listen(fd, &address, backlog, bound_out);
    if (err) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return OK;
}

enum err io_sockets_names(struct io *io, int32_t fd, struct io_address *local_out,
                          struct io_address *peer_out)
{
    enum err err = name_of(fd, getsockname, local_out);

    return err ? err : name_of(fd, getpeername, peer_out);
}

void io_sockets_shutdown(struct io *io, int32_t fd)
{
    (void)shutdown(fd, SHUT_RDWR); /* ENOTCONN: the peer was faster */
}

void io_sockets_close(struct io *io, int32_t fd)
{
    (void)close(fd); /* not again after EINTR: close(2); data was synced before if it mattered */
}
