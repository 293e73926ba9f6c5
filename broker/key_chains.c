#include "broker/key_chains.h"

#include "base/check.h"
#include "base/mem.h"

enum { CHAINS_MIN = 16, CHAINS_MAX = 4096, LINKS_PER_CHAIN = 4, GROWTH = 4 };

static struct list *chain_of(struct key_chains *chains, uint64_t key)
{
    uint64_t mixed = (key ^ chains->seed) * 0x9e3779b97f4a7c15U;

    mixed = (mixed ^ mixed >> 29 ^ chains->seed) * 0xbf58476d1ce4e5b9U;
    return &chains->chains[(mixed >> 32) & (chains->chain_count - 1)];
}

void key_chains_init(struct key_chains *chains, uint64_t seed)
{
    *chains = (struct key_chains){.seed = seed, .chain_count = 1};
    list_init(&chains->only);
    chains->chains = &chains->only;
}

static void free_table(struct key_chains *chains)
{
    if (chains->chains != &chains->only)
        mem_free(chains->chains);
    chains->chains = &chains->only;
    chains->chain_count = 1;
}

void key_chains_deinit(struct key_chains *chains)
{
    check(chains->link_count == 0);
    if (chains->chains != NULL)
        free_table(chains);
}

/* A chain's things go over in their order, so KCH-1 holds for each key. */
static void grow(struct key_chains *chains)
{
    uint32_t count = chains->chain_count < CHAINS_MIN ? CHAINS_MIN : chains->chain_count * GROWTH;
    struct key_chains larger = *chains;
    struct list *node;

    if (count > CHAINS_MAX)
        return;
    larger.chains = mem_try_alloc(count * sizeof(*larger.chains));
    if (larger.chains == NULL)
        return;
    larger.chain_count = count;
    for (uint32_t i = 0; i < count; i++)
        list_init(&larger.chains[i]);
    for (uint32_t i = 0; i < chains->chain_count; i++)
        while ((node = list_pop_front(&chains->chains[i])) != NULL)
            list_push_back(chain_of(&larger, container_of(node, struct key_link, node)->key), node);
    free_table(chains);
    chains->chains = larger.chains;
    chains->chain_count = count;
}

void key_chains_add(struct key_chains *chains, struct key_link *link)
{
    if (chains->link_count >= chains->chain_count * LINKS_PER_CHAIN)
        grow(chains);
    list_push_back(chain_of(chains, link->key), &link->node);
    chains->link_count++;
}

void key_chains_remove(struct key_chains *chains, struct key_link *link)
{
    list_remove(&link->node);
    chains->link_count--;
    if (chains->link_count == 0)
        free_table(chains);
}

struct key_link *key_chains_next(const struct key_chains *chains, const struct key_link *link)
{
    const struct list *end = chain_of((struct key_chains *)(uintptr_t)chains, link->key);

    for (struct list *node = link->node.next; node != end; node = node->next) {
        struct key_link *other = container_of(node, struct key_link, node);
        if (other->key == link->key)
            return other;
    }
    return NULL;
}
