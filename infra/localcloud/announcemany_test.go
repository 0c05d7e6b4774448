package main

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// manyAttachments is how many TestAnnounceMany sends. The engine gets slower with
// each change that its streams have seen, so that the ten thousand of a release
// are for who sets BERTH_TEST_ATTACHMENTS, and a -timeout.
func manyAttachments(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("BERTH_TEST_ATTACHMENTS"), "1000"))
	if err != nil {
		t.Fatalf("BERTH_TEST_ATTACHMENTS: %v", err)
	}
	return n
}

// Many attachments in one run, with batches that come twice and functions that
// die: as many distinct events are received as there were attachments sent, and
// each names its own. The engine is a new one: see manyAttachments.
func TestAnnounceMany(t *testing.T) {
	const subjects, pushers = 100, 8
	attachments := manyAttachments(t)
	needEngine(t)
	cl := newCloud(t, func(cfg *config) {
		cfg.dynamoDB, cfg.shards, cfg.batchRetry = "", 4, 20*time.Millisecond
		cfg.output = nil // it would be longer than anybody reads
	})
	s := newStory(newClient(t, cl.registryURL))
	s.begin("team/app")
	var all [][]byte
	for range subjects {
		all = append(all, s.push("team/app", "", nil))
	}
	cl.inject(t, repeatBatch, "rate=0.1")
	cl.inject(t, killEnvironment, "rate=0.05&function=Announce")

	began := time.Now()
	t.Run("attached", func(t *testing.T) {
		for p := range pushers {
			t.Run(fmt.Sprint(p), func(t *testing.T) {
				t.Parallel()
				for i := p; i < attachments; i += pushers {
					s.in(t).attach("team/app", all[i%subjects])
				}
			})
		}
	})
	sent := time.Since(began)
	r := cl.reader(t)
	r.wantAll(s)
	received := 0
	for of, n := range r.got {
		if strings.HasPrefix(of, "dev.berth.referrer.attached ") {
			received += n
		}
	}
	if received != attachments {
		t.Errorf("%d attachments were sent, %d received", attachments, received)
	}
	t.Logf("%d attachments in %v, all told %v later; %d events came twice, %d functions died",
		attachments, sent.Round(time.Millisecond), (time.Since(began) - sent).Round(time.Millisecond),
		r.repeated, cl.struck(killEnvironment))
}
