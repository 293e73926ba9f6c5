/* io_choose: which body of the seam a process runs on: the ring (io_uring) or the plain one (epoll
 * and threads).
 *
 * Asked once, at the start, on the main thread; the answer is the caller's and constant.  `auto`
 * takes the ring where the kernel gives one that does every operation (io_probe), else the plain
 * body: a ring that refuses one operation is not used at all.
 *   IOC-1  nothing but a wanted ring is ever refused: the plain body is always there */
#ifndef LEVEE_BASE_IO_CHOOSE_H
#define LEVEE_BASE_IO_CHOOSE_H

#include "base/err.h"
#include "base/io.h"
#include "base/io_probe.h"

#include <stdbool.h>
#include <stdint.h>

enum io_wanted { IO_WANTED_AUTO, IO_WANTED_RING, IO_WANTED_PLAIN };

enum io_refusal {
    IO_REFUSAL_NONE,
    IO_REFUSAL_OLD,       /* the kernel is older than 5.19, or has no io_uring */
    IO_REFUSAL_SYSCTL,    /* kernel.io_uring_disabled */
    IO_REFUSAL_FILTER,    /* seccomp, or another policy */
    IO_REFUSAL_OPERATION, /* of the ring: operation says which */
    IO_REFUSAL_RESOURCE,  /* locked memory or descriptors */
};

struct io_choice {
    bool ring;                   /* what runs */
    enum io_refusal refusal;     /* why it is not the ring, or would not be */
    int32_t error;               /* a positive errno value, what the kernel answered; 0: none */
    enum io_operation operation; /* of IO_REFUSAL_OPERATION */
    bool was_wanted;             /* `plain` was asked for: the ring was not looked at */
};

enum { IO_CHOICE_TEXT_MAX = 256 };

/* "auto", "ring", "plain". */
must_use bool io_wanted_parse(const char *text, enum io_wanted *out);

/* Look at the kernel and decide.  ERR_UNSUPPORTED, ERR_NOMEM: a ring was wanted and there is none;
 * out tells why. */
must_use enum err io_choose(enum io_wanted wanted, struct io_choice *out);

/* What a probe of a ring says of it, as a part of io_choose: whether it is taken, and if not why.
 */
void io_choice_judge(const struct io_probe *probe, struct io_choice *out);

/* Why there is no ring, as half a sentence: "seccomp or another policy refuses it (EPERM)". */
void io_choice_why(const struct io_choice *choice, char text[IO_CHOICE_TEXT_MAX]);

/* What would bring the ring, as a sentence.  Constant. */
const char *io_choice_advice(const struct io_choice *choice);

/* An io of the body that was chosen.  Errors as io_uring_create and io_plain_create. */
must_use enum err io_choice_create(const struct io_choice *choice, struct io **out);

#endif
