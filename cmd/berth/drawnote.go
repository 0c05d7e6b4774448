package main

import (
	"fmt"
	"strings"
)

// maxNote is how much of a note is printed, in characters: types of predicates
// are URLs.
const maxNote = 120

// note says in a few words what is in a node, or why that is not known.
func (n *node) note() string {
	switch n.state {
	case missing:
		return "not here"
	case repeated:
		return "shown above"
	case unread:
		return "not followed any further"
	case listed:
		return n.mediaType
	}
	switch n.kind {
	case kindIndex:
		return n.indexNote()
	case kindSignature:
		if n.tag != "" && n.layers > 1 { // cosign adds a layer for each
			return count(n.layers, n.format+" signature")
		}
		return n.format + " signature"
	case kindAttestation:
		return n.attestationNote()
	case kindSBOM:
		return "SBOM"
	}
	return count(n.layers, "layer")
}

func (n *node) indexNote() string {
	all, without := n.platforms()
	switch {
	case len(all) == 0:
		return count(len(n.entries), "entry")
	case len(without) > 0:
		return fmt.Sprintf("%d of %s, without %s", len(all)-len(without), count(len(all), "platform"), strings.Join(without, ", "))
	}
	return count(len(all), "platform")
}

func (n *node) attestationNote() string {
	text := n.format + " attestation"
	if n.format == "buildkit" {
		text = "BuildKit attestation"
	}
	if n.about != "" {
		text += " of " + short(n.about)
	}
	if len(n.predicates) > 0 {
		text += ": " + strings.Join(n.predicates, ", ")
	}
	return text
}
