/* The leak check of a sanitized build is for the tests, each in a process of its own, and not for
 * the runner that starts them: Criterion loses what it keeps of a test's time limit when another
 * test has a longer one (48 bytes, libcriterion 2.4.1). */
#include <stdlib.h>

int __lsan_is_turned_off(void);

/* Criterion's child processes have BXFI_MAP in their environment (boxfort, sandbox-fork). */
int __lsan_is_turned_off(void)
{
    return getenv("BXFI_MAP") == NULL;
}
