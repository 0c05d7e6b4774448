package distribution

import "time"

// An Exchange is what can be told of a request and its answer. It holds nothing
// secret.
type Exchange struct {
	Method string // cut where it is none that anybody means
	Route  string // one of the Route constants
	Repo   string
	Ref    string // tag, digest or upload id

	// Tag is the tag that a request is about: that of its URL, or else the first
	// one that its hint names and the caller has the right to. Of a hint it is
	// what the client says: nobody has looked whether the tag leads there.
	Tag string
	// Hint is what the client says that the request is about, as it was
	// understood: tags and digests, separated by spaces.
	Hint string
	// Tags are those that a push asked for beside that of its URL.
	Tags []string
	// Pull says that the answer is the manifest that Tag names, whole: by its
	// URL, or as a hint says that names both the tag and the digest. What an
	// image or an index consists of is not another pull.
	Pull bool

	Status     int   // 499 if the client hung up before
	Bytes      int64 // of the answer's body
	Redirected int64 // size of the blob for which the client was sent elsewhere
	Duration   time.Duration
	RequestID  string
	Err        error // what was answered as an error, nil if nothing

	// What follows is zero without a Gate.

	// Principal is who made the request, "" for credentials that were no good.
	Principal string
	// Address is where the request came from, without the port.
	Address string
	// Action is what the caller wanted to do; see package access.
	Action string
	// Rule is the name of the rule that allows or denies it, or that allows it
	// for some tags and not for this.
	Rule string
	// Denied says that the request was refused for who made it. Of a ping that
	// presents nothing that is no more than how to ask for the challenge.
	Denied bool
}
