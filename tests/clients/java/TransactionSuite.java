import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

/** What a Java application does with transactions.  Usage: TransactionSuite HOST:PORT [check ...] */
public final class TransactionSuite {
    private final ClientSuite client;
    private final Admin admin;
    private final String bootstrap;

    private TransactionSuite(String bootstrap) {
        this.bootstrap = bootstrap;
        this.client = new ClientSuite(bootstrap);
        this.admin = client.admin;
    }

    // ---- what the checks share

    private static String name(String text) {
        return ClientSuite.name(text);
    }

    private String topic(String text, int partitions) throws Exception {
        return client.topic("txn-" + text, partitions, Map.of());
    }

    /** A producer of this id, initialized. */
    private Producer<byte[], byte[]> producer(String id, Map<String, ?> more) {
        Map<String, Object> conf = new HashMap<>(Map.of("transactional.id", id, "acks", "all",
            "max.block.ms", 40000));
        conf.putAll(more);
        Producer<byte[], byte[]> producer = client.producer(conf);
        producer.initTransactions();
        return producer;
    }

    private static void send(Producer<byte[], byte[]> producer, String topic, int partition, int from,
            int to) {
        for (int n = from; n < to; n++) {
            producer.send(new ProducerRecord<>(topic, partition, ClientSuite.bytes(n),
                ClientSuite.bytes(n)));
        }
    }

    private Consumer<byte[], byte[]> reader(String isolation, String topic, int partitions) {
        Consumer<byte[], byte[]> consumer = client.consumer(null, Map.of("isolation.level", isolation));
        List<TopicPartition> all = new ArrayList<>();
        for (int p = 0; p < partitions; p++) {
            all.add(new TopicPartition(topic, p));
        }
        consumer.assign(all);
        consumer.seekToBeginning(all);
        return consumer;
    }

