import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;

import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Produced;

/**
 * A word count and a join of two tables, exactly once, until it is killed.
 * Usage: StreamsJob HOST:PORT APPLICATION STATE-DIRECTORY
 *
 * Without a cache each word that comes is one record in `counts`: 1, 2, 3, ... of that word.  What
 * was counted twice or not at all shows in that sequence.
 */
public final class StreamsJob {
    public static void main(String[] args) throws Exception {
        String application = args[1];
        Properties conf = new Properties();
        conf.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        conf.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        conf.put(StreamsConfig.STATE_DIR_CONFIG, args[2]);
        conf.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        conf.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        conf.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        conf.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        conf.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        conf.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        conf.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), 6000);
        conf.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), 1000);

        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(application + "-words")
            .flatMapValues(line -> Arrays.asList(line.toLowerCase().split("\\W+")))
            .filter((key, word) -> !word.isEmpty())
            .groupBy((key, word) -> word)
            .count()
            .toStream()
            .mapValues(count -> Long.toString(count))
            .to(application + "-counts", Produced.with(Serdes.String(), Serdes.String()));
        KTable<String, String> left = builder.table(application + "-left");
        KTable<String, String> right = builder.table(application + "-right");
        left.join(right, (one, two) -> one + "|" + two).toStream().to(application + "-joined");

        KafkaStreams streams = new KafkaStreams(builder.build(), conf);
        streams.setUncaughtExceptionHandler(error -> {
            System.err.println("replaced a thread: " + error);
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        while (streams.state() != KafkaStreams.State.ERROR) {
            Thread.sleep(200);
        }
        streams.close(Duration.ofSeconds(2));
        System.exit(1);
    }
}
