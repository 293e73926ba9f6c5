#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "LVE-1001 check failed: %s (%s:%d)\n", condition, file, line);
    abort();
}
