#include "base/sometimes.h"

#include <stddef.h>

/* Made by the linker; none when no site is linked in. */
extern struct sometimes_site *__start_sometimes_sites[] __attribute__((weak, visibility("hidden")));
extern struct sometimes_site *__stop_sometimes_sites[] __attribute__((weak, visibility("hidden")));

static bool (*buggify)(const char *name);

void sometimes_reached(struct sometimes_site *site)
{
    __atomic_fetch_add(&site->reached_count, 1, __ATOMIC_RELAXED);
}

bool sometimes_buggify(struct sometimes_site *site)
{
    if (buggify == NULL || !buggify(site->name))
        return false;
    sometimes_reached(site);
    return true;
}

void sometimes_set_buggify(bool (*decide)(const char *name))
{
    buggify = decide;
}

uint32_t sometimes_count(void)
{
    return (uint32_t)(__stop_sometimes_sites - __start_sometimes_sites);
}

struct sometimes_site *sometimes_at(uint32_t index)
{
    return __start_sometimes_sites[index];
}
