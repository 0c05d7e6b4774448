package main

import (
	"fmt"
	"io"
	"strings"
)

// fills are the colours of kinds, light enough for black text.
var fills = map[kind]string{
	kindIndex:       "#d6e4ff",
	kindImage:       "#dff3e4",
	kindArtifact:    "#ececec",
	kindSignature:   "#ffe3b3",
	kindAttestation: "#eadcf8",
	kindSBOM:        "#fff6c2",
	kindBlob:        "#f7f7f7",
}

// A graph is a tree on its way to Graphviz. There a manifest that is met again is
// one node, with another edge to it.
type graph struct {
	strings.Builder
	whole bool
	ids   map[string]string // of manifests that are here, by digest
	made  int
}

// drawDOT writes a tree in Graphviz's language. All that strangers wrote stands in
// quoted strings; what names a node is a number.
func drawDOT(w io.Writer, title string, root *node, whole bool) error {
	g := graph{whole: whole, ids: map[string]string{}}
	fmt.Fprintf(&g, "digraph %s {\n", quoted(title))
	fmt.Fprintf(&g, "  graph [label=%s, labelloc=t, rankdir=LR, fontname=\"Helvetica\", bgcolor=\"white\"];\n", quoted(title))
	g.WriteString("  node [shape=box, style=\"rounded,filled\", color=\"#555555\", fontname=\"Helvetica\", fontsize=10];\n")
	g.WriteString("  edge [color=\"#555555\", fontname=\"Helvetica\", fontsize=9];\n")
	g.add(root)
	g.WriteString("}\n")
	_, err := io.WriteString(w, g.String())
	return err
}

// add writes a node with all beneath it and returns what it is called.
func (g *graph) add(n *node) string {
	id := g.id(n)
	if n.state == repeated {
		return id
	}
	g.node(id, n)
	for _, e := range n.entries {
		fmt.Fprintf(g, "  %s -> %s;\n", id, g.add(e))
	}
	for _, r := range n.referrers {
		// An edge back: who refers is drawn further out, and points in.
		fmt.Fprintf(g, "  %s -> %s [dir=back, style=dashed];\n", id, g.add(r))
	}
	for _, e := range n.entries {
		if about, ok := g.ids[e.about]; ok && e.state == here {
			fmt.Fprintf(g, "  %s -> %s [style=dotted, constraint=false];\n", g.ids[e.digest], about)
		}
	}
	return id
}

// id returns what a node is called: each manifest by one name, but blobs and what
// was not read each time by another.
func (g *graph) id(n *node) string {
	id, known := g.ids[n.digest]
	if known && n.state == repeated {
		return id
	}
	id = fmt.Sprintf("n%d", g.made)
	g.made++
	if n.state == here {
		g.ids[n.digest] = id
	}
	return id
}

func (g *graph) node(id string, n *node) {
	digest := n.digest
	if !g.whole {
		digest = short(digest)
	}
	lines := []string{strings.TrimPrefix(n.label, arrow), digest, n.note()}
	if n.blobs != nil {
		lines = append(lines, human(n.blobs.total()))
	}
	for i, line := range lines {
		lines[i] = escaped(cleanTo(maxNote, line))
	}
	look := fmt.Sprintf(`fillcolor="%s"`, fills[n.kind])
	if n.state == missing || n.state == unread {
		look = `style="rounded,dashed", fontcolor="#777777"`
	}
	fmt.Fprintf(g, "  %s [label=\"%s\", tooltip=%s, %s];\n", id, strings.Join(lines, `\n`), quoted(n.digest), look)
}

// quoted writes text as a string of the language.
func quoted(s string) string { return `"` + escaped(clean(s)) + `"` }

// escaped is what stands between quotes for text without control characters.
// Graphviz also reads entities of HTML there, and its own \N, \G and \l.
func escaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `&`, `&amp;`).Replace(s)
}
