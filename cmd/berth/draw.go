package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A row is a line of a drawing, in columns.
type row struct{ label, digest, note, size string }

// draw writes a tree under a title.
func draw(w io.Writer, title string, root *node, whole bool) error {
	rows := addRows(nil, root, "", "", whole)
	var widest row
	for _, r := range rows {
		widest.label = wider(widest.label, r.label)
		widest.digest = wider(widest.digest, r.digest)
		widest.note = wider(widest.note, r.note)
		widest.size = wider(widest.size, r.size)
	}
	var out strings.Builder
	fmt.Fprintln(&out, title)
	for _, r := range rows {
		line := pad(r.label, widest.label) + "  " + pad(r.digest, widest.digest) + "  " +
			pad(r.note, widest.note) + "  " + padLeft(r.size, widest.size)
		fmt.Fprintln(&out, strings.TrimRight(line, " "))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// addRows adds the rows of a node: its own behind the branch that leads to it,
// those beneath behind the trunk that goes on.
func addRows(rows []row, n *node, branch, trunk string, whole bool) []row {
	r := row{label: branch + clean(n.label), digest: clean(n.digest), note: cleanTo(maxNote, n.note())}
	if !whole {
		r.digest = short(r.digest)
	}
	if n.blobs != nil {
		r.size = human(n.blobs.total())
	}
	rows = append(rows, r)
	below := slices.Concat(n.entries, n.referrers)
	for i, child := range below {
		if i == len(below)-1 {
			rows = addRows(rows, child, trunk+"└─ ", trunk+"   ", whole)
		} else {
			rows = addRows(rows, child, trunk+"├─ ", trunk+"│  ", whole)
		}
	}
	return rows
}

// short cuts a digest to what tells it from others at a glance.
func short(digest string) string {
	algorithm, hash, ok := strings.Cut(digest, ":")
	if !ok || len(hash) <= 12 {
		return digest
	}
	return algorithm + ":" + hash[:12]
}

// How much of a stranger's text is printed, in characters: of a name, and of a
// sentence.
const (
	maxText     = 100
	maxSentence = 2000
)

// clean keeps what a stranger wrote from commanding the terminal.
func clean(s string) string { return cleanTo(maxText, s) }

func cleanTo(most int, s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most]) + "…"
	}
	return s
}

// cleanLines is clean for text of ours, of any length and in lines, in which there
// may be a stranger's.
func cleanLines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

func wider(a, b string) string {
	if utf8.RuneCountInString(b) > utf8.RuneCountInString(a) {
		return b
	}
	return a
}

func pad(s, to string) string {
	return s + strings.Repeat(" ", utf8.RuneCountInString(to)-utf8.RuneCountInString(s))
}

func padLeft(s, to string) string {
	return strings.Repeat(" ", utf8.RuneCountInString(to)-utf8.RuneCountInString(s)) + s
}

// human writes a size in bytes with a binary unit.
func human(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/(1<<10), "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if size < 1023.95 { // would be printed as 1024.0
			break
		}
		size, unit = size/(1<<10), next
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok {
		thing = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
