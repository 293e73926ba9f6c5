/* topic_observer: who keeps state in an internal topic, and is told which of its partitions this
 * broker leads.
 *
 * Embedded in its struct, and in the list of the shard's topic_table, on whose loop it is told.
 *   TOB-1  it is told of each partition in turns: led, resigned, led ...; between the two, and only
 *        then, this broker leads the partition and its log is open */
#ifndef LEVEE_BROKER_TOPIC_OBSERVER_H
#define LEVEE_BROKER_TOPIC_OBSERVER_H

#include "broker/internal_topics.h"
#include "broker/partition.h"

struct topic_observer {
    struct list node;
    const struct internal_topic *topic; /* one observer for a topic */
    /* ERR_NOMEM: nothing was begun, and it is told again later. */
    enum err (*led)(struct topic_observer *observer, struct partition *partition);
    /* Also when it is about to be deleted. */
    void (*resigned)(struct topic_observer *observer, struct partition *partition);
};

/* What is told of one partition; part of its entry. */
struct topic_observed {
    const struct internal_topic *topic; /* NULL: of users */
    bool is_led;                        /* so it was told */
};

/* observers: of topic_observer.  Tell what has become of the partition, if that is news.
 * ERR_NOMEM: to be told again. */
must_use enum err topic_observer_tell(struct list *observers, struct topic_observed *observed,
                                      struct partition *partition);

/* It is about to be deleted. */
void topic_observer_tell_end(struct list *observers, struct topic_observed *observed,
                             struct partition *partition);

#endif
