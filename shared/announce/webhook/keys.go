package webhook

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/table"
)

// All keys of this package:
//
//	hooks
//	  hook#<hook>                          a hook that events were kept for
//	hook#<hook>
//	  event#<change>#<id>                  an event that the hook is owed
//	letters
//	  letter#<hook>#<change>#<id>          an event that it did not take
//
// The change is the number of the one that the event tells of, of a fixed width,
// so that a partition is in the order in which things happened and an event that
// comes twice is found. A time would not do: changes that are committed together
// have the same, and clocks are set back. Ids are hexadecimal.

const (
	hooksPartition   = "hooks"
	hookPrefix       = "hook#"
	eventPrefix      = "event#"
	lettersPartition = "letters"
	letterPrefix     = "letter#"
)

// Names of attributes.
const (
	attrEvent  = "event"  // the event, as it is sent
	attrLine   = "line"   // the events of one line are sent one after the other
	attrTries  = "tries"  // how often it was sent in vain
	attrFirst  = "first"  // when that was first, in milliseconds since 1970
	attrNext   = "next"   // when it is sent again, likewise
	attrPlace  = "place"  // of the hook
	attrReason = "reason" // why it is a letter
	attrDied   = "died"   // since when, in milliseconds since 1970
)

func hookKey(hook string) table.Key {
	return table.Key{Partition: hooksPartition, Sort: hookPrefix + hook}
}

// eventKey takes the part of a sort key that tells the event.
func eventKey(hook, event string) table.Key {
	return table.Key{Partition: hookPrefix + hook, Sort: eventPrefix + event}
}

func letterKey(hook, event string) table.Key {
	return table.Key{Partition: lettersPartition, Sort: letterPrefix + hook + "#" + event}
}

// eventName is how an event is told in keys.
func eventName(e announce.Event) (string, error) {
	number, err := strconv.ParseUint(e.Change, 10, 64)
	if err != nil {
		return "", fmt.Errorf("event %s is of a change that has no number", e.ID)
	}
	return fmt.Sprintf("%020d#%s", number, e.ID), nil
}

// cutLetter is the way back from the key of a letter.
func cutLetter(key table.Key) (hook, event string) {
	hook, event, _ = strings.Cut(strings.TrimPrefix(key.Sort, letterPrefix), "#")
	return hook, event
}

// idOf is the id in the name of an event.
func idOf(event string) string { return event[strings.IndexByte(event, '#')+1:] }
