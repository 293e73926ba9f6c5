package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type suite struct {
	bootstrap string
	client    *kgo.Client
	admin     *kadm.Client
}

func newSuite(bootstrap string) (*suite, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return nil, err
	}
	return &suite{bootstrap, client, kadm.NewClient(client)}, nil
}

func (s *suite) topic(ctx context.Context, text string, partitions int32,
	configs map[string]*string) (string, error) {
	made, err := s.admin.CreateTopic(ctx, partitions, -1, configs, name(text))
	if err != nil {
		return "", err
	}
	return name(text), made.Err
}

func (s *suite) open(opts ...kgo.Opt) (*kgo.Client, error) {
	all := []kgo.Opt{
		kgo.SeedBrokers(s.bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(1 << 22), kgo.RecordDeliveryTimeout(30 * time.Second),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.FetchMaxWait(300 * time.Millisecond),
	}
	return kgo.NewClient(append(all, opts...)...)
}

func numbers(topic string, partition int32, from, to int) []*kgo.Record {
	var all []*kgo.Record
	for n := from; n < to; n++ {
		all = append(all, &kgo.Record{Topic: topic, Partition: partition,
			Key: []byte(fmt.Sprint(n % 7)), Value: []byte(fmt.Sprint(n))})
	}
	return all
}

func (s *suite) send(ctx context.Context, records []*kgo.Record, opts ...kgo.Opt) error {
	client, err := s.open(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, records...).FirstErr()
}

func (s *suite) read(ctx context.Context, topic string, partition int32, from int64,
	count int) ([]*kgo.Record, error) {
	client, err := s.open(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {partition: kgo.NewOffset().At(from)}}))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var found []*kgo.Record
	for len(found) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("%d of %d records: %w", len(found), count, err)
		}
		for _, e := range fetches.Errors() {
			return nil, e.Err
		}
		found = append(found, fetches.Records()...)
	}
	return found, same("number of records", len(found), count)
}

func (s *suite) expectNumbers(ctx context.Context, topic string, partition int32, count int) error {
	found, err := s.read(ctx, topic, partition, 0, count)
	for n, r := range found {
		if r.Offset != int64(n) || string(r.Value) != fmt.Sprint(n) {
			return fmt.Errorf("record %d is %q at offset %d", n, r.Value, r.Offset)
		}
	}
	return err
}

func expect(got, want error) error {
	if !errors.Is(got, want) {
		return fmt.Errorf("error is %v, should be %v", got, want)
	}
	return nil
}

// ---- topics

func (s *suite) createDescribeAndDelete(ctx context.Context) error {
	topic, err := s.topic(ctx, "admin", 3, map[string]*string{"retention.ms": kadm.StringPtr("1000000")})
	if err != nil {
		return err
	}
	details, err := s.admin.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	if err := same("partitions", len(details[topic].Partitions), 3); err != nil {
		return err
	}
	if err := s.expectConfig(ctx, topic, "retention.ms", "1000000"); err != nil {
		return err
	}
	if _, err := s.admin.DeleteTopic(ctx, topic); err != nil {
		return err
	}
	return until(ctx, "topic is gone", func() (bool, error) {
		all, err := s.admin.ListTopics(ctx)
		return !all.Has(topic), err
	})
}

func (s *suite) expectConfig(ctx context.Context, topic, key, want string) error {
	found, err := s.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	for _, c := range found[0].Configs {
		if c.Key == key {
			return same(key, c.MaybeValue(), want)
		}
	}
	return fmt.Errorf("no config %s", key)
}

func (s *suite) alterConfig(ctx context.Context) error {
	topic, err := s.topic(ctx, "alter", 1, nil)
	if err != nil {
		return err
	}
	changes := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms",
		Value: kadm.StringPtr("77000")}}
	done, err := s.admin.AlterTopicConfigs(ctx, changes, topic)
	if err != nil {
		return err
	}
	if done[0].Err != nil {
		return done[0].Err
	}
	return until(ctx, "the new value shows", func() (bool, error) {
		return s.expectConfig(ctx, topic, "retention.ms", "77000") == nil, nil
	})
}

func (s *suite) addPartitions(ctx context.Context) error {
	topic, err := s.topic(ctx, "grow", 1, nil)
	if err != nil {
		return err
	}
	done, err := s.admin.CreatePartitions(ctx, 2, topic)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		return err
	}
	return until(ctx, "three partitions", func() (bool, error) {
		details, err := s.admin.ListTopics(ctx, topic)
		return len(details[topic].Partitions) == 3, err
	})
}

