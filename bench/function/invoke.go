package function

import (
	"context"
	"fmt"
	"time"

	"github.com/berthregistry/berth/bench/load"
)

// Invoke hands the function an event and returns what it answers.
func (e *Environment) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	e.api.events <- event
	a, err := e.answer(ctx)
	return a.payload, err
}

// Load hands the function an event again and again, for as long as during. Each
// answer must have size bytes; what is in them is for Invoke to find out. The
// latencies are those of single events, without the calls for them.
//
// A function that answered anything else, or not at all, is of no further use.
func (e *Environment) Load(ctx context.Context, event []byte, size int, during time.Duration) (load.Result, error) {
	var took []time.Duration
	start := time.Now()
	for range ahead {
		e.api.events <- event
	}
	for open := ahead; open > 0; open-- {
		a, err := e.answer(ctx)
		if err != nil {
			return load.Result{}, err
		}
		if len(a.payload) != size {
			return load.Result{}, fmt.Errorf("the function answered with %d bytes, wanted %d: %.200s", len(a.payload), size, a.payload)
		}
		took = append(took, a.took)
		if time.Since(start) < during {
			e.api.events <- event
			open++
		}
	}
	return load.Of(took, time.Since(start)), nil
}

// answer waits for the answer to one event.
func (e *Environment) answer(ctx context.Context) (answer, error) {
	a, err := await(ctx, e, invocationTimeout, e.api.answers)
	if err != nil {
		return a, fmt.Errorf("wait for an answer: %w", err)
	}
	if a.failed {
		return a, fmt.Errorf("the function failed: %.500s", a.payload)
	}
	return a, nil
}
