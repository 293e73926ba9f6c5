/* fake_io: the files half of the io seam in memory, with operations that a test completes by hand.
 *
 * For unit tests that care in which order what completes; whole faults and power loss are
 * tests/sim's.  Names are whole paths; every directory exists.  Without hold an operation completes
 * in the next turn; with it, when fake_io_complete says so, and only then does it act.  Sockets are
 * not there. */
#ifndef LEVEE_TESTS_FAKE_IO_H
#define LEVEE_TESTS_FAKE_IO_H

#include "base/io.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum { FAKE_FILES_MAX = 64, FAKE_OPS_MAX = 64, FAKE_NAME_MAX = 128 };

enum fake_kind {
    FAKE_READ,
    FAKE_WRITE,
    FAKE_SYNC,
    FAKE_SYNCFS,
    FAKE_UNLINK,
    /* calls */
    FAKE_OPEN,
    FAKE_FILE_READ,
    FAKE_FILE_WRITE,
    FAKE_FILE_SYNC,
    FAKE_DIR_SYNC,
    FAKE_KIND_COUNT
};

struct fake_file {
    bool exists;
    bool locked;
    char path[FAKE_NAME_MAX];
    uint8_t *bytes;
    uint64_t size_bytes;
};

/* An operation in flight. */
struct fake_op {
    struct io_op *op;
    enum fake_kind kind;
    int32_t fd;
    const struct iovec *vec;
    uint32_t vec_count;
    uint8_t *bytes;
    uint64_t size_bytes;
    uint64_t pos;
    bool dsync;
    const char *path;
};

struct fake_io {
    struct io io;
    struct fake_file files[FAKE_FILES_MAX]; /* a descriptor is an index + FAKE_FD_FIRST */
    struct fake_op ops[FAKE_OPS_MAX];       /* oldest first */
    uint32_t op_count;
    bool hold[FAKE_KIND_COUNT];
    uint64_t counts[FAKE_KIND_COUNT];  /* started */
    uint64_t fail_in[FAKE_KIND_COUNT]; /* 1: the next one fails; 0: none */
    int fail_errno[FAKE_KIND_COUNT];
    uint32_t cap_bytes; /* of the next write that completes; 0: none */
    bool refuse_direct;
    uint64_t space_bytes; /* of all files together */
    uint32_t open_count;  /* descriptors */
};

void fake_io_init(struct fake_io *fake);
void fake_io_deinit(struct fake_io *fake);

/* Complete the index-th operation in flight. */
void fake_io_complete(struct fake_io *fake, uint32_t index);

/* The first operation in flight of that kind (index counts those only); UINT32_MAX: none. */
uint32_t fake_io_find(const struct fake_io *fake, enum fake_kind kind, uint32_t index);

/* The nth operation or call of that kind from now (1: the next) fails. */
void fake_io_fail(struct fake_io *fake, enum fake_kind kind, uint64_t nth, int errno_value);

/* NULL: no such file.  Its bytes may be changed. */
struct fake_file *fake_io_file(struct fake_io *fake, const char *path);

/* Replace or make a file. */
void fake_io_put(struct fake_io *fake, const char *path, const void *bytes, uint64_t size_bytes);

#endif
