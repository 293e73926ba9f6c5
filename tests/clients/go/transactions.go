package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A producer of this transactional id.
func (s *suite) transactional(id string, opts ...kgo.Opt) (*kgo.Client, error) {
	return s.open(append([]kgo.Opt{kgo.TransactionalID(id)}, opts...)...)
}

// transact sends the records in one transaction and ends it.
func transact(ctx context.Context, client *kgo.Client, records []*kgo.Record,
	commit kgo.TransactionEndTry) error {
	if err := client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := client.EndTransaction(ctx, commit); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}

// end is where a reader of this isolation stops now.
func (s *suite) end(ctx context.Context, topic string, committed bool) (kadm.ListedOffsets, error) {
	if committed {
		return s.admin.ListCommittedOffsets(ctx, topic)
	}
	return s.admin.ListEndOffsets(ctx, topic)
}

// values are all that a reader of this isolation finds below the end that it has now.
func (s *suite) values(ctx context.Context, topic string, committed bool) ([]string, error) {
	ends, err := s.end(ctx, topic, committed)
	if err != nil {
		return nil, err
	}
	level := kgo.ReadUncommitted()
	if committed {
		level = kgo.ReadCommitted()
	}
	left := map[int32]int64{}
	places := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		places[o.Partition] = kgo.NewOffset().At(0)
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	// control records, too: they tell how far the reader is
	client, err := s.open(kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: places}))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var found []string
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("%d records, left %v: %w", len(found), left, err)
		}
		for _, r := range fetches.Records() {
			if !r.Attrs.IsControl() {
				found = append(found, string(r.Value))
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		}
	}
	return found, nil
}

// committed reads until there are so many: a commit is answered when it is decided, its markers may
// be a moment behind.
func (s *suite) committed(ctx context.Context, topic string, count int) ([]string, error) {
	for end := time.Now().Add(20 * time.Second); ; {
		found, err := s.values(ctx, topic, true)
		if err != nil || len(found) >= count || time.Now().After(end) {
			return found, err
		}
	}
}

func (s *suite) expectValues(ctx context.Context, topic string, want []string) error {
	found, err := s.committed(ctx, topic, len(want))
	if err != nil {
		return err
	}
	return same("committed values", fmt.Sprint(found), fmt.Sprint(want))
}

func texts(bounds ...int) []string {
	var all []string
	for i := 0; i < len(bounds); i += 2 {
		for n := bounds[i]; n < bounds[i+1]; n++ {
			all = append(all, fmt.Sprint(n))
		}
	}
	return all
}

func (s *suite) commitsAndAborts(ctx context.Context) error {
	topic, err := s.topic(ctx, "txn-turns", 1, nil)
	if err != nil {
		return err
	}
	client, err := s.transactional(name("turns"))
	if err != nil {
		return err
	}
	defer client.Close()
	var want []string
	for n := 0; n < 60; n++ {
		commit := kgo.TryCommit
		if n%3 == 1 {
			commit = kgo.TryAbort
		} else {
			want = append(want, texts(10*n, 10*n+10)...)
		}
		if err := transact(ctx, client, numbers(topic, 0, 10*n, 10*n+10), commit); err != nil {
			return fmt.Errorf("transaction %d: %w", n, err)
		}
	}
	if err := s.expectValues(ctx, topic, want); err != nil {
		return err
	}
	all, err := s.values(ctx, topic, false)
	if err != nil {
		return err
	}
	return same("all values", fmt.Sprint(all), fmt.Sprint(texts(0, 600)))
}

func (s *suite) openIsNotSeen(ctx context.Context) error {
	topic, err := s.topic(ctx, "txn-open", 1, nil)
	if err != nil {
		return err
	}
	one, err := s.transactional(name("open"))
	if err != nil {
		return err
	}
	defer one.Close()
	two, err := s.transactional(name("other"))
	if err != nil {
		return err
	}
	defer two.Close()
	if err := one.BeginTransaction(); err != nil {
		return err
	}
	if err := one.ProduceSync(ctx, numbers(topic, 0, 0, 5)...).FirstErr(); err != nil {
		return err
	}
	if err := transact(ctx, two, numbers(topic, 0, 5, 8), kgo.TryCommit); err != nil {
		return err
	}
	if err := s.expectValues(ctx, topic, nil); err != nil {
		return err
	}
	if err := one.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	if err := until(ctx, "the last stable offset moves", func() (bool, error) {
		at, err := s.end(ctx, topic, true)
		o, _ := at.Lookup(topic, 0)
		return o.Offset == 10, err
	}); err != nil {
		return err
	}
	return s.expectValues(ctx, topic, texts(0, 8))
}

