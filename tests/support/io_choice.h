/* io_choice: the io of a test that needs one to speak to the kernel, and not a certain one.
 *
 * A ring; with LEVEE_IO=plain in the environment the plain backend, so that the same tests run over
 * either. */
#ifndef LEVEE_TESTS_SUPPORT_IO_CHOICE_H
#define LEVEE_TESTS_SUPPORT_IO_CHOICE_H

#include "base/io_system.h"

#include <stdlib.h>
#include <string.h>

must_use static inline enum err io_choice_create(struct io **out)
{
    const char *wanted = getenv("LEVEE_IO");
    struct io_uring_options ring = {0};
    struct io_plain_options plain = {0};

    return wanted != NULL && strcmp(wanted, "plain") == 0 ? io_plain_create(&plain, out)
                                                          : io_uring_create(&ring, out);
}

#endif
