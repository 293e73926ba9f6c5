#include "base/mailbox.h"

#include <stddef.h>

void mailbox_init(struct mailbox *mailbox)
{
    atomic_init(&mailbox->newest, NULL);
}

bool mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    struct mail *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);

    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, mail,
                                                    memory_order_release, memory_order_relaxed));
    return newest == NULL;
}

struct mail *mailbox_take_all(struct mailbox *mailbox)
{
    struct mail *newest;
    struct mail *oldest = NULL;

    if (mailbox_is_empty(mailbox))
        return NULL; /* most turns: no locked instruction */
    newest = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct mail *older = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    return oldest;
}

bool mailbox_is_empty(const struct mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->newest, memory_order_acquire) == NULL;
}
