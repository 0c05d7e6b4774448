package webhook

import (
	"context"
	"iter"

	"github.com/berthregistry/berth/shared/table"
)

// all reads a partition page by page. Items may be removed meanwhile. An error is
// the last that comes.
func all(ctx context.Context, s table.Store, q table.Query) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		for more := true; more; {
			page, err := s.Query(ctx, q)
			if err != nil {
				yield(table.Item{}, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
				q.After = item.Sort
			}
			more = page.More
		}
	}
}
