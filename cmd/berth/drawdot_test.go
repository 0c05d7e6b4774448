package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"unicode"
)

// A drawing is what a graph in Graphviz's language says, as far as berth writes it.
type drawing struct {
	title string
	nodes map[string]map[string]string // attributes by id
	edges []string
}

// A dotParser reads the language by its grammar (graphviz.org, "DOT Language"),
// and nothing that the grammar does not have.
type dotParser struct {
	rest string
	err  error
}

func (p *dotParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// next returns a token: a mark, a name, or a string with its quote in front.
func (p *dotParser) next() string {
	p.rest = strings.TrimLeft(p.rest, " \n")
	for _, mark := range []string{"->", "{", "}", "[", "]", "=", ";", ","} {
		if rest, ok := strings.CutPrefix(p.rest, mark); ok {
			p.rest = rest
			return mark
		}
	}
	if strings.HasPrefix(p.rest, `"`) {
		return p.text()
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	if end <= 0 {
		p.fail("no token at %.20q", p.rest)
		return ""
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name
}

// text reads a quoted string: only a quote is escaped in the grammar, the rest is
// for who makes a label of it.
func (p *dotParser) text() string {
	for i := 1; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\\':
			i++
		case '"':
			s := p.rest[:i]
			p.rest = p.rest[i+1:]
			return s
		}
	}
	p.fail("a string does not end")
	return ""
}

func (p *dotParser) expect(want string) {
	if got := p.next(); got != want {
		p.fail("got %q before %.20q, want %q", got, p.rest, want)
		p.rest = ""
	}
}

// read takes a whole graph apart.
func (p *dotParser) read() drawing {
	d := drawing{nodes: map[string]map[string]string{}}
	p.expect("digraph")
	d.title = labelText(p.next())
	p.expect("{")
	for p.err == nil {
		id := p.next()
		if id == "}" {
			break
		}
		switch mark := p.next(); mark {
		case "->":
			d.edges = append(d.edges, id+" -> "+p.next())
			if mark := p.next(); mark == "[" {
				p.attributes()
				p.expect(";")
			} else if mark != ";" {
				p.fail("%q after an edge", mark)
			}
		case "[":
			d.nodes[id] = p.attributes()
			p.expect(";")
		default:
			p.fail("%q after %s", mark, id)
		}
	}
	if strings.TrimSpace(p.rest) != "" {
		p.fail("%.20q after the end", p.rest)
	}
	return d
}

func (p *dotParser) attributes() map[string]string {
	found := map[string]string{}
	for p.err == nil {
		name := p.next()
		p.expect("=")
		found[name] = labelText(p.next())
		if mark := p.next(); mark == "]" {
			return found
		} else if mark != "," {
			p.fail("%q after %s", mark, name)
		}
	}
	return found
}

// labelText is what Graphviz shows for a string.
func labelText(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", "&amp;", "&").Replace(strings.TrimPrefix(s, `"`))
}

func readDOT(t testing.TB, text string) drawing {
	t.Helper()
	p := dotParser{rest: text}
	d := p.read()
	if p.err != nil {
		t.Fatalf("%v in\n%s", p.err, text)
	}
	for _, e := range d.edges {
		from, to, _ := strings.Cut(e, " -> ")
		if d.nodes[from] == nil || d.nodes[to] == nil {
			t.Errorf("an edge %s between what is not there", e)
		}
	}
	if _, err := exec.LookPath("dot"); err == nil {
		c := exec.CommandContext(t.Context(), "dot", "-Tcanon")
		c.Stdin = strings.NewReader(text)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("dot: %v: %s", err, out)
		}
	}
	delete(d.nodes, "graph")
	delete(d.nodes, "node")
	delete(d.nodes, "edge")
	return d
}

// Whatever strangers write, the graph stays a graph, and shows what they wrote.
func FuzzDOT(f *testing.F) {
	for _, s := range []string{"", "plain", `"`, `\`, `\"`, `\\`, "a\nb", `\N\G\l`, "&lt;", "<b>x</b>", "x\x1b[2Jy", "\xff", "}", `"];n0->n0[label="`, strings.Repeat(`\`, 300), "\u202e"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, title, text string) {
		child := &node{label: arrow + text, digest: text, state: here, nature: nature{kind: kindAttestation, format: text, predicates: []string{text}, about: text}}
		root := &node{label: text, digest: "root", state: listed, mediaType: text, entries: []*node{{label: text, digest: text, state: missing}}, referrers: []*node{child}}
		var out strings.Builder
		if err := drawDOT(&out, title, root, true); err != nil {
			t.Fatal(err)
		}
		p := dotParser{rest: out.String()}
		d := p.read()
		if p.err != nil {
			t.Fatalf("%v in\n%s", p.err, out.String())
		}
		if d.title != clean(title) || len(d.edges) != 2 || len(d.nodes) != 3+3 {
			t.Errorf("title %q, %d edges, %d nodes", d.title, len(d.edges), len(d.nodes))
		}
		if got, want := d.nodes["n0"]["label"], cleanTo(maxNote, text); !strings.HasPrefix(got, want) {
			t.Errorf("label %q, want %q first", got, want)
		}
		for _, r := range out.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%q is printed", r)
			}
		}
	})
}
