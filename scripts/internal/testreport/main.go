// Command testreport reads what `go test -json` prints and says what a person
// wants to know: a line for each package, the output of what failed, and what
// was skipped. Its last line counts.
//
// With BERTH_TEST_REQUIRE set a skipped test is a failure: CI may not leave
// out in silence what its machine could have run.
package main

import (
	"fmt"
	"os"
)

func main() {
	r := newReport()
	if err := r.read(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	r.print(os.Stdout)
	if err := r.verdict(os.Getenv("BERTH_TEST_REQUIRE") != ""); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
}
