package desk

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/access"
)

// A Post has events that webhooks did not take.
type Post interface {
	// Letters lists up to n letters after a cursor, "" for the first.
	Letters(ctx context.Context, after string, n int) (Letters, error)
	// Redrive has letters of a page sent again: those of events whose ids begin
	// with one of these, or all if there are none.
	Redrive(ctx context.Context, events []string, after string) (Redriven, error)
}

// A Letter is an event that a webhook did not take.
type Letter struct {
	Event   string    `json:"event"` // its id
	Type    string    `json:"type"`
	Subject string    `json:"subject"`
	Time    time.Time `json:"time"`
	Hook    string    `json:"hook"`  // tells webhooks apart
	Place   string    `json:"place"` // scheme and host of the webhook; "" where anybody may ask
	Tries   int       `json:"tries"`
	Died    time.Time `json:"died"`
	Reason  string    `json:"reason"` // of the last failure; "" where anybody may ask
}

// Letters are a page of letters.
type Letters struct {
	Letters []Letter `json:"letters"`
	Next    string   `json:"next,omitempty"` // the cursor of the next page, if there is one
}

// A Redrive says which letters are to be sent again.
type Redrive struct {
	Events []string `json:"events,omitempty"` // ids or how they begin; all if there are none
	After  string   `json:"after,omitempty"`  // a cursor
}

// Redriven says what became of a page of letters.
type Redriven struct {
	Sent int    `json:"sent"`
	Left int    `json:"left"`           // those whose webhooks are not set
	Next string `json:"next,omitempty"` // the cursor of the next page, if there is one
}

const (
	// lettersPage is how many letters are listed at once.
	lettersPage = 500
	// minEvent keeps a slip from having letters sent that were not meant.
	minEvent  = 8
	maxEvent  = 64
	maxCursor = 256
)

func (d *desk) listLetters(w http.ResponseWriter, r *http.Request, _ *access.Session) (string, error) {
	query := r.URL.Query()
	n := lettersPage
	if text := query.Get("n"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			return "", badly("n is not a number of letters")
		}
	}
	after, err := readCursor(query.Get("after"))
	if err != nil {
		return "", err
	}
	page, err := d.Post.Letters(r.Context(), after, min(n, lettersPage))
	if err != nil {
		return "", fmt.Errorf("list letters: %w", err)
	}
	if page.Letters == nil {
		page.Letters = []Letter{}
	}
	writeJSON(w, http.StatusOK, page)
	return "", nil
}

func (d *desk) redriveLetters(w http.ResponseWriter, r *http.Request, _ *access.Session) (string, error) {
	var asked Redrive
	if err := readJSON(w, r, &asked); err != nil {
		return "", err
	}
	after, err := readCursor(asked.After)
	if err != nil {
		return "", err
	}
	for _, id := range asked.Events {
		if len(id) < minEvent || len(id) > maxEvent || strings.Trim(id, "0123456789abcdef") != "" {
			return "", badly("the id of an event is %d to %d hexadecimal digits", minEvent, maxEvent)
		}
	}
	out, err := d.Post.Redrive(r.Context(), asked.Events, after)
	if err != nil {
		return "", fmt.Errorf("redrive letters: %w", err)
	}
	writeJSON(w, http.StatusOK, out)
	return strconv.Itoa(out.Sent) + " letters", nil
}

// readCursor refuses what no page has ended with.
func readCursor(text string) (string, error) {
	if len(text) > maxCursor || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", badly("the cursor is not one of ours")
	}
	return text, nil
}