func (s *suite) describeCluster(ctx context.Context) error {
	found, err := s.admin.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if found.Cluster == "" || found.Controller < 0 {
		return fmt.Errorf("cluster %q, controller %d", found.Cluster, found.Controller)
	}
	return same("brokers", len(found.Brokers), 1)
}

func (s *suite) topicErrors(ctx context.Context) error {
	topic, err := s.topic(ctx, "there", 1, nil)
	if err != nil {
		return err
	}
	_, err = s.admin.CreateTopic(ctx, 1, -1, nil, topic)
	if err := expect(err, kerr.TopicAlreadyExists); err != nil {
		return err
	}
	_, err = s.admin.CreateTopic(ctx, 1, -1, nil, "bad name")
	if err := expect(err, kerr.InvalidTopicException); err != nil {
		return err
	}
	_, err = s.admin.CreateTopic(ctx, 1, 3, nil, name("x"))
	if err := expect(err, kerr.InvalidReplicationFactor); err != nil {
		return err
	}
	_, err = s.admin.CreateTopic(ctx, 1, -1, map[string]*string{"retention.ms": kadm.StringPtr("soon")},
		name("x"))
	if err := expect(err, kerr.InvalidConfig); err != nil {
		return err
	}
	_, err = s.admin.DeleteTopic(ctx, name("nothing"))
	if err := expect(err, kerr.UnknownTopicOrPartition); err != nil {
		return err
	}
	record := &kgo.Record{Topic: name("nothing"), Value: []byte("v")}
	return expect(s.send(ctx, []*kgo.Record{record}), kerr.UnknownTopicOrPartition)
}

// ---- records

func (s *suite) codec(text string, codec kgo.CompressionCodec) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, err := s.topic(ctx, text, 1, nil)
		if err != nil {
			return err
		}
		err = s.send(ctx, numbers(topic, 0, 0, 500), kgo.ProducerBatchCompression(codec),
			kgo.ProducerLinger(50*time.Millisecond))
		if err != nil {
			return err
		}
		return s.expectNumbers(ctx, topic, 0, 500)
	}
}

func shapes(topic string) []*kgo.Record {
	all := []*kgo.Record{
		{}, {Key: []byte{}, Value: []byte{}}, {Key: []byte("k")},
		{Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")},
			{Key: "a", Value: []byte("2")}, {Key: "", Value: []byte{}}, {Key: "nil"}}},
	}
	for size := 1; size <= 1<<20; size *= 4 {
		value := make([]byte, size)
		for i := range value {
			value[i] = byte(i * 31 % 251)
		}
		all = append(all, &kgo.Record{Key: []byte("size"), Value: value})
	}
	for _, r := range all {
		r.Topic = topic
	}
	return all
}

func equal(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func (s *suite) shapesAndSizes(ctx context.Context) error {
	topic, err := s.topic(ctx, "shapes", 1,
		map[string]*string{"max.message.bytes": kadm.StringPtr("2097152")})
	if err != nil {
		return err
	}
	all := shapes(topic)
	for _, r := range all {
		if err := s.send(ctx, []*kgo.Record{r}); err != nil {
			return err
		}
	}
	got, err := s.read(ctx, topic, 0, 0, len(all))
	if err != nil {
		return err
	}
	for i, want := range all {
		if !equal(got[i].Key, want.Key) || !equal(got[i].Value, want.Value) {
			return fmt.Errorf("record %d came back changed", i)
		}
		if err := same("headers", len(got[i].Headers), len(want.Headers)); err != nil {
			return err
		}
		for h := range want.Headers {
			if got[i].Headers[h].Key != want.Headers[h].Key ||
				!equal(got[i].Headers[h].Value, want.Headers[h].Value) {
				return fmt.Errorf("header %d of record %d came back changed", h, i)
			}
		}
	}
	return nil
}

func (s *suite) tooLarge(ctx context.Context) error {
	topic, err := s.topic(ctx, "limit", 1, nil)
	if err != nil {
		return err
	}
	err = s.send(ctx, []*kgo.Record{{Topic: topic, Value: make([]byte, 1200000)}})
	if err := expect(err, kerr.MessageTooLarge); err != nil {
		return err
	}
	return s.send(ctx, []*kgo.Record{{Topic: topic, Value: make([]byte, 1000000)}})
}

func (s *suite) acks(text string, acks kgo.Acks) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, err := s.topic(ctx, text, 1, nil)
		if err != nil {
			return err
		}
		err = s.send(ctx, numbers(topic, 0, 0, 100), kgo.RequiredAcks(acks),
			kgo.DisableIdempotentWrite())
		if err != nil {
			return err
		}
		return s.expectNumbers(ctx, topic, 0, 100)
	}
}

