package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// giveUpIn is how long it may take until a story is given up. Each record of it
// is tried 21 times, and each time a process begins and is killed: that is some
// seconds of two processors, and many more where others work as well.
const giveUpIn = 3 * time.Minute

// What the function fails at for long ends in the queue, and holds up nothing
// behind it. The command that the stack's output says tells it then, once; and a
// second time there is nothing to tell.
func TestRedrive(t *testing.T) {
	cl := newCloud(t, func(cfg *config) { cfg.shards, cfg.batchRetry = 4, time.Millisecond })
	s := newStory(newClient(t, cl.registryURL))
	cl.inject(t, killEnvironment, "function=Announce")
	s.tell("team/lost")
	queue := cl.queueOfLetters(t)
	within(t, giveUpIn, "all that was told is given up", func() bool {
		return cl.mappings["Announce"].Stats().GivenUp >= int64(len(s.events)) && len(cl.letters()[queue]) > 0
	})
	cl.faults.delete(killEnvironment)
	s.tell("team/told")
	eventually(t, "what came later is told", func() bool {
		r := cl.reader(t)
		r.catchUp()
		return len(r.seen) >= len(s.events)/2
	})

	out := cl.redrive(t)
	if n := len(cl.letters()[queue]); n > 0 {
		t.Errorf("%d letters are left after\n%s", n, out)
	}
	r := cl.reader(t)
	r.wantAll(s)
	told := r.read
	if out = cl.redrive(t); len(cl.bus.Taken(told, 1)) > 0 {
		t.Errorf("with no letters there is something told:\n%s", out)
	}
}

// A letter that could not be told stays, and is told when that can be done.
func TestRedriveFails(t *testing.T) {
	cl := newCloud(t, func(cfg *config) { cfg.batchRetry = time.Millisecond })
	s := newStory(newClient(t, cl.registryURL))
	cl.inject(t, refuseEvent, "") // also for what is told before the kill
	cl.inject(t, killEnvironment, "function=Announce")
	s.tell("team/lost")
	within(t, giveUpIn, "all that was told is given up", func() bool {
		return cl.mappings["Announce"].Stats().GivenUp >= int64(len(s.events))
	})
	cl.faults.delete(killEnvironment)

	queue := cl.queueOfLetters(t)
	if out, err := cl.redriveCommand(t).CombinedOutput(); err == nil {
		t.Errorf("nothing was taken, and it ends well:\n%s", out)
	}
	wrong := cl.redriveCommand(t)
	wrong.Args = append(wrong.Args, "--bus", "another") // of two it is the last that counts
	if out, err := wrong.CombinedOutput(); err == nil || !strings.Contains(string(out), "find the bus another") {
		t.Errorf("for a bus that is not there: got %v\n%s", err, out)
	}
	if len(cl.letters()[queue]) == 0 || len(cl.bus.Taken(0, 1)) > 0 {
		t.Errorf("no letter is left, or something was told:\n%s", cl.letters()[queue])
	}
	cl.faults.delete(refuseEvent)
	cl.redrive(t)
	if left := cl.letters()[queue]; len(left) > 0 {
		t.Errorf("there are letters left: %s", left)
	}
	cl.reader(t).wantAll(s)
}

// queueOfLetters is the name of the queue of what the stream gave up.
func (c *cloud) queueOfLetters(t *testing.T) string {
	t.Helper()
	url := c.stores().Queue
	if url == "" {
		t.Fatal("no mapping has a queue")
	}
	return url[strings.LastIndexByte(url, '/')+1:]
}

// redriveCommand is what the output of the stack says, with credentials for the
// account.
func (c *cloud) redriveCommand(t *testing.T) *exec.Cmd {
	t.Helper()
	words := strings.Fields(c.stack.Outputs["Redrive"])
	if len(words) < 2 || words[0] != "berth" {
		t.Fatalf("the output is %q, want a command of berth", words)
	}
	cmd := berthCommand(t, words[1:]...)
	stores := c.stores()
	cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID=operator", "AWS_SECRET_ACCESS_KEY=operator",
		"AWS_ENDPOINT_URL_DYNAMODB="+stores.DynamoDB, "AWS_ENDPOINT_URL_DYNAMODB_STREAMS="+stores.DynamoDB,
		"AWS_ENDPOINT_URL_SQS="+stores.SQS, "AWS_ENDPOINT_URL_EVENTBRIDGE="+stores.EventBridge)
	return cmd
}

func (c *cloud) redrive(t *testing.T) string {
	t.Helper()
	out, err := c.redriveCommand(t).CombinedOutput()
	if err != nil {
		t.Fatalf("redrive: %v\n%s", err, out)
	}
	return string(out)
}
