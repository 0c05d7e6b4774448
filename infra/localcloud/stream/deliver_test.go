package stream

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"
)

// What becomes of a batch of records 1 to 8, and what is noted in the end.
func TestDelivery(t *testing.T) {
	all := "1,2,3,4,5,6,7,8"
	throttled := func([]string) (Answer, error) { return Answer{}, errors.New("throttled") }
	for _, c := range []struct {
		name    string
		config  Config
		answers []func([]string) (Answer, error)
		always  func([]string) (Answer, error)
		want    []string
		letters []string
	}{
		{name: "succeeds", want: []string{all}},
		{name: "batches of 3", config: Config{BatchSize: 3}, want: []string{"1,2,3", "4,5,6", "7,8"}},
		{name: "fails twice", answers: list(fails, fails), want: []string{all, all, all}},
		{
			name: "fails for good", config: Config{MaximumRetryAttempts: retries(2), BatchSize: 4}, always: failsOn("2"),
			want:    []string{"1,2,3,4", "1,2,3,4", "1,2,3,4", "5,6,7,8"},
			letters: []string{"1-4 4 RetryAttemptsExhausted after 3"},
		},
		{
			name: "no retries", config: Config{MaximumRetryAttempts: retries(0), BatchSize: 4}, always: failsOn("2"),
			want: []string{"1,2,3,4", "5,6,7,8"}, letters: []string{"1-4 4 RetryAttemptsExhausted after 1"},
		},
		{
			name: "is bisected", config: Config{MaximumRetryAttempts: retries(1), BisectBatchOnFunctionError: true}, always: failsOn("3"),
			want:    []string{all, "1,2,3,4", "1,2", "3,4", "3", "3", "4", "5,6,7,8"},
			letters: []string{"3-3 1 RetryAttemptsExhausted after 2"},
		},
		{
			name: "names one", config: Config{ReportBatchItemFailures: true}, answers: list(names("5")),
			want: []string{all, "5,6,7,8"},
		},
		{
			name: "names several, in any order", config: Config{ReportBatchItemFailures: true}, answers: list(names("7", "4", "6")),
			want: []string{all, "4,5,6,7,8"},
		},
		{
			name: "names one for good", config: Config{ReportBatchItemFailures: true, MaximumRetryAttempts: retries(1)}, always: names("5"),
			want: []string{all, "5,6,7,8", "5,6,7,8"}, letters: []string{"5-8 4 RetryAttemptsExhausted after 2"},
		},
		{
			name:    "names one, then another: each has its retries",
			config:  Config{ReportBatchItemFailures: true, MaximumRetryAttempts: retries(1)},
			answers: list(names("3"), names("3"), names("6"), names("6")),
			want:    []string{all, "3,4,5,6,7,8", "3,4,5,6,7,8", "6,7,8", "6,7,8"},
		},
		{
			name:    "goes forward one by one",
			config:  Config{ReportBatchItemFailures: true, MaximumRetryAttempts: retries(0)},
			answers: list(names("3"), names("5"), names("8")),
			want:    []string{all, "3,4,5,6,7,8", "5,6,7,8", "8"},
		},
		{
			name: "names nobody we know", config: Config{ReportBatchItemFailures: true}, answers: list(says(`{"batchItemFailures":[{"itemIdentifier":"99"}]}`)),
			want: []string{all, all},
		},
		{
			name:   "a report that says nothing is bisected as an error is",
			config: Config{ReportBatchItemFailures: true, BisectBatchOnFunctionError: true}, answers: list(says(`{"batchItemFailures":[{"itemIdentifier":""}]}`)),
			want: []string{all, "1,2,3,4", "5,6,7,8"},
		},
		{
			name: "reports that nobody asked for", answers: list(names("5")), want: []string{all},
		},
		{
			name: "is throttled: no retry is counted", config: Config{MaximumRetryAttempts: retries(0)}, answers: list(throttled, throttled),
			want: []string{all, all, all},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFakeStream("s")
				f.write("s", "1", "2", "3", "4", "5", "6", "7", "8")
				b := start(t, f, &consumer{answers: c.answers, always: c.always}, c.config)
				pass(5 * time.Minute)
				b.want(t, c.want...)
				b.wantLetters(t, c.letters...)
				if got, want := places(t, b.m), map[string]string{"s": "8"}; !maps.Equal(got, want) {
					t.Errorf("the checkpoints are %v, want %v", got, want)
				}
				if age := b.m.Stats().IteratorAge; age != 0 {
					t.Errorf("all is done and the iterator's age is %v", age)
				}
			})
		})
	}
}

