package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/berthregistry/berth/shared/access/desk"
	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/announce/webhook"
)

// letters are the commands about what webhooks did not take.
type letters struct {
	List    lettersList    `cmd:"" help:"List what webhooks did not take."`
	Redrive lettersRedrive `cmd:"" help:"Send again what webhooks did not take."`
}

// Help is what berth letters --help says beneath the commands.
func (letters) Help() string {
	return `A letter is an event that a webhook of berth serve did not take for a day, or of a
webhook that is not set any more. It is kept for two weeks. On AWS, what could
not be told is in a queue: see berth redrive.`
}

// inReach is where letters are found.
type inReach struct {
	atRegistry
	atData
}

func (r inReach) open(_ context.Context, t terminal) (*office, error) {
	if r.Data != "" {
		return openFolder(r.Data, t)
	}
	return openOffice(r.Registry)
}

const lettersPath = "/_berth/letters"

type lettersList struct {
	JSON bool `name:"json" help:"Print JSON, a line for each letter."`
	inReach
}

// Run lists letters.
func (c *lettersList) Run(t terminal) error {
	return visit(c.open, t, func(ctx context.Context, o *office) error {
		table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
		if !c.JSON {
			fmt.Fprintln(table, "EVENT\tTYPE\tSUBJECT\tTIME\tWEBHOOK\tTRIES\tREASON")
		}
		for after, more := "", true; more; {
			var page desk.Letters
			path := lettersPath + "?" + url.Values{"after": {after}}.Encode()
			if err := o.ask(ctx, message{method: http.MethodGet, path: path}, &page); err != nil {
				return err
			}
			for _, l := range page.Letters {
				if err := c.print(t, table, l); err != nil {
					return err
				}
			}
			after, more = page.Next, page.Next != ""
		}
		return table.Flush()
	})
}

// shortID is how much of an event's id is shown, enough for redrive.
const shortID = 12

func (c *lettersList) print(t terminal, table *tabwriter.Writer, l desk.Letter) error {
	if c.JSON {
		line, err := json.Marshal(l)
		if err != nil {
			return fmt.Errorf("write a letter: %w", err)
		}
		_, err = t.out.Write(append(printable(line), '\n'))
		return err
	}
	_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", clean(l.Event[:min(shortID, len(l.Event))]),
		clean(strings.TrimPrefix(l.Type, announce.TypePrefix)), clean(l.Subject), l.Time.Local().Format(time.DateTime),
		clean(l.Place), l.Tries, clean(l.Reason))
	return err
}

type lettersRedrive struct {
	Event []string `arg:"" optional:"" help:"Ids of events, or how they begin; all letters if none is given."`
	inReach
}

// Run has letters sent again.
func (c *lettersRedrive) Run(t terminal) error {
	return visit(c.open, t, func(ctx context.Context, o *office) error {
		var all desk.Redriven
		for more := true; more; {
			m, err := asking(http.MethodPost, lettersPath+"/redrive", desk.Redrive{Events: c.Event, After: all.Next})
			if err != nil {
				return err
			}
			var page desk.Redriven
			if err := o.ask(ctx, m, &page); err != nil {
				return err
			}
			all = desk.Redriven{Sent: all.Sent + page.Sent, Left: all.Left + page.Left, Next: page.Next}
			more = page.Next != ""
		}
		if all.Left > 0 {
			fmt.Fprintf(t.err, "%d letters are for webhooks that are not set any more\n", all.Left)
		}
		_, err := fmt.Fprintf(t.out, "%d letters are sent again\n", all.Sent)
		return err
	})
}

// letterDesk is a post as the desk knows it.
type letterDesk struct {
	post *webhook.Post
	// public is set where anybody may ask. They are not told where webhooks are,
	// nor why they fail, which has addresses and paths of files.
	public bool
}

var _ desk.Post = letterDesk{}

// Letters implements desk.Post.
func (d letterDesk) Letters(ctx context.Context, after string, n int) (desk.Letters, error) {
	letters, next, err := d.post.Letters(ctx, after, n)
	out := desk.Letters{Next: next}
	for _, l := range letters {
		letter := desk.Letter{
			Event: l.Event.ID, Type: l.Event.Type, Subject: l.Event.Subject, Time: l.Event.Time,
			Hook: l.Hook, Tries: l.Tries, Died: l.Died,
		}
		if !d.public {
			letter.Place, letter.Reason = l.Place, l.Reason
		}
		out.Letters = append(out.Letters, letter)
	}
	return out, err
}

// Redrive implements desk.Post.
func (d letterDesk) Redrive(ctx context.Context, events []string, after string) (desk.Redriven, error) {
	r, err := d.post.Redrive(ctx, events, after)
	return desk.Redriven{Sent: r.Sent, Left: r.Left, Next: r.Next}, err
}
