#include "base/budget.h"

#include "base/check.h"

static void on_mail(struct mail *mail);

void budget_init(struct budget *budget, const char *name, uint64_t max_bytes)
{
    *budget = (struct budget){.name = name, .max_bytes = max_bytes};
    list_init(&budget->waiters);
    budget->mail.deliver = on_mail;
}

void budget_deinit(struct budget *budget)
{
    if (budget->name == NULL)
        return; /* zeroed */
    check(budget_used_bytes(budget) == 0 && list_is_empty(&budget->waiters));
    budget->max_bytes = 0;
}

void budget_set_loop(struct budget *budget, struct loop *loop)
{
    budget->loop = loop;
}

uint64_t budget_used_bytes(const struct budget *budget)
{
    return __atomic_load_n(&budget->used_bytes, __ATOMIC_RELAXED);
}

uint64_t budget_room_bytes(const struct budget *budget)
{
    uint64_t used = budget_used_bytes(budget);

    return used < budget->max_bytes ? budget->max_bytes - used : 0;
}

/* ---- taking and giving */

static bool take_within_limit(struct budget *budget, uint64_t size_bytes, uint64_t leave_bytes)
{
    uint64_t max_bytes = budget->max_bytes - leave_bytes;
    uint64_t used = budget_used_bytes(budget);

    do {
        if (size_bytes > max_bytes || used > max_bytes - size_bytes)
            return false; /* BUD-1 */
    } while (!__atomic_compare_exchange_n(&budget->used_bytes, &used, used + size_bytes, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

bool budget_take_more(struct budget *budget, uint64_t size_bytes, uint64_t leave_bytes)
{
    if (take_within_limit(budget, size_bytes, leave_bytes))
        return true;
    __atomic_fetch_add(&budget->refusals.value, 1, __ATOMIC_RELAXED);
    return false;
}

static bool refuse(struct budget *budget, uint64_t size_bytes)
{
    __atomic_fetch_add(&budget->refusals.value, 1, __ATOMIC_RELAXED);
    if (budget->refused != NULL)
        budget->refused(budget, size_bytes);
    return false;
}

bool budget_take(struct budget *budget, uint64_t size_bytes)
{
    bool behind =
        __atomic_load_n(&budget->awaited, __ATOMIC_RELAXED) && !budget->serving; /* BUD-2 */

    return (!behind && take_within_limit(budget, size_bytes, 0)) || refuse(budget, size_bytes);
}

bool budget_has_room(struct budget *budget, uint64_t size_bytes, uint64_t leave_bytes)
{
    uint64_t room_bytes = budget_room_bytes(budget);

    return (room_bytes >= leave_bytes && room_bytes - leave_bytes >= size_bytes) ||
           refuse(budget, size_bytes);
}

void budget_force(struct budget *budget, uint64_t size_bytes)
{
    __atomic_fetch_add(&budget->used_bytes, size_bytes, __ATOMIC_RELAXED);
}

/* The mail is posted once until it has arrived. */
static void wake(struct budget *budget)
{
    if (!__atomic_exchange_n(&budget->posted, true, __ATOMIC_SEQ_CST))
        loop_post(budget->loop, &budget->mail);
}

void budget_give(struct budget *budget, uint64_t size_bytes)
{
    /* in one order with budget_wait, which sets awaited before it looks at used_bytes */
    uint64_t before = __atomic_fetch_sub(&budget->used_bytes, size_bytes, __ATOMIC_SEQ_CST);

    check(before >= size_bytes);
    if (__atomic_load_n(&budget->awaited, __ATOMIC_SEQ_CST))
        wake(budget);
}

/* ---- waiting */

static bool can_serve(const struct budget *budget, const struct budget_waiter *waiter)
{
    uint64_t used = __atomic_load_n(&budget->used_bytes, __ATOMIC_SEQ_CST);

    return used == 0 ||
           (used <= budget->max_bytes && waiter->need_bytes <= budget->max_bytes - used);
}

static void update_awaited(struct budget *budget)
{
    __atomic_store_n(&budget->awaited, !list_is_empty(&budget->waiters), __ATOMIC_SEQ_CST);
}

/* As many as there is room for, each once: who waits anew stands behind the others. */
static void on_mail(struct mail *mail)
{
    struct budget *budget = container_of(mail, struct budget, mail);
    struct list waiting;

    __atomic_store_n(&budget->posted, false, __ATOMIC_SEQ_CST);
    list_init(&waiting);
    list_splice_back(&waiting, &budget->waiters);
    while (!list_is_empty(&waiting)) {
        struct budget_waiter *first = list_first(&waiting, struct budget_waiter, node);

        if (!can_serve(budget, first))
            break;
        list_remove(&first->node);
        budget->serving = true;
        first->room(first);
        budget->serving = false;
    }
    list_splice_back(&waiting, &budget->waiters);
    list_splice_back(&budget->waiters, &waiting);
    update_awaited(budget);
    /* what came back since the first was looked at found nobody to wake, or a mail under way */
    if (!list_is_empty(&budget->waiters) &&
        can_serve(budget, list_first(&budget->waiters, struct budget_waiter, node)))
        wake(budget);
}

void budget_wait(struct budget *budget, struct budget_waiter *waiter, uint64_t need_bytes)
{
    check(budget->loop != NULL);
    waiter->need_bytes = need_bytes;
    list_push_back(&budget->waiters, &waiter->node);
    update_awaited(budget);
    if (can_serve(budget, list_first(&budget->waiters, struct budget_waiter, node)))
        wake(budget); /* BUD-3 */
}

void budget_cancel_wait(struct budget *budget, struct budget_waiter *waiter)
{
    if (!list_is_linked(&waiter->node))
        return;
    list_remove(&waiter->node);
    update_awaited(budget);
    if (!list_is_empty(&budget->waiters))
        wake(budget); /* the next one may need less */
}
