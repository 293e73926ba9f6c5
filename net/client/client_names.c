#include "net/client/client_names.h"

#include "base/mem.h"

#include <netdb.h>
#include <string.h>

enum { THREADS = 2 };

struct system_names {
    struct client_names names; /* first */
    struct offload *offload;
};

static void add_address(struct client_lookup *lookup, const struct addrinfo *info)
{
    struct io_address *address = &lookup->addresses[lookup->addresses_count];

    if (info->ai_family == AF_INET) {
        const struct sockaddr_in *from = (const struct sockaddr_in *)(const void *)info->ai_addr;
        memcpy(address->ip, &from->sin_addr, 4);
    } else if (info->ai_family == AF_INET6) {
        const struct sockaddr_in6 *from = (const struct sockaddr_in6 *)(const void *)info->ai_addr;
        memcpy(address->ip, &from->sin6_addr, 16);
    } else {
        return;
    }
    address->family = (uint16_t)info->ai_family;
    address->port = lookup->port;
    lookup->addresses_count++;
}

static void work(struct offload_job *job)
{
    struct client_lookup *lookup = container_of(job, struct client_lookup, job);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *infos;
    int result = getaddrinfo(lookup->host, NULL, &hints, &infos);

    lookup->addresses_count = 0;
    if (result != 0) {
        lookup->reason = gai_strerror(result);
        lookup->err = result == EAI_AGAIN    ? ERR_TIMEOUT
                      : result == EAI_MEMORY ? ERR_NOMEM
                                             : ERR_NOT_FOUND;
        return;
    }
    for (const struct addrinfo *info = infos;
         info != NULL && lookup->addresses_count < CLIENT_ADDRESSES_MAX; info = info->ai_next)
        add_address(lookup, info);
    freeaddrinfo(infos);
    lookup->err = lookup->addresses_count > 0 ? OK : ERR_NOT_FOUND;
}

static void done(struct offload_job *job)
{
    struct client_lookup *lookup = container_of(job, struct client_lookup, job);

    lookup->done(lookup, lookup->err);
}

static void look_up(struct client_names *names, struct client_lookup *lookup, struct loop *loop)
{
    struct system_names *system = container_of(names, struct system_names, names);

    lookup->reason = NULL;
    lookup->job.work = work;
    lookup->job.done = done;
    offload_start(system->offload, &lookup->job, loop);
}

enum err client_names_system_create(struct client_names **out)
{
    struct system_names *system = mem_try_alloc(sizeof(*system));
    enum err err = system == NULL ? ERR_NOMEM : offload_create(THREADS, &system->offload);

    if (err != OK) {
        mem_free(system);
        return err;
    }
    system->names.look_up = look_up;
    *out = &system->names;
    return OK;
}

void client_names_system_destroy(struct client_names *names)
{
    struct system_names *system;

    if (names == NULL)
        return;
    system = container_of(names, struct system_names, names);
    offload_destroy(system->offload);
    mem_free(system);
}
