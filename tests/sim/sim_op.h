/* sim_op: one operation of a simulated io, from its start until its done has run.
 *
 * Owned by its sim_io.  A disk operation takes effect when its job runs; one on a socket is tried
 * when started and at each news of the socket.  A struct io_recv or io_accept is one sim_op that
 * gets ready again and again.  See sim_io.h for what is checked. */
#ifndef LEVEE_TESTS_SIM_OP_H
#define LEVEE_TESTS_SIM_OP_H

#include "tests/sim/sim_io.h"

enum sim_op_kind {
    SIM_OP_READ,
    SIM_OP_WRITE,
    SIM_OP_SYNC,
    SIM_OP_SYNCFS,
    SIM_OP_UNLINK,
    SIM_OP_ACCEPT,
    SIM_OP_RECV,
    SIM_OP_RECV_INTO,
    SIM_OP_SEND,
    SIM_OP_CONNECT,
};

struct sim_op {
    struct list node;
    struct list ready_node;
    struct sim_disk_job job; /* of a disk operation */
    struct sim_event event;  /* of a socket operation: the first try, or one after a pause */
    struct sim_io *sim;
    struct io_op *op;
    io_done_fn *done; /* the caller's */
    uint64_t id;
    enum sim_op_kind kind;
    bool ready;     /* completed: on its way to the loop */
    bool began;     /* of a sync: captured */
    bool cancelled; /* of a repeating one: to end soon */
    int32_t fd;
    struct sim_handle *handle; /* NULL: the descriptor was not open */
    int32_t result;
    /* what it was asked for */
    void *bytes;
    uint32_t size_bytes;
    struct sim_disk_write write; /* vec, position: of sends too */
    uint64_t content;            /* hash of what is to be written or sent */
    const char *path;
    struct io_address to;
    struct sim_capture capture;
    struct sim_syncfs syncfs;
};

/* Register an operation; handle of a wrong kind or none: it will complete with -EBADF.  A dead
 * process: with -ECANCELED. */
struct sim_op *sim_op_begin(struct sim_io *sim, struct io_op *op, enum sim_op_kind kind,
                            int32_t fd);

/* The fields are filled in: start it. */
void sim_op_start(struct sim_op *sop);

/* io_cancel. */
void sim_op_cancel(struct sim_io *sim, struct io_op *op);

/* The process is dying: take whatever effect chance allows; later complete with -ECANCELED. */
void sim_op_die(struct sim_op *sop);

/* For sim_disk: has the done of that write not run yet?  context: the sim_process. */
bool sim_op_is_unfinished(void *context, uint64_t write_id);

/* A socket's notify: try its waiting operations. */
void sim_op_on_sock(struct sim_sock *sock);

/* Give all that is ready to the loop. */
void sim_op_deliver(struct sim_io *sim);

/* Forget it; the io_op is not touched. */
void sim_op_free(struct sim_op *sop);

#endif
