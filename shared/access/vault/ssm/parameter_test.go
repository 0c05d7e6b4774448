package ssm_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const name = "/berth/team/signing-key"

// A parameter is a small SSM: one SecureString and its versions. It fails the
// test at any request that this package should not send.
type parameter struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	versions []string // the values, oldest first
	requests int
	rival    string // is written just before the next PutParameter
	lose     int    // so many answers to PutParameter
	refuse   int    // the status of all answers
}

func serve(t *testing.T) *parameter {
	t.Helper()
	p := &parameter{t: t}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *parameter) overtake(value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rival = value
}

type request struct {
	Name, Value, Type         string
	WithDecryption, Overwrite bool
}

func (p *parameter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if p.refuse != 0 {
		fail(w, p.refuse, "AccessDeniedException")
		return
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields() // a KeyId or a tier would need other permissions, or cost
	var asked request
	if err := d.Decode(&asked); err != nil {
		p.t.Errorf("request: %v", err)
	}
	switch target := r.Header.Get("X-Amz-Target"); target {
	case "AmazonSSM.GetParameter":
		p.get(w, asked)
	case "AmazonSSM.PutParameter":
		p.put(w, asked)
	default:
		p.t.Errorf("operation %s", target)
	}
}

func (p *parameter) get(w http.ResponseWriter, asked request) {
	bare, selector, selected := strings.Cut(asked.Name, ":")
	if bare != name || !asked.WithDecryption {
		p.t.Errorf("get %+v", asked)
	}
	number := len(p.versions)
	if selected {
		number, _ = strconv.Atoi(selector)
	}
	switch {
	case len(p.versions) == 0:
		fail(w, http.StatusBadRequest, "ParameterNotFound")
	case number < 1 || number > len(p.versions):
		fail(w, http.StatusBadRequest, "ParameterVersionNotFound")
	default:
		answer(w, map[string]any{"Parameter": map[string]any{
			"Name": name, "Type": "SecureString", "Value": p.versions[number-1], "Version": number,
		}})
	}
}

func (p *parameter) put(w http.ResponseWriter, asked request) {
	if asked.Name != name || asked.Type != "SecureString" || len(asked.Value) > 4096 {
		p.t.Errorf("put %+v", asked)
	}
	if p.rival != "" {
		p.versions, p.rival = append(p.versions, p.rival), ""
	}
	if len(p.versions) > 0 && !asked.Overwrite {
		fail(w, http.StatusBadRequest, "ParameterAlreadyExists")
		return
	}
	p.versions = append(p.versions, asked.Value)
	if p.lose > 0 { // it happened, and nobody hears of it
		p.lose--
		fail(w, http.StatusInternalServerError, "InternalServerError")
		return
	}
	answer(w, map[string]any{"Version": len(p.versions), "Tier": "Standard"})
}

func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	answer(w, map[string]string{"__type": code, "message": "no"})
}

func answer(w http.ResponseWriter, what any) { _ = json.NewEncoder(w).Encode(what) }
