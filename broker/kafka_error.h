/* kafka_error: our ways to fail as Kafka's error codes; the only place that knows both. */
#ifndef LEVEE_BROKER_KAFKA_ERROR_H
#define LEVEE_BROKER_KAFKA_ERROR_H

#include "base/err.h"
#include "net/protocol/kafka_errors.h"

#include <stdint.h>

/* Kafka's code for what a partition or its storage answered.  Where Kafka has several (a missing
 * topic by name or by id), the caller chooses before it comes here. */
int16_t kafka_error(enum err err);

#endif
