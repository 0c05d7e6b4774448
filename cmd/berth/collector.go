package main

import (
	"os"
	"runtime/debug"
)

// spareCollector lets the heap grow to five times what is in use before it is
// collected. A registry has little in use, some megabytes, so at Go's default of
// two times a busy one collects all the time: up to a quarter of its CPU. GOGC in
// the environment overrules it.
func spareCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}
