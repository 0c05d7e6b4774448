package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// The lock on the file can't say who has it. So the holder leaves its process
// id beside the file, for those who are turned away. It is only ever read
// while the lock is held, so what a crash leaves behind misleads nobody for
// longer than the next holder needs to sign.

func holderPath(path string) string { return path + ".holder" }

func sign(path string) error {
	return os.WriteFile(holderPath(path), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
}

func unsign(path string) error {
	if err := os.Remove(holderPath(path)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// heldError returns ErrHeld with what is known about the holder.
func heldError(path string) error {
	b, err := os.ReadFile(holderPath(path))
	pid := strings.TrimSpace(string(b))
	if err != nil || pid == "" {
		return ErrHeld
	}
	return fmt.Errorf("%w, %s", ErrHeld, pid)
}
