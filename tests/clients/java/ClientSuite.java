import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** What a Java application does with a broker.  Usage: ClientSuite HOST:PORT [check ...] */
public final class ClientSuite {
    private static final String TAG = "j" + Long.toString(System.nanoTime(), 36);

    final String bootstrap;
    final Admin admin;

    ClientSuite(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap,
            "default.api.timeout.ms", "30000"));
    }

    static String name(String text) {
        return text + "-" + TAG;
    }

    String topic(String text, int partitions, Map<String, String> configs)
            throws Exception {
        NewTopic made = new NewTopic(name(text), Optional.of(partitions), Optional.empty());
        admin.createTopics(List.of(made.configs(configs))).all().get(30, TimeUnit.SECONDS);
        return made.name();
    }

    String topic(String text, int partitions) throws Exception {
        return topic(text, partitions, Map.of());
    }

    Producer<byte[], byte[]> producer(Map<String, ?> more) {
        Map<String, Object> conf = new HashMap<>(Map.of("bootstrap.servers", bootstrap,
            "max.request.size", 4000000, "delivery.timeout.ms", 30000,
            "request.timeout.ms", 20000));
        conf.putAll(more);
        return new KafkaProducer<>(conf, new ByteArraySerializer(), new ByteArraySerializer());
    }

    Consumer<byte[], byte[]> consumer(String group, Map<String, ?> more) {
        Properties conf = new Properties();
        conf.putAll(Map.of("bootstrap.servers", bootstrap, "enable.auto.commit", false,
            "auto.offset.reset", "earliest", "session.timeout.ms", 10000,
            "heartbeat.interval.ms", 300, "default.api.timeout.ms", 30000));
        if (group != null) {
            conf.put("group.id", group);
        }
        conf.putAll(more);
        return new KafkaConsumer<>(conf, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static byte[] bytes(int n) {
        return Integer.toString(n).getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] value) {
        return value == null ? null : new String(value, StandardCharsets.UTF_8);
    }

    private void sendNumbers(String topic, int partition, int from, int to, Map<String, ?> conf)
            throws Exception {
        try (Producer<byte[], byte[]> producer = producer(conf)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = from; n < to; n++) {
                sent.add(producer.send(new ProducerRecord<>(topic, partition, bytes(n % 7), bytes(n))));
            }
            producer.flush();
            for (Future<RecordMetadata> one : sent) {
                one.get(30, TimeUnit.SECONDS);
            }
        }
    }

    private List<ConsumerRecord<byte[], byte[]>> read(String topic, int partition, long from, int count)
            throws Exception {
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        try (Consumer<byte[], byte[]> consumer = consumer(null, Map.of())) {
            TopicPartition place = new TopicPartition(topic, partition);
            consumer.assign(List.of(place));
            consumer.seek(place, from);
            Checks.until(count + " records", () -> {
                consumer.poll(Duration.ofMillis(300)).forEach(found::add);
                return found.size() >= count;
            });
        }
        Checks.same(found.size(), count, "number of records");
        return found;
    }

    private void expectNumbers(String topic, int partition, int count) throws Exception {
        int n = 0;
        for (ConsumerRecord<byte[], byte[]> record : read(topic, partition, 0, count)) {
            Checks.same(record.offset(), (long) n, "offset");
            Checks.same(text(record.value()), Integer.toString(n), "value");
            n++;
        }
    }

    private static void fails(Class<?> with, Callable<?> what) {
        try {
            what.call();
        } catch (ExecutionException error) {
            Checks.same(error.getCause().getClass(), with, "error");
            return;
        } catch (Exception error) {
            Checks.same(error.getClass(), with, "error");
            return;
        }
        throw new AssertionError("no " + with.getSimpleName());
    }

    private Config config(String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(List.of(resource)).all().get().get(resource);
    }

    // ---- topics

    private void createDescribeAndDelete() throws Exception {
        String topic = topic("admin", 3, Map.of("retention.ms", "1000000"));
        Checks.same(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic)
            .partitions().size(), 3, "partitions");
        Checks.same(config(topic).get("retention.ms").value(), "1000000", "retention.ms");
        Checks.same(config(topic).get("cleanup.policy").value(), "delete", "cleanup.policy");
        admin.deleteTopics(List.of(topic)).all().get();
        Checks.until("topic is gone", () -> {
            try {
                return !admin.listTopics().names().get().contains(topic);
            } catch (Exception error) {
                return false;
            }
        });
    }

    private void alterConfig() throws Exception {
        String topic = topic("alter", 1);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(
            new ConfigEntry("retention.ms", "77000"), AlterConfigOp.OpType.SET)))).all().get();
        Checks.until("the new value shows", () -> {
            try {
                return config(topic).get("retention.ms").value().equals("77000");
            } catch (Exception error) {
                return false;
            }
        });
        fails(InvalidConfigurationException.class, () -> admin.incrementalAlterConfigs(
            Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "soon"),
                AlterConfigOp.OpType.SET)))).all().get());
    }

    private void addPartitions() throws Exception {
        String topic = topic("grow", 1);
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
        Checks.until("three partitions", () -> {
            try {
                return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic)
                    .partitions().size() == 3;
            } catch (Exception error) {
                return false;
            }
        });
    }

    private void describeCluster() throws Exception {
        Checks.same(admin.describeCluster().nodes().get().size(), 1, "nodes");
        Checks.need(!admin.describeCluster().clusterId().get().isEmpty(), "no cluster id");
        Checks.need(admin.describeCluster().controller().get() != null, "no controller");
    }

    private void topicErrors() throws Exception {
        String topic = topic("there", 1);
        fails(TopicExistsException.class, () -> admin.createTopics(
            List.of(new NewTopic(topic, 1, (short) 1))).all().get());
        fails(InvalidTopicException.class, () -> admin.createTopics(
            List.of(new NewTopic("bad name", 1, (short) 1))).all().get());
        fails(InvalidReplicationFactorException.class, () -> admin.createTopics(
            List.of(new NewTopic(name("x"), 1, (short) 3))).all().get());
        fails(UnknownTopicOrPartitionException.class, () -> admin.deleteTopics(
            List.of(name("nothing"))).all().get());
        fails(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(
            List.of(name("nothing"))).allTopicNames().get());
    }

    // ---- records

    private void codec(String codec) throws Exception {
        String topic = topic(codec, 1);
        sendNumbers(topic, 0, 0, 500, Map.of("compression.type", codec, "linger.ms", 50));
        expectNumbers(topic, 0, 500);
    }

    private static List<ProducerRecord<byte[], byte[]>> shapes(String topic) {
        List<ProducerRecord<byte[], byte[]>> all = new ArrayList<>();
        all.add(new ProducerRecord<>(topic, 0, null, null));
        all.add(new ProducerRecord<>(topic, 0, new byte[0], new byte[0]));
        all.add(new ProducerRecord<>(topic, 0, bytes(1), null));
        ProducerRecord<byte[], byte[]> headers = new ProducerRecord<>(topic, 0, null, bytes(2));
        headers.headers().add("a", bytes(1)).add("a", bytes(2)).add("", new byte[0]).add("nil", null);
        all.add(headers);
        for (int size = 1; size <= 1 << 20; size *= 4) {
            byte[] value = new byte[size];
            for (int i = 0; i < size; i++) {
                value[i] = (byte) (i * 31 % 251);
            }
            all.add(new ProducerRecord<>(topic, 0, bytes(size), value));
        }
        return all;
    }

    private void shapesAndSizes() throws Exception {
        String topic = topic("shapes", 1, Map.of("max.message.bytes", "2097152"));
        List<ProducerRecord<byte[], byte[]>> all = shapes(topic);
        try (Producer<byte[], byte[]> producer = producer(Map.of())) {
            for (ProducerRecord<byte[], byte[]> record : all) {
                producer.send(record).get(30, TimeUnit.SECONDS);
            }
        }
        List<ConsumerRecord<byte[], byte[]>> got = read(topic, 0, 0, all.size());
        for (int i = 0; i < all.size(); i++) {
            Checks.same(got.get(i).key(), all.get(i).key(), "key " + i);
            Checks.same(got.get(i).value(), all.get(i).value(), "value " + i);
            Header[] want = all.get(i).headers().toArray();
            Header[] found = got.get(i).headers().toArray();
            Checks.same(found.length, want.length, "headers");
            for (int h = 0; h < want.length; h++) {
                Checks.same(found[h].key(), want[h].key(), "header key");
                Checks.same(found[h].value(), want[h].value(), "header value");
            }
        }
    }

    private void tooLarge() throws Exception {
        String topic = topic("limit", 1);
        try (Producer<byte[], byte[]> producer = producer(Map.of())) {
            fails(RecordTooLargeException.class, () -> producer.send(
                new ProducerRecord<>(topic, 0, null, new byte[1200000])).get());
            producer.send(new ProducerRecord<>(topic, 0, null, new byte[1000000])).get();
        }
    }

    private void acks(String acks) throws Exception {
        String topic = topic("acks" + acks, 1);
        sendNumbers(topic, 0, 0, 100, Map.of("acks", acks, "enable.idempotence", false));
        expectNumbers(topic, 0, 100);
    }

    private void idempotent() throws Exception {
        String topic = topic("idempotent", 2);
        for (int partition = 0; partition < 2; partition++) {
            sendNumbers(topic, partition, 0, 1000, Map.of("enable.idempotence", true,
                "batch.size", 300, "max.in.flight.requests.per.connection", 5));
            expectNumbers(topic, partition, 1000);
        }
    }

    /** A producer goes on where it was; the new partition does not know it. */
    private void recreatedTopic() throws Exception {
        String topic = topic("again", 1);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (Producer<byte[], byte[]> producer = producer(Map.of("enable.idempotence", true,
                "metadata.max.age.ms", 1000))) {
            for (int i = 0; i < 600; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, 0, null, bytes(i))));
                Thread.sleep(5);
                if (i == 200) {
                    Uuid before = topicId(topic);
                    admin.deleteTopics(List.of(topic)).all().get(30, TimeUnit.SECONDS);
                    createAgain(topic, before);
                }
            }
            for (Future<RecordMetadata> each : sent) {
                each.get(40, TimeUnit.SECONDS);
            }
        }
    }

    private Uuid topicId(String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get(30, TimeUnit.SECONDS)
            .get(topic).topicId();
    }

    /** The producer asks for metadata of its topic, which creates it: it may be the first to. */
    private void createAgain(String topic, Uuid before) throws Exception {
        for (int tries = 0; ; tries++) {
            try {
                admin.createTopics(List.of(new NewTopic(topic, Optional.of(1), Optional.empty())))
                    .all().get(30, TimeUnit.SECONDS);
                return;
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof TopicExistsException) || tries == 100) {
                    throw e;
                }
            }
            Thread.sleep(100);
            try {
                if (!topicId(topic).equals(before)) {
                    return;
                }
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw e;
                }
            }
        }
    }

    /** Its batch is split, and what is behind it waits for the pieces. */
    private void tooLargeFirstBatch() throws Exception {
        String topic = topic("split", 1, Map.of("max.message.bytes", "5000"));
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (Producer<byte[], byte[]> producer = producer(Map.of("enable.idempotence", true,
                "linger.ms", 300, "batch.size", 40000))) {
            for (int i = 0; i < 200; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, 0, null, new byte[1500])));
            }
            for (Future<RecordMetadata> each : sent) {
                each.get(40, TimeUnit.SECONDS);
            }
        }
    }

    // ---- groups

    private static final class Member {
        final Consumer<byte[], byte[]> consumer;

        Member(Consumer<byte[], byte[]> consumer, String topic, Set<String> seen) {
            this.consumer = consumer;
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                    Map<TopicPartition, OffsetAndMetadata> at = new HashMap<>();
                    for (TopicPartition place : revoked) {
                        at.put(place, new OffsetAndMetadata(consumer.position(place)));
                    }
                    consumer.commitSync(at);
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
                }
            });
        }

        void poll(Set<String> seen) {
            for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(100))) {
                Checks.need(seen.add(r.partition() + "@" + r.offset()),
                    "seen twice: " + r.partition() + "@" + r.offset());
            }
        }
    }

    private void rebalance(String text, Class<?> assignor) throws Exception {
        String topic = topic(text, 4);
        Map<String, ?> conf = Map.of("partition.assignment.strategy", assignor.getName());
        Set<String> seen = new TreeSet<>();
        for (int p = 0; p < 4; p++) {
            sendNumbers(topic, p, 0, 50, Map.of());
        }
        Member one = new Member(consumer(name(text), conf), topic, seen);
        Checks.until("all records of the first round", () -> {
            one.poll(seen);
            return seen.size() == 200;
        });
        Member two = new Member(consumer(name(text), conf), topic, seen);
        Checks.until("two partitions for each", () -> {
            one.poll(seen);
            two.poll(seen);
            return one.consumer.assignment().size() == 2 && two.consumer.assignment().size() == 2;
        });
        for (int p = 0; p < 4; p++) {
            sendNumbers(topic, p, 50, 100, Map.of());
        }
        Checks.until("all records of the second round", () -> {
            one.poll(seen);
            two.poll(seen);
            return seen.size() == 400;
        });
        one.consumer.commitSync();
        one.consumer.close();
        for (int p = 0; p < 4; p++) {
            sendNumbers(topic, p, 100, 150, Map.of());
        }
        Checks.until("all records of the third round", () -> {
            two.poll(seen);
            return seen.size() == 600;
        });
        two.consumer.commitSync();
        Set<TopicPartition> places = two.consumer.assignment();
        Checks.same(places.size(), 4, "partitions of the member that stayed");
        for (OffsetAndMetadata committed : two.consumer.committed(places).values()) {
            Checks.same(committed.offset(), 150L, "committed offset");
        }
        two.consumer.close();
    }

    private void staticMembership() throws Exception {
        String topic = topic("static", 2);
        sendNumbers(topic, 0, 0, 10, Map.of());
        for (int round = 0; round < 2; round++) {
            long started = System.nanoTime();
            Consumer<byte[], byte[]> member = consumer(name("static"),
                Map.of("group.instance.id", "i1", "session.timeout.ms", 20000));
            member.subscribe(List.of(topic));
            int[] count = {0};
            Checks.until("ten records", () -> {
                count[0] += member.poll(Duration.ofMillis(200)).count();
                return count[0] == 10;
            });
            ConsumerGroupDescription group = describe(name("static"));
            Checks.same(group.members().size(), 1, "members");
            Checks.same(group.members().iterator().next().groupInstanceId(), Optional.of("i1"),
                "instance");
            member.close();
            Checks.need(System.nanoTime() - started < 15_000_000_000L,
                "the static member waited for its old session");
        }
    }

    private ConsumerGroupDescription describe(String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private void commitAndResume() throws Exception {
        String topic = topic("resume", 1);
        sendNumbers(topic, 0, 0, 100, Map.of());
        long next = 0;
        for (int part : new int[] {40, 60}) {
            try (Consumer<byte[], byte[]> member = consumer(name("resume"),
                    Map.of("max.poll.records", 20))) {
                member.subscribe(List.of(topic));
                List<Long> offsets = new ArrayList<>();
                Checks.until(part + " records", () -> {
                    member.poll(Duration.ofMillis(200)).forEach(r -> offsets.add(r.offset()));
                    return offsets.size() == part;
                });
                for (long offset : offsets) {
                    Checks.same(offset, next++, "offset");
                }
                member.commitSync();
            }
        }
    }

    private void times() throws Exception {
        String topic = topic("time", 1);
        long base = System.currentTimeMillis() - 3600000;
        try (Producer<byte[], byte[]> producer = producer(Map.of())) {
            for (int n = 0; n < 10; n++) {
                producer.send(new ProducerRecord<>(topic, 0, base + n * 1000, null, bytes(n))).get();
            }
        }
        TopicPartition place = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> consumer = consumer(null, Map.of())) {
            Checks.same(consumer.offsetsForTimes(Map.of(place, base)).get(place).offset(), 0L, "first");
            Checks.same(consumer.offsetsForTimes(Map.of(place, base + 4500)).get(place).offset(), 5L,
                "middle");
            Checks.same(consumer.offsetsForTimes(Map.of(place, base + 9001)).get(place), null, "none");
            Checks.same(consumer.beginningOffsets(List.of(place)).get(place), 0L, "beginning");
            Checks.same(consumer.endOffsets(List.of(place)).get(place), 10L, "end");
        }
        for (OffsetSpec spec : List.of(OffsetSpec.maxTimestamp(), OffsetSpec.latest(),
                OffsetSpec.earliest(), OffsetSpec.forTimestamp(base + 1), OffsetSpec.earliestLocal())) {
            ListOffsetsResult.ListOffsetsResultInfo found =
                admin.listOffsets(Map.of(place, spec)).partitionResult(place).get();
            long want = spec instanceof OffsetSpec.MaxTimestampSpec ? 9
                : spec instanceof OffsetSpec.LatestSpec ? 10
                : spec instanceof OffsetSpec.TimestampSpec ? 1 : 0;
            Checks.same(found.offset(), want, spec.getClass().getSimpleName());
        }
    }

    private void earliestAndLatest() throws Exception {
        String topic = topic("ends", 1);
        sendNumbers(topic, 0, 0, 5, Map.of());
        TopicPartition place = new TopicPartition(topic, 0);
        try (Consumer<byte[], byte[]> late = consumer(name("late"),
                Map.of("auto.offset.reset", "latest"))) {
            late.subscribe(List.of(topic));
            Checks.until("an assignment", () -> {
                late.poll(Duration.ofMillis(100));
                return late.assignment().contains(place);
            });
            Checks.same(late.position(place), 5L, "position");
            sendNumbers(topic, 0, 5, 6, Map.of());
            List<String> got = new ArrayList<>();
            Checks.until("the new record", () -> {
                late.poll(Duration.ofMillis(200)).forEach(r -> got.add(text(r.value())));
                return !got.isEmpty();
            });
            Checks.same(got, List.of("5"), "values");
        }
        expectNumbers(topic, 0, 6);
    }

    private void deleteRecords() throws Exception {
        String topic = topic("cut", 1);
        sendNumbers(topic, 0, 0, 20, Map.of());
        TopicPartition place = new TopicPartition(topic, 0);
        Checks.same(admin.deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(7)))
            .lowWatermarks().get(place).get().lowWatermark(), 7L, "low watermark");
        Checks.same(read(topic, 0, 7, 13).get(0).offset(), 7L, "first offset");
        fails(OffsetOutOfRangeException.class, () -> admin.deleteRecords(
            Map.of(place, RecordsToDelete.beforeOffset(99))).all().get());
    }

    private void groups() throws Exception {
        String topic = topic("groups", 1);
        String group = name("groups");
        sendNumbers(topic, 0, 0, 3, Map.of());
        try (Consumer<byte[], byte[]> member = consumer(group, Map.of())) {
            member.subscribe(List.of(topic));
            int[] count = {0};
            Checks.until("three records", () -> {
                count[0] += member.poll(Duration.ofMillis(200)).count();
                return count[0] == 3;
            });
            member.commitSync();
            Checks.need(admin.listGroups().all().get().stream()
                .anyMatch(g -> g.groupId().equals(group)), "group is not listed");
            Checks.same(describe(group).groupState(), GroupState.STABLE, "state");
            Checks.same(describe(group).members().size(), 1, "members");
            fails(GroupNotEmptyException.class, () ->
                admin.deleteConsumerGroups(List.of(group)).all().get());
        }
        Checks.same(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
            .get(new TopicPartition(topic, 0)).offset(), 3L, "committed");
        TopicPartition place = new TopicPartition(topic, 0);
        admin.alterConsumerGroupOffsets(group, Map.of(place, new OffsetAndMetadata(1))).all().get();
        Checks.same(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
            .get(place).offset(), 1L, "altered");
        admin.deleteConsumerGroups(List.of(group)).all().get();
        fails(GroupIdNotFoundException.class, () ->
            admin.deleteConsumerGroups(List.of(group)).all().get());
        fails(GroupIdNotFoundException.class, () -> describe(group));
    }

    private void unknownTopic() throws Exception {
        try (Producer<byte[], byte[]> producer = producer(Map.of("max.block.ms", 3000))) {
            fails(InvalidTopicException.class, () ->
                producer.send(new ProducerRecord<>("bad name", bytes(1))).get());
        }
        try (Consumer<byte[], byte[]> consumer = consumer(null,
                Map.of("allow.auto.create.topics", false))) {
            Checks.need(consumer.partitionsFor(name("nothing")).isEmpty(), "unknown topic is known");
        }
    }

    public static void main(String[] args) {
        ClientSuite suite = new ClientSuite(args[0]);
        Checks checks = new Checks();
        Arrays.stream(args).skip(1).forEach(checks::only);
        checks.add("create_describe_and_delete_a_topic", suite::createDescribeAndDelete);
        checks.add("alter_a_topic_config", suite::alterConfig);
        checks.add("add_partitions", suite::addPartitions);
        checks.add("describe_the_cluster", suite::describeCluster);
        checks.add("errors_of_topic_admin", suite::topicErrors);
        checks.add("unknown_and_invalid_topics", suite::unknownTopic);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            checks.add("produce_and_consume_" + codec, () -> suite.codec(codec));
        }
        checks.add("records_of_all_shapes_and_sizes", suite::shapesAndSizes);
        checks.add("a_record_above_the_limit_is_refused", suite::tooLarge);
        for (String acks : List.of("0", "1", "all")) {
            checks.add("acks_" + acks, () -> suite.acks(acks));
        }
        checks.add("idempotent_producer", suite::idempotent);
        checks.add("topic_made_again_under_a_live_producer", suite::recreatedTopic);
        checks.add("too_large_first_batch_is_split", suite::tooLargeFirstBatch);
        checks.add("two_members_rebalance", () -> suite.rebalance("range", RangeAssignor.class));
        checks.add("two_members_rebalance_cooperatively",
            () -> suite.rebalance("sticky", CooperativeStickyAssignor.class));
        checks.add("static_membership", suite::staticMembership);
        checks.add("manual_commit_and_resume", suite::commitAndResume);
        checks.add("seek_by_time_and_ends", suite::times);
        checks.add("earliest_and_latest", suite::earliestAndLatest);
        checks.add("delete_records", suite::deleteRecords);
        checks.add("list_describe_and_delete_groups", suite::groups);
        int code = checks.run(90);
        suite.admin.close(Duration.ofSeconds(5));
        System.exit(code);
    }
}
