package proxy

import (
	"context"
	"fmt"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"
)

func TestTokensAreBounded(t *testing.T) {
	tokens := newTokens()
	held := func(i int) bool {
		got, err := tokens.GetToken(t.Context(), "r.test", auth.SchemeBearer, fmt.Sprint(i))
		return err == nil && got == fmt.Sprint("token ", i)
	}
	for i := range 2*maxTokens + 1 {
		_, err := tokens.Set(t.Context(), "r.test", auth.SchemeBearer, fmt.Sprint(i), func(context.Context) (string, error) {
			return fmt.Sprint("token ", i), nil
		})
		if err != nil || !held(i) {
			t.Fatalf("token %d is not kept: %v", i, err)
		}
	}
	count := 0
	for i := range 2*maxTokens + 1 {
		if held(i) {
			count++
		}
	}
	if count > maxTokens {
		t.Errorf("%d tokens are kept", count)
	}
	if scheme, err := tokens.GetScheme(t.Context(), "r.test"); err != nil || scheme != auth.SchemeBearer {
		t.Errorf("got %v, %v", scheme, err)
	}
}
