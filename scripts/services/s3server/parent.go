package main

import (
	"context"
	"os"
	"time"
)

// withParent ends when the process that started this one does. A test run
// that is killed runs no cleanup, and a server that outlives it would hold
// the port and its memory for good. A parent that dies before the first look
// is missed.
func withParent(ctx context.Context) context.Context {
	ctx, stop := context.WithCancel(ctx)
	parent := os.Getppid()
	go func() {
		defer stop()
		for ctx.Err() == nil && os.Getppid() == parent {
			time.Sleep(200 * time.Millisecond)
		}
	}()
	return ctx
}
