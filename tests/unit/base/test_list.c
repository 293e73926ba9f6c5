#include "base/list.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>

struct waiter {
    int id;
    struct list node;
};

static struct waiter waiters[5] = {{.id = 0}, {.id = 1}, {.id = 2}, {.id = 3}, {.id = 4}};

/* The ids in order, as digits of one number. */
static int digits(const struct list *head)
{
    int number = 0;

    list_for_each(node, head) number = number * 10 + container_of(node, struct waiter, node)->id;
    return number;
}

Test(list, keeps_the_order_of_both_ends)
{
    struct list head;

    list_init(&head);
    cr_assert(list_is_empty(&head));
    cr_assert(eq(ptr, list_pop_front(&head), NULL));
    list_push_back(&head, &waiters[2].node);
    list_push_back(&head, &waiters[3].node);
    list_push_front(&head, &waiters[1].node);
    cr_assert(eq(int, digits(&head), 123));
    cr_assert(eq(int, list_first(&head, struct waiter, node)->id, 1));
    cr_assert(eq(ptr, list_pop_front(&head), &waiters[1].node));
    cr_assert(not(list_is_linked(&waiters[1].node)));
    cr_assert(eq(int, digits(&head), 23));
}

Test(list, the_current_node_may_be_removed_while_walking)
{
    struct list head;

    list_init(&head);
    for (int i = 0; i < 5; i++)
        list_push_back(&head, &waiters[i].node);
    list_for_each_safe(node, &head)
    {
        if (container_of(node, struct waiter, node)->id % 2 == 0)
            list_remove(node);
    }
    cr_assert(eq(int, digits(&head), 13));
    cr_assert(not(list_is_linked(&waiters[4].node)));
    cr_assert(list_is_linked(&waiters[3].node));
}

Test(list, splice_appends_all_and_empties_the_other)
{
    struct list to;
    struct list from;

    list_init(&to);
    list_init(&from);
    list_splice_back(&to, &from);
    cr_assert(list_is_empty(&to));
    list_push_back(&to, &waiters[1].node);
    list_push_back(&from, &waiters[2].node);
    list_push_back(&from, &waiters[3].node);
    list_splice_back(&to, &from);
    cr_assert(eq(int, digits(&to), 123));
    cr_assert(list_is_empty(&from));
    list_remove(&waiters[3].node);
    cr_assert(eq(int, digits(&to), 12));
}

Test(list, a_node_on_two_lists_stops_the_process, .signal = SIGABRT)
{
    struct list a;
    struct list b;

    list_init(&a);
    list_init(&b);
    list_push_back(&a, &waiters[1].node);
    list_push_back(&b, &waiters[1].node);
}