    /** The values of all that a reader of this level finds below its own end. */
    private List<String> values(String isolation, String topic, int partitions) {
        List<String> found = new ArrayList<>();
        try (Consumer<byte[], byte[]> consumer = reader(isolation, topic, partitions)) {
            Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
            long stop = System.nanoTime() + 40_000_000_000L;
            while (ends.entrySet().stream().anyMatch(e -> consumer.position(e.getKey()) < e.getValue())) {
                Checks.need(System.nanoTime() < stop, "the reader never reaches the end: " + ends);
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(300))) {
                    found.add(ClientSuite.text(record.value()));
                }
            }
        }
        return found;
    }

    /** A commit is answered when it is decided; its markers may be a moment behind. */
    private List<String> committed(String topic, int partitions, int count) {
        long stop = System.nanoTime() + 20_000_000_000L;
        while (true) {
            List<String> found = values("read_committed", topic, partitions);
            if (found.size() >= count || System.nanoTime() > stop) {
                return found;
            }
        }
    }

    private void expect(String topic, int partitions, List<String> want) {
        Checks.same(committed(topic, partitions, want.size()), want, "committed values");
    }

    private static List<String> numbers(int... bounds) {
        List<String> all = new ArrayList<>();
        for (int i = 0; i < bounds.length; i += 2) {
            for (int n = bounds[i]; n < bounds[i + 1]; n++) {
                all.add(Integer.toString(n));
            }
        }
        return all;
    }

    /** Does it; the exception has to be of one of the types. */
    private static void fails(String what, Checks.Check call, Class<?>... types) throws Exception {
        Throwable cause;
        try {
            call.run();
            cause = null;
        } catch (ExecutionException wrapped) {
            cause = wrapped.getCause();
        } catch (KafkaException direct) {
            cause = direct;
        }
        for (Throwable at = cause; at != null; at = at.getCause()) {
            for (Class<?> type : types) {
                if (type.isInstance(at)) {
                    return;
                }
            }
        }
        throw new AssertionError(what + ": " + cause + ", should be " + Arrays.toString(types));
    }

    private TransactionDescription describe(String id) throws Exception {
        return admin.describeTransactions(List.of(id)).description(id).get();
    }

    private void becomes(String id, TransactionState state) throws InterruptedException {
        Checks.until(id + " is " + state, () -> {
            try {
                return describe(id).state() == state;
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
    }

    private List<ProducerState> producers(String topic) throws Exception {
        TopicPartition place = new TopicPartition(topic, 0);
        return admin.describeProducers(List.of(place)).partitionResult(place).get().activeProducers();
    }

    private ProducerState open(String topic) throws Exception {
        return producers(topic).stream().filter(p -> p.currentTransactionStartOffset().isPresent())
            .findFirst().orElse(null);
    }

    private long end(String topic, IsolationLevel level) throws Exception {
        TopicPartition place = new TopicPartition(topic, 0);
        return admin.listOffsets(Map.of(place, OffsetSpec.latest()), new ListOffsetsOptions(level))
            .partitionResult(place).get().offset();
    }

    // ---- producing

    private void tutorial() throws Exception {
        String topic = topic("tutorial", 3);
        Tutorial.main(new String[] {bootstrap, topic});
        Checks.same(new TreeSet<>(committed(topic, 3, 2)),
            new TreeSet<>(List.of("value1", "value2")), "values");
        Tutorial.main(new String[] {bootstrap, topic});
        Checks.same(committed(topic, 3, 4).size(), 4, "records after a second run");
    }

    private void commitsAndAborts() throws Exception {
        String topic = topic("turns", 1);
        List<String> want = new ArrayList<>();
        try (Producer<byte[], byte[]> producer = producer(name("turns"), Map.of())) {
            for (int n = 0; n < 60; n++) {
                producer.beginTransaction();
                send(producer, topic, 0, 10 * n, 10 * n + 10);
                if (n % 3 == 1) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    want.addAll(numbers(10 * n, 10 * n + 10));
                }
            }
        }
        expect(topic, 1, want);
        Checks.same(values("read_uncommitted", topic, 1), numbers(0, 600), "all values");
    }

    private void emptyOnes() throws Exception {
        String topic = topic("empty", 1);
        try (Producer<byte[], byte[]> producer = producer(name("empty"), Map.of())) {
            for (int n = 0; n < 3; n++) {
                producer.beginTransaction();
                producer.commitTransaction();
                producer.beginTransaction();
                producer.abortTransaction();
            }
            producer.beginTransaction();
            send(producer, topic, 0, 0, 1);
            producer.commitTransaction();
        }
        expect(topic, 1, numbers(0, 1));
    }

    private void openIsNotSeen() throws Exception {
        String topic = topic("open", 1);
        try (Producer<byte[], byte[]> producer = producer(name("open"), Map.of());
                Producer<byte[], byte[]> other = producer(name("other"), Map.of())) {
            producer.beginTransaction();
            send(producer, topic, 0, 0, 5);
            producer.flush();
            other.beginTransaction();
            send(other, topic, 0, 5, 8);
            other.commitTransaction();
            Checks.same(end(topic, IsolationLevel.READ_COMMITTED), 0L, "last stable offset");
            Checks.need(end(topic, IsolationLevel.READ_UNCOMMITTED) >= 8L, "high watermark");
            expect(topic, 1, List.of());
            try (Consumer<byte[], byte[]> waiting = reader("read_committed", topic, 1)) {
                Checks.same(waiting.poll(Duration.ofMillis(700)).count(), 0, "records too early");
                producer.commitTransaction();
                int[] count = {0};
                Checks.until("eight records", () -> {
                    count[0] += waiting.poll(Duration.ofMillis(300)).count();
                    return count[0] == 8;
                });
            }
        }
        expect(topic, 1, numbers(0, 8));
        Checks.until("the last stable offset at the end", () -> {
            try {
                return end(topic, IsolationLevel.READ_COMMITTED)
                    == end(topic, IsolationLevel.READ_UNCOMMITTED);
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
    }

    private void manyPartitions() throws Exception {
        int partitions = 120;
        String topic = topic("wide", partitions);
        try (Producer<byte[], byte[]> producer = producer(name("wide"), Map.of())) {
            for (int round = 0; round < 3; round++) {
                producer.beginTransaction();
                for (int p = 0; p < partitions; p++) {
                    send(producer, topic, p, round, round + 1);
                }
                if (round == 1) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        List<String> found = committed(topic, partitions, 2 * partitions);
        Checks.same(found.size(), 2 * partitions, "records");
        Checks.need(!found.contains("1"), "an aborted record is seen");
    }

    private void largeOnes() throws Exception {
        String topic = topic("large", 2);
        byte[] value = new byte[1000];
        try (Producer<byte[], byte[]> producer = producer(name("large"),
                Map.of("compression.type", "lz4", "linger.ms", 5))) {
            for (int round = 0; round < 2; round++) {
                producer.beginTransaction();
                for (int n = 0; n < 8000; n++) {
                    producer.send(new ProducerRecord<>(topic, n % 2, ClientSuite.bytes(n), value));
                }
                if (round == 0) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        Checks.same(committed(topic, 2, 8000).size(), 8000, "records");
    }

    private void refusedRecord() throws Exception {
        String topic = topic("refused", 1);
        try (Producer<byte[], byte[]> producer = producer(name("refused"), Map.of())) {
            producer.beginTransaction();
            send(producer, topic, 0, 0, 1);
            producer.send(new ProducerRecord<>(topic, 0, null, new byte[1500000]));
            fails("commit", producer::commitTransaction, RecordTooLargeException.class);
            producer.abortTransaction();
            producer.beginTransaction();
            send(producer, topic, 0, 1, 2);
            producer.commitTransaction();
        }
        expect(topic, 1, numbers(1, 2));
    }

    // ---- fencing

    private void secondInstance() throws Exception {
        String topic = topic("fence", 1);
        String id = name("fence");
        Producer<byte[], byte[]> first = producer(id, Map.of());
        first.beginTransaction();
        send(first, topic, 0, 0, 3);
        first.flush();
        try (Producer<byte[], byte[]> second = producer(id, Map.of())) {
            send(first, topic, 0, 3, 4);
            fails("commit of the first", first::commitTransaction, ProducerFencedException.class,
                InvalidProducerEpochException.class);
            second.beginTransaction();
            send(second, topic, 0, 10, 12);
            second.commitTransaction();
            fails("the first once more", () -> {
                first.beginTransaction();
                first.commitTransaction();
            }, KafkaException.class);
        } finally {
            first.close(Duration.ZERO);
        }
        expect(topic, 1, numbers(10, 12));
    }

    /** The first one only commits: nothing that it sends later could tell it. */
    private void idleInstance() throws Exception {
        String topic = topic("idle", 1);
        String id = name("idle");
        Producer<byte[], byte[]> first = producer(id, Map.of());
        first.beginTransaction();
        send(first, topic, 0, 0, 3);
        first.flush();
        try (Producer<byte[], byte[]> second = producer(id, Map.of())) {
            fails("commit of the first", first::commitTransaction, ProducerFencedException.class,
                InvalidProducerEpochException.class);
            expect(topic, 1, List.of());
            second.beginTransaction();
            send(second, topic, 0, 5, 6);
            second.commitTransaction();
        } finally {
            first.close(Duration.ZERO);
        }
        expect(topic, 1, numbers(5, 6));
    }

    private void restarts() throws Exception {
        String topic = topic("restart", 1);
        String id = name("restart");
        List<String> want = new ArrayList<>();
        for (int n = 0; n < 10; n++) {
            try (Producer<byte[], byte[]> producer = producer(id, Map.of())) {
                producer.beginTransaction();
                send(producer, topic, 0, 2 * n, 2 * n + 2);
                producer.commitTransaction();
                want.addAll(numbers(2 * n, 2 * n + 2));
                producer.beginTransaction();
                send(producer, topic, 0, 1000, 1001);
                producer.flush();
            }
        }
        try (Producer<byte[], byte[]> producer = producer(id, Map.of())) {
            expect(topic, 1, want);
        }
    }

    private void timesOut() throws Exception {
        String topic = topic("late", 1);
        String id = name("late");
        try (Producer<byte[], byte[]> producer = producer(id, Map.of("transaction.timeout.ms", 1000))) {
            producer.beginTransaction();
            send(producer, topic, 0, 0, 3);
            producer.flush();
            becomes(id, TransactionState.COMPLETE_ABORT);
            expect(topic, 1, List.of());
            fails("commit, too late", producer::commitTransaction, InvalidTxnStateException.class,
                ProducerFencedException.class, InvalidProducerEpochException.class);
        }
        try (Producer<byte[], byte[]> producer = producer(id, Map.of())) {
            producer.beginTransaction();
            send(producer, topic, 0, 3, 4);
            producer.commitTransaction();
        }
        expect(topic, 1, numbers(3, 4));
    }

    // ---- consume, transform, produce (KIP-447)

    private Map<TopicPartition, OffsetAndMetadata> next(ConsumerRecords<byte[], byte[]> records) {
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        for (TopicPartition place : records.partitions()) {
            List<ConsumerRecord<byte[], byte[]>> of = records.records(place);
            next.put(place, new OffsetAndMetadata(of.get(of.size() - 1).offset() + 1));
        }
        return next;
    }

    private void consumeTransformProduce() throws Exception {
        String from = topic("from", 2);
        String to = topic("to", 1);
        String group = name("ctp");
        try (Producer<byte[], byte[]> producer = producer(name("source"), Map.of())) {
            producer.beginTransaction();
            send(producer, from, 0, 0, 50);
            send(producer, from, 1, 50, 100);
            producer.commitTransaction();
        }
        int turn = 0;
        Set<String> done = new TreeSet<>();
        try (Producer<byte[], byte[]> producer = producer(name("ctp"), Map.of())) {
            while (done.size() < 100) {
                try (Consumer<byte[], byte[]> consumer = client.consumer(group, Map.of(
                        "isolation.level", "read_committed", "max.poll.records", 10))) {
                    consumer.subscribe(List.of(from));
                    int here = 0;
                    for (int empty = 0; here < 4 && empty < 40;) {
                        ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(300));
                        if (records.isEmpty()) {
                            empty++;
                            if (done.size() == 100) {
                                break;
                            }
                            continue;
                        }
                        here++;
                        producer.beginTransaction();
                        List<String> values = new ArrayList<>();
                        for (ConsumerRecord<byte[], byte[]> r : records) {
                            values.add(ClientSuite.text(r.value()));
                            producer.send(new ProducerRecord<>(to, 0, r.key(), r.value()));
                        }
                        producer.sendOffsetsToTransaction(next(records), consumer.groupMetadata());
                        if (turn++ % 3 == 1) {
                            producer.abortTransaction();
                            break; // as a crashed member: the next one starts from what is committed
                        }
                        producer.commitTransaction();
                        done.addAll(values);
                    }
                }
            }
        }
        List<String> found = committed(to, 1, 100);
        Checks.same(found.size(), 100, "records");
        Checks.same(new TreeSet<>(found), new TreeSet<>(numbers(0, 100)), "values");
        Collection<OffsetAndMetadata> offsets = admin.listConsumerGroupOffsets(group)
            .partitionsToOffsetAndMetadata().get().values();
        for (OffsetAndMetadata offset : offsets) {
            Checks.need(offset.offset() >= 50, "committed offset " + offset);
        }
        Checks.same(offsets.size(), 2, "committed partitions");
    }

    private void zombieMember() throws Exception {
        String from = topic("zombie", 1);
        String group = name("zombie");
        TopicPartition place = new TopicPartition(from, 0);
        Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(place, new OffsetAndMetadata(7));
        try (Producer<byte[], byte[]> producer = producer(name("zombie"), Map.of())) {
            ConsumerGroupMetadata stale;
            try (Consumer<byte[], byte[]> first = client.consumer(group, Map.of())) {
                first.subscribe(List.of(from));
                Checks.until("an assignment", () -> {
                    first.poll(Duration.ofMillis(100));
                    return !first.assignment().isEmpty();
                });
                stale = first.groupMetadata();
            }
            try (Consumer<byte[], byte[]> second = client.consumer(group, Map.of())) {
                second.subscribe(List.of(from));
                Checks.until("an assignment", () -> {
                    second.poll(Duration.ofMillis(100));
                    return !second.assignment().isEmpty();
                });
                producer.beginTransaction();
                fails("offsets of a member that left", () -> {
                    producer.sendOffsetsToTransaction(offsets, stale);
                    producer.commitTransaction();
                }, CommitFailedException.class);
                producer.abortTransaction();
                producer.beginTransaction();
                producer.sendOffsetsToTransaction(offsets, second.groupMetadata());
                producer.commitTransaction();
                Checks.same(second.committed(Set.of(place)).get(place).offset(), 7L, "committed");
            }
        }
    }

    private void offsetsThatAreNotDecided() throws Exception {
        String from = topic("undecided", 1);
        String group = name("undecided");
        TopicPartition place = new TopicPartition(from, 0);
        try (Producer<byte[], byte[]> producer = producer(name("undecided"), Map.of());
                Consumer<byte[], byte[]> other = client.consumer(group,
                    Map.of("default.api.timeout.ms", 1500, "isolation.level", "read_committed"))) {
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(3)),
                new ConsumerGroupMetadata(group));
            fails("committed() while it is open", () -> other.committed(Set.of(place)),
                org.apache.kafka.common.errors.TimeoutException.class);
            producer.commitTransaction();
            Checks.until("the offset", () -> other.committed(Set.of(place)).get(place) != null);
            Checks.same(other.committed(Set.of(place)).get(place).offset(), 3L, "committed");
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(9)),
                new ConsumerGroupMetadata(group));
            producer.abortTransaction();
            Checks.same(other.committed(Set.of(place)).get(place).offset(), 3L, "after an abort");
        }
    }

    // ---- Admin

    private void describeAndList() throws Exception {
        String topic = topic("admin", 3);
        String id = name("admin");
        fails("an unknown id", () -> describe(id), TransactionalIdNotFoundException.class);
        try (Producer<byte[], byte[]> producer = producer(id, Map.of("transaction.timeout.ms", 30000))) {
            Checks.same(describe(id).state(), TransactionState.EMPTY, "state");
            producer.beginTransaction();
            send(producer, topic, 0, 0, 1);
            send(producer, topic, 2, 1, 2);
            producer.flush();
            TransactionDescription found = describe(id);
            Checks.same(found.state(), TransactionState.ONGOING, "state");
            Checks.same(found.transactionTimeoutMs(), 30000L, "timeout");
            Checks.same(found.topicPartitions(), Set.of(new TopicPartition(topic, 0),
                new TopicPartition(topic, 2)), "partitions");
            Checks.need(found.transactionStartTimeMs().isPresent(), "no start time");
            Checks.same(ids(new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING))
                .filterProducerIds(Set.of(found.producerId()))), List.of(id), "listed");
            Checks.same(ids(new ListTransactionsOptions().filterStates(
                Set.of(TransactionState.COMPLETE_COMMIT)).filterProducerIds(
                Set.of(found.producerId()))), List.of(), "listed in another state");
            Checks.same(ids(new ListTransactionsOptions().filterOnDuration(3600000)
                .filterProducerIds(Set.of(found.producerId()))), List.of(), "listed as old");
            Checks.same(ids(new ListTransactionsOptions().filterOnTransactionalIdPattern(
                id.substring(0, id.length() - 1) + ".")), List.of(id), "listed by a pattern");
            ProducerState open = open(topic);
            Checks.need(open != null, "no open transaction in describeProducers");
            Checks.same(open.producerId(), found.producerId(), "producer id");
            Checks.same(open.producerEpoch(), found.producerEpoch(), "epoch");
            Checks.same(open.currentTransactionStartOffset().getAsLong(), 0L, "start");
            producer.commitTransaction();
            becomes(id, TransactionState.COMPLETE_COMMIT);
            Checks.same(describe(id).topicPartitions(), Set.of(), "partitions");
            Checks.need(open(topic) == null, "a transaction is open after its end");
        }
    }

    private List<String> ids(ListTransactionsOptions options) throws Exception {
        return admin.listTransactions(options).all().get().stream()
            .map(TransactionListing::transactionalId).sorted().collect(Collectors.toList());
    }

    private void fenceProducers() throws Exception {
        String topic = topic("fenced", 1);
        String id = name("fenced");
        try (Producer<byte[], byte[]> producer = producer(id, Map.of())) {
            producer.beginTransaction();
            send(producer, topic, 0, 0, 2);
            producer.flush();
            admin.fenceProducers(List.of(id)).all().get();
            fails("commit", producer::commitTransaction, ProducerFencedException.class,
                InvalidProducerEpochException.class);
        }
        expect(topic, 1, List.of());
        String fresh = name("never-seen");
        admin.fenceProducers(List.of(fresh)).all().get();
        Checks.same(describe(fresh).state(), TransactionState.EMPTY, "state of an id fenced first");
    }

    private void forceTerminate() throws Exception {
        String topic = topic("terminated", 1);
        String id = name("terminated");
        try (Producer<byte[], byte[]> producer = producer(id, Map.of())) {
            producer.beginTransaction();
            send(producer, topic, 0, 0, 2);
            producer.flush();
            admin.forceTerminateTransaction(id).result().get();
            fails("commit", producer::commitTransaction, ProducerFencedException.class,
                InvalidProducerEpochException.class);
        }
        expect(topic, 1, List.of());
    }

    /** As an operator ends what hangs; levee refuses it while the coordinator has it open. */
    private void abortTransaction() throws Exception {
        String topic = topic("hanging", 1);
        String id = name("hanging");
        try (Producer<byte[], byte[]> producer = producer(id, Map.of())) {
            producer.beginTransaction();
            send(producer, topic, 0, 0, 2);
            producer.flush();
            ProducerState open = open(topic);
            AbortTransactionSpec spec = new AbortTransactionSpec(new TopicPartition(topic, 0),
                open.producerId(), (short) open.producerEpoch(), open.coordinatorEpoch().orElse(0));
            try {
                admin.abortTransaction(spec).all().get();
            } catch (ExecutionException refused) {
                Checks.same(refused.getCause().getClass(), InvalidTxnStateException.class, "refusal");
                Checks.need(open(topic) != null, "refused, and ended nevertheless");
                admin.forceTerminateTransaction(id).result().get();
            }
            Checks.until("nothing is open", () -> {
                try {
                    return open(topic) == null;
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
            expect(topic, 1, List.of());
        }
    }

    private void deletedTopic() throws Exception {
        String keep = topic("keep", 1);
        String gone = topic("gone", 2);
        try (Producer<byte[], byte[]> producer = producer(name("gone"), Map.of())) {
            producer.beginTransaction();
            send(producer, keep, 0, 0, 2);
            send(producer, gone, 0, 0, 2);
            send(producer, gone, 1, 0, 2);
            producer.flush();
            admin.deleteTopics(List.of(gone)).all().get();
            producer.commitTransaction();
            producer.beginTransaction();
            send(producer, keep, 0, 2, 3);
            producer.commitTransaction();
        }
        expect(keep, 1, numbers(0, 3));
    }

    public static void main(String[] args) {
        TransactionSuite suite = new TransactionSuite(args[0]);
        Checks checks = new Checks();
        Arrays.stream(args).skip(1).forEach(checks::only);
        checks.add("the_program_of_the_tutorials", suite::tutorial);
        checks.add("commits_and_aborts", suite::commitsAndAborts);
        checks.add("empty_transactions", suite::emptyOnes);
        checks.add("an_open_transaction_is_not_seen", suite::openIsNotSeen);
        checks.add("one_transaction_over_many_partitions", suite::manyPartitions);
        checks.add("large_transactions", suite::largeOnes);
        checks.add("a_refused_record_fails_the_commit", suite::refusedRecord);
        checks.add("a_second_instance_fences_the_first", suite::secondInstance);
        checks.add("a_second_instance_fences_an_idle_one", suite::idleInstance);
        checks.add("an_instance_that_is_started_again_and_again", suite::restarts);
        checks.add("a_transaction_times_out", suite::timesOut);
        checks.add("consume_transform_produce", suite::consumeTransformProduce);
        checks.add("offsets_of_a_member_that_left", suite::zombieMember);
        checks.add("offsets_that_are_not_decided", suite::offsetsThatAreNotDecided);
        checks.add("describe_and_list_transactions", suite::describeAndList);
        checks.add("fence_producers", suite::fenceProducers);
        checks.add("force_terminate_a_transaction", suite::forceTerminate);
        checks.add("abort_a_transaction_at_its_partition", suite::abortTransaction);
        checks.add("a_topic_of_the_transaction_is_deleted", suite::deletedTopic);
        int code = checks.run(90);
        suite.admin.close(Duration.ofSeconds(5));
        System.exit(code);
    }
}
