/* check: assertions about our own code, in every build, and the way home from an embedded struct.
 *
 * check(x) stops the process when x is false: the state is not what the code believes, and going
 * on could damage acknowledged data.  Input is never check()ed; it produces enum err. */
#ifndef LEVEE_BASE_CHECK_H
#define LEVEE_BASE_CHECK_H

#include <stddef.h>

#define check(condition) \
    (__builtin_expect(!!(condition), 1) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

/* Print the failed condition to standard error and abort.  Does not return. */
__attribute__((noreturn, cold)) void check_failed(const char *condition, const char *file,
                                                  int line);

#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define array_count(array) (sizeof(array) / sizeof((array)[0]))

#endif
