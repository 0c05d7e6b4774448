package announce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berthregistry/berth/shared/table"
)

// Publish implements Publisher. What is of one repository is added in its order:
// behind an event that could not be added there is none of the same repository.
// Repositories are added to side by side.
func (l *Log) Publish(ctx context.Context, events []Event) error {
	repos, err := runsOf(events)
	if err != nil {
		return err
	}
	errs := make([]error, len(repos))
	lost := make([][]int, len(repos))
	sideBySide(len(repos), func(i int) { lost[i], errs[i] = l.appendAll(ctx, repos[i]) })
	failed := slices.Concat(lost...)
	if len(failed) == 0 {
		return nil
	}
	slices.Sort(failed)
	return &Unpublished{Failed: failed, Err: errors.Join(errs...)}
}

// appendAll adds the runs of one repository, and returns the events from the
// first on that could not be added.
func (l *Log) appendAll(ctx context.Context, runs []*run) (lost []int, err error) {
	for _, r := range runs {
		if err == nil {
			err = l.append(ctx, r)
		}
		if err != nil {
			lost = append(lost, r.events...)
		}
	}
	return lost, err
}

// maxRun is how many bytes of events are one item. Any event fits, and beside
// them there is room for the rest of the item.
const maxRun = table.MaxItem - 2<<10

// A run is what is added at once to the log of a repository.
type run struct {
	repo   string
	events []int // their indexes
	lines  []string
	size   int
}

// runsOf puts events into runs, by repository and those of each in their order.
func runsOf(events []Event) ([][]*run, error) {
	var repos [][]*run
	index := map[string]int{} // of a repository in repos
	for i, e := range events {
		line, err := e.JSON()
		if err != nil {
			return nil, err
		}
		repo := repositoryOf(e)
		at, ok := index[repo]
		if !ok {
			at, index[repo] = len(repos), len(repos)
			repos = append(repos, nil)
		}
		if n := len(repos[at]); n == 0 || repos[at][n-1].size+len(line) > maxRun {
			repos[at] = append(repos[at], &run{repo: repo})
		}
		repos[at][len(repos[at])-1].add(i, string(line))
	}
	return repos, nil
}

func (r *run) add(event int, line string) {
	r.events, r.lines, r.size = append(r.events, event), append(r.lines, line), r.size+len(line)+1
}

// repositoryOf reads it from what the event is about: no name has a colon or an
// at sign.
func repositoryOf(e Event) string {
	if i := strings.IndexAny(e.Subject, "@:"); i >= 0 {
		return e.Subject[:i]
	}
	return e.Subject
}

// attempts bounds how often a run is added behind what others add meanwhile.
// There are hardly any: changes of a repository come in one order.
const attempts = 20

// append adds a run and wakes those who wait for it.
func (l *Log) append(ctx context.Context, r *run) error {
	for n := 1; ; n++ {
		err := l.tryAppend(ctx, r)
		switch {
		case err == nil:
			l.added.ring(r.repo)
			return nil
		case !table.LostRace(err) || n == attempts:
			return fmt.Errorf("keep %d events of %s: %w", len(r.events), r.repo, err)
		}
		if err := table.Pause(ctx, n); err != nil {
			return fmt.Errorf("keep events of %s: %w", r.repo, err)
		}
	}
}

// tryAppend fails with the loss of a race if somebody else has added something
// since it looked. A crash behind it leaves a run that is told again: the same
// events, further down.
func (l *Log) tryAppend(ctx context.Context, r *run) error {
	head, err := l.head(ctx, r.repo)
	if err != nil {
		return err
	}
	now, unchanged := l.now(), table.Absent()
	if head.Version != "" {
		unchanged = table.VersionIs(head.Version)
	}
	previous := head.Num(attrPosition)
	first := max(now.UnixMicro(), previous+1)
	last := first + int64(len(r.lines)) - 1
	return table.Send(ctx, l.table, table.Tx{Token: table.NewToken(), Actions: []table.Action{
		// It goes a day after the last event: then what it says is past by any clock.
		table.Put(headKey(r.repo), table.N(attrPosition, last)).When(unchanged).Until(now.Add(2 * Keep)),
		table.Put(runKey(r.repo, last), table.N(attrPosition, last), table.N(attrFirst, first), table.N(attrPrevious, previous),
			table.S(attrEvents, strings.Join(r.lines, "\n"))).Until(now.Add(Keep)),
	}})
}
