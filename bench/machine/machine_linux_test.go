package machine_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/berthregistry/berth/bench/machine"
)

func TestCPUTimeIsThatOfTheKernel(t *testing.T) {
	var before, after syscall.Rusage
	for start := time.Now(); time.Since(start) < 100*time.Millisecond; {
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		t.Fatal(err)
	}
	got, err := machine.CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		t.Fatal(err)
	}
	const tick = 10 * time.Millisecond // both halves are rounded down
	if least, most := spent(before)-2*tick, spent(after)+2*tick; got < least || got > most {
		t.Errorf("got %v, want %v to %v", got, least, most)
	}
}

func spent(u syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestPeakMemoryGrowsWithUse(t *testing.T) {
	before, err := machine.PeakMemory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const more = 64 << 20
	used := make([]byte, more)
	for i := range used {
		used[i] = byte(i)
	}
	after, err := machine.PeakMemory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used[1] != 1 || after-before < more/2 {
		t.Errorf("peak grew by %d bytes, %d were used", after-before, more)
	}
}

func TestAbsentProcessIsAnError(t *testing.T) {
	const nobody = 1 << 30
	if _, err := machine.CPUTime(nobody); err == nil {
		t.Error("CPU time of nobody")
	}
	if _, err := machine.PeakMemory(nobody); err == nil {
		t.Error("peak memory of nobody")
	}
	if machine.Alive(nobody) || !machine.Alive(os.Getpid()) {
		t.Errorf("alive: got %v for nobody, %v for this process", machine.Alive(nobody), machine.Alive(os.Getpid()))
	}
}

func TestFreeDisk(t *testing.T) {
	if free, err := machine.FreeDisk(t.TempDir()); err != nil || free <= 0 {
		t.Errorf("got %d, %v", free, err)
	}
}
