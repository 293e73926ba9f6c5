/* io_sockets: the short calls of an io on sockets (io.h, "sockets, now"), for the backends that
 * speak to the kernel.
 *
 * Each keeps nothing and may run on any thread; io is not looked at.  None waits but
 * io_sockets_resolve (a name server) and io_sockets_listen (a port that is about to be free, three
 * seconds at most).  Sockets are in blocking mode: a ring answers EAGAIN on others. */
#ifndef LEVEE_BASE_IO_SOCKETS_H
#define LEVEE_BASE_IO_SOCKETS_H

#include "base/io.h"

/* An address as the kernel takes it. */
union io_socket_name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Fills out; the size of what is filled in bytes. */
socklen_t io_sockets_name(const struct io_address *address, union io_socket_name *out);

/* ERR_NOT_FOUND: nobody knows the name. */
must_use enum err io_sockets_resolve(struct io *io, const char *host, uint16_t port,
                                     struct io_address *out);

/* A listening socket; bound_out: where, with the port that the kernel chose for 0.  Every interface
 * of a host without IPv6 is every one of IPv4.  ERR_IN_USE: the port stayed taken. */
must_use enum err io_sockets_listen(struct io *io, const struct io_address *at, uint32_t backlog,
                                    int32_t *fd_out, struct io_address *bound_out);

/* A stream socket with the options that connections have.  ERR_UNSUPPORTED: no such family. */
must_use enum err io_sockets_socket(struct io *io, uint16_t family, int32_t *fd_out);
must_use enum err io_sockets_names(struct io *io, int32_t fd, struct io_address *local_out,
                                   struct io_address *peer_out);
void io_sockets_shutdown(struct io *io, int32_t fd);

/* Files and sockets. */
void io_sockets_close(struct io *io, int32_t fd);

#endif
