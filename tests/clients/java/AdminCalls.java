import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeClassicGroupsOptions;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListStreamsGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RaftVoterEndpoint;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Every method of Java's Admin, called against one broker: what each comes to, made comparable
 * between two brokers.  Usage: AdminCalls HOST:PORT
 *
 * One line a call: the name, a tab, what it came to on one line.  The name is that of the method,
 * with "/" and a word where one method is called in several ways.  A method without any call is a
 * line "METHOD, tab, not called", so that a newer client cannot bring one that nobody looked at.
 */
public final class AdminCalls {
    private static final String TAG = "a" + Long.toString(System.nanoTime(), 36);
    private static final int SECONDS = 20;
    /** Sets of operations, whose order means nothing. */
    private static final Pattern IN_BRACKETS = Pattern.compile("\\[([A-Z_]+(?:, [A-Z_]+)+)\\]");

    interface Call {
        Object run() throws Exception;
    }

    private final Admin admin;
    private final String bootstrap;
    private final Set<String> called = new TreeSet<>();
    private final String topic = name("topic");
    private final TopicPartition place = new TopicPartition(topic, 0);
    private final TopicPartition nowhere = new TopicPartition(name("nothing"), 0);
    private int me;
    private Uuid topicId;
    private String clusterId;

    private AdminCalls(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap,
            "default.api.timeout.ms", "15000", "request.timeout.ms", "10000"));
    }

    private static String name(String text) {
        return TAG + "." + text;
    }

    // ---- what a call comes to, as text that two brokers share

    private static String failure(Throwable error) {
        while ((error instanceof ExecutionException || error instanceof RuntimeException)
                && error.getCause() != null && error.getClass().getName().startsWith("java.")) {
            error = error.getCause();
        }
        return error.getClass().getSimpleName() + ": " + error.getMessage();
    }

    private Object show(Object value) throws Exception {
        if (value instanceof KafkaFuture) {
            try {
                return show(((KafkaFuture<?>) value).get(SECONDS, TimeUnit.SECONDS));
            } catch (Exception error) {
                return failure(error);
            }
        }
        if (value instanceof Map) {
            TreeMap<String, Object> out = new TreeMap<>();
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                out.put(String.valueOf(entry.getKey()), show(entry.getValue()));
            }
            return out;
        }
        if (value instanceof Set) {
            TreeSet<String> out = new TreeSet<>();
            for (Object one : (Set<?>) value) {
                out.add(String.valueOf(show(one)));
            }
            return out;
        }
        if (value instanceof Collection) {
            List<Object> out = new ArrayList<>();
            for (Object one : (Collection<?>) value) {
                out.add(show(one));
            }
            return out;
        }
        return value == null ? "done" : value;
    }

    private String plain(String text) {
        String out = text.replace(TAG, "T").replace(bootstrap, "HOST:PORT")
            .replaceAll("\\s+", " ");
        if (topicId != null) {
            out = out.replace(topicId.toString(), "ID");
        }
        if (clusterId != null) {
            out = out.replace(clusterId, "CLUSTER");
        }
        out = IN_BRACKETS.matcher(out).replaceAll(m -> Arrays.stream(m.group(1).split(", ")).sorted()
            .collect(Collectors.joining(", ", "[", "]")));
        return out.replaceAll("\\b(id: |nodeId=|broker |brokerId=|leader=|BROKER_LOGGER', name=')"
                + me + "\\b", "$1ME")
            .replaceAll("-?\\d{13,}", "(time)");
    }

    private void call(String name, Call call) {
        String outcome;
        called.add(name.split("/")[0]);
        try {
            outcome = String.valueOf(show(call.run()));
        } catch (Exception error) {
            outcome = failure(error);
        }
        System.out.println(name + "\t" + plain(outcome));
        System.out.flush();
    }

    // ---- topics and partitions

    private void topics() throws Exception {
        call("createTopics", () -> admin.createTopics(List.of(new NewTopic(topic, Optional.of(2),
            Optional.empty()).configs(Map.of("retention.ms", "1000000")))).values());
        await(topic, 2);
        call("createTopics/again", () -> admin.createTopics(List.of(
            new NewTopic(topic, 1, (short) 1))).values());
        call("createTopics/validated", () -> {
            var result = admin.createTopics(List.of(new NewTopic(name("other"), 3, (short) 1)),
                new CreateTopicsOptions().validateOnly(true));
            return List.of(result.values(), result.numPartitions(name("other")),
                result.replicationFactor(name("other")));
        });
        call("createTopics/wrongly", () -> admin.createTopics(List.of(
            new NewTopic(name("many"), 1, (short) 3), new NewTopic("bad name", 1, (short) 1),
            new NewTopic(name("none"), 0, (short) 1),
            new NewTopic(name("config"), 1, (short) 1).configs(Map.of("no.such", "1")))).values());
        call("listTopics", () -> admin.listTopics().listings().get().stream()
            .filter(t -> t.name().equals(topic)).collect(Collectors.toList()));
        call("describeTopics", () -> admin.describeTopics(List.of(topic, nowhere.topic()),
            new DescribeTopicsOptions().includeAuthorizedOperations(true)).topicNameValues());
        call("describeTopics/by_id", () -> admin.describeTopics(
            TopicCollection.ofTopicIds(List.of(topicId))).topicIdValues());
        call("createPartitions", () -> admin.createPartitions(
            Map.of(topic, NewPartitions.increaseTo(3))).values());
        await(topic, 3);
        call("createPartitions/fewer", () -> admin.createPartitions(
            Map.of(topic, NewPartitions.increaseTo(1), nowhere.topic(),
                NewPartitions.increaseTo(2))).values());
        produce();
        call("listOffsets", () -> {
            Map<String, Object> out = new LinkedHashMap<>();
            for (OffsetSpec spec : List.of(OffsetSpec.earliest(), OffsetSpec.latest(),
                    OffsetSpec.maxTimestamp(), OffsetSpec.earliestLocal(),
                    OffsetSpec.latestTiered(), OffsetSpec.earliestPendingUpload(),
                    OffsetSpec.forTimestamp(0))) {
                out.put(spec.getClass().getSimpleName(), show(admin.listOffsets(
                    Map.of(place, spec)).partitionResult(place).thenApply(
                        i -> i.offset() + " epoch " + i.leaderEpoch())));
            }
            return out;
        });
        call("deleteRecords", () -> admin.deleteRecords(Map.of(place,
            RecordsToDelete.beforeOffset(2))).lowWatermarks().get(place)
            .thenApply(d -> d.lowWatermark()));
        call("deleteRecords/beyond", () -> admin.deleteRecords(Map.of(place,
            RecordsToDelete.beforeOffset(200))).lowWatermarks());
        call("describeProducers", () -> {
            var result = admin.describeProducers(List.of(place, nowhere));
            return List.of(result.partitionResult(place).thenApply(r -> r.activeProducers().stream()
                .map(p -> p.producerEpoch() + " " + p.lastSequence() + " "
                    + p.currentTransactionStartOffset()).collect(Collectors.toList())));
        });
    }

    private void produce() throws Exception {
        try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap),
                new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < 5; i++) {
                producer.send(new ProducerRecord<>(topic, 0, 1000L + i, null, new byte[100])).get();
            }
        }
    }

    /** Kafka answers before its broker knows. */
    private void await(String name, int partitions) throws Exception {
        for (int i = 0; i < 200; i++) {
            try {
                var found = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
                if (found.partitions().size() == partitions
                        && found.partitions().stream().allMatch(p -> p.leader() != null)) {
                    topicId = found.topicId();
                    return;
                }
            } catch (ExecutionException error) {
                // not yet
            }
            Thread.sleep(100);
        }
        throw new IllegalStateException("no topic " + name);
    }

    // ---- the cluster

    private void cluster() throws Exception {
        call("describeCluster", () -> {
            var found = admin.describeCluster(new DescribeClusterOptions()
                .includeAuthorizedOperations(true));
            return List.of(found.nodes().get().size(), found.controller().get().id() == me,
                found.authorizedOperations());
        });
        call("describeCluster/fenced", () -> {
            var found = admin.describeCluster(new DescribeClusterOptions()
                .includeFencedBrokers(true));
            return found.nodes().get().stream().map(n -> n.isFenced())
                .collect(Collectors.toList());
        });
        call("describeLogDirs", () -> admin.describeLogDirs(List.of(me)).descriptions().get(me)
            .thenApply(dirs -> dirs.values().stream().map(d -> d.error() + " " + d.isCordoned() + " "
                + d.replicaInfos().entrySet().stream().filter(e -> e.getKey().topic().equals(topic))
                    .sorted(Comparator.comparing(e -> e.getKey().partition()))
                    .map(e -> e.getKey() + "=" + e.getValue()).collect(Collectors.toList()))
                .collect(Collectors.toList())));
        call("describeReplicaLogDirs", () -> admin.describeReplicaLogDirs(List.of(
            new TopicPartitionReplica(topic, 0, me))).values().values().iterator().next()
            .thenApply(i -> (i.getCurrentReplicaLogDir() != null) + " "
                + i.getCurrentReplicaOffsetLag() + " " + i.getFutureReplicaLogDir()));
        call("alterReplicaLogDirs", () -> admin.alterReplicaLogDirs(Map.of(
            new TopicPartitionReplica(topic, 0, me), directory(),
            new TopicPartitionReplica(topic, 1, me), "/no/such/directory",
            new TopicPartitionReplica(topic, 77, me), directory())).values());
        call("describeMetadataQuorum", () -> admin.describeMetadataQuorum().quorumInfo()
            .thenApply(q -> List.of(q.leaderId() == me, q.voters().size(), q.observers().size(),
                q.voters().get(0).replicaId() == me, q.highWatermark() > 0, q.leaderEpoch() > 0,
                q.voters().get(0).logEndOffset() > 0)));
        call("unregisterBroker", () -> admin.unregisterBroker(me + 1000).all());
        call("electLeaders", () -> admin.electLeaders(ElectionType.PREFERRED,
            Set.of(place, nowhere)).partitions());
        call("electLeaders/unclean", () -> admin.electLeaders(ElectionType.UNCLEAN,
            Set.of(place)).partitions());
        call("alterPartitionReassignments", () -> admin.alterPartitionReassignments(Map.of(
            place, Optional.of(new NewPartitionReassignment(List.of(me + 1000))),
            new TopicPartition(topic, 1), Optional.empty(),
            nowhere, Optional.of(new NewPartitionReassignment(List.of(me))))).values());
        call("alterPartitionReassignments/same", () -> admin.alterPartitionReassignments(Map.of(
            place, Optional.of(new NewPartitionReassignment(List.of(me))))).values());
        call("listPartitionReassignments", () -> admin.listPartitionReassignments()
            .reassignments());
        call("addRaftVoter", () -> admin.addRaftVoter(me + 1000, Uuid.ONE_UUID,
            Set.of(new RaftVoterEndpoint("CONTROLLER", "127.0.0.1", 9))).all());
        call("removeRaftVoter", () -> admin.removeRaftVoter(me + 1000, Uuid.ONE_UUID).all());
        call("clientInstanceId", () -> admin.clientInstanceId(Duration.ofSeconds(5)) != null);
    }

    private String directory() throws Exception {
        return admin.describeLogDirs(List.of(me)).descriptions().get(me).get().keySet().iterator()
            .next();
    }

    // ---- features

    private void features() throws Exception {
        call("describeFeatures", () -> admin.describeFeatures().featureMetadata()
            .thenApply(f -> List.of("supported metadata.version "
                + f.supportedFeatures().get("metadata.version"), "finalized "
                + f.finalizedFeatures().get("metadata.version"))));
        short current = admin.describeFeatures().featureMetadata().get().finalizedFeatures()
            .get("metadata.version").maxVersionLevel();
        call("updateFeatures/same", () -> update("metadata.version", current,
            FeatureUpdate.UpgradeType.UPGRADE));
        call("updateFeatures/too_high", () -> update("metadata.version", 99,
            FeatureUpdate.UpgradeType.UPGRADE));
        call("updateFeatures/too_low", () -> update("metadata.version", 6,
            FeatureUpdate.UpgradeType.SAFE_DOWNGRADE));
        call("updateFeatures/zero", () -> update("metadata.version", 0,
            FeatureUpdate.UpgradeType.SAFE_DOWNGRADE));
        call("updateFeatures/lower", () -> update("metadata.version", current - 1,
            FeatureUpdate.UpgradeType.UPGRADE));
        call("updateFeatures/safe_downgrade", () -> update("metadata.version", current - 1,
            FeatureUpdate.UpgradeType.SAFE_DOWNGRADE));
        call("updateFeatures/safe_downgrade_far", () -> update("metadata.version", 7,
            FeatureUpdate.UpgradeType.SAFE_DOWNGRADE));
        call("updateFeatures/unsafe_downgrade", () -> update("metadata.version", current - 1,
            FeatureUpdate.UpgradeType.UNSAFE_DOWNGRADE));
        call("updateFeatures/unknown", () -> update("no.such.feature", 1,
            FeatureUpdate.UpgradeType.UPGRADE));
        call("updateFeatures/unknown_deleted", () -> update("no.such.feature", 0,
            FeatureUpdate.UpgradeType.SAFE_DOWNGRADE));
    }

    private Object update(String name, int level, FeatureUpdate.UpgradeType type) {
        return admin.updateFeatures(Map.of(name, new FeatureUpdate((short) level, type)),
            new UpdateFeaturesOptions().validateOnly(true)).values();
    }

    // ---- configs

    private static ConfigResource resource(ConfigResource.Type type, String name) {
        return new ConfigResource(type, name);
    }

    private Object describe(ConfigResource.Type type, String name, String... keys) {
        ConfigResource asked = resource(type, name);
        return admin.describeConfigs(List.of(asked), new DescribeConfigsOptions()
            .includeSynonyms(true).includeDocumentation(true)).values().get(asked)
            .thenApply(config -> {
                TreeMap<String, String> out = new TreeMap<>();
                for (ConfigEntry entry : config.entries()) {
                    if (keys.length == 0 || Arrays.asList(keys).contains(entry.name())) {
                        out.put(entry.name(), entry.value() + " " + entry.source() + " "
                            + entry.type() + (entry.isReadOnly() ? " read-only" : "")
                            + (entry.isSensitive() ? " sensitive" : "")
                            + (entry.documentation() == null || entry.documentation().isEmpty()
                                ? " undocumented" : "")
                            + " " + entry.synonyms().stream().map(s -> s.name() + "=" + s.value()
                                + " " + s.source()).collect(Collectors.toList()));
                    }
                }
                return out;
            });
    }

    private Object alter(ConfigResource.Type type, String name, AlterConfigOp.OpType op, String key,
            String value) throws Exception {
        Object out = show(admin.incrementalAlterConfigs(Map.of(resource(type, name), List.of(
            new AlterConfigOp(new ConfigEntry(key, value), op)))).values());
        Thread.sleep(200); // Kafka answers before the change shows
        return out;
    }

    private void configs() throws Exception {
        ConfigResource.Type broker = ConfigResource.Type.BROKER;
        ConfigResource.Type group = ConfigResource.Type.GROUP;
        ConfigResource.Type metrics = ConfigResource.Type.CLIENT_METRICS;
        ConfigResource.Type logger = ConfigResource.Type.BROKER_LOGGER;
        AlterConfigOp.OpType set = AlterConfigOp.OpType.SET;
        AlterConfigOp.OpType delete = AlterConfigOp.OpType.DELETE;
        String us = String.valueOf(me);
        call("describeConfigs/topic", () -> describe(ConfigResource.Type.TOPIC, topic,
            "retention.ms", "segment.ms", "segment.jitter.ms", "cleanup.policy",
            "max.message.bytes", "flush.ms"));
        call("describeConfigs/broker", () -> describe(broker, us, "log.retention.ms",
            "log.retention.minutes", "log.retention.hours", "log.roll.ms", "log.roll.hours",
            "message.max.bytes", "log.flush.interval.ms", "log.flush.scheduler.interval.ms"));
        call("describeConfigs/all_brokers", () -> describe(broker, "", "message.max.bytes"));
        for (String name : List.of("no.such.group.of.ours", "")) {
            call("describeConfigs/group_" + (name.isEmpty() ? "empty" : "new"), () ->
                describe(group, name));
            call("describeConfigs/metrics_" + (name.isEmpty() ? "empty" : "new"), () ->
                describe(metrics, name));
        }
        call("incrementalAlterConfigs/group", () -> alter(group, name("g"), set,
            "consumer.session.timeout.ms", "50000"));
        call("describeConfigs/group", () -> describe(group, name("g"),
            "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"));
        for (String[] pair : new String[][] {{"consumer.session.timeout.ms", "1"},
                {"consumer.session.timeout.ms", "soon"}, {"consumer.session.timeout.ms", "90000000"},
                {"consumer.heartbeat.interval.ms", "99999"}, {"no.such", "1"},
                {"share.auto.offset.reset", "sometimes"}, {"share.auto.offset.reset", "earliest"},
                {"share.isolation.level", "read_committed"},
                {"share.record.lock.duration.ms", "100"},
                {"streams.num.standby.replicas", "77"}}) {
            call("incrementalAlterConfigs/group " + pair[0] + "=" + pair[1], () ->
                alter(group, name("g"), set, pair[0], pair[1]));
        }
        call("incrementalAlterConfigs/group_empty", () -> alter(group, "", set,
            "consumer.session.timeout.ms", "50000"));
        call("incrementalAlterConfigs/group_deleted", () -> alter(group, name("g"), delete,
            "consumer.session.timeout.ms", null));
        call("incrementalAlterConfigs/metrics", () -> alter(metrics, name("m"), set, "interval.ms",
            "1000"));
        call("incrementalAlterConfigs/metrics_match", () -> alter(metrics, name("m"), set, "match",
            "client_software_name=apache-kafka-java"));
        call("describeConfigs/metrics", () -> describe(metrics, name("m")));
        for (String[] pair : new String[][] {{"interval.ms", "1"}, {"interval.ms", "soon"},
                {"interval.ms", "99999999"}, {"no.such", "1"}, {"match", "x=y"},
                {"match", "client_id"}, {"match", "client_id=["}, {"match", "client_id=a,,"},
                {"metrics", "*"}, {"metrics", ""}, {"metrics", "org.apache.kafka,a"}}) {
            call("incrementalAlterConfigs/metrics " + pair[0] + "=" + pair[1], () ->
                alter(metrics, name("m"), set, pair[0], pair[1]));
        }
        call("incrementalAlterConfigs/metrics_empty", () -> alter(metrics, "", set, "interval.ms",
            "1000"));
        call("listConfigResources/groups_and_metrics", () -> ours(admin.listConfigResources(
            Set.of(group, metrics), new org.apache.kafka.clients.admin.ListConfigResourcesOptions())
            .all().get()));
        call("listClientMetricsResources", () -> admin.listClientMetricsResources().all()
            .thenApply(all -> all.stream().filter(m -> m.name().startsWith(TAG))
                .collect(Collectors.toList())));
        for (String key : List.of("interval.ms", "match", "metrics")) {
            call("incrementalAlterConfigs/metrics_deleted " + key, () -> alter(metrics, name("m"),
                delete, key, null));
        }
        for (String key : List.of("share.auto.offset.reset", "share.isolation.level")) {
            call("incrementalAlterConfigs/group_deleted " + key, () -> alter(group, name("g"),
                delete, key, null));
        }
        call("listConfigResources/when_all_is_deleted", () -> ours(admin.listConfigResources(
            Set.of(group, metrics), new org.apache.kafka.clients.admin.ListConfigResourcesOptions())
            .all().get()));
        call("listConfigResources", () -> admin.listConfigResources().all().get().stream()
            .filter(r -> r.name().equals(topic) || r.name().equals(us))
            .map(r -> r.type() + (r.name().equals(us) ? " ME" : " topic"))
            .collect(Collectors.toCollection(TreeSet::new)));
        call("describeConfigs/loggers", () -> admin.describeConfigs(List.of(resource(logger, us)))
            .values().get(resource(logger, us)).thenApply(c -> c.entries().stream()
                .filter(e -> e.name().equals("root"))
                .map(e -> "root " + e.source() + " " + e.type() + " " + e.isReadOnly())
                .collect(Collectors.toCollection(TreeSet::new))));
        call("describeConfigs/loggers_of_none", () -> admin.describeConfigs(List.of(
            resource(logger, ""))).values());
        call("incrementalAlterConfigs/logger", () -> alter(logger, us, set, "root", "INFO"));
        call("incrementalAlterConfigs/logger_wrong_level", () -> alter(logger, us, set, "root",
            "LOUD"));
        call("incrementalAlterConfigs/logger_unknown", () -> alter(logger, us, set,
            "no.such.logger", "INFO"));
        call("incrementalAlterConfigs/logger_appended", () -> alter(logger, us,
            AlterConfigOp.OpType.APPEND, "root", "INFO"));
        call("incrementalAlterConfigs/logger_deleted_root", () -> alter(logger, us, delete, "root",
            null));
        call("incrementalAlterConfigs/topic", () -> alter(ConfigResource.Type.TOPIC, topic, set,
            "retention.ms", "77000"));
        call("incrementalAlterConfigs/topic_wrongly", () -> alter(ConfigResource.Type.TOPIC, topic,
            set, "retention.ms", "soon"));
        call("incrementalAlterConfigs/broker", () -> alter(broker, us, set,
            "log.cleaner.backoff.ms", "16000"));
        call("describeConfigs/broker_altered", () -> describe(broker, us,
            "log.cleaner.backoff.ms"));
        call("incrementalAlterConfigs/broker_deleted", () -> alter(broker, us, delete,
            "log.cleaner.backoff.ms", null));
        call("incrementalAlterConfigs/validated", () -> admin.incrementalAlterConfigs(Map.of(
            resource(ConfigResource.Type.TOPIC, topic), List.of(new AlterConfigOp(
                new ConfigEntry("retention.ms", "1"), set))),
            new AlterConfigsOptions().validateOnly(true)).values());
    }

    private List<String> ours(Collection<ConfigResource> all) {
        return all.stream().filter(r -> r.name().startsWith(TAG)).map(ConfigResource::toString)
            .sorted().collect(Collectors.toList());
    }

    // ---- groups

    private void groups() throws Exception {
        String group = name("group");
        String unknown = name("unknown");
        call("alterConsumerGroupOffsets", () -> admin.alterConsumerGroupOffsets(group, Map.of(place,
            new OffsetAndMetadata(3, Optional.of(0), "said"))).all());
        call("listConsumerGroupOffsets", () -> admin.listConsumerGroupOffsets(Map.of(group,
            new ListConsumerGroupOffsetsSpec())).partitionsToOffsetAndMetadata(group));
        call("listConsumerGroupOffsets/unknown", () -> admin.listConsumerGroupOffsets(Map.of(unknown,
            new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(place))))
            .partitionsToOffsetAndMetadata(unknown));
        call("listConsumerGroups", () -> admin.listConsumerGroups().all().thenApply(all -> all
            .stream().filter(g -> g.groupId().equals(group)).collect(Collectors.toList())));
        call("listGroups", () -> admin.listGroups().all().thenApply(all -> all.stream()
            .filter(g -> g.groupId().equals(group)).collect(Collectors.toList())));
        call("describeConsumerGroups", () -> admin.describeConsumerGroups(List.of(group, unknown),
            new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true))
            .describedGroups());
        call("describeClassicGroups", () -> admin.describeClassicGroups(List.of(group, unknown),
            new DescribeClassicGroupsOptions().includeAuthorizedOperations(true))
            .describedGroups());
        members(group);
        otherKinds(group);
        call("deleteConsumerGroupOffsets", () -> {
            var result = admin.deleteConsumerGroupOffsets(group, Set.of(place, nowhere));
            return List.of(result.partitionResult(place), result.partitionResult(nowhere));
        });
        call("deleteConsumerGroupOffsets/unknown", () -> admin.deleteConsumerGroupOffsets(unknown,
            Set.of(place)).partitionResult(place));
        call("deleteConsumerGroups", () -> admin.deleteConsumerGroups(List.of(group, unknown))
            .deletedGroups());
        streams(unknown);
        share(unknown);
    }

    /** Of a classic group, by the calls for the other kinds. */
    private void otherKinds(String group) {
        call("describeStreamsGroups/classic", () -> admin.describeStreamsGroups(List.of(group))
            .describedGroups());
        call("describeShareGroups/classic", () -> admin.describeShareGroups(List.of(group))
            .describedGroups());
        call("listShareGroupOffsets/classic", () -> admin.listShareGroupOffsets(Map.of(group,
            new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(group));
        call("deleteShareGroupOffsets/classic", () -> admin.deleteShareGroupOffsets(group,
            Set.of(topic)).topicResult(topic));
    }

    private void members(String group) throws Exception {
        Map<String, Object> conf = new HashMap<>(Map.of("bootstrap.servers", bootstrap,
            "group.id", group, "group.instance.id", "one", "session.timeout.ms", 10000,
            "client.id", "somebody", "auto.offset.reset", "earliest",
            "enable.auto.commit", false));
        try (var consumer = new KafkaConsumer<>(conf, new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            for (int i = 0; i < 100 && consumer.assignment().size() < 3; i++) {
                consumer.poll(Duration.ofMillis(200));
            }
            call("describeConsumerGroups/with_member", () -> admin.describeConsumerGroups(
                List.of(group)).describedGroups().get(group).thenApply(g -> List.of(g.groupState(),
                    g.type(), g.partitionAssignor(), g.isSimpleConsumerGroup(),
                    g.members().stream().map(m -> m.clientId() + " " + m.groupInstanceId() + " "
                        + m.assignment().topicPartitions().size() + " " + m.host())
                        .collect(Collectors.toList()))));
            call("deleteConsumerGroups/not_empty", () -> admin.deleteConsumerGroups(List.of(group))
                .deletedGroups());
            call("deleteConsumerGroupOffsets/subscribed", () -> admin.deleteConsumerGroupOffsets(
                group, Set.of(place)).partitionResult(place));
            call("removeMembersFromConsumerGroup/unknown", () ->
                admin.removeMembersFromConsumerGroup(group,
                    new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("two"))))
                    .all());
            call("removeMembersFromConsumerGroup", () -> admin.removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one"))))
                .all());
        }
    }

    private void streams(String unknown) {
        call("describeStreamsGroups", () -> admin.describeStreamsGroups(List.of(unknown))
            .describedGroups());
        call("listStreamsGroupOffsets", () -> admin.listStreamsGroupOffsets(Map.of(unknown,
            new ListStreamsGroupOffsetsSpec())).partitionsToOffsetAndMetadata(unknown));
        call("alterStreamsGroupOffsets", () -> admin.alterStreamsGroupOffsets(name("streams"),
            Map.of(place, new OffsetAndMetadata(1))).all());
        call("deleteStreamsGroupOffsets", () -> admin.deleteStreamsGroupOffsets(unknown,
            Set.of(place)).partitionResult(place));
        call("deleteStreamsGroups", () -> admin.deleteStreamsGroups(List.of(unknown,
            name("streams"))).deletedGroups());
    }

    private void share(String unknown) {
        call("describeShareGroups", () -> admin.describeShareGroups(List.of(unknown))
            .describedGroups());
        call("listShareGroupOffsets", () -> admin.listShareGroupOffsets(Map.of(unknown,
            new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(unknown));
        call("deleteShareGroupOffsets", () -> admin.deleteShareGroupOffsets(unknown, Set.of(topic))
            .topicResult(topic));
        call("deleteShareGroups", () -> admin.deleteShareGroups(List.of(unknown)).deletedGroups());
        call("alterShareGroupOffsets", () -> admin.alterShareGroupOffsets(name("share"),
            Map.of(place, 0L)).all());
    }

    // ---- access, quotas, transactions

    private void access() {
        AclBinding binding = new AclBinding(new ResourcePattern(ResourceType.TOPIC, topic,
            PatternType.LITERAL), new AccessControlEntry("User:one", "*", AclOperation.READ,
            AclPermissionType.ALLOW));
        call("describeAcls", () -> admin.describeAcls(AclBindingFilter.ANY).values());
        call("createAcls", () -> admin.createAcls(List.of(binding)).values());
        call("deleteAcls", () -> admin.deleteAcls(List.of(AclBindingFilter.ANY)).values()
            .values());
        call("createDelegationToken", () -> admin.createDelegationToken().delegationToken());
        call("renewDelegationToken", () -> admin.renewDelegationToken(new byte[16])
            .expiryTimestamp());
        call("expireDelegationToken", () -> admin.expireDelegationToken(new byte[16])
            .expiryTimestamp());
        call("describeDelegationToken", () -> admin.describeDelegationToken().delegationTokens());
        call("describeClientQuotas", () -> admin.describeClientQuotas(ClientQuotaFilter.all())
            .entities());
        call("alterClientQuotas", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(
            new ClientQuotaEntity(Map.of("client-id", name("client"))),
            List.of(new ClientQuotaAlteration.Op("producer_byte_rate", null))))).values().values());
        call("describeUserScramCredentials", () -> admin.describeUserScramCredentials().all());
        call("describeUserScramCredentials/one", () -> admin.describeUserScramCredentials(
            List.of("nobody")).description("nobody"));
        call("alterUserScramCredentials/deleted", () -> admin.alterUserScramCredentials(List.of(
            new UserScramCredentialDeletion("nobody", ScramMechanism.SCRAM_SHA_256))).values());
    }

    private void transactions() {
        call("listTransactions", () -> admin.listTransactions(new ListTransactionsOptions()
            .filterProducerIds(Set.of(123456789L))).all());
        call("describeTransactions", () -> admin.describeTransactions(List.of(name("txn")))
            .description(name("txn")));
        call("abortTransaction", () -> admin.abortTransaction(new AbortTransactionSpec(place,
            123456L, (short) 0, 0)).all());
        call("fenceProducers", () -> admin.fenceProducers(List.of(name("txn"))).all());
        call("forceTerminateTransaction", () -> admin.forceTerminateTransaction(name("txn"))
            .result());
    }

    // ---- the end

    private void rest() {
        call("deleteTopics", () -> admin.deleteTopics(List.of(topic, nowhere.topic()))
            .topicNameValues());
        call("deleteTopics/by_id", () -> admin.deleteTopics(TopicCollection.ofTopicIds(
            List.of(Uuid.ONE_UUID))).topicIdValues());
        call("metrics", () -> !admin.metrics().isEmpty());
        call("registerMetricForSubscription", () -> {
            var metric = (org.apache.kafka.common.metrics.KafkaMetric) admin.metrics().values()
                .iterator().next();
            admin.registerMetricForSubscription(metric);
            return true;
        });
        call("unregisterMetricFromSubscription", () -> {
            var metric = (org.apache.kafka.common.metrics.KafkaMetric) admin.metrics().values()
                .iterator().next();
            admin.unregisterMetricFromSubscription(metric);
            return true;
        });
        called.add("close");
        called.add("updateFeatures");
        for (Method method : Admin.class.getMethods()) {
            if (!Modifier.isStatic(method.getModifiers()) && called.add(method.getName())) {
                System.out.println(method.getName() + "\tnot called");
            }
        }
    }

    private void run() throws Exception {
        me = admin.describeCluster().nodes().get().iterator().next().id();
        clusterId = admin.describeCluster().clusterId().get();
        topics();
        cluster();
        features();
        configs();
        groups();
        access();
        transactions();
        rest();
        admin.close(Duration.ofSeconds(5));
    }

    public static void main(String[] args) throws Exception {
        new AdminCalls(args[0]).run();
        System.exit(0);
    }
}
