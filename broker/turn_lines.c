#include "broker/turn_lines.h"

#include "base/check.h"
#include "base/mem.h"

struct turn_client {
    struct list node;
    struct list lines; /* of its requests; whose turn is next first */
    struct turn_lines *of;
    uint64_t client;
};

struct turn_line {
    struct list node;
    struct list waiters; /* oldest first */
    struct turn_client *of;
    const void *request;
};

void turn_lines_init(struct turn_lines *lines, uint64_t seed)
{
    list_init(&lines->clients);
    hash_map_init(&lines->by_client, seed);
    hash_map_init(&lines->by_request, seed);
}

void turn_lines_deinit(struct turn_lines *lines)
{
    while (turn_lines_next(lines) != NULL)
        continue;
    hash_map_deinit(&lines->by_client);
    hash_map_deinit(&lines->by_request);
}

static struct turn_client *client_of(struct turn_lines *lines, uint64_t number)
{
    struct turn_client *client = hash_map_find(&lines->by_client, &number, sizeof(number));

    if (client != NULL)
        return client;
    client = mem_try_alloc(sizeof(*client));
    if (client == NULL)
        return NULL;
    *client = (struct turn_client){.of = lines, .client = number};
    list_init(&client->lines);
    if (hash_map_insert(&lines->by_client, &client->client, sizeof(client->client), client) != OK) {
        mem_free(client);
        return NULL;
    }
    list_push_back(&lines->clients, &client->node);
    return client;
}

static void drop_client_without_lines(struct turn_client *client)
{
    if (!list_is_empty(&client->lines))
        return;
    hash_map_remove(&client->of->by_client, &client->client, sizeof(client->client));
    list_remove(&client->node);
    mem_free(client);
}

static struct turn_line *line_of(struct turn_lines *lines, const struct turn_owner *owner)
{
    struct turn_line *line =
        hash_map_find(&lines->by_request, &owner->request, sizeof(owner->request));
    struct turn_client *client;

    if (line != NULL)
        return line;
    client = client_of(lines, owner->client);
    if (client == NULL)
        return NULL;
    line = mem_try_alloc(sizeof(*line));
    if (line != NULL) {
        *line = (struct turn_line){.of = client, .request = owner->request};
        list_init(&line->waiters);
        if (hash_map_insert(&lines->by_request, &line->request, sizeof(line->request), line) ==
            OK) {
            list_push_back(&client->lines, &line->node);
            return line;
        }
    }
    mem_free(line);
    drop_client_without_lines(client);
    return NULL;
}

enum err turn_lines_add(struct turn_lines *lines, struct turn_waiter *waiter,
                        const struct turn_owner *owner)
{
    struct turn_line *line = line_of(lines, owner);

    if (line == NULL)
        return ERR_NOMEM;
    list_push_back(&line->waiters, &waiter->node);
    waiter->line = line;
    return OK;
}

void turn_waiter_leave(struct turn_waiter *waiter)
{
    struct turn_line *line = waiter->line;
    struct turn_client *client;

    if (line == NULL)
        return;
    list_remove(&waiter->node);
    waiter->line = NULL;
    if (!list_is_empty(&line->waiters))
        return;
    client = line->of;
    hash_map_remove(&client->of->by_request, &line->request, sizeof(line->request));
    list_remove(&line->node);
    mem_free(line);
    drop_client_without_lines(client);
}

struct turn_waiter *turn_lines_next(struct turn_lines *lines)
{
    struct turn_client *client;
    struct turn_line *line;
    struct turn_waiter *waiter;

    if (list_is_empty(&lines->clients))
        return NULL;
    client = list_first(&lines->clients, struct turn_client, node);
    line = list_first(&client->lines, struct turn_line, node);
    waiter = list_first(&line->waiters, struct turn_waiter, node);
    list_remove(&client->node);
    list_push_back(&lines->clients, &client->node);
    list_remove(&line->node);
    list_push_back(&client->lines, &line->node);
    turn_waiter_leave(waiter);
    return waiter;
}
