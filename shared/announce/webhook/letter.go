package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
)

// LetterLife is how long a letter is kept.
const LetterLife = 14 * 24 * time.Hour

// maxLetters bounds the letters that are read at once.
const maxLetters = 1000

// A Letter is an event that a hook has not taken.
type Letter struct {
	Hook   string // its ID
	Place  string // its host
	Reason string // of the last failure
	Tries  int
	Died   time.Time // when it was given up
	Event  announce.Event
}

// bury moves an event from an outbox to the letters, as one.
func bury(ctx context.Context, s table.Store, item table.Item, place, reason string) error {
	now := time.Now()
	hook, event := item.Partition[len(hookPrefix):], item.Sort[len(eventPrefix):]
	letter := table.Put(letterKey(hook, event),
		table.B(attrEvent, item.Bin(attrEvent)), table.S(attrLine, item.Str(attrLine)), table.N(attrTries, item.Num(attrTries)),
		table.S(attrPlace, place), table.S(attrReason, reason), table.N(attrDied, now.UnixMilli()),
	).Until(now.Add(LetterLife))
	// If it is gone by now, somebody else has moved it: a second time would make
	// a letter of what is sent again.
	err := table.Send(ctx, s, table.Tx{Token: table.NewToken(), Actions: []table.Action{
		table.Delete(item.Key).When(table.Exists()), letter,
	}})
	if isCondition(err) {
		return nil
	}
	return err
}

// Letters lists up to n letters after a cursor, which is "" at first, by their
// hooks and in the order in which things happened. The next cursor is "" at the
// end.
func (p *Post) Letters(ctx context.Context, after string, n int) (letters []Letter, next string, err error) {
	page, err := p.letterPage(ctx, after, n)
	if err != nil {
		return nil, "", err
	}
	for _, item := range page.Items {
		l, err := readLetter(item)
		if err != nil {
			return nil, "", err
		}
		letters = append(letters, l)
	}
	return letters, cursorOf(page), nil
}

// letterPage reads a page of letters. One whose time has come may be among them
// until it is swept away, and is as good as the others.
func (p *Post) letterPage(ctx context.Context, after string, n int) (table.Page, error) {
	q := table.Query{Partition: lettersPartition, Prefix: letterPrefix, Limit: min(max(n, 1), maxLetters)}
	if after != "" {
		q.After = letterPrefix + after
	}
	page, err := p.table.Query(ctx, q)
	if err != nil {
		return table.Page{}, fmt.Errorf("list letters: %w", err)
	}
	return page, nil
}

func cursorOf(page table.Page) string {
	if !page.More {
		return ""
	}
	return page.Items[len(page.Items)-1].Sort[len(letterPrefix):]
}

func readLetter(item table.Item) (Letter, error) {
	hook, event := cutLetter(item.Key)
	l := Letter{
		Hook: hook, Place: item.Str(attrPlace), Reason: item.Str(attrReason),
		Tries: int(item.Num(attrTries)), Died: time.UnixMilli(item.Num(attrDied)),
	}
	if err := json.Unmarshal(item.Bin(attrEvent), &l.Event); err != nil {
		return Letter{}, fmt.Errorf("read letter %s: %w", idOf(event), err)
	}
	return l, nil
}

// Redriven says what became of a page of letters.
type Redriven struct {
	// Sent are how many are in their outboxes again.
	Sent int
	// Left are how many are owed to hooks that are not set.
	Left int
	// Next is the cursor of the next page, "" at the end.
	Next string
}

// Redrive puts letters of a page back into their outboxes, with a day before
// them, and a hook that said that it is gone is asked again. Ids are events or
// how they begin; none stands for all.
func (p *Post) Redrive(ctx context.Context, ids []string, after string) (out Redriven, err error) {
	p.letters.Lock()
	defer p.letters.Unlock()
	page, err := p.letterPage(ctx, after, maxLetters)
	if err != nil {
		return out, err
	}
	for _, item := range page.Items {
		hook, event := cutLetter(item.Key)
		named := func(id string) bool { return strings.HasPrefix(idOf(event), id) }
		switch {
		case len(ids) > 0 && !slices.ContainsFunc(ids, named):
		case !p.idle && p.byHook[hook] == nil:
			out.Left++
		default:
			if err := p.redrive(ctx, hook, event, item); err != nil {
				return out, fmt.Errorf("put letter %s back: %w", idOf(event), err)
			}
			out.Sent++
		}
	}
	out.Next = cursorOf(page)
	return out, nil
}

// redrive moves one letter, as one.
func (p *Post) redrive(ctx context.Context, hook, event string, item table.Item) error {
	actions := []table.Action{
		table.Put(eventKey(hook, event), table.B(attrEvent, item.Bin(attrEvent)), table.S(attrLine, item.Str(attrLine))),
		table.Delete(item.Key).When(table.Exists()),
		// So that it is found if the hook is not set at the next start.
		table.Put(hookKey(hook), table.S(attrPlace, item.Str(attrPlace))),
	}
	err := table.Send(ctx, p.table, table.Tx{Token: table.NewToken(), Actions: actions})
	switch box := p.byHook[hook]; {
	case isCondition(err):
		return nil // its time had come
	case err == nil && box != nil:
		box.gone.Store(false)
		box.tell(actions[:1])
	}
	return err
}