func list(answers ...func([]string) (Answer, error)) []func([]string) (Answer, error) { return answers }

// A failed batch holds up what comes behind it, and nothing is noted before it
// is done.
func TestCheckpointsFollowSuccess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		f.write("s", "1", "2", "3", "4")
		b := start(t, f, &consumer{always: failsOn("3")}, Config{BatchSize: 2})
		pass(time.Minute)
		if got := places(t, b.m)["s"]; got != "2" {
			t.Errorf("the checkpoint is at %q, want 2", got)
		}
		if slices.Contains(b.seen, "5") {
			t.Errorf("the next batch overtakes: %q", b.seen)
		}
		if age := b.m.Stats().IteratorAge; age < 50*time.Second || age > 70*time.Second {
			t.Errorf("the iterator's age is %v, want a minute", age)
		}
	})
}

func TestBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		f.write("s", "1")
		b := start(t, f, &consumer{always: fails}, Config{})
		pass(4 * time.Minute)
		second := time.Second
		want := []time.Duration{0, second, 3 * second, 7 * second, 15 * second, 31 * second, 63 * second, 123 * second, 183 * second}
		if !slices.Equal(b.times, want) {
			t.Errorf("delivered at %v, want %v", b.times, want)
		}
	})
}

func TestRecordsAgeOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		f.write("s", "1", "2")
		b := start(t, f, &consumer{always: failsOn("1", "2")}, Config{MaximumRecordAge: time.Minute})
		pass(40 * time.Second)
		f.write("s", "3")
		pass(5 * time.Minute)
		b.wantLetters(t, "1-2 2 RecordAgeExceeded after 6")
		if last := b.seen[len(b.seen)-1]; last != "3" {
			t.Errorf("the last batch is %q, want 3", last)
		}
		if s := b.m.Stats(); s.GivenUp != 2 || s.Records != 1 || s.Failures != s.Batches-1 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestFaults(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFakeStream("s")
		f.write("s", "1", "2", "3")
		b := start(t, f, &consumer{}, Config{
			BatchSize: 2,
			Repeat:    func() bool { return true },
			Delay:     func() time.Duration { return time.Minute },
		})
		pass(10 * time.Minute)
		b.want(t, "1,2", "1,2", "3", "3")
		if want := []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute}; !slices.Equal(b.times, want) {
			t.Errorf("delivered at %v, want %v", b.times, want)
		}
		if s := b.m.Stats(); s.Records != 3 || s.Batches != 4 || s.Failures != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestReports(t *testing.T) {
	for payload, want := range map[string]bool{
		``:                                true,
		` `:                               true,
		`null`:                            true,
		`{}`:                              true,
		`{"batchItemFailures":[]}`:        true,
		`{"batchItemFailures":null}`:      true,
		`{"batchItemFailures":"1"}`:       false,
		`{"batchItemFailures":[null]}`:    false,
		`{"batchItemFailures":[{}]}`:      false,
		`{"batchItemFailures":["1"]}`:     false,
		`"ok"`:                            false,
		`[]`:                              false,
		`not json`:                        false,
		`{"BatchItemFailures":"ignored"}`: true,
		`{"batchItemFailures":[{"itemIdentifier":""}]}`:   false,
		`{"batchItemFailures":[{"itemIdentifier":null}]}`: false,
		`{"batchItemFailures":[{"itemIdentifier":1}]}`:    false,
		`{"batchItemFailures":[{"ItemIdentifier":"1"}]}`:  false,
	} {
		if sequences, ok := report([]byte(payload)); ok != want || len(sequences) > 0 {
			t.Errorf("%q: got %v, %v, want %v", payload, sequences, ok, want)
		}
	}
}