func (s *suite) idempotent(ctx context.Context) error {
	topic, err := s.topic(ctx, "idempotent", 2, nil)
	if err != nil {
		return err
	}
	for p := int32(0); p < 2; p++ {
		err := s.send(ctx, numbers(topic, p, 0, 1000), kgo.ProducerBatchMaxBytes(600))
		if err != nil {
			return err
		}
		if err := s.expectNumbers(ctx, topic, p, 1000); err != nil {
			return err
		}
	}
	return nil
}

// ---- groups

type member struct {
	client *kgo.Client
	lock   sync.Mutex
	mine   map[int32]bool
}

func (s *suite) member(group, topic string, opts ...kgo.Opt) (*member, error) {
	m := &member{mine: map[int32]bool{}}
	take := func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
		m.lock.Lock()
		defer m.lock.Unlock()
		for _, p := range parts[topic] {
			m.mine[p] = true
		}
	}
	give := func(ctx context.Context, client *kgo.Client, parts map[string][]int32) {
		client.CommitUncommittedOffsets(ctx)
		lose(m, topic, parts)
	}
	all := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(10 * time.Second),
		kgo.HeartbeatInterval(300 * time.Millisecond), kgo.OnPartitionsAssigned(take),
		kgo.OnPartitionsRevoked(give), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			lose(m, topic, parts)
		})}
	client, err := s.open(append(all, opts...)...)
	m.client = client
	return m, err
}

func lose(m *member, topic string, parts map[string][]int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, p := range parts[topic] {
		delete(m.mine, p)
	}
}

func (m *member) partitions() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.mine)
}

func (m *member) poll(ctx context.Context, wait time.Duration) ([]*kgo.Record, error) {
	short, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	fetches := m.client.PollFetches(short)
	defer m.client.AllowRebalance()
	for _, e := range fetches.Errors() {
		if !errors.Is(e.Err, context.DeadlineExceeded) {
			return nil, e.Err
		}
	}
	return fetches.Records(), nil
}

func (s *suite) rebalance(text string, balancer kgo.GroupBalancer) func(context.Context) error {
	return func(ctx context.Context) error {
		topic, err := s.topic(ctx, text, 4, nil)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		poll := func(members ...*member) error {
			for _, m := range members {
				records, err := m.poll(ctx, 100*time.Millisecond)
				if err != nil {
					return err
				}
				for _, r := range records {
					place := fmt.Sprintf("%d@%d", r.Partition, r.Offset)
					if seen[place] {
						return fmt.Errorf("seen twice: %s", place)
					}
					seen[place] = true
				}
			}
			return nil
		}
		produce := func(from, to int) error {
			for p := int32(0); p < 4; p++ {
				if err := s.send(ctx, numbers(topic, p, from, to)); err != nil {
					return err
				}
			}
			return nil
		}
		if err := produce(0, 50); err != nil {
			return err
		}
		one, err := s.member(name(text), topic, kgo.Balancers(balancer))
		if err != nil {
			return err
		}
		err = until(ctx, "the first round", func() (bool, error) {
			return len(seen) == 200, poll(one)
		})
		if err != nil {
			return err
		}
		two, err := s.member(name(text), topic, kgo.Balancers(balancer))
		if err != nil {
			return err
		}
		err = until(ctx, "two partitions for each", func() (bool, error) {
			return one.partitions() == 2 && two.partitions() == 2, poll(one, two)
		})
		if err != nil {
			return err
		}
		if err := produce(50, 100); err != nil {
			return err
		}
		err = until(ctx, "the second round", func() (bool, error) {
			return len(seen) == 400, poll(one, two)
		})
		if err != nil {
			return err
		}
		if err := one.client.CommitUncommittedOffsets(ctx); err != nil {
			return err
		}
		one.client.CloseAllowingRebalance()
		if err := produce(100, 150); err != nil {
			return err
		}
		err = until(ctx, "the third round", func() (bool, error) {
			return len(seen) == 600, poll(two)
		})
		if err != nil {
			return err
		}
		if err := two.client.CommitUncommittedOffsets(ctx); err != nil {
			return err
		}
		two.client.CloseAllowingRebalance()
		return s.expectCommitted(ctx, name(text), topic, 4, 150)
	}
}

