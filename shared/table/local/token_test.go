package local

import (
	"strconv"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

func TestTokensLive(t *testing.T) {
	var known tokens
	start := time.Now()
	known.add("first", start)
	for age := time.Duration(0); age <= table.TokenLife; age += time.Minute {
		known.add("at "+age.String(), start.Add(age))
		if !known.has("first") {
			t.Fatalf("a token was forgotten after %v", age)
		}
	}
	for age := table.TokenLife; age < 4*table.TokenLife; age += time.Minute {
		known.add("at "+age.String(), start.Add(age))
	}
	if known.has("first") {
		t.Error("a token is remembered for ever")
	}
}

func TestTokensAreBounded(t *testing.T) {
	var known tokens
	for i := range 2 * maxTokens {
		known.add(strconv.Itoa(i), time.Time{})
	}
	if n := len(known.recent) + len(known.older); n > maxTokens {
		t.Errorf("%d tokens are remembered, want at most %d", n, maxTokens)
	}
	if last := strconv.Itoa(2*maxTokens - maxTokens/2); !known.has(last) {
		t.Errorf("token %s is forgotten before %d others came", last, maxTokens/2)
	}
}

func TestTokensCanBeTakenBack(t *testing.T) {
	var known tokens
	known.add("a", time.Now())
	known.remove("a")
	if known.has("a") {
		t.Error("the token of a commit that failed is remembered")
	}
}
