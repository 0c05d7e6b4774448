package line

import (
	"bytes"
	"net"
	"time"
)

// window is how many pieces of one direction of a connection are on their way
// at the most. As with TCP, what comes then has to wait.
const window = 256

// A flight is bytes on their way, or the end of them.
type flight struct {
	lands time.Time
	bytes []byte
	end   error
}

// detain is forward for what arrives later than it is sent.
func (w *way) detain(to, from *net.TCPConn) (err error) {
	flights := make(chan flight, window)
	go w.launch(flights, from)
	for f := range flights {
		if err != nil {
			continue // nobody is there for what is still on its way
		}
		time.Sleep(time.Until(f.lands))
		if err = f.end; err != nil {
			continue
		}
		if _, err = to.Write(f.bytes); err != nil {
			from.Close() // so that nothing more is launched
		}
	}
	return err
}

// launch sends off what comes, until there is no more.
func (w *way) launch(flights chan<- flight, from *net.TCPConn) {
	defer close(flights)
	buffer := make([]byte, piece)
	for {
		n, err := from.Read(buffer)
		w.pass(int64(n))
		lands := time.Now().Add(w.delay)
		if n > 0 {
			flights <- flight{lands: lands, bytes: bytes.Clone(buffer[:n])}
		}
		if err != nil {
			flights <- flight{lands: lands, end: err}
			return
		}
	}
}
