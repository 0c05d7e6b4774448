package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// treeVersion is the version of the JSON that berth tree prints. Fields may come;
// what one means changes only with the version. See docs/tree.md.
const treeVersion = 1

// A treeDocument is the whole of it.
type treeDocument struct {
	Version   int           `json:"version"`
	Reference string        `json:"reference"`
	Root      *nodeDocument `json:"root"`
}

// A nodeDocument is a node as programs read it.
type nodeDocument struct {
	Digest         string          `json:"digest"`
	MediaType      string          `json:"mediaType"`
	Size           int64           `json:"size"`
	State          state           `json:"state"`
	Kind           kind            `json:"kind"`
	ArtifactType   string          `json:"artifactType,omitempty"`
	Format         string          `json:"format,omitempty"`
	PredicateTypes []string        `json:"predicateTypes,omitempty"`
	Platform       string          `json:"platform,omitempty"`
	About          string          `json:"about,omitempty"`
	Tag            string          `json:"tag,omitempty"`
	Layers         int             `json:"layers,omitempty"`
	Total          int64           `json:"total,omitempty"`
	Missing        []string        `json:"missing,omitempty"`
	Entries        []*nodeDocument `json:"entries,omitempty"`
	Referrers      []*nodeDocument `json:"referrers,omitempty"`
}

// drawJSON writes a tree for programs.
func drawJSON(w io.Writer, reference string, root *node) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(treeDocument{treeVersion, reference, root.document()}); err != nil {
		return err
	}
	_, err := w.Write(printable(out.Bytes()))
	return err
}

func (n *node) document() *nodeDocument {
	_, without := n.platforms()
	return &nodeDocument{
		Digest: n.digest, MediaType: n.mediaType, Size: n.size, State: n.state, Kind: n.kind,
		ArtifactType: n.artifactType, Format: n.format, PredicateTypes: n.predicates, Platform: n.platform,
		About: n.about, Tag: n.tag, Layers: n.layers, Total: n.blobs.total(), Missing: without,
		Entries: documents(n.entries), Referrers: documents(n.referrers),
	}
}

func documents(nodes []*node) []*nodeDocument {
	var out []*nodeDocument
	for _, n := range nodes {
		out = append(out, n.document())
	}
	return out
}

// printable escapes what JSON may hold as it is and a terminal might obey: the
// value stays the same. Outside of strings there is nothing but ASCII.
func printable(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		switch {
		case r == utf8.RuneError: // also for bytes that are no UTF-8
			out = append(out, "\ufffd"...)
		case r == '\n' || unicode.IsPrint(r):
			out = append(out, raw[:size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		raw = raw[size:]
	}
	return out
}
