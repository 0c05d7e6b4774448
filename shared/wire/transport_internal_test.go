package wire

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A path is what lies between a function and a service. A freeze kills the
// connections that there are; later ones work.
type path struct {
	net.Listener
	to   string
	dead atomic.Int64 // bytes were sent on so many dead connections

	mu    sync.Mutex
	ended chan struct{} // of the connections that are alive
	kill  func(net.Conn)
}

// newPath leads to a server, with kill for connections that die.
func newPath(t *testing.T, server http.HandlerFunc, kill func(net.Conn)) *path {
	t.Helper()
	web := httptest.NewServer(server)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &path{Listener: l, to: web.Listener.Addr().String(), ended: make(chan struct{}), kill: kill}
	go p.accept()
	t.Cleanup(func() {
		p.Close()
		p.freeze()
		web.CloseClientConnections()
		web.Close()
	})
	return p
}

func (p *path) accept() {
	for {
		in, err := p.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		go p.carry(in, out, p.ended)
		p.mu.Unlock()
	}
}

// carry carries bytes both ways, until the connection dies; what comes then is
// kill's.
func (p *path) carry(in, out net.Conn, ended chan struct{}) {
	go io.Copy(in, out)
	first := make([]byte, 32<<10)
	for {
		n, err := in.Read(first)
		if err != nil {
			in.Close()
			out.Close()
			return
		}
		select {
		case <-ended:
			p.dead.Add(1)
			p.kill(in)
			return
		default:
		}
		out.Write(first[:n])
	}
}

func (p *path) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.ended)
	p.ended = make(chan struct{})
}

func (p *path) url() string { return "http://" + p.Addr().String() }

// reset is how a service answers on a connection that it has forgotten.
func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func credentialsOfNobody() aws.Credentials {
	return aws.Credentials{AccessKeyID: "nobody", SecretAccessKey: "nothing"}
}

func getItem(ctx context.Context, c *dynamodb.Client) error {
	_, err := c.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String("t"),
		Key:       map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "x"}},
	})
	return err
}

// A frozen environment wakes up with a pool of connections that are all dead.
// One attempt finds that out, and the next succeeds.
func TestConnectionsThatDiedInTheIce(t *testing.T) {
	const wide = 8
	var together sync.WaitGroup // makes the first requests need a connection each
	together.Add(wide)
	var count atomic.Int64
	p := newPath(t, func(w http.ResponseWriter, _ *http.Request) {
		if count.Add(1) <= wide {
			together.Done()
			together.Wait()
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		io.WriteString(w, "{}")
	}, reset)
	client := newDynamoDB(Config{Region: "eu-central-1", Credentials: credentialsOfNobody(), DynamoDB: p.url()})
	var all sync.WaitGroup
	for range wide {
		all.Go(func() {
			if err := getItem(t.Context(), client); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	p.freeze()
	start := time.Now()
	if err := getItem(t.Context(), client); err != nil {
		t.Fatalf("after the freeze: %v", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the request took %v", took)
	}
	if got := p.dead.Load(); got != 1 {
		t.Errorf("%d attempts were made on dead connections, want 1", got)
	}
}

// Worse is a connection on which nothing comes back. A large body fills the
// kernel's buffers and would then wait for minutes.
func TestConnectionThatFellSilent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends such a connection")
	}
	p := newPath(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }, func(net.Conn) {})
	client := newS3(Config{Region: "eu-central-1", Credentials: credentialsOfNobody(), S3: p.url()})
	put := func(size int) error {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String("b"), Key: aws.String("k"), Body: bytes.NewReader(make([]byte, size)),
		})
		return err
	}
	if err := put(1); err != nil {
		t.Fatal(err)
	}
	p.freeze()
	start := time.Now()
	if err := put(PartSize); err != nil {
		t.Fatalf("after the freeze: %v", err)
	}
	if p.dead.Load() != 1 {
		t.Errorf("%d attempts were made on dead connections, want 1", p.dead.Load())
	}
	if took := time.Since(start); took > 3*silence {
		t.Errorf("the request took %v", took)
	}
}

// A service that is down costs a request a part of its time, and one that
// throttles a larger one.
func TestRetriesAreFewAndFast(t *testing.T) {
	for _, c := range []struct {
		status      int
		body        string
		least, most time.Duration
	}{
		{503, "", 0, time.Second},
		{400, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}`, 800 * time.Millisecond, 4 * time.Second},
	} {
		var count atomic.Int64
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			count.Add(1)
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}))
		client := newDynamoDB(Config{Region: "eu-central-1", Credentials: credentialsOfNobody(), DynamoDB: web.URL})
		start := time.Now()
		if err := getItem(t.Context(), client); err == nil || !strings.Contains(err.Error(), strconv.Itoa(c.status)) {
			t.Errorf("%d: got %v", c.status, err)
		}
		if took := time.Since(start); count.Load() != attempts || took < c.least || took > c.most {
			t.Errorf("%d: %d attempts in %v, want %d in %v to %v", c.status, count.Load(), took, attempts, c.least, c.most)
		}
		web.Close()
	}
}

// A service that takes connections and never answers must not use up a request.
func TestAttemptsEndInsideARequest(t *testing.T) {
	const request = 29 * time.Second
	if most := attempts*bucketAnswer + (attempts-1)*longestPause; most > request-margin {
		t.Errorf("a call may take %v of a request's %v", most, request)
	}
}

// S3 may be silent for as long as it copies an object, or puts one together, and
// not longer than that with anything else.
func TestS3TakesItsTime(t *testing.T) {
	const silent = 300 * time.Millisecond
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(silent) }))
	t.Cleanup(web.Close)
	client := unhurried{newTransport(silent / 3), newTransport(0)}
	for _, tt := range []struct {
		method, query, source string
		patient               bool
	}{
		{"PUT", "", "bucket/key", true},
		{"POST", "uploadId=x", "", true},
		{"POST", "uploads", "", false},
		{"PUT", "partNumber=1&uploadId=x", "", false},
		{"GET", "", "", false},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, web.URL+"/bucket/copy?"+tt.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.source != "" {
			req.Header.Set("X-Amz-Copy-Source", tt.source)
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != tt.patient {
			t.Errorf("%s ?%s of %q: got %v, want patience: %v", tt.method, tt.query, tt.source, err, tt.patient)
		}
	}
}

func TestPause(t *testing.T) {
	for attempt, most := range map[int]time.Duration{0: firstPause, 1: firstPause, 2: 2 * firstPause, 3: 4 * firstPause, 100: longestPause} {
		for range 100 {
			if got := pause(firstPause, attempt); got < most/2 || got >= most {
				t.Fatalf("after attempt %d: got %v, want %v to %v", attempt, got, most/2, most)
			}
		}
	}
}
