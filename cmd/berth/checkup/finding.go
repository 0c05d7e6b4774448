package checkup

import "fmt"

// A Verdict is how an assumption compares with what was seen.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Differs Verdict = "differs" // something can be set, or nothing need be
	Broken  Verdict = "broken"  // something does not work
	Skipped Verdict = "skipped"
)

// A Finding is what was seen of one assumption.
type Finding struct {
	Name       string  `json:"name"` // a word, the same in every release
	Assumption string  `json:"assumption"`
	Seen       string  `json:"seen"` // may have text of a stranger in it
	Verdict    Verdict `json:"verdict"`
	// Advice is what to do about it.
	Advice string `json:"advice,omitempty"`
	// Harmless is a difference that nothing need be set for.
	Harmless bool `json:"harmless,omitempty"`
}

// NeedsCare says whether somebody has to do something about it.
func (f Finding) NeedsCare() bool {
	return f.Verdict == Broken || f.Verdict == Differs && !f.Harmless
}

// A Report is what was found of a registry.
type Report struct {
	Registry string    `json:"registry"`
	Gateway  bool      `json:"gateway"` // an HTTP API of Amazon's is in front
	Findings []Finding `json:"findings"`
}

// Count is how many findings have a verdict.
func (r Report) Count(v Verdict) (n int) {
	for _, f := range r.Findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// NeedCare is how many findings somebody has to do something about.
func (r Report) NeedCare() (n int) {
	for _, f := range r.Findings {
		if f.NeedsCare() {
			n++
		}
	}
	return n
}

func ok(format string, args ...any) Finding {
	return Finding{Verdict: OK, Seen: fmt.Sprintf(format, args...)}
}

func differs(seen, format string, args ...any) Finding {
	return Finding{Verdict: Differs, Seen: seen, Advice: fmt.Sprintf(format, args...)}
}

// harmless is a difference that the registry allows for.
func harmless(seen, why string) Finding {
	return Finding{Verdict: Differs, Seen: seen, Advice: "nothing to set: " + why, Harmless: true}
}

func broken(seen, format string, args ...any) Finding {
	return Finding{Verdict: Broken, Seen: seen, Advice: fmt.Sprintf(format, args...)}
}

func skipped(why string) Finding { return Finding{Verdict: Skipped, Seen: why} }

// failed is a request without an answer.
func failed(err error) Finding {
	return broken(err.Error(), "look at the network in between, then run this again")
}

// plural writes a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
