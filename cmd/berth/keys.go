package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/berthregistry/berth/shared/access/desk"
)

// keys are the commands about what signs tokens.
type keys struct {
	Rotate keysRotate `cmd:"" help:"Have tokens signed with a new key."`
}

type keysRotate struct {
	Leaked bool `help:"End the old keys at once, and with them all tokens."`
	atRegistry
	atData
}

// Help is what berth keys rotate --help says beneath the flags.
func (keysRotate) Help() string {
	return `Nobody has to log in again: what the old key has signed is good for as long as it
was made for. Do it at times. If somebody may know the key who should not, add --leaked:
then all tokens end within 15 seconds, and those that docker login has kept for
people as well, who have to log in again.`
}

// Run rotates the key.
func (c *keysRotate) Run(t terminal) error {
	where := anywhere{atRegistry: c.atRegistry, atData: c.atData}
	return visit(where.open, t, func(ctx context.Context, o *office) error {
		var done desk.Rotated
		path := "/_berth/keys/rotate"
		if c.Leaked {
			path += "?leaked"
		}
		if err := o.ask(ctx, message{method: http.MethodPost, path: path}, &done); err != nil {
			return err
		}
		_, err := fmt.Fprintf(t.out, "key %s signs tokens from %s on\n", clean(done.Key), done.From.Local().Format("15:04:05"))
		return err
	})
}
