package announce

import "golang.org/x/sync/errgroup"

// atOnce bounds what is read or kept side by side: each is a call or two that
// wait for the table, and much may happen to many subjects at once.
const atOnce = 8

// sideBySide does something for each index below n and waits for all: what becomes
// of one does not end the others.
func sideBySide(n int, do func(i int)) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i := range n {
		g.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = g.Wait()
}
