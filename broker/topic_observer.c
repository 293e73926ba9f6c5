#include "broker/topic_observer.h"

/* NULL: nobody. */
static struct topic_observer *observer_of(struct list *observers, const struct topic_observed *of)
{
    list_for_each(node, observers)
    {
        struct topic_observer *observer = container_of(node, struct topic_observer, node);
        if (observer->topic == of->topic)
            return observer;
    }
    return NULL;
}

void topic_observer_tell_end(struct list *observers, struct topic_observed *observed,
                             struct partition *partition)
{
    struct topic_observer *observer = observer_of(observers, observed);

    if (!observed->is_led)
        return;
    observed->is_led = false;
    observer->resigned(observer, partition);
}

enum err topic_observer_tell(struct list *observers, struct topic_observed *observed,
                             struct partition *partition)
{
    struct topic_observer *observer = observer_of(observers, observed);
    enum err err;

    if (observer == NULL)
        return OK;
    if (!in_sync_leads(&partition->in_sync)) {
        topic_observer_tell_end(observers, observed, partition);
        return OK;
    }
    if (observed->is_led)
        return OK;
    err = observer->led(observer, partition);
    observed->is_led = err == OK;
    return err;
}
