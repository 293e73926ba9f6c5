/* io_rig: a loop on an io of each kind that speaks to the kernel, for the tests of the seam.
 *
 * Each of these runs once over each body:
 *     EachBody(io_files, does_something) { io_rig_open(body); ... } */
#ifndef LEVEE_TESTS_SUPPORT_IO_RIG_H
#define LEVEE_TESTS_SUPPORT_IO_RIG_H

#include "base/check.h"
#include "base/clock_system.h"
#include "base/io_system.h"
#include "base/loop.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>

struct io_rig_body {
    bool is_plain; /* io_plain.c; else a ring */
    bool is_old;   /* a ring without what newer kernels add */
};

/* The parameters of a test: the bodies. */
struct criterion_test_params io_rig_bodies(void);

#define EachBody(suite, test)                                                            \
    ParameterizedTestParameters(suite, test)                                             \
    {                                                                                    \
        return io_rig_bodies();                                                          \
    }                                                                                    \
    ParameterizedTest(const struct io_rig_body *body, suite, test, .fini = io_rig_close, \
                      .timeout = 600)

extern struct io *io;
extern struct loop loop;
extern struct clock clock_now;

/* io is of that kind, with receive buffers of 4 KiB, 4 of them; the directory is there. */
void io_rig_open(const struct io_rig_body *body);

/* Nothing is in flight any more.  Also without open. */
void io_rig_close(void);

/* A path in a directory of the test's own, valid until the next call. */
const char *path_in_dir(const char *name);

/* Turns of the loop until over() says true; 20 s at most. */
void turns_until(bool (*over)(void));

/* That many turns, each of which may wait 5 ms. */
void turns(uint32_t count);

/* An op that completes once, with its result. */
struct call {
    struct io_op op;
    int32_t result;
    bool over;
};

/* io_done_fn of a call's op. */
void on_call(struct io_op *op, int32_t result);

/* Turns until it is over; its result. */
int32_t await(struct call *call);

/* A listening socket on 127.0.0.1. */
int32_t listen_on_loopback(struct io_address *bound);

/* Connects a socket that is not the io's; blocks. */
void connect_socket(int32_t fd, const struct io_address *to);

/* A blocking socket connected to it, not the io's. */
int32_t connect_plainly(const struct io_address *to);

#endif
