package local_test

import (
	"fmt"
	"os"
	"testing"
)

// TestMain lets the test binary be the other process of some tests.
func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv("BERTH_TEST_WRITE_TO") != "":
		err = write(os.Getenv("BERTH_TEST_WRITE_TO"), os.Getenv("BERTH_TEST_ROUND"))
	case os.Getenv("BERTH_TEST_PUSH_TO") != "":
		err = push(os.Getenv("BERTH_TEST_PUSH_TO"))
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