func (s *suite) expectCommitted(ctx context.Context, group, topic string, partitions int32,
	want int64) error {
	committed, err := s.admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	for p := int32(0); p < partitions; p++ {
		at, _ := committed.Lookup(topic, p)
		if err := same("committed offset", at.At, want); err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) staticMembership(ctx context.Context) error {
	topic, err := s.topic(ctx, "static", 2, nil)
	if err != nil {
		return err
	}
	if err := s.send(ctx, numbers(topic, 0, 0, 10)); err != nil {
		return err
	}
	for round := 0; round < 2; round++ {
		started := time.Now()
		m, err := s.member(name("static"), topic, kgo.InstanceID("i1"),
			kgo.SessionTimeout(20*time.Second))
		if err != nil {
			return err
		}
		err = until(ctx, "an assignment", func() (bool, error) {
			_, err := m.poll(ctx, 100*time.Millisecond)
			return m.partitions() == 2, err
		})
		if err != nil {
			return err
		}
		groups, err := s.admin.DescribeGroups(ctx, name("static"))
		if err != nil {
			return err
		}
		members := groups[name("static")].Members
		if len(members) != 1 || members[0].InstanceID == nil || *members[0].InstanceID != "i1" {
			return fmt.Errorf("members: %+v", members)
		}
		m.client.CloseAllowingRebalance()
		if time.Since(started) > 15*time.Second {
			return errors.New("the static member waited for its old session")
		}
	}
	return nil
}

func (s *suite) commitAndResume(ctx context.Context) error {
	topic, err := s.topic(ctx, "resume", 1, nil)
	if err != nil {
		return err
	}
	if err := s.send(ctx, numbers(topic, 0, 0, 100)); err != nil {
		return err
	}
	next := int64(0)
	for _, part := range []int{40, 60} {
		m, err := s.member(name("resume"), topic)
		if err != nil {
			return err
		}
		var got []*kgo.Record
		err = until(ctx, "records", func() (bool, error) {
			fetches := m.client.PollRecords(ctx, part-len(got))
			m.client.AllowRebalance()
			got = append(got, fetches.Records()...)
			return len(got) == part, fetches.Err()
		})
		if err != nil {
			return err
		}
		for _, r := range got {
			if err := same("offset", r.Offset, next); err != nil {
				return err
			}
			next++
		}
		if err := m.client.CommitRecords(ctx, got...); err != nil {
			return err
		}
		m.client.CloseAllowingRebalance()
	}
	return nil
}

func (s *suite) times(ctx context.Context) error {
	topic, err := s.topic(ctx, "time", 1, nil)
	if err != nil {
		return err
	}
	base := time.Now().Add(-time.Hour).Truncate(time.Second)
	for n := 0; n < 10; n++ {
		r := &kgo.Record{Topic: topic, Value: []byte("v"),
			Timestamp: base.Add(time.Duration(n) * time.Second)}
		// the delivery timeout counts from the record's own time
		if err := s.send(ctx, []*kgo.Record{r}, kgo.RecordDeliveryTimeout(0)); err != nil {
			return err
		}
	}
	for milli, want := range map[int64]int64{0: 0, 4500: 5, 9000: 9, 9001: 10} {
		found, err := s.admin.ListOffsetsAfterMilli(ctx, base.UnixMilli()+milli, topic)
		if err != nil {
			return err
		}
		at, _ := found.Lookup(topic, 0)
		if err := same(fmt.Sprintf("offset at %d", milli), at.Offset, want); err != nil {
			return err
		}
	}
	start, err := s.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return err
	}
	end, err := s.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	first, _ := start.Lookup(topic, 0)
	last, _ := end.Lookup(topic, 0)
	if err := same("start", first.Offset, 0); err != nil {
		return err
	}
	return same("end", last.Offset, 10)
}

func (s *suite) earliestAndLatest(ctx context.Context) error {
	topic, err := s.topic(ctx, "ends", 1, nil)
	if err != nil {
		return err
	}
	if err := s.send(ctx, numbers(topic, 0, 0, 5)); err != nil {
		return err
	}
	late, err := s.open(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {0: kgo.NewOffset().AtEnd().Relative(-1)}}))
	if err != nil {
		return err
	}
	defer late.Close()
	if err := s.send(ctx, numbers(topic, 0, 5, 6)); err != nil {
		return err
	}
	fetches := late.PollFetches(ctx)
	if len(fetches.Records()) == 0 || fetches.Records()[0].Offset < 4 {
		return fmt.Errorf("from the end came %v", fetches.Records())
	}
	return s.expectNumbers(ctx, topic, 0, 6)
}

