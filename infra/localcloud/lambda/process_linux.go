package lambda

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// attributes makes the kernel end the child with the thread that starts it, and
// keeps a terminal's ^C from it: whether it ends, and when, is decided here.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

func (p *process) freeze() { p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.cmd.Process.Signal(syscall.SIGCONT) }

// openStatus opens what the kernel says of the process. To read it again and
// again is cheaper than to open it each time.
func openStatus(cmd *exec.Cmd) (io.ReaderAt, io.Closer) {
	file, err := os.Open("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/status")
	if err != nil {
		return bytes.NewReader(nil), io.NopCloser(nil)
	}
	return file, file
}

// memory is the most that the process ever had in memory, in bytes; 0 if
// unknown, as when it has ended.
func (p *process) memory() int64 {
	var buf [2048]byte
	n, _ := p.status.ReadAt(buf[:], 0)
	_, rest, ok := bytes.Cut(buf[:n], []byte("VmHWM:"))
	if !ok {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte(" kB"))
	kib, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
