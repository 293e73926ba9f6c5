/* sim_process: one incarnation of a node's program: its descriptors, its ios, and its death.
 *
 * Made when a node starts and given up when it stops or crashes; disk, network and host outlive it.
 *   SPR-1  a descriptor is the lowest free number, from 3
 *   SPR-2  an open file or socket lives until its descriptor is closed and no operation uses it
 *   SPR-3  a dead process changes nothing: calls fail with ERR_CLOSED, operations complete with
 *       -ECANCELED, so that its objects can be taken down in the ordinary way */
#ifndef LEVEE_TESTS_SIM_PROCESS_H
#define LEVEE_TESTS_SIM_PROCESS_H

#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_queue.h"

#include <stdbool.h>
#include <stdint.h>

enum sim_crash {
    SIM_NO_CRASH,
    SIM_KILL,       /* kill -9: the page cache and the host stay */
    SIM_POWER_LOSS, /* the disk is reduced to a legal image, the host falls silent */
};

enum { SIM_SHARDS_MAX = 16 };

struct sim_io;
struct sim_op;

/* An open file or socket. */
struct sim_handle {
    struct list node;
    uint64_t id;
    uint32_t refs; /* the descriptor, and operations in flight */
    uint32_t open_flags;
    uint64_t inode;        /* of a file; 0 for a socket */
    struct sim_sock *sock; /* NULL for a file */
    struct sim_op *reader; /* operations on the socket; one of each at a time */
    struct sim_op *writer;
    struct sim_op *acceptor;
    struct sim_op *connector;
};

struct sim_process {
    struct sim_queue *queue;
    struct sim_disk *disk;
    struct sim_net *net;
    uint32_t node; /* in the hash */
    uint32_t host;
    struct prng prng;
    struct list handles;     /* of sim_handle.node, oldest first */
    struct sim_handle **fds; /* by descriptor */
    uint32_t fds_count;
    uint32_t fds_max;
    uint64_t next_id; /* of handles, operations and writes */
    struct sim_io *ios[SIM_SHARDS_MAX];
    uint32_t ios_count;
    uint64_t disk_call_count;  /* operations and calls that touch the disk */
    uint64_t crash_at_call;    /* 0: never */
    enum sim_crash crash_kind; /* what happens then */
    bool crash_after_call;
    enum sim_crash died_of; /* SIM_NO_CRASH: alive, or stopped in order */
    bool dead;
    /* Before each call and effect that may change the disk; it may end the process.  write: see
     * sim_process_enter. */
    void (*watch)(struct sim_process *process, uint64_t inode, const struct sim_disk_write *write);
    void *watch_context;
};

/* shards_count: ios to make. */
struct sim_process *sim_process_create(struct sim_queue *queue, struct sim_disk *disk,
                                       struct sim_net *net, uint32_t node, uint32_t host,
                                       uint32_t shards_count, const struct prng *seed);

/* Dead or not, it ends without a trace in what it has left; its ios are gone.  Does not touch the
 * memory of operations that never completed. */
void sim_process_destroy(struct sim_process *process);

/* The crash: what was in flight on the disk is applied wholly, partly or not, descriptors are gone,
 * the disk is what a crash of that kind leaves.  SIM_NO_CRASH: an exit, with the same fate for
 * what is in flight.  A dead process stays as it is. */
void sim_process_die(struct sim_process *process, enum sim_crash kind);

/* Around every call that touches the disk: counts it, and dies before it, in it (a write is applied
 * partly) or after it, when crash_at_call says so.  write: what the call is about to write to
 * inode, or NULL.  False: dead; do nothing. */
must_use bool sim_process_enter(struct sim_process *process, uint64_t inode,
                                const struct sim_disk_write *write);
void sim_process_leave(struct sim_process *process);

/* A descriptor for a new handle, or -EMFILE. */
int32_t sim_process_install(struct sim_process *process, struct sim_handle *handle);

/* Could a descriptor be installed? */
bool sim_process_has_room(const struct sim_process *process);

/* NULL: no such descriptor. */
struct sim_handle *sim_process_handle(const struct sim_process *process, int32_t fd);

/* Its socket, for faults from a test; it must be one. */
struct sim_sock *sim_process_sock(const struct sim_process *process, int32_t fd);

/* With one reference. */
struct sim_handle *sim_handle_create(struct sim_process *process);
void sim_handle_unref(struct sim_process *process, struct sim_handle *handle);

/* Give the descriptor up. */
void sim_process_close(struct sim_process *process, int32_t fd);

/* Descriptors in use. */
uint32_t sim_process_open_count(const struct sim_process *process);

#endif