func (s *suite) deleteRecords(ctx context.Context) error {
	topic, err := s.topic(ctx, "cut", 1, nil)
	if err != nil {
		return err
	}
	if err := s.send(ctx, numbers(topic, 0, 0, 20)); err != nil {
		return err
	}
	cut := func(at int64) error {
		offsets := kadm.Offsets{}
		offsets.AddOffset(topic, 0, at, -1)
		done, err := s.admin.DeleteRecords(ctx, offsets)
		if err != nil {
			return err
		}
		one, _ := done.Lookup(topic, 0)
		if one.Err == nil {
			return same("low watermark", one.LowWatermark, at)
		}
		return one.Err
	}
	if err := cut(7); err != nil {
		return err
	}
	found, err := s.read(ctx, topic, 0, 7, 13)
	if err != nil {
		return err
	}
	if err := same("first offset", found[0].Offset, 7); err != nil {
		return err
	}
	return expect(cut(99), kerr.OffsetOutOfRange)
}

func (s *suite) groups(ctx context.Context) error {
	topic, err := s.topic(ctx, "groups", 1, nil)
	if err != nil {
		return err
	}
	group := name("groups")
	if err := s.send(ctx, numbers(topic, 0, 0, 3)); err != nil {
		return err
	}
	m, err := s.member(group, topic)
	if err != nil {
		return err
	}
	count := 0
	err = until(ctx, "three records", func() (bool, error) {
		records, err := m.poll(ctx, 100*time.Millisecond)
		count += len(records)
		return count == 3, err
	})
	if err != nil {
		return err
	}
	if err := m.client.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	listed, err := s.admin.ListGroups(ctx)
	if err != nil {
		return err
	}
	if err := same("state", listed[group].State, "Stable"); err != nil {
		return err
	}
	described, err := s.admin.DescribeGroups(ctx, group)
	if err != nil {
		return err
	}
	if err := same("members", len(described[group].Members), 1); err != nil {
		return err
	}
	_, err = s.admin.DeleteGroup(ctx, group)
	if err := expect(err, kerr.NonEmptyGroup); err != nil {
		return err
	}
	m.client.CloseAllowingRebalance()
	if err := s.expectCommitted(ctx, group, topic, 1, 3); err != nil {
		return err
	}
	if _, err := s.admin.DeleteGroup(ctx, group); err != nil {
		return err
	}
	_, err = s.admin.DeleteGroup(ctx, group)
	return expect(err, kerr.GroupIDNotFound)
}

func (s *suite) checks() []check {
	return []check{
		{"create_describe_and_delete_a_topic", s.createDescribeAndDelete},
		{"alter_a_topic_config", s.alterConfig},
		{"add_partitions", s.addPartitions},
		{"describe_the_cluster", s.describeCluster},
		{"errors_of_topic_admin", s.topicErrors},
		{"produce_and_consume_none", s.codec("none", kgo.NoCompression())},
		{"produce_and_consume_gzip", s.codec("gzip", kgo.GzipCompression())},
		{"produce_and_consume_snappy", s.codec("snappy", kgo.SnappyCompression())},
		{"produce_and_consume_lz4", s.codec("lz4", kgo.Lz4Compression())},
		{"produce_and_consume_zstd", s.codec("zstd", kgo.ZstdCompression())},
		{"records_of_all_shapes_and_sizes", s.shapesAndSizes},
		{"a_record_above_the_limit_is_refused", s.tooLarge},
		{"acks_0", s.acks("acks0", kgo.NoAck())},
		{"acks_1", s.acks("acks1", kgo.LeaderAck())},
		{"acks_all", s.acks("acksall", kgo.AllISRAcks())},
		{"idempotent_producer", s.idempotent},
		{"two_members_rebalance", s.rebalance("range", kgo.RangeBalancer())},
		{"two_members_rebalance_cooperatively", s.rebalance("sticky", kgo.CooperativeStickyBalancer())},
		{"static_membership", s.staticMembership},
		{"manual_commit_and_resume", s.commitAndResume},
		{"seek_by_time_and_ends", s.times},
		{"earliest_and_latest", s.earliestAndLatest},
		{"delete_records", s.deleteRecords},
		{"list_describe_and_delete_groups", s.groups},
	}
}
