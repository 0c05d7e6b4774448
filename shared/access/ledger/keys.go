package ledger

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/berthregistry/berth/shared/table"
)

// All keys of items are built in this file.
//
//	access
//	  policy              the policy as compiled, which every function reads
//	  source              the same as it was written, when and by whom
//	  keys                the public keys that verify tokens
//	  revoked             an attribute for each access key revoked of late
//	  robot#<key id>      an access key of a robot
//	  attempt#<hash>      failures to log in, by the hash of a name
//
// All of it is one partition, so that who makes tokens can be kept to it. What
// is secret is not here: of robots there are hashes, of keys the public half.

const partition = "access"

var (
	policyKey  = table.Key{Partition: partition, Sort: "policy"}
	sourceKey  = table.Key{Partition: partition, Sort: "source"}
	keysKey    = table.Key{Partition: partition, Sort: "keys"}
	revokedKey = table.Key{Partition: partition, Sort: "revoked"}
)

const robotPrefix = "robot#"

func robotKey(id string) table.Key {
	return table.Key{Partition: partition, Sort: robotPrefix + id}
}

// attemptKey hides the name: people type passwords where the user goes, and
// addresses are nobody's business. The hash bounds its length, too.
func attemptKey(name string) table.Key {
	sum := sha256.Sum256([]byte("attempt " + name))
	return table.Key{Partition: partition, Sort: "attempt#" + hex.EncodeToString(sum[:16])}
}
