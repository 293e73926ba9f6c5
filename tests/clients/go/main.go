// What a Go application does with a broker, through franz-go.
// Usage: clients suite HOST:PORT [check ...]
//
//	clients produce|transact|consume ...   (see load.go and transactions.go; used by the jobs and
//	                                        the kill audits)
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

type check struct {
	name string
	run  func(ctx context.Context) error
}

func runChecks(checks []check, only []string) int {
	failed := 0
	for _, c := range checks {
		wanted := len(only) == 0
		for _, name := range only {
			wanted = wanted || name == c.name
		}
		if !wanted {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
		if err := c.run(ctx); err != nil {
			failed++
			fmt.Printf("FAIL %s: %s\n", c.name, strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Printf("ok %s\n", c.name)
		}
		cancel()
	}
	if failed > 0 {
		return 1
	}
	return 0
}

func same[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, should be %v", what, got, want)
	}
	return nil
}

// until asks until the answer is true or the check's time is over.
func until(ctx context.Context, what string, question func() (bool, error)) error {
	for {
		yes, err := question()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("never came true: %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

var tag = "g" + strconv.FormatInt(time.Now().UnixNano(), 36)

func name(text string) string { return text + "-" + tag }

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: clients suite|produce|transact|consume HOST:PORT ...")
		os.Exit(2)
	}
	switch os.Args[1] {
	case "suite":
		s, err := newSuite(os.Args[2])
		if err != nil {
			fmt.Println("FAIL start:", err)
			os.Exit(1)
		}
		os.Exit(runChecks(append(s.checks(), s.transactionChecks()...), os.Args[3:]))
	case "produce":
		os.Exit(produceMain(os.Args[2], os.Args[3:]))
	case "transact":
		os.Exit(transactMain(os.Args[2], os.Args[3:]))
	case "consume":
		os.Exit(consumeMain(os.Args[2], os.Args[3:]))
	}
	fmt.Fprintln(os.Stderr, "unknown command", os.Args[1])
	os.Exit(2)
}
