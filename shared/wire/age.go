package wire

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// age is how long this process has lived, and 0 where the kernel does not tell.
// It counts in hundredths of a second, which is near enough for a log.
func age() time.Duration {
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	up, _, _ := bytes.Cut(uptime, []byte(" "))
	now, err := time.ParseDuration(string(up) + "s")
	if err != nil {
		return 0
	}
	// The second field is a name in brackets that may hold anything; the 20th
	// behind it is when the process started, in ticks since the machine did.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0
	}
	ticks, err := strconv.ParseInt(string(fields[19]), 10, 64)
	if err != nil {
		return 0
	}
	const tick = time.Second / 100 // USER_HZ, the same on every architecture
	return max(0, now-time.Duration(ticks)*tick)
}