func (s *suite) manyPartitions(ctx context.Context) error {
	const partitions = 60
	topic, err := s.topic(ctx, "txn-wide", partitions, nil)
	if err != nil {
		return err
	}
	client, err := s.transactional(name("wide"))
	if err != nil {
		return err
	}
	defer client.Close()
	for turn, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		var records []*kgo.Record
		for p := int32(0); p < partitions; p++ {
			records = append(records, numbers(topic, p, turn, turn+1)...)
		}
		if err := transact(ctx, client, records, commit); err != nil {
			return err
		}
	}
	found, err := s.committed(ctx, topic, 2*partitions)
	if err != nil {
		return err
	}
	for _, value := range found {
		if value == "1" {
			return errors.New("an aborted record is seen")
		}
	}
	return same("records", len(found), 2*partitions)
}

// isFenced: what a producer hears whose id another one has.
func isFenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
}

func (s *suite) secondInstance(ctx context.Context) error {
	topic, err := s.topic(ctx, "txn-fence", 1, nil)
	if err != nil {
		return err
	}
	first, err := s.transactional(name("fence"))
	if err != nil {
		return err
	}
	defer first.Close()
	if err := first.BeginTransaction(); err != nil {
		return err
	}
	if err := first.ProduceSync(ctx, numbers(topic, 0, 0, 3)...).FirstErr(); err != nil {
		return err
	}
	second, err := s.transactional(name("fence"))
	if err != nil {
		return err
	}
	defer second.Close()
	if err := transact(ctx, second, numbers(topic, 0, 10, 12), kgo.TryCommit); err != nil {
		return fmt.Errorf("second: %w", err)
	}
	if err := first.EndTransaction(ctx, kgo.TryCommit); !isFenced(err) {
		return fmt.Errorf("the first one's commit says %v", err)
	}
	return s.expectValues(ctx, topic, texts(10, 12))
}

