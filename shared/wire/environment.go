package wire

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/shared/settings"
)

// An environment reads variables and gathers what is wrong with them, so that
// whoever sets them hears of all at once. What a method returns beside a
// mistake is not to be used.
type environment struct {
	lookup   func(string) (string, bool)
	mistakes []string
}

func (e *environment) err() error {
	if len(e.mistakes) == 0 {
		return nil
	}
	return errors.New(strings.Join(e.mistakes, "; "))
}

// wrong notes a mistake. The text has no value in it that may be a secret.
func (e *environment) wrong(name, format string, args ...any) {
	e.mistakes = append(e.mistakes, name+" "+fmt.Sprintf(format, args...))
}

// get returns "" for what is not set: a template cannot leave a variable out.
func (e *environment) get(name string) string {
	value, _ := e.lookup(name)
	return value
}

func (e *environment) text(name, fallback string) string { return cmp.Or(e.get(name), fallback) }

func (e *environment) required(name string) string {
	value := e.get(name)
	if value == "" {
		e.wrong(name, "is not set")
	}
	return value
}

func (e *environment) folder(name string) string {
	value := e.get(name)
	if value != "" && (!strings.HasSuffix(value, "/") || strings.HasPrefix(value, "/")) {
		e.wrong(name, "is %q; want a prefix such as registry/, with its slash at the end", value)
	}
	return value
}

// choice returns one of the words, the first if none is set.
func (e *environment) choice(name string, words ...string) string {
	if e.get(name) == "" {
		return words[0]
	}
	return e.word(name, words...)
}

// word returns one of the words, which must be set.
func (e *environment) word(name string, words ...string) string {
	value := e.required(name)
	if value != "" && !slices.Contains(words, value) {
		e.wrong(name, "is %q; want %s", value, strings.Join(words, " or "))
	}
	return value
}

func (e *environment) level(name string) slog.Level {
	var level slog.Level
	if value := e.get(name); value != "" && level.UnmarshalText([]byte(value)) != nil {
		e.wrong(name, "is %q; want debug, info, warn or error", value)
	}
	return level
}

// number returns one within bounds, which are included.
func (e *environment) number(name string, fallback, least, most int64, unit string) int64 {
	value := e.get(name)
	if value == "" {
		return fallback
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < least || n > most {
		e.wrong(name, "is %q; want a number of %s from %d to %d", value, unit, least, most)
	}
	return n
}

// function is a name or an ARN, as far as its characters say.
func (e *environment) function(name string) string { return e.made(name, "-_:", "function") }

// bus is a name or an ARN, likewise.
func (e *environment) bus(name string) string { return e.made(name, "-_:/.", "bus") }

// made returns what consists of letters, digits and some others.
func (e *environment) made(name, others, what string) string {
	value := e.get(name)
	strange := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(others, r))
	}
	if strings.ContainsFunc(value, strange) {
		e.wrong(name, "is %q; want the name or the ARN of a %s", value, what)
	}
	return value
}

func (e *environment) url(name string) string {
	value := e.get(name)
	if value == "" {
		return ""
	}
	// The text itself is not repeated: a URL may hold a password.
	if u, err := url.Parse(value); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		e.wrong(name, "is no URL of a server, such as https://dynamodb.eu-central-1.amazonaws.com")
	}
	return value
}

// settings parses a text only if there is one: most functions have none.
func (e *environment) settings(name string) *settings.Settings {
	value := e.get(name)
	if value == "" {
		return new(settings.Settings)
	}
	s, err := settings.Parse(name, []byte(value))
	if err != nil {
		e.mistakes = append(e.mistakes, err.Error()) // begins with the name, line and column
	} else if len(s.Webhooks) > 0 {
		e.wrong(name, "has webhooks, which are of berth serve: here a rule of the bus leads to them")
	}
	return s
}
