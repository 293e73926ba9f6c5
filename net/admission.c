#include "net/admission.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/conn_server.h"

#include <string.h>

struct ip_count {
    uint8_t key[18]; /* family and address, as the hash map reads them */
    uint32_t count;
};

void admission_init(struct admission *admission, struct loop *loop,
                    const struct admission_limits *limits, uint64_t hash_seed)
{
    *admission = (struct admission){.loop = loop};
    admission_set_limits(admission, limits);
    hash_map_init(&admission->by_ip, hash_seed);
}

void admission_set_limits(struct admission *admission, const struct admission_limits *limits)
{
    check(limits->override_count <= ADMISSION_OVERRIDES_MAX);
    for (uint32_t i = 0; i < limits->override_count; i++)
        admission->overrides[i] = limits->overrides[i];
    admission->limits = *limits;
    admission->limits.overrides = admission->overrides;
}

void admission_set_refresh(struct admission *admission, void (*refresh)(void *context),
                           void *context)
{
    admission->refresh = refresh;
    admission->refresh_context = context;
}

void admission_deinit(struct admission *admission)
{
    check(admission->count == 0);
    hash_map_deinit(&admission->by_ip);
}

static void key_from_address(const struct io_address *address, uint8_t key[18])
{
    memcpy(key, &address->family, sizeof(address->family));
    memcpy(key + sizeof(address->family), address->ip, sizeof(address->ip));
}

/* The counter of that address, made when missing. */
static enum err find_ip(struct admission *admission, const struct io_address *peer,
                        struct ip_count **out)
{
    uint8_t key[18];
    struct ip_count *ip;
    enum err err;

    key_from_address(peer, key);
    ip = hash_map_find(&admission->by_ip, key, sizeof(key));
    if (ip == NULL) {
        ip = mem_try_alloc(sizeof(*ip));
        if (ip == NULL)
            return ERR_NOMEM;
        memcpy(ip->key, key, sizeof(key));
        err = hash_map_insert(&admission->by_ip, ip->key, sizeof(ip->key), ip);
        if (err) {
            mem_free(ip);
            return err;
        }
    }
    *out = ip;
    return OK;
}

static void forget_ip_if_unused(struct admission *admission, struct ip_count *ip)
{
    if (ip->count > 0)
        return;
    hash_map_remove(&admission->by_ip, ip->key, sizeof(ip->key));
    mem_free(ip);
}

/* ---- the way home of a ticket */

static void come_home(struct admission_ticket *ticket)
{
    struct admission *admission = ticket->admission;

    admission->count--;
    ticket->ip->count--;
    forget_ip_if_unused(admission, ticket->ip);
    mem_free(ticket);
}

static void on_home(struct mail *mail)
{
    come_home(container_of(mail, struct admission_ticket, mail));
}

static void on_ended(struct conn_ticket *base)
{
    struct admission_ticket *ticket = container_of(base, struct admission_ticket, base);

    if (ticket->server->loop == ticket->admission->loop) {
        come_home(ticket);
        return;
    }
    ticket->mail.deliver = on_home;
    loop_post(ticket->admission->loop, &ticket->mail);
}

/* ---- the decision */

static bool is_same_ip(const struct io_address *a, const struct io_address *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* How many connections peer's address may have; UINT32_MAX: no limit. */
static uint32_t max_of_ip(const struct admission *admission, const struct io_address *peer)
{
    const struct admission_limits *limits = &admission->limits;

    for (uint32_t i = limits->override_count; i-- > 0;)
        if (is_same_ip(&limits->overrides[i].address, peer))
            return limits->overrides[i].connections_max;
    if (limits->only_overrides)
        return 0;
    return limits->connections_per_ip_max > 0 ? limits->connections_per_ip_max : UINT32_MAX;
}

enum err admission_admit(struct admission *admission, const struct conn_arrival *arrival,
                         struct admission_ticket **out)
{
    const struct admission_limits *limits = &admission->limits;
    struct admission_ticket *ticket;
    struct ip_count *ip;
    enum err err;

    if (admission->refresh != NULL)
        admission->refresh(admission->refresh_context);
    if (limits->connections_max > 0 && admission->count >= limits->connections_max) {
        counter_add(&admission->refused_by_total, 1);
        return ERR_FULL;
    }
    err = find_ip(admission, &arrival->peer, &ip);
    if (err)
        return err;
    if (ip->count >= max_of_ip(admission, &arrival->peer)) {
        forget_ip_if_unused(admission, ip);
        counter_add(&admission->refused_by_ip, 1);
        return ERR_TOO_LARGE;
    }
    ticket = mem_try_alloc(sizeof(*ticket));
    if (ticket == NULL) {
        forget_ip_if_unused(admission, ip);
        return ERR_NOMEM;
    }
    ticket->base.ended = on_ended;
    ticket->admission = admission;
    ticket->ip = ip;
    ticket->arrival = *arrival;
    ticket->arrival.ticket = &ticket->base;
    ticket->arrival.accept_number = ++admission->accepted_count;
    admission->count++;
    ip->count++;
    *out = ticket;
    return OK;
}

/* ---- the way to the server */

static void on_arrival(struct mail *mail)
{
    struct admission_ticket *ticket = container_of(mail, struct admission_ticket, mail);

    conn_server_adopt(ticket->server, &ticket->arrival);
}

void admission_deliver(struct admission_ticket *ticket, struct conn_server *server)
{
    ticket->server = server;
    if (server->loop == ticket->admission->loop) {
        conn_server_adopt(server, &ticket->arrival);
        return;
    }
    ticket->mail.deliver = on_arrival;
    loop_post(server->loop, &ticket->mail);
}