func (s *suite) timesOut(ctx context.Context) error {
	topic, err := s.topic(ctx, "txn-late", 1, nil)
	if err != nil {
		return err
	}
	client, err := s.transactional(name("late"), kgo.TransactionTimeout(time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	if err := client.ProduceSync(ctx, numbers(topic, 0, 0, 3)...).FirstErr(); err != nil {
		return err
	}
	if err := until(ctx, "the last stable offset moves", func() (bool, error) {
		at, err := s.end(ctx, topic, true)
		o, _ := at.Lookup(topic, 0)
		return o.Offset > 0, err
	}); err != nil {
		return err
	}
	err = client.EndTransaction(ctx, kgo.TryCommit)
	if !isFenced(err) && !errors.Is(err, kerr.InvalidTxnState) {
		return fmt.Errorf("the late commit says %v", err)
	}
	return s.expectValues(ctx, topic, nil)
}

// consumeTransformProduce: a member with its producer, as one session; each third one is aborted.
func (s *suite) consumeTransformProduce(ctx context.Context) error {
	from, err := s.topic(ctx, "txn-from", 2, nil)
	if err != nil {
		return err
	}
	to, err := s.topic(ctx, "txn-to", 1, nil)
	if err != nil {
		return err
	}
	source, err := s.transactional(name("source"))
	if err != nil {
		return err
	}
	defer source.Close()
	records := append(numbers(from, 0, 0, 50), numbers(from, 1, 50, 100)...)
	if err := transact(ctx, source, records, kgo.TryCommit); err != nil {
		return err
	}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(s.bootstrap),
		kgo.TransactionalID(name("ctp")), kgo.ConsumerGroup(name("ctp")), kgo.ConsumeTopics(from),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(300*time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer session.Close()
	for done, turn := 0, 0; done < 100; turn++ {
		fetches := session.PollRecords(ctx, 10)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d records: %w", done, err)
		}
		if err := session.Begin(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		for _, r := range fetches.Records() {
			session.Produce(ctx, &kgo.Record{Topic: to, Key: r.Key, Value: r.Value}, nil)
		}
		committed, err := session.End(ctx, kgo.TransactionEndTry(turn%3 != 1))
		if err != nil {
			return fmt.Errorf("end: %w", err)
		}
		if committed {
			done += len(fetches.Records())
		}
	}
	found, err := s.committed(ctx, to, 100)
	if err != nil {
		return err
	}
	want := texts(0, 100)
	sort.Strings(want)
	sort.Strings(found)
	if err := same("values", fmt.Sprint(found), fmt.Sprint(want)); err != nil {
		return err
	}
	offsets, err := s.admin.FetchOffsets(ctx, name("ctp"))
	if err != nil {
		return err
	}
	for p := int32(0); p < 2; p++ {
		if at, _ := offsets.Lookup(from, p); at.At < 50 {
			return fmt.Errorf("committed offset %d of partition %d", at.At, p)
		}
	}
	return nil
}

func (s *suite) describeAndList(ctx context.Context) error {
	topic, err := s.topic(ctx, "txn-admin", 1, nil)
	if err != nil {
		return err
	}
	client, err := s.transactional(name("admin"))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	if err := client.ProduceSync(ctx, numbers(topic, 0, 0, 1)...).FirstErr(); err != nil {
		return err
	}
	found, err := s.admin.DescribeTransactions(ctx, name("admin"))
	if err != nil {
		return err
	}
	if err := same("state", found[name("admin")].State, "Ongoing"); err != nil {
		return err
	}
	listed, err := s.admin.ListTransactions(ctx, nil, []string{"Ongoing"})
	if err != nil {
		return err
	}
	if _, ok := listed[name("admin")]; !ok {
		return errors.New("the transaction is not listed")
	}
	var places kadm.TopicsSet
	places.Add(topic, 0)
	producers, err := s.admin.DescribeProducers(ctx, places)
	if err != nil {
		return err
	}
	open := 0
	producers.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset == 0 {
			open++
		}
	})
	if err := same("open transactions of the partition", open, 1); err != nil {
		return err
	}
	return client.EndTransaction(ctx, kgo.TryCommit)
}

func (s *suite) transactionChecks() []check {
	return []check{
		{"commits_and_aborts", s.commitsAndAborts},
		{"an_open_transaction_is_not_seen", s.openIsNotSeen},
		{"one_transaction_over_many_partitions", s.manyPartitions},
		{"a_second_instance_fences_the_first", s.secondInstance},
		{"a_transaction_times_out", s.timesOut},
		{"consume_transform_produce", s.consumeTransformProduce},
		{"describe_and_list_transactions", s.describeAndList},
	}
}

// transactMain makes small transactions until its standard input is closed: `begin N`, then
// `committed N`, `aborted N` or `unknown N`, as java/Transact.java does.
func transactMain(bootstrap string, args []string) int {
	flags := flag.NewFlagSet("transact", flag.ExitOnError)
	topic := flags.String("topic", "", "topic")
	who := flags.String("name", "go", "first part of every value, and of the id")
	flags.Parse(args)
	open := func() (*kgo.Client, error) {
		return kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.TransactionalID("audit-"+*who),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(2*time.Millisecond),
			kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RetryTimeout(50*time.Second),
			kgo.RecordDeliveryTimeout(55*time.Second), kgo.TransactionTimeout(time.Minute))
	}
	stop := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString(0)
		close(stop)
	}()
	client, err := open()
	for n := 0; ; n++ {
		select {
		case <-stop:
			client.Close()
			fmt.Println("end", n)
			return 0
		default:
		}
		commit := kgo.TransactionEndTry(n%4 != 3)
		var records []*kgo.Record
		for i := 0; i < 6; i++ {
			records = append(records, &kgo.Record{Topic: *topic, Partition: int32(i % 3),
				Value: []byte(fmt.Sprintf("%s-%d-%d", *who, n, i))})
		}
		fmt.Println("begin", n)
		ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
		err = transact(ctx, client, records, commit)
		cancel()
		switch {
		case err != nil:
			fmt.Println("unknown", n, err)
			client.Close()
			if client, err = open(); err != nil {
				fmt.Println("error", err)
				return 1
			}
		case commit == kgo.TryCommit:
			fmt.Println("committed", n)
		default:
			fmt.Println("aborted", n)
		}
	}
}
