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
	born := map[string]time.Duration{}
	for age := time.Duration(0); age < 5*table.TokenLife; age += time.Minute {
		born[age.String()] = age
		known.add(age.String(), start.Add(age))
		for token, since := range born {
			if age-since <= table.TokenLife && !known.has(token) {
				t.Fatalf("a token of %v was forgotten after %v", since, age-since)
			}
			if age-since > 3*table.TokenLife && known.has(token) {
				t.Fatalf("a token of %v is remembered after %v", since, age-since)
			}
		}
	}
}

func TestTokensAreBounded(t *testing.T) {
	var known tokens
	for i := range maxTokens + 1 {
		known.add(strconv.Itoa(i), time.Time{})
	}
	if n := len(known.recent) + len(known.older); n > maxTokens {
		t.Errorf("%d tokens are remembered, want at most %d", n, maxTokens)
	}
	if token := strconv.Itoa(maxTokens / 2); !known.has(token) {
		t.Errorf("token %s is forgotten, %d came after it", token, maxTokens/2)
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
